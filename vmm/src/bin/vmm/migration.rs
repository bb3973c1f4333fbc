//! Where VMs go to and come from.

use crate::{choices::MigrationUri, inventory::Inventory};
use anyhow::Context;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use vmm::{
    DirtyPages, Elapsed, GuestMemory, Hypervisor, Image, StopReason, Stopped, Vm, VmConfig,
    migration::{MigrationError, Outgoing},
};

/// Pages of a round that are few enough for the guest to stand still while they go.
const NR_PAGES_FEW: u64 = 256;
/// Rounds after which it has to stand still all the same.
const NR_ROUNDS_MAX: u32 = 30;
/// How often a run is told to stop until it has.
const PERIOD: Duration = Duration::from_millis(1);
/// How long either side waits for the other to take or to say something.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of the last migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// There was none.
    #[default]
    None,
    /// It is under way.
    Active,
    /// The VM stands elsewhere, or in a file.
    Completed,
    /// It goes on here.
    Failed(String),
}

/// What the control socket asks of the thread that runs VMs; a clone is another reference.
#[derive(Clone, Default)]
pub(crate) struct Migrations(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when something is asked for, or when there is nothing more to ask.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: Option<MigrationUri>,
    has_ended: bool,
    status: Status,
    nr_bytes: u64,
}

impl Migrations {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole at every point where a thread could have panicked.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for one; whether there is none under way, and none that is over and done.
    pub(crate) fn ask(&self, uri: MigrationUri) -> bool {
        let mut state = self.state();
        if matches!(state.status, Status::Active | Status::Completed) {
            return false;
        }
        (state.asked, state.status, state.nr_bytes) = (Some(uri), Status::Active, 0);
        drop(state);
        self.0.changed.notify_all();
        true
    }

    /// What became of the last one, and how many bytes of memory went.
    pub(crate) fn status(&self) -> (Status, u64) {
        let state = self.state();
        (state.status.clone(), state.nr_bytes)
    }

    /// A run begins.
    pub(crate) fn begin(&self) {
        self.state().has_ended = false;
    }

    /// The run has ended.
    pub(crate) fn end(&self) {
        self.state().has_ended = true;
        self.0.changed.notify_all();
    }

    fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// Whether the run has ended, or does within some time.
    fn has_ended_within(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self.0.changed.wait_timeout_while(state, time, |state| !state.has_ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.has_ended
    }

    /// Waits for what is asked for, or for the end of the run.
    pub(crate) fn wait(&self) -> Option<MigrationUri> {
        let mut state = self.state();
        loop {
            if state.has_ended {
                return None;
            }
            if let Some(uri) = state.asked.take() {
                return Some(uri);
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says what became of it.
    pub(crate) fn tell<T>(&self, result: &anyhow::Result<T>) {
        let mut state = self.state();
        state.status = match result {
            Ok(_) => Status::Completed,
            Err(error) => Status::Failed(format!("{error:#}")),
        };
        state.asked = None;
    }

    fn set_bytes(&self, nr_bytes: u64) {
        self.state().nr_bytes = nr_bytes;
    }
}

/// A way to another VMM.
pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

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
        let stream: Box<dyn Stream> = match uri {
            MigrationUri::File(path) => return Ok(Self::File(path.clone())),
            MigrationUri::Unix(path) => {
                let stream = UnixStream::connect(path).with_context(|| format!("failed to reach {uri}"))?;
                stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))?;
                Box::new(stream)
            }
            MigrationUri::Tcp(address) => {
                let stream = TcpStream::connect(address).with_context(|| format!("failed to reach {uri}"))?;
                stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))?;
                Box::new(stream)
            }
        };
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
                write_beside(&path, &state).with_context(|| format!("failed to write {}", path.display()))?;
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

/// Writes a file under another name first: there is either all of it or what was there before.
fn write_beside(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(name);
    let written = File::create_new(&beside).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed
}

/// Gives the VM that comes from there.
pub(crate) fn receive(
    uri: &MigrationUri,
    hypervisor: &Hypervisor,
    image: &Image,
    config: VmConfig,
) -> anyhow::Result<Vm> {
    let waiting = || format!("failed to wait at {uri}");
    let coming = |result: Result<Vm, MigrationError>| result.with_context(|| format!("no VM came by {uri}"));
    match uri {
        MigrationUri::File(path) => {
            let state = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
            Vm::restore(hypervisor, image, config, &state, Elapsed::StoodStill)
                .with_context(|| format!("failed to restore the VM of {}", path.display()))
        }
        MigrationUri::Unix(path) => {
            let listener = UnixListener::bind(path).with_context(waiting)?;
            let accepted = listener.accept();
            // One VM is all that comes, and the file would stand in the way of the next.
            fs::remove_file(path).with_context(waiting)?;
            let (stream, _) = accepted.with_context(waiting)?;
            stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))?;
            coming(Vm::receive(stream, hypervisor, image, config, Elapsed::WentOn))
        }
        MigrationUri::Tcp(address) => {
            let listener = TcpListener::bind(address).with_context(waiting)?;
            let (stream, _) = listener.accept().with_context(waiting)?;
            drop(listener);
            stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))?;
            coming(Vm::receive(stream, hypervisor, image, config, Elapsed::WentOn))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write_beside(&path, b"first").unwrap();
        write_beside(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert!(write_beside(&folder.path().join("no/such"), b"").is_err());
        let taken = folder.path().join("folder");
        fs::create_dir(&taken).unwrap();
        assert!(write_beside(&taken, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn there_is_one_migration_at_a_time() {
        let migrations = Migrations::default();
        let uri = || MigrationUri::File("/a".into());
        assert!(migrations.ask(uri()) && !migrations.ask(uri()));
        assert_eq!(migrations.wait(), Some(uri()));
        migrations.tell::<()>(&Err(anyhow::anyhow!("no")));
        assert_eq!(migrations.status().0, Status::Failed("no".into()));
        assert!(migrations.ask(uri()));
        migrations.tell(&Ok(()));
        assert!(!migrations.ask(uri()));
        migrations.end();
        assert_eq!(migrations.wait(), None);
    }
}
