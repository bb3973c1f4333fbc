//! One vCPU: enter the guest, give the exit to a device, tell the observer.

#![expect(unsafe_code, reason = "the pointer to the page shared with KVM must not outlive the vCPU")]
// UNSAFETY: one construction of `RunPage` beside the vCPU whose borrow bounds its use.

use crate::{
    bus::{Bus, Flow},
    control::{Control, Registration},
    injection::Injector,
    memory::GuestMemory,
    observer::{CpuView, Exit, ExitObserver},
    platform::Platform,
    run_page::RunPage,
    stop::StopReason,
};
use kvm_bindings::kvm_debug_exit_arch;
use kvm_ioctls::{VcpuExit, VcpuFd};

/// What vCPUs of a VM take turns with.
pub(crate) struct Outside<'a> {
    pub(crate) bus: &'a mut Bus,
    pub(crate) observer: &'a mut dyn ExitObserver,
}

/// What one entry of the guest led to.
pub(crate) enum Step {
    /// The guest can go on.
    Continue,
    /// A signal came, or KVM wants to be called again.
    Interrupted,
    /// A breakpoint or a single step.
    Debug(kvm_debug_exit_arch),
    /// The run ends.
    Stop(StopReason),
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
    injector: Injector,
    _registration: Registration<'a>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        index: u8,
        vcpu: &'a mut VcpuFd,
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
            injector: Injector::default(),
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
        if let Some(platform) = self.platform
            && let Err(error) = self.injector.prepare_entry(platform, self.index, self.vcpu, page)
        {
            return Step::Stop(StopReason::KvmError { errno: error.errno() });
        }
        self.data.clear();
        let result = self.vcpu.run();
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
                (Exit::PioOut { port, size: size as u8, count, data: &self.data }, flow.into())
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
                let flow = bus.write_memory(address, data, memory);
                (Exit::MmioWrite { address, data: &self.data }, flow.into())
            }
            Ok(VcpuExit::MmioRead(address, data)) => {
                let flow = bus.read_memory(address, data);
                self.data.extend_from_slice(data);
                (Exit::MmioRead { address, data: &self.data }, flow.into())
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
            Ok(VcpuExit::Debug(debug)) => (Exit::Other { name: "KVM_EXIT_DEBUG" }, Step::Debug(debug)),
            Ok(VcpuExit::Intr) => return Step::Interrupted,
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
            Ok(VcpuExit::SetTpr) => unexpected("KVM_EXIT_SET_TPR"),
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
            Ok(VcpuExit::IoapicEoi(vector)) => {
                let ended = self.platform.map(|platform| platform.end_of_interrupt(vector));
                match ended {
                    Some(ended) => (
                        Exit::Other { name: "KVM_EXIT_IOAPIC_EOI" },
                        ended.map_or_else(|failure| Step::Stop(failure.into()), |()| Step::Continue),
                    ),
                    None => unexpected("KVM_EXIT_IOAPIC_EOI"),
                }
            }
            Ok(VcpuExit::Hyperv) => unexpected("KVM_EXIT_HYPERV"),
            Ok(VcpuExit::X86Rdmsr(_)) => unexpected("KVM_EXIT_X86_RDMSR"),
            Ok(VcpuExit::X86Wrmsr(_)) => unexpected("KVM_EXIT_X86_WRMSR"),
            Ok(VcpuExit::MemoryFault { .. }) => unexpected("KVM_EXIT_MEMORY_FAULT"),
            Ok(VcpuExit::Unsupported(_)) => unexpected("an exit that kvm-ioctls does not know"),
        };
        self.nr_exits += 1;
        outside.observer.exit(self.index, &exit, &CpuView { vcpu: self.vcpu, memory });
        step
    }
}

impl From<Flow> for Step {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Self::Continue,
            Flow::Stop(reason) => Self::Stop(reason),
        }
    }
}
