//! What the rules of the debug registers compare.
//!
//! Sources: SDM vol. 3B, "Debug Status Register (DR6)", "Debug Registers DR4 and DR5"; SDM vol. 2, "MOV—Move to/from Debug
//! Registers". The tests of the suite compile this for the host.

use case::message::outcome;

/// Bits of DR6 that belong to later extensions: bus-lock and transactional debugging.
pub(crate) const LATER_OF_DR6: u64 = 1 << 11 | 1 << 16;
/// The bits of DR6 that software may write on every processor: B0 to B3, BD, BS, BT.
pub(crate) const WRITABLE_OF_DR6: u64 = 0xe00f;
/// What DR6 reads where nothing is set.
pub(crate) const FIXED_OF_DR6: u64 = 0xffff_0ff0;
/// What DR7 reads where nothing is set.
const FIXED_OF_DR7: u64 = 1 << 10;

/// Actual and expected: the outcome of DIV by 0, and DR6 behind it, which held these causes.
pub(crate) const fn stay(causes: u64, outcome: u64, dr6: u64) -> [(u64, u64); 2] {
    [(outcome, outcome::exception(0, 0)), (dr6 & WRITABLE_OF_DR6, causes)]
}

/// Actual and expected: the outcome of an access at CPL 3, and its saved instruction pointer.
pub(crate) const fn access_at_cpl_3(outcome: u64, ip: u64) -> [(u64, u64); 2] {
    [(outcome, outcome::exception(13, 0)), (ip, 0)]
}

/// Actual and expected of MOV from DR4 or DR5: its outcome, and the low half of what it read while CR4.DE is clear.
pub(crate) const fn alias(number: usize, extensions: bool, outcome: u64, value: u64) -> [Option<(u64, u64)>; 2] {
    if extensions {
        return [Some((outcome, outcome::exception(6, 0))), None];
    }
    let (ignored, expected) =
        if number == 4 { (LATER_OF_DR6, FIXED_OF_DR6 & !LATER_OF_DR6) } else { (0, FIXED_OF_DR7) };
    [Some((outcome, outcome::COMPLETED)), Some((value & 0xffff_ffff & !ignored, expected))]
}
