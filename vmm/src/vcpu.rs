//! One vCPU: enter the guest, give the exit to a device, tell the observer.

#![expect(unsafe_code, reason = "the pointer to the page shared with KVM must not outlive the vCPU")]
// UNSAFETY: one construction of `RunPage` beside the vCPU whose borrow bounds its use.

mod readiness;
mod step;
mod unfinished;

pub(crate) use step::Step;
pub(crate) use unfinished::{Pending, Unfinished};

use crate::{
    bus::{Bus, Flow},
    control::{Control, Registration},
    dirty,
    memory::GuestMemory,
    observer::{CpuView, Exit, ExitObserver},
    platform::Platform,
    run_page::RunPage,
    stop::StopReason,
};
use kvm_ioctls::{VcpuExit, VcpuFd};
use readiness::Readiness;
use std::thread;

/// What vCPUs of a VM take turns with.
pub(crate) struct Outside<'a> {
    pub(crate) bus: &'a mut Bus,
    pub(crate) observer: &'a mut dyn ExitObserver,
}

/// A vCPU on the thread that runs it.
pub(crate) struct Runner<'a> {
    index: u8,
    vcpu: &'a mut VcpuFd,
    page: RunPage,
    memory: &'a GuestMemory,
    /// Data of the exit at hand, kept for the observer; allocated once.
    data: Vec<u8>,
    nr_exits: u64,
    platform: Option<&'a Platform>,
    unfinished: &'a mut Unfinished,
    /// The CR8 that the guest was entered with.
    cr8: u8,
    _registration: Registration<'a>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        index: u8,
        vcpu: &'a mut VcpuFd,
        unfinished: &'a mut Unfinished,
        memory: &'a GuestMemory,
        control: &'a Control,
        platform: Option<&'a Platform>,
    ) -> Self {
        // SAFETY: this value borrows the vCPU for longer than it uses the page, and so does the registration in it,
        // whose drop takes the page away from signal handlers.
        let page = unsafe { RunPage::new(vcpu) };
        let registration = Registration::new(control, index, page);
        Self {
            index,
            vcpu,
            page,
            memory,
            data: Vec::new(),
            nr_exits: 0,
            platform,
            unfinished,
            cr8: 0,
            _registration: registration,
        }
    }

    pub(crate) fn vcpu(&self) -> &VcpuFd {
        self.vcpu
    }

    pub(crate) fn nr_exits(&self) -> u64 {
        self.nr_exits
    }

    /// Allows the guest to be entered again after an interruption. Check for its reason after this, not before: then a
    /// signal that comes in between is seen by the next entry.
    pub(crate) fn allow_entry(&self) {
        self.page.set_immediate_exit(false);
    }

    /// Enters the guest once and handles its exit; `outside` is taken only for an exit.
    pub(crate) fn step<'o, O>(&mut self, outside: impl FnOnce() -> O) -> Step
    where
        O: std::ops::DerefMut<Target = Outside<'o>>,
    {
        let (page, memory) = (self.page, self.memory);
        let (platform, index) = (self.platform, self.index);
        match platform.map(|platform| self.prepare_entry(platform)) {
            None | Some(Ok(Readiness::Ready)) => {}
            Some(Ok(Readiness::Idle)) => {
                // Whoever has something for this vCPU, its end among it, wakes it; also if that was before.
                thread::park();
                return Step::Interrupted;
            }
            Some(Err(reason)) => return Step::Stop(reason),
        }
        if let Some(fault) = &mut self.unfinished.fault
            && let Err(error) = fault.before_entry(self.vcpu, memory)
        {
            return Step::Stop(error.into());
        }
        self.data.clear();
        let result = self.vcpu.run();
        let local = platform.filter(|platform| platform.has_local_apics());
        if let Some(platform) = local
            && page.cr8() != self.cr8
        {
            platform.set_cr8(index, page.cr8());
        }
        let mut written = None;
        let takes_msrs = self.unfinished.fault.as_ref().is_some_and(|fault| fault.takes_msrs());
        let debugs = self.unfinished.fault.as_ref().is_some_and(|fault| fault.debugs());
        let mut outside = outside();
        let bus = &mut *outside.bus;
        let unexpected =
            |name| (Exit::Other { name }, Step::Stop(StopReason::UnexpectedExit { name, number: page.exit_reason() }));
        let (exit, step) = match result {
            Ok(VcpuExit::IoOut(port, data)) => {
                let size = page.port_access_size();
                self.data.extend_from_slice(data);
                let flow = bus.write_port(port, size, data, memory);
                let count = (data.len() / size) as u32;
                let step = match flow {
                    Flow::TellPaused => {
                        // It is refused where the guest has no such clock.
                        let _ = self.vcpu.kvmclock_ctrl();
                        Step::Continue
                    }
                    Flow::PulseLint1 => self.pulse_lint1(),
                    flow => flow.into(),
                };
                (Exit::PioOut { port, size: size as u8, count, data: &self.data }, step)
            }
            Ok(VcpuExit::IoIn(port, data)) => {
                let size = page.port_access_size();
                let flow = bus.read_port(port, size, data);
                self.data.extend_from_slice(data);
                let count = (data.len() / size) as u32;
                (Exit::PioIn { port, size: size as u8, count, data: &self.data }, flow.into())
            }
            Ok(VcpuExit::MmioWrite(address, data)) => {
                self.data.extend_from_slice(data);
                let step = match local.and_then(|platform| platform.write_apic(index, address, data)) {
                    Some(result) => result.into(),
                    None => bus.write_memory(address, data, memory).into(),
                };
                (Exit::MmioWrite { address, data: &self.data }, step)
            }
            Ok(VcpuExit::MmioRead(address, data)) => {
                let step = match local.and_then(|platform| platform.read_apic(index, address, data)) {
                    Some(result) => result.into(),
                    None => bus.read_memory(address, data).into(),
                };
                self.data.extend_from_slice(data);
                (Exit::MmioRead { address, data: &self.data }, step)
            }
            Ok(VcpuExit::Hlt) if local.is_some() => {
                self.unfinished.is_halted = true;
                (Exit::Hlt, Step::Continue)
            }
            Ok(VcpuExit::Hlt) => (Exit::Hlt, Step::Stop(StopReason::Halted)),
            Ok(VcpuExit::Shutdown) => (Exit::Shutdown, Step::Stop(StopReason::Shutdown)),
            Ok(VcpuExit::InternalError) => {
                let (suberror, data) = page.internal_error();
                (Exit::InternalError { suberror }, Step::Stop(StopReason::InternalError { suberror, data }))
            }
            Ok(VcpuExit::FailEntry(hardware_entry_failure_reason, cpu)) => (
                Exit::Other { name: "KVM_EXIT_FAIL_ENTRY" },
                Step::Stop(StopReason::FailEntry { hardware_entry_failure_reason, cpu }),
            ),
            Ok(VcpuExit::SystemEvent(event, data)) => (
                Exit::Other { name: "KVM_EXIT_SYSTEM_EVENT" },
                Step::Stop(StopReason::SystemEvent { event, data: data.to_vec() }),
            ),
            Ok(VcpuExit::Debug(_)) if debugs => (Exit::Other { name: "KVM_EXIT_DEBUG" }, Step::Continue),
            Ok(VcpuExit::Debug(debug)) => (Exit::Other { name: "KVM_EXIT_DEBUG" }, Step::Debug(debug)),
            Ok(VcpuExit::Intr) => return Step::Interrupted,
            // Nothing of the guest's doing: whoever keeps account of dirty pages makes room, and goes on.
            Ok(VcpuExit::Unsupported(dirty::RING_FULL)) => return Step::Stop(StopReason::Suspended),
            // EAGAIN: a vCPU that waited for its start-up IPI has received it.
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => return Step::Interrupted,
            Err(error) => return Step::Stop(StopReason::KvmError { errno: error.errno() }),
            // None of these is asked for when the VM is made.
            Ok(VcpuExit::Unknown) => unexpected("KVM_EXIT_UNKNOWN"),
            Ok(VcpuExit::Exception) => unexpected("KVM_EXIT_EXCEPTION"),
            Ok(VcpuExit::Hypercall(_)) => unexpected("KVM_EXIT_HYPERCALL"),
            // What asked for it is at the start of the next step.
            Ok(VcpuExit::IrqWindowOpen) if self.platform.is_some() => return Step::Continue,
            Ok(VcpuExit::IrqWindowOpen) => unexpected("KVM_EXIT_IRQ_WINDOW_OPEN"),
            // What it was set to is in the page, and is taken from there by a local APIC; a machine without one has a CR8 all
            // the same, which KVM keeps.
            Ok(VcpuExit::SetTpr) => (Exit::Other { name: "KVM_EXIT_SET_TPR" }, Step::Continue),
            Ok(VcpuExit::TprAccess) => unexpected("KVM_EXIT_TPR_ACCESS"),
            Ok(VcpuExit::S390Sieic) => unexpected("KVM_EXIT_S390_SIEIC"),
            Ok(VcpuExit::S390Reset) => unexpected("KVM_EXIT_S390_RESET"),
            Ok(VcpuExit::Dcr) => unexpected("KVM_EXIT_DCR"),
            Ok(VcpuExit::Nmi) => unexpected("KVM_EXIT_NMI"),
            Ok(VcpuExit::Osi) => unexpected("KVM_EXIT_OSI"),
            Ok(VcpuExit::PaprHcall) => unexpected("KVM_EXIT_PAPR_HCALL"),
            Ok(VcpuExit::S390Ucontrol) => unexpected("KVM_EXIT_S390_UCONTROL"),
            Ok(VcpuExit::Watchdog) => unexpected("KVM_EXIT_WATCHDOG"),
            Ok(VcpuExit::S390Tsch) => unexpected("KVM_EXIT_S390_TSCH"),
            Ok(VcpuExit::Epr) => unexpected("KVM_EXIT_EPR"),
            Ok(VcpuExit::S390Stsi) => unexpected("KVM_EXIT_S390_STSI"),
            Ok(VcpuExit::IoapicEoi(vector)) => match platform {
                Some(platform) => {
                    (Exit::Other { name: "KVM_EXIT_IOAPIC_EOI" }, platform.end_of_interrupt(vector).into())
                }
                None => unexpected("KVM_EXIT_IOAPIC_EOI"),
            },
            Ok(VcpuExit::Hyperv) => unexpected("KVM_EXIT_HYPERV"),
            Ok(VcpuExit::X86Rdmsr(_)) if takes_msrs => (Exit::Other { name: "KVM_EXIT_X86_RDMSR" }, Step::Continue),
            Ok(VcpuExit::X86Wrmsr(_)) if takes_msrs => (Exit::Other { name: "KVM_EXIT_X86_WRMSR" }, Step::Continue),
            Ok(VcpuExit::X86Rdmsr(exit)) if local.is_some() => {
                match local.map(|platform| platform.read_msr(index, exit.index)) {
                    Some(Ok(value)) => *exit.data = value,
                    _ => *exit.error = 1,
                }
                (Exit::Other { name: "KVM_EXIT_X86_RDMSR" }, Step::Continue)
            }
            Ok(VcpuExit::X86Wrmsr(exit)) if local.is_some() => {
                let step = match local.map(|platform| platform.write_msr(index, exit.index, exit.data)) {
                    Some(Ok(Ok(()))) => {
                        written = Some((exit.index, exit.data));
                        Step::Continue
                    }
                    Some(Err(failure)) => Step::Stop(failure.into()),
                    _ => {
                        *exit.error = 1;
                        Step::Continue
                    }
                };
                (Exit::Other { name: "KVM_EXIT_X86_WRMSR" }, step)
            }
            Ok(VcpuExit::X86Rdmsr(_)) => unexpected("KVM_EXIT_X86_RDMSR"),
            Ok(VcpuExit::X86Wrmsr(_)) => unexpected("KVM_EXIT_X86_WRMSR"),
            Ok(VcpuExit::MemoryFault { .. }) => unexpected("KVM_EXIT_MEMORY_FAULT"),
            Ok(VcpuExit::Unsupported(_)) => unexpected("an exit that kvm-ioctls does not know"),
        };
        let step = match written.zip(local).map(|(msr, platform)| self.complete_write(platform, msr)) {
            Some(Err(reason)) => Step::Stop(reason),
            _ => step,
        };
        let step = match &mut self.unfinished.fault {
            Some(fault) => match fault.after_exit(self.vcpu, memory, page, &exit) {
                Ok(()) => step,
                Err(error) => Step::Stop(error.into()),
            },
            None => step,
        };
        self.nr_exits += 1;
        outside.observer.exit(self.index, &exit, &CpuView { vcpu: self.vcpu, memory });
        step
    }
}
