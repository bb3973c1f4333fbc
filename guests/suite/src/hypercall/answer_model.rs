//! What a KVM hypercall answers.
//!
//! Sources: Linux, "Linux KVM Hypercall" (Documentation/virt/kvm/x86/hypercalls.rst), and
//! include/uapi/linux/kvm_para.h. The tests of the suite compile this for the host.

use case::message::outcome;

/// `-KVM_EPERM`.
pub(crate) const NOT_PERMITTED: u64 = -1_i64 as u64;

/// Actual and expected of a hypercall at CPL 3, whatever its number: the outcome, and RAX.
pub(crate) const fn refused(outcome: u64, rax: u64) -> [(u64, u64); 2] {
    [(outcome, outcome::COMPLETED), (rax, NOT_PERMITTED)]
}

/// `-KVM_ENOSYS`.
pub(crate) const NO_SUCH_CALL: u64 = -1000_i64 as u64;

/// Numbers that are tried outside of 64-bit mode, and what each answers at CPL 0.
pub(crate) const NUMBERS: [(u32, u64); 5] =
    [(1, 0), (0, NO_SUCH_CALL), (2, NO_SUCH_CALL), (12345, NO_SUCH_CALL), (1 << 31, NO_SUCH_CALL)];

/// Actual and expected outside of 64-bit mode: the outcome, EAX of the number's answer, and whether EBX, ECX, EDX and ESI
/// were kept. Only the low halves of registers count there.
pub(crate) const fn narrow(is_user: bool, answer: u64, outcome: u64, rax: u64, are_kept: bool) -> [(u64, u64); 3] {
    let expected = if is_user { NOT_PERMITTED } else { answer };
    [(outcome, outcome::COMPLETED), (rax & 0xffff_ffff, expected & 0xffff_ffff), (are_kept as u64, 1)]
}
