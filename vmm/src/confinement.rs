//! What threads of this VMM may still ask of the kernel, once a guest runs: filters of system calls by kind of thread.
//!
//! A guest that takes over a thread can do no more than that thread's list says. A filter also ends the way to new privileges, and
//! holds for threads that the thread starts later, whose own filters come on top.
//!
//! Source: Linux, "Documentation/userspace-api/seccomp_filter.rst".

mod lists;

use lists::{Condition, of};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// What becomes of a system call that is not on a thread's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// There are no filters.
    #[default]
    Off,
    /// The call is done, and the kernel logs it.
    Log,
    /// The process ends by SIGSYS.
    Enforced,
}

/// Kinds of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadKind {
    /// Makes VMs, opens their files and starts the others.
    Main,
    /// Does what a person asks of a VM that runs.
    Control,
    /// Runs a vCPU, and does what its devices are asked.
    Vcpu,
    /// Serves what comes to devices from outside.
    Devices,
    /// Waits for the next change of a timer.
    Timers,
}

impl ThreadKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Main, Self::Control, Self::Vcpu, Self::Devices, Self::Timers];
}

/// Why a thread could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// The filter could not be made.
    #[error("failed to make the filter of system calls of a thread")]
    Filter(#[source] seccompiler::BackendError),
    /// The kernel did not take it.
    #[error("the kernel did not take the filter of system calls of a thread: it needs CONFIG_SECCOMP_FILTER")]
    Kernel(#[source] seccompiler::Error),
}

/// Confines the calling thread, for good.
///
/// # Errors
/// See [`ConfinementError`]; then nothing has changed.
pub fn confine(kind: ThreadKind, confinement: Confinement) -> Result<(), ConfinementError> {
    let otherwise = match confinement {
        Confinement::Off => return Ok(()),
        Confinement::Log => SeccompAction::Log,
        Confinement::Enforced => SeccompAction::KillProcess,
    };
    let program = program(kind, otherwise).map_err(ConfinementError::Filter)?;
    seccompiler::apply_filter(&program).map_err(ConfinementError::Kernel)
}

fn program(kind: ThreadKind, otherwise: SeccompAction) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, condition) in of(kind).into_iter().flatten() {
        let rules = rules.entry(*call).or_default();
        // Without a rule a call is always allowed.
        rules.extend(rule(*condition)?);
    }
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, TargetArch::x86_64)?.try_into()
}

fn rule(condition: Condition) -> Result<Option<SeccompRule>, seccompiler::BackendError> {
    let one = |argument, operator, value| {
        SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?]).map(Some)
    };
    match condition {
        Condition::Always => Ok(None),
        Condition::IoctlOf(group) => one(1, SeccompCmpOp::MaskedEq(0xff00), u64::from(group) << 8),
        Condition::NotExecutable => one(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0),
        Condition::First(value) => one(0, SeccompCmpOp::Eq, value as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_filter_for_each_kind() {
        for kind in ThreadKind::ALL {
            let size = program(kind, SeccompAction::KillProcess).unwrap().len();
            assert!(size > 50, "{kind:?}: {size}");
        }
    }

    #[test]
    fn nobody_may_start_programs_or_look_into_others() {
        for kind in ThreadKind::ALL {
            let calls: Vec<i64> = of(kind).into_iter().flatten().map(|(call, _)| *call).collect();
            for forbidden in
                [libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_writev, libc::SYS_kill]
            {
                assert!(!calls.contains(&forbidden), "{kind:?}: {forbidden}");
            }
            let may_open = calls.contains(&libc::SYS_openat);
            assert_eq!(may_open, matches!(kind, ThreadKind::Main | ThreadKind::Control), "{kind:?}");
        }
    }

    #[test]
    fn a_call_is_either_always_allowed_or_by_rules() {
        for kind in ThreadKind::ALL {
            let mut seen = BTreeMap::new();
            for (call, condition) in of(kind).into_iter().flatten() {
                let is_always = matches!(condition, Condition::Always);
                assert_eq!(*seen.entry(*call).or_insert(is_always), is_always, "{kind:?}: {call}");
            }
        }
    }
}
