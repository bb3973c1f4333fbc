//! What an instruction leaves of the bits of a vector register above those that it writes.
//!
//! Sources: SDM vol. 1, "512-Bit Wide SIMD Register Support"; SDM vol. 2, "Vector Length Transition and Programming
//! Considerations", "VZEROUPPER—Zero Upper Bits of YMM and ZMM Registers". The tests of the suite compile this for the host.

/// Encodings, by what they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// SSE: bits above 127 stay.
    Legacy,
    /// VEX.128 and EVEX.128: bits above 127 become zero.
    Vector128,
    /// VEX.256 and EVEX.256: bits above 255 become zero.
    Vector256,
    /// None that writes the register.
    Other,
}

/// What the quadwords 2 to 7 held before.
pub(crate) const UPPER: [u64; 6] =
    [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x1111_2222_3333_4444, 0x5555_6666_7777_8888, 1, u64::MAX];

/// Actual and expected: bit n is set if quadword n, from 2 on, is not what it was; bit n + 8 if it is not zero. Quadwords
/// 2 and 3 that VEX.256 writes do not count.
pub(crate) const fn column(encoding: Encoding, seen: &[u64; 6]) -> (u64, u64) {
    let (mut changed, mut nonzero, mut index) = (0, 0, 0);
    while index < 6 {
        if seen[index] != UPPER[index] {
            changed |= 4 << index;
        }
        if seen[index] != 0 {
            nonzero |= 4 << index;
        }
        index += 1;
    }
    match encoding {
        Encoding::Legacy | Encoding::Other => (changed, 0),
        Encoding::Vector128 => (nonzero << 8, 0),
        Encoding::Vector256 => ((nonzero & 0xf0) << 8, 0),
    }
}
