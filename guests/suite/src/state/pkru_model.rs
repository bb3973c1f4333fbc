//! What XSAVE and XRSTOR do with PKRU, where it is the only component that is requested, or the only one beside x87 state
//! that XCR0 has.
//!
//! Sources: SDM vol. 1, "PKRU State", "Operation of XSAVE", "Operation of XRSTOR"; SDM vol. 3A, "Protection Keys". The tests
//! of the suite compile this for the host.

/// PKRU as a component.
pub(crate) const PKRU: u64 = 1 << 9;

/// An attempt: PKRU before, RFBM, and for XRSTOR XSTATE_BV and PKRU in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) before: u32,
    pub(crate) rfbm: u64,
    pub(crate) xstate_bv: u64,
    pub(crate) memory: u32,
}

/// Values of PKRU that leave key 0, that of the runtime's own pages, alone.
const VALUES: [u32; 4] = [0, 0x5555_5554, 0xffff_fffc, 0x0000_0008];
/// Number of rows.
pub(crate) const NR_ROWS: usize = 4 * 4 * 3 * 2;

/// A row by its number: every value before with every value in memory, requested alone, with x87 state, or not; present or
/// not.
pub(crate) const fn row(index: usize) -> Row {
    Row {
        before: VALUES[index % 4],
        memory: VALUES[index / 4 % 4],
        rfbm: [PKRU, PKRU | 1, 1][index / 16 % 3],
        xstate_bv: if index / 48 == 0 { PKRU } else { 0 },
    }
}

/// PKRU behind XRSTOR.
pub(crate) const fn restored(row: &Row) -> u32 {
    if row.rfbm & PKRU == 0 {
        row.before
    } else if row.xstate_bv & PKRU != 0 {
        row.memory
    } else {
        0
    }
}

/// What was seen behind XSAVE over memory that held `mark`: PKRU's bit in XSTATE_BV, and the doubleword of PKRU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) in_xstate_bv: bool,
    pub(crate) memory: u32,
}

/// Actual and expected: the bit in XSTATE_BV, which was set before and of which a processor may say that PKRU is in use
/// also where it is 0, and the doubleword in memory.
pub(crate) const fn saved_columns(row: &Row, mark: u32, seen: Saved) -> [(u64, u64); 2] {
    let is_requested = row.rfbm & PKRU != 0;
    let bit = if !is_requested || row.before != 0 { true } else { seen.in_xstate_bv };
    let memory = if is_requested { row.before } else { mark };
    [(seen.in_xstate_bv as u64, bit as u64), (seen.memory as u64, memory as u64)]
}
