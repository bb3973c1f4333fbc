//! Running a VM: vCPU 0 on the calling thread, each other one on a thread of its own.

use crate::{
    confinement::{ThreadKind, confine},
    control::Control,
    memory::GuestMemory,
    observer::ExitObserver,
    platform::{self, Platform},
    spares::Spares,
    state::{self, CpuState},
    stop::{StopReason, Stopped},
    vcpu::{Outside, Runner, Step, Unfinished},
    vm::Vm,
};
use kvm_ioctls::VcpuFd;
use std::{
    io,
    sync::{Mutex, PoisonError},
    thread,
};

/// Why a run could not be carried through; none of this is the guest's doing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A thread could not be started.
    #[error("failed to start a thread for vCPU {vcpu}")]
    Thread {
        /// The vCPU.
        vcpu: u8,
        /// Why.
        source: io::Error,
    },
    /// A vCPU's registers could not be read after the run.
    #[error("failed to read the registers of vCPU {vcpu}")]
    Registers {
        /// The vCPU.
        vcpu: u8,
        /// Why.
        source: io::Error,
    },
    /// The thread that devices with timers need could not be started.
    #[error("failed to start a thread for the timers")]
    Timers(#[source] io::Error),
    /// What devices wait for could not be watched.
    #[error("failed to watch the file descriptors of devices")]
    Devices(#[source] io::Error),
    /// A device or the observer panicked.
    #[error("a device or the observer panicked on the thread of vCPU {vcpu}")]
    Panicked {
        /// The vCPU.
        vcpu: u8,
    },
}

/// What all threads of a run share.
struct Shared<'a> {
    outside: Mutex<Outside<'a>>,
    first_stop: Mutex<Option<(u8, StopReason)>>,
    memory: &'a GuestMemory,
    control: &'a Control,
    platform: Option<&'a Platform>,
    spares: Option<&'a Spares>,
}

impl Shared<'_> {
    /// Notes why the run ends, unless something else ended it before.
    fn stop(&self, vcpu: u8, reason: StopReason) {
        self.first_stop.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((vcpu, reason));
    }
}

impl Vm {
    /// Runs the guest until something ends it, and tells `observer` of every exit.
    ///
    /// All vCPU threads have ended when this returns. It may be called again: the guest goes on where it stood, unless
    /// [`crate::VmHandle::stop`] was called, which holds for good.
    ///
    /// # Errors
    /// Only if the host fails, see [`RunError`]; whatever the guest does is a [`StopReason`].
    pub fn run(&mut self, observer: &mut dyn ExitObserver) -> Result<Stopped, RunError> {
        let Self { vcpus, unfinished, spares, memory, bus, control, platform, watched, .. } = self;
        let (platform, spares) = (platform.as_deref(), spares.as_deref());
        control.start();
        let outside = Mutex::new(Outside { bus, observer });
        let shared = Shared { outside, first_stop: Mutex::new(None), memory, control, platform, spares };
        let failed = |reason| {
            shared.stop(0, reason);
            control.end();
        };
        let nr_exits = watched
            .during(control, failed, || platform::awake(platform, failed, || run_all(&shared, vcpus, unfinished)))
            .map_err(RunError::Devices)?
            .map_err(RunError::Timers)??;
        let first_stop = shared.first_stop.into_inner().unwrap_or_else(PoisonError::into_inner);
        let asked = if control.is_requested() { StopReason::Requested } else { StopReason::Suspended };
        let (vcpu, reason) = first_stop.unwrap_or((0, asked));
        // Nobody runs any of them now.
        let place = spares.and_then(|spares| spares.place(vcpu));
        let fd =
            place.as_ref().and_then(|place| place.vcpu()).unwrap_or(&vcpus[usize::from(vcpu).min(vcpus.len() - 1)]);
        let cpu = CpuState::read(fd).map_err(|source| RunError::Registers { vcpu, source })?;
        let instruction = state::instruction(fd, memory, &cpu);
        Ok(Stopped { reason, vcpu, cpu, instruction, nr_exits })
    }
}

fn run_all(shared: &Shared<'_>, vcpus: &mut [VcpuFd], unfinished: &mut [Unfinished]) -> Result<u64, RunError> {
    let mut vcpus = vcpus.iter_mut().zip(unfinished);
    let Some(first) = vcpus.next() else { return Ok(0) };
    thread::scope(|scope| {
        let mut result = Ok(());
        let mut threads = Vec::with_capacity(vcpus.len());
        for (index, vcpu) in (1_u8..).zip(vcpus) {
            let name = format!("vcpu{index}");
            match thread::Builder::new().name(name).spawn_scoped(scope, move || run_vcpu(shared, index, vcpu)) {
                Ok(thread) => threads.push((index, thread)),
                Err(source) => {
                    result = Err(RunError::Thread { vcpu: index, source });
                    shared.control.end();
                    break;
                }
            }
        }
        for (spares, index) in
            shared.spares.into_iter().flat_map(|spares| spares.indices().map(move |index| (spares, index)))
        {
            if result.is_err() {
                break;
            }
            let name = format!("vcpu{index}");
            match thread::Builder::new().name(name).spawn_scoped(scope, move || run_spare(shared, spares, index)) {
                Ok(thread) => threads.push((index, thread)),
                Err(source) => {
                    result = Err(RunError::Thread { vcpu: index, source });
                    shared.control.end();
                }
            }
        }
        let mut nr_exits = run_vcpu(shared, 0, first);
        for (index, thread) in threads {
            match thread.join() {
                Ok(count) => nr_exits += count,
                Err(_) => result = Err(RunError::Panicked { vcpu: index }),
            }
        }
        result.map(|()| nr_exits)
    })
}

/// Ends the run on all threads however this thread leaves, a panic of a device or observer among it.
struct EndAll<'a>(&'a Control);

impl Drop for EndAll<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn run_vcpu(shared: &Shared<'_>, index: u8, vcpu: (&mut VcpuFd, &mut Unfinished)) -> u64 {
    let _end = EndAll(shared.control);
    if !is_confined(shared, index) {
        return 0;
    }
    run_while(shared, index, vcpu, || true).0
}

/// Runs a vCPU that comes and goes, whenever it is there.
fn run_spare(shared: &Shared<'_>, spares: &Spares, index: u8) -> u64 {
    let _end = EndAll(shared.control);
    if !is_confined(shared, index) {
        return 0;
    }
    let mut nr_exits = 0;
    while let Some(mut place) = spares.wait(index) {
        let Some(vcpu) = place.runnable() else { break };
        let (nr, has_gone) = run_while(shared, index, vcpu, || spares.is_present(index));
        nr_exits += nr;
        if !has_gone {
            break;
        }
        spares.left(place);
    }
    nr_exits
}

fn is_confined(shared: &Shared<'_>, index: u8) -> bool {
    let confined = confine(ThreadKind::Vcpu, shared.control.confinement());
    confined.map_err(|error| shared.stop(index, error.into())).is_ok()
}

/// Runs a vCPU until the run ends, or until it is no longer there; gives its exits, and whether it was that.
fn run_while(
    shared: &Shared<'_>,
    index: u8,
    (vcpu, unfinished): (&mut VcpuFd, &mut Unfinished),
    is_present: impl Fn() -> bool,
) -> (u64, bool) {
    let member = shared.control.gate().join();
    let mut runner = Runner::new(index, vcpu, unfinished, shared.memory, shared.control, shared.platform);
    loop {
        runner.allow_entry();
        if member.pass(|| shared.control.must_stop() || !is_present()) {
            // It is refused where the guest has no such clock.
            let _ = runner.vcpu().kvmclock_ctrl();
        }
        if shared.control.must_stop() {
            break;
        }
        if !is_present() {
            return (runner.nr_exits(), true);
        }
        let reason = loop {
            match runner.step(|| shared.outside.lock().unwrap_or_else(PoisonError::into_inner)) {
                // It may be the one that made itself go.
                Step::Continue if is_present() => {}
                Step::Continue => break None,
                Step::Interrupted => break None,
                Step::Debug(_) => {
                    // Guest debugging is off unless a debugger runs the VM.
                    let (name, number) = ("KVM_EXIT_DEBUG", kvm_bindings::KVM_EXIT_DEBUG);
                    break Some(StopReason::UnexpectedExit { name, number });
                }
                Step::Stop(reason) => break Some(reason),
            }
        };
        if let Some(reason) = reason {
            shared.stop(index, reason);
            break;
        }
    }
    (runner.nr_exits(), false)
}
