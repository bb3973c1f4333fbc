//! How a run ended.

use crate::{confinement::ConfinementError, state::CpuState};
use std::{fmt, io};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The guest wrote this value to the debug exit.
    DebugExit(u32),
    /// The guest asked for a reset through the keyboard controller.
    Reset,
    /// The guest turned the machine off: sleeping state S5 of ACPI.
    PowerOff,
    /// The guest asked KVM for a shutdown, a reset or reported a crash (KVM_EXIT_SYSTEM_EVENT).
    SystemEvent {
        /// `KVM_SYSTEM_EVENT_*`.
        event: u32,
        /// What came with it.
        data: Vec<u64>,
    },
    /// A triple fault (KVM_EXIT_SHUTDOWN).
    Shutdown,
    /// HLT, where no interrupt controller could end it (KVM_EXIT_HLT).
    Halted,
    /// KVM could not go on (KVM_EXIT_INTERNAL_ERROR).
    InternalError {
        /// `KVM_INTERNAL_ERROR_*`: 1 is an instruction that its emulator cannot do.
        suberror: u32,
        /// What came with it.
        data: Vec<u64>,
    },
    /// The processor refused to enter the guest (KVM_EXIT_FAIL_ENTRY).
    FailEntry {
        /// Its reason, for example the exit reason of VMX.
        hardware_entry_failure_reason: u64,
        /// The host's processor.
        cpu: u32,
    },
    /// [`crate::VmHandle::stop`] was called.
    Requested,
    /// [`crate::VmHandle::suspend`] was called; the guest can go on, or be saved.
    Suspended,
    /// A device ended the run and said why.
    DeviceStopped(String),
    /// An exit that this VMM never asks for.
    UnexpectedExit {
        /// Its name in the kernel's terms.
        name: &'static str,
        /// Its number.
        number: u32,
    },
    /// KVM_RUN failed.
    KvmError {
        /// The error's number.
        errno: i32,
    },
}

impl From<ConfinementError> for StopReason {
    fn from(error: ConfinementError) -> Self {
        Self::DeviceStopped(match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    }
}

impl From<kvm_ioctls::Error> for StopReason {
    fn from(error: kvm_ioctls::Error) -> Self {
        Self::KvmError { errno: error.errno() }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DebugExit(value) => write!(f, "the guest left by the debug exit with {value:#x}"),
            Self::Reset => f.write_str("the guest asked for a reset"),
            Self::PowerOff => f.write_str("the guest turned the machine off"),
            Self::SystemEvent { event, data } => write!(f, "the guest raised system event {event} with {data:x?}"),
            Self::Shutdown => f.write_str("triple fault"),
            Self::Halted => f.write_str("the guest halted, and nothing could wake it"),
            Self::InternalError { suberror, data } => {
                let meaning = match suberror {
                    1 => "an instruction that KVM cannot emulate",
                    2 => "an event during the delivery of another",
                    3 => "a delivery that failed",
                    4 => "an exit that KVM does not know",
                    _ => "of unknown meaning",
                };
                write!(f, "KVM internal error {suberror} ({meaning}) with {data:x?}")
            }
            Self::FailEntry { hardware_entry_failure_reason, cpu } => {
                write!(f, "processor {cpu} refused to enter the guest, reason {hardware_entry_failure_reason:#x}")
            }
            Self::Requested => f.write_str("stopped on request"),
            Self::Suspended => f.write_str("suspended"),
            Self::DeviceStopped(reason) => write!(f, "a device ended the run: {reason}"),
            Self::UnexpectedExit { name, number } => write!(f, "unexpected exit {name} ({number})"),
            Self::KvmError { errno } => write!(f, "KVM_RUN failed: {}", io::Error::from_raw_os_error(*errno)),
        }
    }
}

/// The end of a run: why, and where the guest stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Why the run ended.
    pub reason: StopReason,
    /// The vCPU that ended it; vCPU 0 for [`StopReason::Requested`].
    pub vcpu: u8,
    /// Its registers. After port output RIP may be that of the instruction or of the next one: KVM of different
    /// versions moves it before or after the exit.
    pub cpu: CpuState,
    /// Up to 15 bytes at CS:RIP; fewer or none where nothing is mapped.
    pub instruction: Vec<u8>,
    /// Exits to this VMM of all vCPUs in this run.
    pub nr_exits: u64,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, vcpu, cpu, instruction, nr_exits } = self;
        write!(
            f,
            "{reason}; vCPU {vcpu} at {:#x}, CPL {}, bytes {instruction:02x?}, {nr_exits} exits",
            cpu.rip, cpu.cpl
        )
    }
}
