//! Our VMM on this host's KVM, in this process.
//!
//! The guest talks through the shared pages and the doorbell; it is entered directly into long mode unless the case
//! examines the PVH entry, and gets the cheapest interrupt controllers that the case allows.

mod board;
mod elsewhere;
mod inbox;

pub(super) use board::BOARD;
pub use board::StartError;

use super::{
    Image, Program, Subject, SubjectError, VirtioDevices, devices,
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
    judge::{Ending, Run},
    moment::Moment,
    placement,
};
use case::{Devices, Needs};
use inbox::{SharedInbox, lock};
use reports::coverage::CoverageRow;
use std::{
    cell::Cell,
    io,
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use vmm::{Elapsed, ExitObserver, Fault, Hypervisor, RunError, Stopped, Vm};

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

    /// Runs a case of the host, with something wrong if that is wanted.
    pub(crate) fn run_host_case_with(
        &self,
        case: &Case,
        wrong: Option<host_cases::Wrong>,
        cancel: &Cancel,
    ) -> reports::model::Case {
        if case.needs.contains(Needs::PROCESSOR_STATE) {
            return host_cases::run(case, &self.hypervisor, wrong);
        }
        let garbling = match wrong {
            Some(host_cases::Wrong::Emulated(garbling)) => Some(garbling),
            Some(host_cases::Wrong::Interface(_) | host_cases::Wrong::Field(..)) | None => None,
        };
        emulation::cases::run(case, &self.emulation, garbling, cancel)
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
        let (start, begin) = (Instant::now(), Moment::now());
        let inbox = SharedInbox::default();
        let ending = match self.create(program, &inbox, fault) {
            Ok(vm) => {
                let limit = Limit { processor_time: limit * program.nr_vcpus(), deadline: begin + limit * wait_factor };
                let limit = Cell::new(limit);
                let mut run =
                    |vm: &mut Vm, observer: &mut dyn ExitObserver| self.run_watched(vm, observer, &limit, cancel);
                match (program, axis, &self.children) {
                    (Program::Case(case), Some(axis), Some(children)) => {
                        self.run_elsewhere(vm, (case, axis), (observer, &mut run), (&inbox, &limit, cancel), children)
                    }
                    (Program::Case(_), Some(axis), None) => {
                        let named = |error: String| format!("{axis}: {error}");
                        let replace = |vm| self.replace(vm, program, &inbox, fault).map_err(named);
                        let receive = |stream| self.receive(stream, program, &inbox, fault).map_err(named);
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

    /// Runs a machine, perhaps one of several times within one limit, which comes later by what it waited for processors.
    fn run_watched(
        &self,
        vm: &mut Vm,
        observer: &mut dyn ExitObserver,
        limit: &Cell<Limit>,
        cancel: &Cancel,
    ) -> Result<Stopped, RunError> {
        let watch = self.watchdog.watch(vm.handle(), cancel, limit.get());
        let stopped = vm.run(observer);
        limit.update(|limit| limit.later_by(watch.waited()));
        stopped
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
    fn replace(
        &self,
        mut vm: Vm,
        program: Program<'_>,
        inbox: &SharedInbox,
        fault: Option<Fault>,
    ) -> Result<Vm, String> {
        let file = vm.save(&self.hypervisor).map_err(|error| chain(&error))?;
        drop(vm);
        let config = self.config(program, inbox, fault).map_err(|error| chain(&error))?;
        Vm::restore(&self.hypervisor, &self.loaded, config, &file, Elapsed::WentOn).map_err(|error| chain(&error))
    }

    /// The machine that comes by a stream.
    fn receive(
        &self,
        stream: UnixStream,
        program: Program<'_>,
        inbox: &SharedInbox,
        fault: Option<Fault>,
    ) -> Result<Vm, String> {
        let config = self.config(program, inbox, fault).map_err(|error| chain(&error))?;
        Vm::receive(stream, &self.hypervisor, &self.loaded, config, Elapsed::WentOn).map_err(|error| chain(&error))
    }
}

/// Holds this thread on the processor of a program.
fn pin(program: Program<'_>) -> Option<placement::Pinned> {
    // Several virtual processors must be able to run at once: what they do to each other is what is tried.
    match program {
        Program::Probe(_) => Some(placement::pin(0)),
        Program::Other(_) => None,
        Program::Case(case) | Program::Changed(case, _) if case.setup.nr_vcpus > 1 => None,
        Program::Case(case) | Program::Changed(case, _) => Some(placement::pin(placement::lane(case.plain_id()))),
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
        self.run_host_case_with(case, None, cancel)
    }

    fn coverage(&self) -> Vec<CoverageRow> {
        let mine = |row| CoverageRow { subject: self.id.to_owned(), ..row };
        self.emulation.coverage().into_iter().map(mine).collect()
    }
}
