//! Where VMs go to and come from.

mod status;
mod stream;

pub(crate) use status::{Migrations, Status};

use crate::{choices::MigrationUri, inventory::Inventory, whole_file::write_whole};
use anyhow::Context;
use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use stream::Stream;
use vmm::{
    DirtyPages, Elapsed, GuestMemory, Hypervisor, Image, StopReason, Stopped, Vm, VmConfig, migration::Outgoing,
};

/// Pages of a round that are few enough for the guest to stand still while they go.
const NR_PAGES_FEW: u64 = 256;
/// Rounds after which it has to stand still all the same.
const NR_ROUNDS_MAX: u32 = 30;
/// How often a run is told to stop until it has.
const PERIOD: Duration = Duration::from_millis(1);
/// A VM whose memory has gone where it goes, as far as it goes while the VM runs.
pub(crate) enum Ready {
    /// To another VMM.
    Stream(Outgoing<Box<dyn Stream>>),
    /// Nothing goes to a file before the VM stands still.
    File(PathBuf),
}

impl Ready {
    /// Sends the memory of a VM that runs.
    pub(crate) fn prepare(uri: &MigrationUri, vm: &Parts, migrations: &Migrations) -> anyhow::Result<Self> {
        let stream = match uri {
            MigrationUri::File(path) => return Ok(Self::File(path.clone())),
            MigrationUri::Unix(path) => stream::connect_unix(path),
            MigrationUri::Tcp(address) => stream::connect_tcp(address),
        };
        let stream = stream.with_context(|| format!("failed to reach {uri}"))?;
        let mut outgoing = Outgoing::new(stream, &vm.memory)?;
        outgoing.precopy(&vm.memory, &vm.dirty, |round, nr_pages| {
            nr_pages <= NR_PAGES_FEW || round >= NR_ROUNDS_MAX || migrations.has_ended()
        })?;
        migrations.set_bytes(outgoing.nr_bytes());
        Ok(Self::Stream(outgoing))
    }

    /// Sends the rest of a VM that stands still.
    pub(crate) fn finish(self, vm: &mut Vm, hypervisor: &Hypervisor, migrations: &Migrations) -> anyhow::Result<()> {
        match self {
            Self::Stream(outgoing) => Ok(outgoing.finish(vm, hypervisor)?),
            Self::File(path) => {
                let state = vm.save(hypervisor)?;
                write_whole(&path, |file| file.write_all(&state))
                    .with_context(|| format!("failed to write {}", path.display()))?;
                migrations.set_bytes(state.len() as u64);
                Ok(())
            }
        }
    }
}

/// What is needed of a VM while it runs.
pub(crate) struct Parts {
    memory: GuestMemory,
    dirty: Arc<DirtyPages>,
}

impl Parts {
    /// Nothing of a VM that cannot move.
    pub(crate) fn of(vm: &Vm) -> Option<Self> {
        Some(Self { memory: vm.memory().clone(), dirty: vm.dirty_pages()?.clone() })
    }

    /// The VM stays.
    pub(crate) fn stay(&self) {
        // What is logged for nobody costs time, and nothing else.
        let _ = self.dirty.stop();
    }
}

/// A VM that runs here, and may go on elsewhere.
pub(crate) struct Journey<'a> {
    pub(crate) hypervisor: &'a Hypervisor,
    pub(crate) inventory: &'a Inventory,
    /// When the VM is stopped.
    pub(crate) deadline: Option<Instant>,
}

impl Journey<'_> {
    /// Runs a VM until it has ended, or until it is elsewhere and the end is asked for. `work` runs it until it stops.
    pub(crate) fn run(
        &self,
        vm: &mut Vm,
        work: impl Fn(&mut Vm) -> anyhow::Result<Stopped> + Sync,
    ) -> anyhow::Result<Stopped> {
        let migrations = self.inventory.migrations();
        loop {
            let (stopped, ready) = self.run_once(vm, &work)?;
            let Some(ready) = ready else { return Ok(stopped) };
            if stopped.reason != StopReason::Suspended {
                migrations.tell::<()>(&Err(anyhow::anyhow!("the guest has ended")));
                return Ok(stopped);
            }
            let result = ready.finish(vm, self.hypervisor, migrations);
            migrations.tell(&result);
            if result.is_ok() {
                self.inventory.tell_migrated();
                self.inventory.wait_for_end(self.deadline);
                return Ok(stopped);
            }
            if let Some(parts) = Parts::of(vm) {
                parts.stay();
            }
        }
    }

    /// Runs a VM until it has ended, or until it is ready to move.
    fn run_once(
        &self,
        vm: &mut Vm,
        work: &(impl Fn(&mut Vm) -> anyhow::Result<Stopped> + Sync),
    ) -> anyhow::Result<(Stopped, Option<Ready>)> {
        let (parts, handle, migrations) = (Parts::of(vm), vm.handle(), self.inventory.migrations());
        migrations.begin();
        // On a thread of its own, because it is confined to what vCPUs need.
        thread::scope(|scope| {
            let work = || {
                let _end = EndOfRun(migrations);
                work(vm)
            };
            let vcpu = thread::Builder::new().name("vcpu0".into()).spawn_scoped(scope, work);
            let vcpu = vcpu.context("failed to start the thread of vCPU 0")?;
            let mut ready = None;
            while ready.is_none()
                && let Some(parts) = &parts
                && let Some(uri) = migrations.wait()
            {
                match Ready::prepare(&uri, parts, migrations) {
                    Ok(prepared) => {
                        ready = Some(prepared);
                        // Again, because a run that is still to start does not take notice.
                        while !migrations.has_ended_within(PERIOD) {
                            handle.suspend();
                        }
                    }
                    Err(error) => {
                        parts.stay();
                        migrations.tell::<()>(&Err(error));
                    }
                }
            }
            let stopped = vcpu.join().unwrap_or_else(|_| anyhow::bail!("the thread of vCPU 0 panicked"))?;
            Ok((stopped, ready))
        })
    }
}

/// Tells that a run has ended, also if it panicked.
struct EndOfRun<'a>(&'a Migrations);

impl Drop for EndOfRun<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Gives the VM that comes from there.
pub(crate) fn receive(
    uri: &MigrationUri,
    hypervisor: &Hypervisor,
    image: &Image,
    config: VmConfig,
) -> anyhow::Result<Vm> {
    let stream = match uri {
        MigrationUri::File(path) => {
            let state = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
            return Vm::restore(hypervisor, image, config, &state, Elapsed::StoodStill)
                .with_context(|| format!("failed to restore the VM of {}", path.display()));
        }
        MigrationUri::Unix(path) => stream::accept_unix(path),
        MigrationUri::Tcp(address) => stream::accept_tcp(address),
    };
    let stream = stream.with_context(|| format!("failed to wait at {uri}"))?;
    let received = Vm::receive(stream, hypervisor, image, config, Elapsed::WentOn);
    received.with_context(|| format!("no VM came by {uri}"))
}
