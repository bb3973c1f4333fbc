//! What accesses of CPL 3 to a page lead to while user shadow stacks are enabled.
//!
//! Source: SDM vol. 3A, "Determination of Access Rights" and "Page-Fault Exceptions".

use case::message::outcome::{COMPLETED, exception};

/// What CPL 3 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// CALL puts the return address on the shadow stack.
    Push,
    /// RET takes it from there.
    Pop,
    /// A data read.
    Read,
    /// A data write.
    Write,
}

/// Bits of an entry: P, R/W, U/S, D.
pub(crate) const P: u64 = 1 << 0;
pub(crate) const RW: u64 = 1 << 1;
pub(crate) const US: u64 = 1 << 2;
pub(crate) const D: u64 = 1 << 6;

/// The leaf entries that are tried: each combination of P, R/W, U/S and D.
pub(crate) const LEAVES: [u64; 16] = {
    let mut leaves = [0; 16];
    let mut row = 0;
    while row < leaves.len() {
        let bits = row as u64;
        leaves[row] = bits & (P | RW | US) | ((bits >> 3) * D);
        row += 1;
    }
    leaves
};

/// What the access leads to, where `leaf` maps the page and the entries above have all rights, but R/W if `parents` says so.
///
/// A shadow-stack page has R/W clear and D set in the entry that maps it, and R/W set in every other.
pub(crate) const fn decide(leaf: u64, parents_are_writable: bool, access: Access) -> u64 {
    const W_CODE: u32 = 1 << 1;
    const U_CODE: u32 = 1 << 2;
    const SS_CODE: u32 = 1 << 6;
    let is_user = leaf & US != 0;
    let is_writable = leaf & RW != 0 && parents_are_writable;
    let is_shadow_stack = leaf & RW == 0 && leaf & D != 0 && parents_are_writable;
    let (is_allowed, code) = match access {
        Access::Push => (is_user && is_shadow_stack, U_CODE | SS_CODE | W_CODE),
        Access::Pop => (is_user && is_shadow_stack, U_CODE | SS_CODE),
        Access::Read => (is_user, U_CODE),
        Access::Write => (is_user && is_writable, U_CODE | W_CODE),
    };
    if leaf & P == 0 {
        exception(14, code)
    } else if is_allowed {
        COMPLETED
    } else {
        exception(14, code | 1)
    }
}
