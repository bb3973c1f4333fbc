//! What SYSRET makes of R11.

use super::{RF, enable_syscall, landing_address, sysret::sysret};
use case::{Needs, Text};
use rt::{Outcome, case, check_eq, check_outcome, names, user::RFLAGS_CLEAR};

/// SYSRET loads each flag from R11.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_loads_flags() {
    // Not IF and TF, which would let something else strike first.
    const NAMES: &[Text] = names!["none", "CF", "PF", "AF", "ZF", "SF", "DF", "OF", "IOPL", "NT", "AC", "ID"];
    let flags = [0, 1, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 10, 1 << 11, 3 << 12, 1 << 14, 1 << 18, 1 << 21];
    enable_syscall();
    for (row, flag) in flags.into_iter().enumerate() {
        let rflags = sysret(landing_address(), flag | RFLAGS_CLEAR).map_or_else(|exception| exception.rflags, |()| 0);
        check_eq!("RFLAGS", [NAMES; row], rflags & !RF, flag | RFLAGS_CLEAR);
    }
}

/// SYSRET ignores VM and the reserved bits of R11.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_ignores_reserved_flags() {
    const NAMES: &[Text] =
        names!["bit 1 clear", "bit 3", "bit 5", "bit 15", "VM", "bit 22", "bit 31", "bit 32", "bit 63"];
    let bits = [0, 1 << 3, 1 << 5, 1 << 15, 1 << 17, 1 << 22, 1 << 31, 1 << 32, 1 << 63];
    enable_syscall();
    for (row, bits) in bits.into_iter().enumerate() {
        let result = sysret(landing_address(), bits);
        check_outcome!("what the UD2 at RCX raises", [NAMES; row], result, Outcome::UD);
        let rflags = result.map_or_else(|exception| exception.rflags, |()| 0);
        check_eq!("RFLAGS", [NAMES; row], rflags & !RF, RFLAGS_CLEAR);
    }
}
