//! What SYSENTER, SYSEXIT, SYSCALL and SYSRET lead to outside of long mode.
//!
//! Sources: SDM vol. 2, "SYSENTER—Fast System Call", "SYSEXIT—Fast Return from Fast System Call", "SYSCALL—Fast System
//! Call"; APM vol. 3, "SYSCALL", "SYSENTER", "SYSEXIT".

use super::{
    columns::columns,
    runtime::{
        Outcome,
        excursion::{ARENA, EFLAGS_IOPL_3, EFLAGS_VM, layout, tables::selector},
    },
};

/// Selectors that SYSENTER, SYSEXIT and their kin count from: code and data at CPL 0, code and data at CPL 3.
pub(crate) const GROUP: u16 = selector::FREE + 0x28;
/// Where SYSENTER and SYSEXIT put the stack.
pub(crate) const STACK: u32 = ARENA + layout::STACK_1;
/// Offset in the arena that SYSEXIT goes to.
pub(crate) const TARGET: u32 = layout::CODE + 0x800;
const FLAGS: u64 = (EFLAGS_IOPL_3 | 1) as u64;

columns! {
    /// What a refused instruction leaves.
    Refused { outcome, eip }
    /// What SYSENTER leads to.
    Sysenter { outcome, esp, ss, vm = EFLAGS_VM as u64, flags = FLAGS }
    /// What SYSEXIT leads to: at its target stands a HLT, which raises #GP(0) at CPL 3.
    Sysexit { outcome, eip, esp, cs, ss }
    /// What AMD's SYSCALL leads to.
    Syscall { outcome, ecx, ss, cf = 1 }
}

/// The exception is that of the instruction at `eip`.
pub(crate) const fn refused(outcome: Outcome, eip: u32) -> Refused {
    Refused { outcome: outcome.0, eip: eip as u64 }
}

/// The code at IA32_SYSENTER_EIP is reached, which ends the program, with the stack of IA32_SYSENTER_ESP; VM is cleared,
/// and other flags but IF and RF stay, of which IOPL and CF were set.
pub(crate) const SYSENTER: Sysenter =
    Sysenter { outcome: Outcome::COMPLETED.0, esp: STACK as u64, ss: (GROUP + 8) as u64, vm: 0, flags: FLAGS };

/// The code at EDX is reached with the stack at ECX, in the third and fourth segment of the group.
pub(crate) const SYSEXIT: Sysexit = Sysexit {
    outcome: Outcome::GP.0,
    eip: (ARENA + TARGET) as u64,
    esp: STACK as u64,
    cs: ((GROUP + 16) | 3) as u64,
    ss: ((GROUP + 24) | 3) as u64,
};

/// STAR's target is reached, with the address behind the two bytes of SYSCALL at `eip` in ECX; CF was set.
pub(crate) const fn syscall(eip: u32) -> Syscall {
    Syscall { outcome: Outcome::COMPLETED.0, ecx: (eip + 2) as u64, ss: (GROUP + 8) as u64, cf: 1 }
}
