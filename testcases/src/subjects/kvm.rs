//! Our VMM on this host's KVM, in this process.
//!
//! The guest talks through the shared pages and the doorbell; it is entered directly into long mode unless the case
//! examines the PVH entry, and gets the cheapest interrupt controllers that the case allows.

mod elsewhere;

use super::{
    Image, Program, Subject, SubjectError, VirtioDevices, command_line,
    devices::{self, DeviceError, with_devices},
    dissolver::Dissolver,
    watchdog::{Limit, Watchdog},
};
use crate::{
    axis::{self, Axis, Others, Trouble, children::Children},
    cancel::Cancel,
    catalog::{Case, InterruptSetup},
    chain::chain,
    emulation::{self, suite::Suite},
    host, host_cases,
    judge::{Ending, Run, Transcript},
    messages::page,
    placement,
};
use case::{
    Devices, Entry, Irqchip, Needs, Setup,
    image::{board, control},
};
use reports::coverage::CoverageRow;
use std::{
    io,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use vmm::{
    Elapsed, ExitObserver, Fault, Flow, GuestMemory, Hypervisor, LongModeState, RunError, StopReason, Stopped, Vm,
    VmConfig,
    devices::{CollectedOutput, DebugExit, Doorbell, I8042, Serial, Signals, TestDevice, TestDeviceAddresses},
};

/// What the board offers.
pub(super) const BOARD: Needs = Needs::PVH_ENTRY
    .union(Needs::COM1)
    .union(Needs::I8042)
    .union(Needs::TEST_DEVICE)
    .union(Needs::LOCAL_APIC)
    .union(CHIPSET)
    .union(Needs::FIRMWARE_TABLES)
    .union(Needs::SIGNALS)
    .union(Needs::UNCLAIMED)
    .union(Needs::SINGLE_INSTRUCTIONS)
    .union(Needs::PROCESSOR_STATE)
    .union(devices::OFFERED);
/// What comes with all interrupt controllers; cases that need a part of it get the whole.
const CHIPSET: Needs =
    Needs::IO_APIC.union(Needs::PIC).union(Needs::PIT).union(Needs::HPET).union(Needs::RTC).union(Needs::PM_TIMER);
/// Guest memory in bytes: the image, its tables and what paging cases map behind them.
const MEMORY_SIZE_BYTES: u64 = 24 << 20;
/// Processor time of a case for each of its virtual processors: a hundred times what most take, and twice what the longest
/// does where ring 0 is interpreted. A case that hangs costs this, whatever else the host does.
const LIMIT: Duration = Duration::from_millis(500);
/// How many times longer a guest may take by the clock: one that waits, by HLT, uses no processor, and one that others keep
/// from running is not to blame. A case's time factor applies to both.
const WAIT_FACTOR: u32 = 20;
/// How many times longer again along an axis, which takes time itself.
const AXIS_FACTOR: u32 = 3;
/// What a guest may write on COM1 in bytes, which is not its transport here.
const MAX_SERIAL_BYTES: usize = 2 << 10;
/// How often a guest may ring the doorbell with no message in the pages.
const MAX_EMPTY_RINGS: u32 = 1 << 10;

/// The subject `vmm`.
#[derive(Debug)]
pub struct OurVmm {
    id: &'static str,
    version: String,
    hypervisor: Arc<Hypervisor>,
    /// Words of the command line that tell of the host: the rate of the time-stamp counter if it is known, and how many
    /// processors there are.
    host_facts: String,
    emulation: Suite,
    loaded: vmm::Image,
    image: Arc<Image>,
    wait_factor: u32,
    watchdog: Watchdog,
    dissolver: Dissolver<Vm>,
    axis: Option<Axis>,
    /// Where the axis wants processes.
    children: Option<Children>,
}

pub(super) fn open(
    id: &'static str,
    path: Option<&Path>,
    image: &Arc<Image>,
) -> Result<Box<dyn Subject>, SubjectError> {
    if path.is_some() {
        return Err(SubjectError::NoPath { id });
    }
    Ok(Box::new(OurVmm::open(id, image)?))
}

/// Why there is no virtual machine for a program.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of its devices cannot be made.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// It cannot be made.
    #[error(transparent)]
    Vm(#[from] vmm::VmError),
}

/// What the callbacks of a run leave behind.
#[derive(Debug, Default)]
struct Inbox {
    transcript: Transcript,
    nr_empty_rings: u32,
    flood: Option<String>,
}

type SharedInbox = Arc<Mutex<Inbox>>;

impl OurVmm {
    /// Opens KVM and loads the image.
    ///
    /// # Errors
    /// [`SubjectError::Kvm`] and [`SubjectError::Image`].
    pub fn open(id: &'static str, image: &Arc<Image>) -> Result<Self, SubjectError> {
        let hypervisor = Hypervisor::open().map(Arc::new).map_err(|source| SubjectError::Kvm { id, source })?;
        let loaded = vmm::Image::from_bytes(image.catalog.bytes(), MEMORY_SIZE_BYTES)
            .map_err(|source| SubjectError::Image { id, source })?;
        let version = format!("vmproof {}, {}", env!("CARGO_PKG_VERSION"), host::kvm_version());
        let tsc_rate = host::tsc_khz().map(|khz| format!("vp.tsc_khz={khz} ")).unwrap_or_default();
        let nr_processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let host_facts = format!("{tsc_rate}vp.host_cpus={nr_processors} ");
        let emulation = Suite::new(hypervisor.clone());
        Ok(Self {
            id,
            version,
            hypervisor,
            host_facts,
            emulation,
            loaded,
            image: image.clone(),
            wait_factor: WAIT_FACTOR,
            watchdog: Watchdog::start(),
            dissolver: Dissolver::start(),
            axis: None,
            children: None,
        })
    }

    /// Another factor between the time that a guest may use of a processor and that by the clock.
    #[must_use]
    pub fn with_wait_factor(self, wait_factor: u32) -> Self {
        Self { wait_factor, ..self }
    }

    /// Runs a program and tells `observer` of each exit; `statistics` receives KVM's own counters of the run.
    pub fn run_observed(
        &self,
        program: Program<'_>,
        limit: Duration,
        cancel: &Cancel,
        observer: &mut dyn ExitObserver,
        statistics: Option<&mut Vec<(String, u64)>>,
    ) -> Run {
        self.run_with(program, (limit, self.wait_factor), cancel, (observer, None), statistics)
    }

    /// Runs a program on a VM that is wrong on purpose. It may take `limit` of processor time, and so many times that by the
    /// clock.
    pub fn run_faulty(
        &self,
        program: Program<'_>,
        limit: (Duration, u32),
        cancel: &Cancel,
        fault: Option<Fault>,
    ) -> Run {
        self.run_with(program, limit, cancel, (&mut vmm::NoObserver, fault), None)
    }

    fn run_with(
        &self,
        program: Program<'_>,
        (limit, wait_factor): (Duration, u32),
        cancel: &Cancel,
        (observer, fault): (&mut dyn ExitObserver, Option<Fault>),
        statistics: Option<&mut Vec<(String, u64)>>,
    ) -> Run {
        let _pinned = pin(program);
        let axis = self.axis.filter(|_| matches!(program, Program::Case(_)));
        let wait_factor = if axis.is_some() { wait_factor * AXIS_FACTOR } else { wait_factor };
        let start = Instant::now();
        let inbox = SharedInbox::default();
        let ending = match self.create(program, &inbox, fault) {
            Ok(vm) => {
                let limit = Limit { processor_time: limit * program.nr_vcpus(), deadline: start + limit * wait_factor };
                let mut run =
                    |vm: &mut Vm, observer: &mut dyn ExitObserver| self.run_watched(vm, observer, limit, cancel);
                match (program, axis, &self.children) {
                    (Program::Case(case), Some(axis), Some(children)) => {
                        self.run_elsewhere(vm, (case, axis), (observer, &mut run), (&inbox, limit, cancel), children)
                    }
                    (Program::Case(_), Some(axis), None) => {
                        let named = |error: String| format!("{axis}: {error}");
                        let replace = |vm| self.replace(vm, program, &inbox).map_err(named);
                        let receive = |stream| self.receive(stream, program, &inbox).map_err(named);
                        let others = Others { hypervisor: &self.hypervisor, replace: &replace, receive: &receive };
                        let driven = axis::drive(axis, vm, observer, run, &others);
                        self.end(driven, program, &inbox, cancel, statistics)
                    }
                    _ => self.end(alone(vm, observer, run), program, &inbox, cancel, statistics),
                }
            }
            Err(error) => Ending::Harness { text: chain(&error) },
        };
        let transcript = std::mem::take(&mut lock(&inbox).transcript);
        Run { transcript, ending, duration: start.elapsed() }
    }

    fn run_watched(
        &self,
        vm: &mut Vm,
        observer: &mut dyn ExitObserver,
        limit: Limit,
        cancel: &Cancel,
    ) -> Result<Stopped, RunError> {
        let _watch = self.watchdog.watch(vm.handle(), cancel, limit);
        vm.run(observer)
    }

    /// Takes what there still is of a machine that has ended, and tells how it did.
    fn end(
        &self,
        (vm, stopped): axis::Driven,
        program: Program<'_>,
        inbox: &SharedInbox,
        cancel: &Cancel,
        statistics: Option<&mut Vec<(String, u64)>>,
    ) -> Ending {
        let ending = match (&vm, stopped) {
            (Some(vm), Ok(stopped)) => {
                self.collect_rest(vm, inbox);
                if let Some(statistics) = statistics {
                    *statistics = vm.statistics();
                }
                self.ending(&stopped, inbox, cancel)
            }
            (None, Ok(stopped)) => self.ending(&stopped, inbox, cancel),
            (_, Err(Trouble::Harness(text))) => Ending::Harness { text },
            (_, Err(Trouble::Unlogged(text, stopped))) => {
                let place = self.image.catalog.symbols().place(stopped.cpu.rip, &stopped.instruction);
                Ending::InternalError { text, place }
            }
        };
        if let Some(vm) = vm {
            self.discard(vm, program);
        }
        ending
    }

    /// Others are gone faster than another thread is woken.
    fn discard(&self, vm: Vm, program: Program<'_>) {
        if program.interrupts() == Some(InterruptSetup::Kernel) {
            self.dissolver.dissolve(vm);
        }
    }

    /// A virtual machine that is ready to run a program, for a debugger; its messages go nowhere.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn prepare(&self, program: Program<'_>) -> Result<Vm, StartError> {
        self.create(program, &SharedInbox::default(), None)
    }

    fn create(&self, program: Program<'_>, inbox: &SharedInbox, fault: Option<Fault>) -> Result<Vm, StartError> {
        Ok(Vm::new(&self.hypervisor, &self.loaded, self.config(program, inbox, fault)?)?)
    }

    /// Another machine in the state of this one, which is gone by then: only a file stands between them.
    fn replace(&self, mut vm: Vm, program: Program<'_>, inbox: &SharedInbox) -> Result<Vm, String> {
        let file = vm.save(&self.hypervisor).map_err(|error| chain(&error))?;
        drop(vm);
        let config = self.config(program, inbox, None).map_err(|error| chain(&error))?;
        Vm::restore(&self.hypervisor, &self.loaded, config, &file, Elapsed::WentOn).map_err(|error| chain(&error))
    }

    /// The machine that comes by a stream.
    fn receive(&self, stream: UnixStream, program: Program<'_>, inbox: &SharedInbox) -> Result<Vm, String> {
        let config = self.config(program, inbox, None).map_err(|error| chain(&error))?;
        Vm::receive(stream, &self.hypervisor, &self.loaded, config, Elapsed::WentOn).map_err(|error| chain(&error))
    }

    fn config(&self, program: Program<'_>, inbox: &SharedInbox, fault: Option<Fault>) -> Result<VmConfig, StartError> {
        let (setup, virtio) = match program {
            Program::Probe(_) | Program::Other(_) => (Setup::DEFAULT, Devices::empty()),
            Program::Case(case) => (case.setup, case.devices),
        };
        let report_page = self.image.catalog.note().report_page;
        let receiver = inbox.clone();
        let addresses = TestDeviceAddresses {
            scratch_port: board::SCRATCH_PORT,
            nr_scratch_ports: board::NR_SCRATCH_PORTS,
            log_port: board::LOG_PORT,
            scratch_mmio: board::SCRATCH_MMIO,
            scratch_mmio_size: board::SCRATCH_MMIO_SIZE,
        };
        let config = VmConfig {
            nr_vcpus: setup.nr_vcpus,
            fault,
            tracking: self.axis.map(Axis::tracking).unwrap_or_default(),
            command_line: format!("vp.report=page {}{}", self.host_facts, command_line(program)),
            ..with_interrupts(program, setup, VmConfig::new(self.entry(setup)))
        }
        .with(Doorbell::new(board::DOORBELL_PORT, move |memory: &GuestMemory, _| ring(memory, report_page, &receiver)))
        .with(DebugExit::new(board::DEBUG_EXIT_PORT))
        .with(I8042::new(vmm::layout::pc::I8042))
        .with(Serial::new(board::COM1_PORT, CollectedOutput::default(), MAX_SERIAL_BYTES))
        .with(TestDevice::new(addresses))
        .with(Signals::new(board::SIGNAL_ADDRESS));
        Ok(with_devices(needs_of(program), virtio, config)?)
    }

    fn entry(&self, setup: Setup) -> vmm::Entry {
        let note = self.image.catalog.note();
        match setup.entry {
            Entry::Pvh => vmm::Entry::Pvh,
            Entry::Any => vmm::Entry::LongMode(LongModeState {
                rip: note.entry,
                rsp: note.stack,
                cr0: control::CR0,
                cr3: note.page_tables,
                cr4: control::CR4,
                efer: control::EFER_ACTIVE,
                gdt_base: note.gdt_base,
                idt_base: note.idt_base,
                tss_base: note.tss_base,
                // A limit is a 16-bit field in the register; the note has room for more.
                gdt_limit: note.gdt_limit as u16,
                idt_limit: note.idt_limit as u16,
                tss_limit: note.tss_limit,
                code_selector: note.code_selector,
                data_selector: note.data_selector,
                tss_selector: note.tss_selector,
            }),
        }
    }

    /// Takes the messages that the guest had written and not announced when it died: they tell how far it came.
    fn collect_rest(&self, vm: &Vm, inbox: &SharedInbox) {
        let mut inbox = lock(inbox);
        if inbox.transcript.is_complete() {
            return;
        }
        let first = self.image.catalog.note().report_page;
        let read = page::decode(|offset, bytes| vm.memory().read(first.saturating_add(offset), bytes));
        for message in read.unwrap_or_default().into_iter().flatten() {
            // Those that were announced still stand in the pages.
            if message.sequence as usize == inbox.transcript.messages().len() && !inbox.transcript.is_complete() {
                inbox.transcript.take(Ok(message));
            }
        }
    }

    fn ending(&self, stopped: &Stopped, inbox: &SharedInbox, cancel: &Cancel) -> Ending {
        if lock(inbox).transcript.is_complete() {
            return Ending::Reported;
        }
        let place = self.image.catalog.symbols().place(stopped.cpu.rip, &stopped.instruction);
        match &stopped.reason {
            StopReason::DebugExit(value) => Ending::DebugExit { value: *value },
            StopReason::Reset => Ending::Reset,
            StopReason::PowerOff => Ending::InternalError { text: stopped.reason.to_string(), place },
            StopReason::Shutdown => Ending::Shutdown { place },
            StopReason::Halted => Ending::Halted { place },
            StopReason::Requested if cancel.is_cancelled() => Ending::Cancelled,
            StopReason::Requested | StopReason::Suspended => Ending::Timeout { place },
            StopReason::DeviceStopped(text) => {
                let flood = lock(inbox).flood.take();
                Ending::Flood { text: flood.unwrap_or_else(|| text.clone()) }
            }
            StopReason::KvmError { .. } => Ending::Harness { text: stopped.reason.to_string() },
            StopReason::InternalError { .. }
            | StopReason::FailEntry { .. }
            | StopReason::SystemEvent { .. }
            | StopReason::UnexpectedExit { .. } => Ending::InternalError { text: stopped.reason.to_string(), place },
        }
    }
}

/// Holds this thread on the processor of a program.
fn pin(program: Program<'_>) -> Option<placement::Pinned> {
    // Several virtual processors must be able to run at once: what they do to each other is what is tried.
    match program {
        Program::Probe(_) => Some(placement::pin(0)),
        Program::Other(_) => None,
        Program::Case(case) if case.setup.nr_vcpus > 1 => None,
        Program::Case(case) => Some(placement::pin(placement::lane(case.plain_id()))),
    }
}

/// Runs a machine to its end.
fn alone(
    mut vm: Vm,
    observer: &mut dyn ExitObserver,
    run: impl FnOnce(&mut Vm, &mut dyn ExitObserver) -> Result<Stopped, RunError>,
) -> axis::Driven {
    let stopped = run(&mut vm, observer).map_err(|error| Trouble::Harness(chain(&error)));
    (Some(vm), stopped)
}

/// What the virtual machine of a program must have.
fn needs_of(program: Program<'_>) -> Needs {
    match program {
        // It asks CPUID what the processor has, the local APIC among it.
        Program::Probe(_) => Needs::LOCAL_APIC,
        Program::Case(case) => case.needs,
        Program::Other(_) => Needs::empty(),
    }
}

/// The interrupt controllers of the set-up; without one, the cheapest that will do.
fn with_interrupts(program: Program<'_>, setup: Setup, config: VmConfig) -> VmConfig {
    let needs = needs_of(program);
    let needs_apic = needs.intersects(Needs::LOCAL_APIC | Needs::X2APIC | Needs::TSC_DEADLINE | Needs::SIGNALS);
    // A device that cannot send its interrupt ends the run.
    let needs_chipset = needs.intersects(CHIPSET | Needs::FIRMWARE_TABLES | devices::OFFERED)
        || matches!(program, Program::Case(case) if !case.devices.is_empty());
    let config = VmConfig { acpi: needs.contains(Needs::FIRMWARE_TABLES), ..config };
    let interrupts = match program.interrupts() {
        Some(InterruptSetup::Kernel) => vmm::InterruptSetup::Kernel,
        Some(InterruptSetup::Split) => vmm::InterruptSetup::Split,
        Some(InterruptSetup::User) => vmm::InterruptSetup::User,
        None if needs_apic || needs_chipset || setup.nr_vcpus > 1 => vmm::InterruptSetup::Split,
        None => return config,
    };
    match setup.irqchip == Irqchip::Full || needs_chipset {
        true => config.with_interrupts(interrupts),
        false => VmConfig { irqchip: interrupts.irqchip(), ..config },
    }
}

fn lock(inbox: &SharedInbox) -> MutexGuard<'_, Inbox> {
    // Whoever panicked while holding it left messages that are whole.
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the messages out of the shared pages. A guest that broke the protocol is ended: it says nothing more of worth.
fn ring(memory: &GuestMemory, report_page: u64, inbox: &SharedInbox) -> Flow {
    let mut inbox = lock(inbox);
    let received = match page::decode(|offset, bytes| memory.read(report_page.saturating_add(offset), bytes)) {
        Ok(received) => received,
        Err(outside) => {
            inbox.flood = Some(format!("the report pages: {outside}"));
            return Flow::Stop(StopReason::DeviceStopped("doorbell".to_owned()));
        }
    };
    if received.is_empty() {
        inbox.nr_empty_rings += 1;
        if inbox.nr_empty_rings > MAX_EMPTY_RINGS {
            inbox.flood = Some(format!("rang the doorbell {MAX_EMPTY_RINGS} times with no message"));
            return Flow::Stop(StopReason::DeviceStopped("doorbell".to_owned()));
        }
    }
    for item in received {
        inbox.transcript.take(item);
    }
    if inbox.transcript.fault().is_some() {
        return Flow::Stop(StopReason::DeviceStopped("doorbell".to_owned()));
    }
    Flow::Continue
}

impl Subject for OurVmm {
    fn id(&self) -> &str {
        self.id
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn board(&self) -> Needs {
        BOARD
    }

    fn virtio_devices(&self) -> VirtioDevices {
        VirtioDevices::OURS
    }

    fn set_ups(&self) -> &'static [InterruptSetup] {
        InterruptSetup::ALL
    }

    fn time_limit(&self) -> Duration {
        LIMIT
    }

    fn set_axis(&mut self, axis: Axis) -> io::Result<bool> {
        let is_elsewhere = matches!(axis, Axis::RestoreProcess(_));
        self.children = if is_elsewhere { Some(Children::new(self.image.catalog.bytes())?) } else { None };
        self.axis = Some(axis);
        Ok(true)
    }

    fn reason_to_skip(&self, case: &Case) -> Option<&'static str> {
        let has_bus = !case.devices.is_empty() || case.needs.intersects(devices::OFFERED);
        match self.axis {
            // The guest is told so (virtio § 5.10.6.7), and a case that does not listen notices.
            Some(Axis::Restore(_) | Axis::RestoreProcess(_) | Axis::Migrate(_))
                if case.devices.contains(Devices::SOCKET) =>
            {
                Some("has sockets, whose connections end when their machine is restored")
            }
            Some(Axis::Dirty(_)) if has_bus => Some("has PCI or virtio devices, which do not tell what they write"),
            axis => axis.and_then(|axis| axis.lacks(&self.hypervisor)),
        }
    }

    fn run(&self, program: Program<'_>, limit: Duration, cancel: &Cancel) -> Run {
        self.run_observed(program, limit, cancel, &mut vmm::NoObserver, None)
    }

    fn run_host_case(&self, case: &Case, cancel: &Cancel) -> reports::model::Case {
        if case.needs.contains(Needs::PROCESSOR_STATE) {
            return host_cases::run(case, &self.hypervisor);
        }
        emulation::cases::run(case, &self.emulation, cancel)
    }

    fn coverage(&self) -> Vec<CoverageRow> {
        let mine = |row| CoverageRow { subject: self.id.to_owned(), ..row };
        self.emulation.coverage().into_iter().map(mine).collect()
    }
}
