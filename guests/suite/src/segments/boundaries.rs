//! Addresses on both sides of every canonical boundary, for branches that may go there.

use super::model;
use case::Text;
use rt::names;

/// Both sides of every boundary, none of them mapped.
pub(crate) const TARGETS: [u64; 12] = [
    0x0000_7fff_ffff_f000,
    0x0000_7fff_ffff_ffff,
    0x0000_8000_0000_0000,
    0x0000_ffff_ffff_ffff,
    0x00ff_ffff_ffff_ffff,
    0x0100_0000_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xfeff_ffff_ffff_ffff,
    0xffff_0000_0000_0000,
    0xffff_7fff_ffff_ffff,
    0xffff_8000_0000_0000,
];
/// Their names, as those of rows.
pub(crate) const NAMES: &[Text] = names![
    "00007ffffffff000",
    "00007fffffffffff",
    "0000800000000000",
    "0000ffffffffffff",
    "00ffffffffffffff",
    "0100000000000000",
    "7fffffffffffffff",
    "8000000000000000",
    "feffffffffffffff",
    "ffff000000000000",
    "ffff7fffffffffff",
    "ffff800000000000"
];

/// Four-level paging is on: the runtime turns on no other.
const LINEAR_BITS: u32 = 48;

/// Whether an address is canonical.
pub(crate) const fn is_canonical(address: u64) -> bool {
    model::is_canonical(address, LINEAR_BITS)
}
