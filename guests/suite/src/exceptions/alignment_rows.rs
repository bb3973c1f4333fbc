//! Instructions that access memory at [EDI], or at [BX] and [DI], and how much of it: what the case of alignment checks walks through.
//!
//! The tests of the suite compile this for the host, and ask a decoder.

use case::Text;

/// What each row is, in both tables.
pub(crate) const NAMES: &[Text] = &[
    Text::new("load of 1"),
    Text::new("load of 2"),
    Text::new("load of 4"),
    Text::new("store of 2"),
    Text::new("store of 4"),
    Text::new("ADD to 4"),
    Text::new("XCHG with 4"),
    Text::new("LOCK XADD with 4"),
    Text::new("MOVSD"),
    Text::new("CMPSW"),
    Text::new("STOSD"),
    Text::new("MOVZX of 2"),
    Text::new("TEST of 4"),
    Text::new("BT of 4"),
    Text::new("IMUL of 4"),
    Text::new("PUSH from memory"),
    Text::new("POP to memory"),
];

/// An instruction at [EDI], or at [BX] or [DI] in 16-bit code, and the size of what it accesses there.
pub(crate) type Row = (&'static [u8], u64);

/// For 32-bit code.
pub(crate) const ROWS_32: [Row; 17] = [
    (&[0x8a, 0x07], 1),
    (&[0x66, 0x8b, 0x07], 2),
    (&[0x8b, 0x07], 4),
    (&[0x66, 0x89, 0x07], 2),
    (&[0x89, 0x07], 4),
    (&[0x01, 0x07], 4),
    (&[0x87, 0x07], 4),
    (&[0xf0, 0x0f, 0xc1, 0x07], 4),
    // The other operand of these stays aligned.
    (&[0xa5], 4),
    (&[0x66, 0xa7], 2),
    (&[0xab], 4),
    (&[0x0f, 0xb7, 0x07], 2),
    (&[0xf7, 0x07, 1, 0, 0, 0], 4),
    (&[0x0f, 0xba, 0x27, 1], 4),
    (&[0x0f, 0xaf, 0x07], 4),
    (&[0xff, 0x37], 4),
    (&[0x8f, 0x07], 4),
];

/// The same for 16-bit code, whose PUSH and POP have 16 bits.
pub(crate) const ROWS_16: [Row; 17] = [
    (&[0x8a, 0x07], 1),
    (&[0x8b, 0x07], 2),
    (&[0x66, 0x8b, 0x07], 4),
    (&[0x89, 0x07], 2),
    (&[0x66, 0x89, 0x07], 4),
    (&[0x66, 0x01, 0x07], 4),
    (&[0x66, 0x87, 0x07], 4),
    (&[0x66, 0xf0, 0x0f, 0xc1, 0x07], 4),
    (&[0x66, 0xa5], 4),
    (&[0xa7], 2),
    (&[0x66, 0xab], 4),
    (&[0x66, 0x0f, 0xb7, 0x07], 2),
    (&[0x66, 0xf7, 0x07, 1, 0, 0, 0], 4),
    (&[0x66, 0x0f, 0xba, 0x27, 1], 4),
    (&[0x66, 0x0f, 0xaf, 0x07], 4),
    (&[0xff, 0x37], 2),
    (&[0x8f, 0x07], 2),
];
