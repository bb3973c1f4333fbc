//! Four processors, and which of them take what one sends.
//!
//! That something is not taken needs no wait: behind each message a marker of lower priority goes to everyone, and who has taken
//! that has taken the message first, or never got it.

use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    interrupts::{self, OTHERS_MICROS},
    local_apic::interprocessor::{self, Message, To},
    smp::{self, Processors},
    trap::{self, Handling, TrapFrame},
    vocabulary::Text,
};

/// The vector of what is sent.
pub(crate) const VECTOR: u8 = 0x61;
const MARKER: u8 = 0x31;
const NMI: u8 = 2;
/// Names of the processors, as rows.
pub(crate) const PROCESSORS: &[Text] = crate::smp::PROCESSORS;

static TAKEN: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];
static MARKED: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];

fn count(frame: &mut TrapFrame) {
    let counters = if frame.vector == u64::from(MARKER) { &MARKED } else { &TAKEN };
    if let Some(counter) = counters.get(smp::index()) {
        counter.fetch_add(1, Ordering::AcqRel);
    }
    if frame.vector != u64::from(NMI) {
        interprocessor::end_interrupt();
    }
}

/// Processors 1 to 3, idle with interrupts let in, and handlers that count.
#[derive(Debug)]
pub(crate) struct Four {
    pub(crate) processors: Processors,
    _handling: [Handling; 3],
}

impl Four {
    /// Starts them; `None` if one does not start.
    pub(crate) fn start() -> Option<Self> {
        let _handling = [VECTOR, MARKER, NMI].map(|vector| trap::handle(vector, count));
        Processors::start(3).ok().map(|processors| Self { processors, _handling })
    }

    /// Sends, and tells how often each processor took it: a digit for each, that of processor 0 the lowest. All ones if a
    /// processor does not even take the marker. What `expected` tells is waited for first, so that nothing else is left to the
    /// order in which a host hands out what it was given at the same time.
    pub(crate) fn send(&self, to: To, message: Message, expected: u32) -> u32 {
        self.send_by(|| interprocessor::send(to, message), expected)
    }

    /// The same of what `send` makes happen.
    pub(crate) fn send_by(&self, send: impl FnOnce(), expected: u32) -> u32 {
        for counter in TAKEN.iter().chain(&MARKED) {
            counter.store(0, Ordering::Release);
        }
        send();
        interrupts::wait_until(OTHERS_MICROS, || taken() & expected == expected);
        self.settle()
    }

    /// Sends the marker, waits until all have taken it, and tells how often each took what was sent since [`Four::send`].
    fn settle(&self) -> u32 {
        let before = [0, 1, 2, 3].map(|index: usize| MARKED[index].load(Ordering::Acquire));
        for id in 0..=self.processors.count() as u8 {
            interprocessor::send(To::Id(id), Message::Fixed(MARKER));
        }
        let is_marked = || MARKED.iter().zip(before).all(|(counter, before)| counter.load(Ordering::Acquire) != before);
        if !interrupts::wait_until(OTHERS_MICROS, is_marked) {
            return u32::MAX;
        }
        taken()
    }

    /// Runs a function on each processor with an argument of its own; whether all returned 1.
    pub(crate) fn on_each(&self, function: smp::Function, arguments: [u64; 4]) -> bool {
        let mut all = function(arguments[0]) == 1;
        for (index, argument) in arguments.into_iter().enumerate().skip(1) {
            all &= self.processors.run_on(index, function, argument) == Ok(1);
        }
        all
    }
}

fn taken() -> u32 {
    digits(|index| TAKEN[index].load(Ordering::Acquire))
}

/// A digit for each processor.
pub(crate) fn digits(digit: impl Fn(usize) -> u32) -> u32 {
    (0..4).map(|index| digit(index).min(0xf) << (index * 4)).sum()
}
