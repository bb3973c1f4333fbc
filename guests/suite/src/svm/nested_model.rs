//! What nested paging makes of an access. It compiles for the host too: the walk of nested tables is the walk of
//! ordinary ones by a user, of which there is one model.
//!
//! Source: APM vol. 2, "Nested Paging".

/// The fault was of the access's own guest-physical address.
pub(crate) const FINAL: u64 = 1 << 32;
/// The fault was of the address of a guest's paging-structure entry.
pub(crate) const WALK: u64 = 1 << 33;

/// Bits of EXITINFO1 that an entry of the guest's tables leads to whose page is not present: reads of them count as writes of a
/// user.
pub(crate) const WALK_NOT_PRESENT: u64 = WALK | 6;
/// The same where the page is present, and is forbidden.
pub(crate) const WALK_FORBIDDEN: u64 = WALK | 7;

/// Which of the four levels have something done to them: bit 3 is the PML4's.
pub(crate) const fn entries(all: [u64; 4], levels: u64, set: u64, clear: u64) -> [u64; 4] {
    let mut result = all;
    let mut index = 0;
    while index < 4 {
        if levels >> (3 - index) & 1 != 0 {
            result[index] = result[index] & !clear | set;
        }
        index += 1;
    }
    result
}
