//! Which address a 64-bit data access reaches while upper bits of linear addresses are masked.
//!
//! Source: SDM vol. 3A, "Linear-Address Pre-Processing", on LAM. Fetches, branches, and what is written to registers are not
//! masked.

/// The control bits that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Masking {
    /// CR3.LAM_U48.
    pub(crate) user_48: bool,
    /// CR3.LAM_U57, which comes before the other.
    pub(crate) user_57: bool,
    /// CR4.LAM_SUP.
    pub(crate) supervisor: bool,
    /// CR4.LA57.
    pub(crate) five_levels: bool,
}

impl Masking {
    /// Number of bits of a linear address.
    const fn address_bits(self) -> u32 {
        if self.five_levels { 57 } else { 48 }
    }

    /// How many low bits of a pointer are kept, by its bit 63; `None` if it is not masked.
    const fn kept_bits(self, is_supervisor: bool) -> Option<u32> {
        match (is_supervisor, self) {
            (true, Self { supervisor: true, .. }) => Some(self.address_bits()),
            (false, Self { user_57: true, .. }) => Some(57),
            (false, Self { user_48: true, .. }) => Some(48),
            _ => None,
        }
    }

    /// The linear address that a data access by this pointer reaches; `None` if it raises #GP(0) instead.
    pub(crate) const fn reached(self, pointer: u64) -> Option<u64> {
        const TOP: u64 = 1 << 63;
        let address = match self.kept_bits(pointer & TOP != 0) {
            Some(bits) => {
                let extended = ((pointer << (64 - bits)) as i64 >> (64 - bits)) as u64;
                extended & !TOP | pointer & TOP
            }
            None => pointer,
        };
        let upper = address as i64 >> (self.address_bits() - 1);
        if upper == 0 || upper == -1 { Some(address) } else { None }
    }
}

/// What is put over bits 63 to 47 of a good pointer: single bits, and patterns.
pub(crate) const METADATA: [u64; 23] = [
    0,
    1 << 47,
    1 << 48,
    1 << 49,
    1 << 50,
    1 << 51,
    1 << 52,
    1 << 53,
    1 << 54,
    1 << 55,
    1 << 56,
    1 << 57,
    1 << 58,
    1 << 59,
    1 << 60,
    1 << 61,
    1 << 62,
    1 << 63,
    0x7fff << 48,
    0x3f << 57,
    0x2aaa << 49,
    0x2aaa << 48,
    0xffff << 48,
];
