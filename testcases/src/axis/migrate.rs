//! Migration of a machine while its case runs, to another machine of this process.

use crate::chain::chain;
use std::{
    io,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use vmm::{DirtyPages, GuestMemory, Hypervisor, Vm, migration::Outgoing};

/// How long either side waits for the other: they are threads of one process.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the rounds pause, for the guest to write something.
const PAUSE: Duration = Duration::from_micros(200);

fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    for stream in [&ours, &theirs] {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
    }
    Ok((ours, theirs))
}

/// Sends memory, and rounds of what is written meanwhile, until the guest is suspended or has ended.
fn send(
    stream: UnixStream,
    memory: &GuestMemory,
    dirty: &DirtyPages,
    has_stopped: &AtomicBool,
) -> Result<Outgoing<UnixStream>, String> {
    let mut outgoing = Outgoing::new(stream, memory).map_err(|error| chain(&error))?;
    let enough = |_, _| {
        if !has_stopped.load(Ordering::SeqCst) {
            thread::sleep(PAUSE);
        }
        has_stopped.load(Ordering::SeqCst)
    };
    outgoing.precopy(memory, dirty, enough).map_err(|error| chain(&error))?;
    Ok(outgoing)
}

/// Runs a machine while its memory goes to another one. If it `is_due` to move when it stops, all else goes too, and the other one
/// is given; else it stays.
pub(super) fn migrate_during<T>(
    vm: &mut Vm,
    hypervisor: &Hypervisor,
    run: impl FnOnce(&mut Vm) -> T,
    receive: &(dyn Fn(UnixStream) -> Result<Vm, String> + Sync),
    is_due: impl FnOnce(&T) -> bool,
) -> Result<(T, Option<Vm>), String> {
    let (ours, theirs) = pair().map_err(|error| chain(&error))?;
    let dirty = vm.dirty_pages().ok_or("nobody keeps account of what the machine writes")?.clone();
    let (memory, has_stopped) = (vm.memory().clone(), AtomicBool::new(false));
    thread::scope(|scope| {
        let receiver = scope.spawn(move || receive(theirs));
        let sender = scope.spawn(|| send(ours, &memory, &dirty, &has_stopped));
        let stopped = run(vm);
        has_stopped.store(true, Ordering::SeqCst);
        let sent = sender.join().unwrap_or_else(|_| Err("the thread that sends panicked".to_owned()));
        if !is_due(&stopped) {
            // Whoever receives finds that nothing comes any more.
            drop(sent);
            let _ = receiver.join();
            return Ok((stopped, None));
        }
        let finished = sent.and_then(|outgoing| outgoing.finish(vm, hypervisor).map_err(|error| chain(&error)));
        let received = receiver.join().unwrap_or_else(|_| Err("the thread that receives panicked".to_owned()));
        finished?;
        Ok((stopped, Some(received?)))
    })
}
