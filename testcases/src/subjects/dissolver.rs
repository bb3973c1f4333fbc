//! Takes virtual machines apart on threads of its own.
//!
//! KVM waits, without using a processor, for every user of its device buses to be through before it frees the interrupt
//! controllers in the kernel: some 10 ms for one machine. Nobody has to wait for that with it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

/// How many machines are taken apart at once.
const NR_THREADS: usize = 4;
/// How many may wait for it: their memory is still in use.
const NR_WAITING: usize = 8;

/// The threads; they end with this, when all is done.
#[derive(Debug)]
pub(super) struct Dissolver<T> {
    sender: Option<SyncSender<T>>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static> Dissolver<T> {
    pub(super) fn start() -> Self {
        let (sender, receiver) = sync_channel(NR_WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        let one = |_| {
            let receiver = receiver.clone();
            std::thread::spawn(move || {
                while let Some(item) = next(&receiver) {
                    drop(item)
                }
            })
        };
        Self { sender: Some(sender), threads: (0..NR_THREADS).map(one).collect() }
    }

    /// Drops it on another thread; waits only if too many wait already.
    pub(super) fn dissolve(&self, item: T) {
        if let Some(sender) = &self.sender {
            // What cannot be sent is dropped here.
            let _ = sender.send(item);
        }
    }
}

/// The next one; nothing once there can be no more.
fn next<T>(receiver: &Mutex<Receiver<T>>) -> Option<T> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl<T> Drop for Dissolver<T> {
    fn drop(&mut self) {
        self.sender = None;
        for thread in self.threads.drain(..) {
            // A panic in it was told by it, and there is nothing left to do for it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn everything_is_dropped_when_it_ends() {
        let count = Arc::new(AtomicUsize::new(0));
        let dissolver = Dissolver::start();
        (0..3 * NR_WAITING).for_each(|_| dissolver.dissolve(Counted(count.clone())));
        drop(dissolver);
        assert_eq!(count.load(Ordering::Relaxed), 3 * NR_WAITING);
    }
}
