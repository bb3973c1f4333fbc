//! Memory that a guest gives back and takes again (§ 5.5 "Traditional Memory Balloon Device").

mod saved;
#[cfg(test)]
mod tests;

use crate::{
    Chain, DeviceKind, Io, Memory, RingError, VirtioDevice,
    readiness::{Readiness, Setting, Shown},
};
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};
use vm_memory::{GuestAddress, GuestMemoryBackend};
use vm_state::DeviceStateError;

/// VIRTIO_BALLOON_F_STATS_VQ, _DEFLATE_ON_OOM and _PAGE_REPORTING.
const STATISTICS: u64 = 1 << 1;
const DEFLATE_ON_OOM: u64 = 1 << 2;
const REPORTING: u64 = 1 << 5;

/// Queues (§ 5.5.2).
const INFLATE: usize = 0;
const DEFLATE: usize = 1;
const STATISTICS_QUEUE: usize = 2;

/// Size of a page of the balloon, whatever the guest's pages are (§ 5.5.6).
pub const PAGE_BYTES: u64 = 4096;
/// Numbers of pages that are taken from one buffer. Not completely as specified: of a buffer with more, which no known driver
/// sends, the rest stays memory of the guest in the host.
const NR_PAGES_MAX: u64 = 1 << 14;
/// Bytes of one statistic: its tag and its value.
const STATISTIC_BYTES: usize = 10;
/// Statistics that are taken at most; 16 are specified.
const NR_STATISTICS_MAX: usize = 32;
/// Offset of `actual` in the configuration (§ 5.5.4).
const ACTUAL_OFFSET: usize = 4;

/// Who gives memory back to the host.
pub trait Discard: Send {
    /// The guest does not need what is in this part of its memory: it may read as zeros from now on. All of it lies within guest
    /// memory, and both are multiples of 4096.
    fn discard(&mut self, address: u64, size_bytes: u64);
}

/// A balloon.
pub struct Balloon {
    control: BalloonControl,
    /// How many pages its driver was asked for.
    target: Shown,
    discard: Box<dyn Discard>,
    readiness: Readiness,
    features: u64,
    /// The buffer by which the driver is asked for statistics.
    statistics: Option<Chain>,
    /// Somebody asked before the driver gave such a buffer.
    is_asked: bool,
}

/// The host's side of a balloon, for any thread.
#[derive(Clone)]
pub struct BalloonControl(Arc<Shared>);

struct Shared {
    target: Setting,
    asked: Setting,
    actual: AtomicU32,
    listener: OnceLock<Listener>,
    statistics: Mutex<Vec<(u16, u64)>>,
}

/// Who is told how many pages the balloon has.
type Listener = Box<dyn Fn(u32) + Send + Sync>;

impl BalloonControl {
    /// Tells `listener` of each new number of pages that the balloon has, on the thread of who writes it; it must not hold that up.
    /// The first listener stays.
    pub fn on_change(&self, listener: impl Fn(u32) + Send + Sync + 'static) {
        let _ = self.0.listener.set(Box::new(listener));
    }

    /// Asks the guest to give back, or to take, until the balloon has so many pages of 4096 bytes.
    pub fn set_target(&self, nr_pages: u32) {
        self.0.target.set(nr_pages);
    }

    /// How many pages were asked for.
    pub fn target(&self) -> u32 {
        self.0.target.get()
    }

    /// How many pages the balloon has, as the guest says.
    pub fn actual(&self) -> u32 {
        self.0.actual.load(Ordering::Acquire)
    }

    /// Asks the guest for statistics, which come some time later.
    pub fn ask_for_statistics(&self) {
        self.0.asked.set(1);
    }

    /// What the guest said last: tags of § 5.5.6.4 and their values. Empty if it never said anything.
    pub fn statistics(&self) -> Vec<(u16, u64)> {
        self.0.statistics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Balloon {
    /// An empty one.
    ///
    /// # Errors
    /// If there are no more descriptors.
    pub fn new(discard: impl Discard + 'static) -> io::Result<Self> {
        let readiness = Readiness::new()?;
        let (target, asked) = (Setting::new(0)?, Setting::new(0)?);
        readiness.add(target.as_raw_fd(), 0)?;
        readiness.add(asked.as_raw_fd(), 1)?;
        let shared = Shared {
            target: target.clone(),
            asked,
            actual: AtomicU32::new(0),
            listener: OnceLock::new(),
            statistics: Mutex::default(),
        };
        Ok(Self {
            control: BalloonControl(Arc::new(shared)),
            target: Shown::new(target),
            discard: Box::new(discard),
            readiness,
            features: 0,
            statistics: None,
            is_asked: false,
        })
    }

    /// The host's side.
    pub fn control(&self) -> BalloonControl {
        self.control.clone()
    }

    /// Gives pages back that are named by their numbers (§ 5.5.6.1), those next to each other at once.
    fn inflate(discard: &mut dyn Discard, chain: &Chain, memory: &Memory) {
        let mut run: Option<(u64, u64)> = None;
        for index in 0..(chain.readable_bytes() / 4).min(NR_PAGES_MAX) {
            let mut number = [0; 4];
            chain.read(memory, 4 * index, &mut number);
            let address = u64::from(u32::from_le_bytes(number)) * PAGE_BYTES;
            // What is not memory was none before.
            if !memory.check_range(GuestAddress(address), PAGE_BYTES as usize) {
                continue;
            }
            match &mut run {
                Some((first, size)) if *first + *size == address => *size += PAGE_BYTES,
                Some((first, size)) => {
                    discard.discard(*first, *size);
                    (*first, *size) = (address, PAGE_BYTES);
                }
                None => run = Some((address, PAGE_BYTES)),
            }
        }
        if let Some((first, size)) = run {
            discard.discard(first, size);
        }
    }

    /// Gives back what the guest reports as free (§ 5.5.6.7): the elements of a buffer themselves.
    fn take_report(discard: &mut dyn Discard, chain: &Chain) {
        for element in chain.writable() {
            let first = element.address.next_multiple_of(PAGE_BYTES);
            let end = (element.address + u64::from(element.size_bytes)) / PAGE_BYTES * PAGE_BYTES;
            if first < end {
                discard.discard(first, end - first);
            }
        }
    }

    /// Keeps a buffer with statistics, which is given back when there is to be another one (§ 5.5.6.3).
    fn take_statistics(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        // A driver gives one buffer alone: of several all but the last go back at once.
        for _ in 0..crate::ring::QUEUE_SIZE_MAX {
            let Some(chain) = io.pop(STATISTICS_QUEUE)? else { break };
            let mut bytes = [0; STATISTIC_BYTES * NR_STATISTICS_MAX];
            let size = chain.read(io.memory, 0, &mut bytes);
            let (statistics, _) = bytes[..size].as_chunks::<STATISTIC_BYTES>();
            let statistics = statistics
                .iter()
                .map(|&[a, b, ref value @ ..]| (u16::from_le_bytes([a, b]), u64::from_le_bytes(*value)));
            *self.control.0.statistics.lock().unwrap_or_else(PoisonError::into_inner) = statistics.collect();
            if let Some(before) = self.statistics.replace(chain) {
                io.complete(STATISTICS_QUEUE, &before, 0)?;
            }
        }
        self.ask(io)
    }

    /// Asks for statistics, if somebody wants to know them and the driver gave a buffer.
    fn ask(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        if self.is_asked
            && let Some(chain) = self.statistics.take()
        {
            self.is_asked = false;
            io.complete(STATISTICS_QUEUE, &chain, 0)?;
        }
        Ok(())
    }
}

impl VirtioDevice for Balloon {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Balloon
    }

    fn queue_sizes(&self) -> &[u16] {
        // Number 3 is that of hints of free pages, which are not offered; Linux numbers only queues that it uses, so that free
        // pages are reported there, and by § 5.5.2 through number 4.
        &[256, 256, 16, 64, 64]
    }

    fn features(&self) -> u64 {
        STATISTICS | DEFLATE_ON_OOM | REPORTING
    }

    fn accept(&mut self, features: u64) -> bool {
        self.features = features;
        true
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        // § 5.5.4: how many pages it should have, and how many it has.
        let (target, actual) = (self.target.get().to_le_bytes(), self.control.actual().to_le_bytes());
        for (byte, value) in data.iter_mut().zip([target, actual].concat().into_iter().skip(offset)) {
            *byte = value;
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8], _: &mut Io<'_>) {
        if let (ACTUAL_OFFSET, Ok(actual)) = (offset, data.try_into()) {
            let actual = u32::from_le_bytes(actual);
            let before = self.control.0.actual.swap(actual, Ordering::AcqRel);
            if let Some(tell) = self.control.0.listener.get().filter(|_| before != actual) {
                tell(actual);
            }
        }
    }

    fn reset(&mut self) {
        (self.features, self.statistics, self.is_asked) = (0, None, false);
        // A guest that starts again has all of its memory; what it is to give back stays.
        self.control.0.actual.store(0, Ordering::Release);
    }

    fn reset_queue(&mut self, queue: usize) {
        if queue == STATISTICS_QUEUE {
            self.statistics = None;
        }
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.woken(io)
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        match queue {
            INFLATE => io.each(INFLATE, |chain, memory| {
                Self::inflate(&mut *self.discard, chain, memory);
                Ok(0)
            }),
            // Pages that are taken again need nothing: the host gives them when they are touched.
            DEFLATE => io.each(DEFLATE, |_, _| Ok(0)),
            STATISTICS_QUEUE if self.features & STATISTICS != 0 => self.take_statistics(io),
            _ if self.features & REPORTING != 0 => io.each(queue, |chain, _| {
                Self::take_report(&mut *self.discard, chain);
                Ok(0)
            }),
            _ => Ok(()),
        }
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        vec![self.readiness.as_raw_fd()]
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.readiness.take(|_, _| ());
        if self.target.take_over() {
            io.change_config();
        }
        self.is_asked |= self.control.0.asked.was_set();
        self.ask(io)
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state, memory)
    }
}
