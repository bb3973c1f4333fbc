//! The thread that starts children.
//!
//! The kernel sends a child's death signal when the thread that started it ends, not when the process does. Workers end
//! before the machines that they booted are no longer needed; this thread never does.

use std::{
    io,
    process::{Child, Command},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

/// A command, and who waits for the child.
type Job = (Command, Sender<io::Result<Child>>);

/// The way to the thread, once there is one.
static JOBS: Mutex<Option<Sender<Job>>> = Mutex::new(None);

/// Starts the thread if there is none.
pub(super) fn prepare() -> io::Result<()> {
    jobs().map(drop)
}

/// Starts a command on the thread, which leaves an empty one behind.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    let (answer, child) = mpsc::channel();
    let command = std::mem::replace(command, Command::new(""));
    let ended = || io::Error::other("the thread that starts children has ended");
    jobs()?.send((command, answer)).map_err(|_| ended())?;
    child.recv().map_err(|_| ended())?
}

fn jobs() -> io::Result<Sender<Job>> {
    // No holder leaves it half changed.
    let mut jobs = JOBS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(jobs) = &*jobs {
        return Ok(jobs.clone());
    }
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("starter".to_owned()).spawn(move || work(&receiver))?;
    Ok(jobs.insert(sender).clone())
}

fn work(jobs: &Receiver<Job>) {
    while let Ok((mut command, answer)) = jobs.recv() {
        // Whoever asked waits for it.
        let _ = answer.send(command.spawn());
    }
}
