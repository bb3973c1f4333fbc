//! Running a VM: vCPU 0 on the calling thread, each other one on a thread of its own.

use crate::{
    confinement::{ThreadKind, confine},
    control::Control,
    memory::GuestMemory,
    observer::ExitObserver,
    platform::{self, Platform},
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
        let Self { vcpus, unfinished, memory, bus, control, platform, watched, .. } = self;
        let platform = platform.as_deref();
        control.start();
        let outside = Mutex::new(Outside { bus, observer });
        let shared = Shared { outside, first_stop: Mutex::new(None), memory, control, platform };
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
        let fd = &vcpus[usize::from(vcpu)];
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

fn run_vcpu(shared: &Shared<'_>, index: u8, (vcpu, unfinished): (&mut VcpuFd, &mut Unfinished)) -> u64 {
    let _end = EndAll(shared.control);
    if let Err(error) = confine(ThreadKind::Vcpu, shared.control.confinement()) {
        shared.stop(index, error.into());
        return 0;
    }
    let member = shared.control.gate().join();
    let mut runner = Runner::new(index, vcpu, unfinished, shared.memory, shared.control, shared.platform);
    loop {
        runner.allow_entry();
        if member.pass(|| shared.control.must_stop()) {
            // It is refused where the guest has no such clock.
            let _ = runner.vcpu().kvmclock_ctrl();
        }
        if shared.control.must_stop() {
            break;
        }
        let reason = loop {
            match runner.step(|| shared.outside.lock().unwrap_or_else(PoisonError::into_inner)) {
                Step::Continue => {}
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
    runner.nr_exits()
}
