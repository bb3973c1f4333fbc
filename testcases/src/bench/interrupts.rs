//! From the signal to the handler: the VMM against a bare program around KVM_RUN with the same guest.
//!
//! One thread runs the virtual processor, which halts; another signals it and looks at the clock before. The handler
//! writes a port, and the first thread looks at the clock when it sees that. So both sides have the same exit in their
//! time, and differ by what they do between the signal and KVM, and between KVM and the write.

use super::{
    Row,
    bare::{BareVm, MEMORY_SIZE_BYTES},
    interrupt_guest::{self, PIN, VECTOR},
    loops::{self, PORT},
    median,
};
use crate::placement;
use anyhow::{Context as _, bail};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use vmm::{
    Device, Entry, Flow, GuestMemory, Hypervisor, Image, Irqchip, Location, NoObserver, Region, StopReason, Vm,
    VmConfig,
    interrupts::{Interrupts, Irqfd, MsiMessage},
};

/// Part of the bare program's speed that the VMM is to reach.
const WANTED: f64 = 0.9;
/// How long the guest gets to halt again before the next signal.
const PAUSE: Duration = Duration::from_micros(100);
/// How long a signal may take: a lost one ends the benchmark, it is not waited for.
const LOST: Duration = Duration::from_secs(5);

/// The ways of an interrupt that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// KVM_SIGNAL_MSI.
    Message,
    /// An irqfd whose route is a message.
    MessageEvent,
    /// An edge on a pin of KVM's I/O APIC.
    Pin,
}

/// A row: what the VMM does, with which irqchip, and what is aimed at against which way of the bare program.
struct Comparison {
    what: &'static str,
    irqchip: Irqchip,
    way: Way,
    wanted: f64,
}

const COMPARISONS: &[Comparison] = &[
    Comparison { what: "KVM_SIGNAL_MSI", irqchip: Irqchip::Kernel, way: Way::Message, wanted: WANTED },
    Comparison { what: "irqfd, MSI route", irqchip: Irqchip::Kernel, way: Way::MessageEvent, wanted: WANTED },
    Comparison { what: "I/O APIC pin", irqchip: Irqchip::Kernel, way: Way::Pin, wanted: WANTED },
    // For information: KVM has no part in it but the injection.
    Comparison { what: "user-space APIC", irqchip: Irqchip::User, way: Way::Message, wanted: 0.0 },
];

/// What both sides tell the signalling thread.
#[derive(Debug)]
pub(super) struct Handled {
    epoch: Instant,
    /// Interrupts that were handled, and one more for the guest that is ready.
    count: AtomicU32,
    /// When the last one was, in nanoseconds from the epoch.
    at_ns: AtomicU64,
    /// Whether the guest is to be ended at its next write.
    is_over: AtomicBool,
}

impl Handled {
    fn new() -> Self {
        let (count, at_ns, is_over) = (AtomicU32::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self { epoch: Instant::now(), count, at_ns, is_over }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The guest has written; gives whether it is to go on.
    pub(super) fn tell(&self) -> bool {
        self.at_ns.store(self.now_ns(), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
        !self.is_over.load(Ordering::Acquire)
    }

    /// Waits until the guest has written so many times; gives whether it has.
    fn wait_for(&self, count: u32) -> bool {
        let start = Instant::now();
        while self.count.load(Ordering::Acquire) < count {
            if start.elapsed() > LOST {
                return false;
            }
            thread::yield_now();
        }
        true
    }
}

/// Signals `nr_signals` times, one after the other, and once more to end the guest; gives how long each took.
fn signal_all(
    handled: &Handled,
    nr_signals: u32,
    mut signal: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Duration>> {
    let _pinned = placement::pin(1);
    let mut times = Vec::new();
    for number in 1..=nr_signals + 1 {
        if !handled.wait_for(number) {
            bail!("the guest of the benchmark lost interrupt {}", number - 1);
        }
        if number > 1 {
            times.push(handled.at_ns.load(Ordering::Relaxed));
        }
        thread::sleep(PAUSE);
        if number > nr_signals {
            handled.is_over.store(true, Ordering::Release);
        }
        let before = handled.now_ns();
        signal()?;
        if number <= nr_signals {
            times.push(before);
        }
    }
    let took = |pair: &[u64]| match pair {
        [before, after] => Duration::from_nanos(after.saturating_sub(*before)),
        _ => Duration::ZERO,
    };
    Ok(times.chunks_exact(2).map(took).collect())
}

/// Measures each way in `nr_rounds` rounds of `nr_signals` interrupts for either side in turn.
///
/// # Errors
/// If KVM cannot be used, or an interrupt is lost.
pub fn measure(nr_rounds: u32, nr_signals: u32) -> anyhow::Result<Vec<Row>> {
    let hypervisor = Hypervisor::open()?;
    let mut rows = Vec::new();
    for Comparison { what, irqchip, way, wanted } in COMPARISONS {
        let code = interrupt_guest::code(*way == Way::Pin).context("failed to assemble the guest")?;
        let image = Image::from_bytes(&loops::image(&code), MEMORY_SIZE_BYTES as u64)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..nr_rounds {
            ours.push(median(run_ours(&hypervisor, &image, *irqchip, *way, nr_signals).context("on our VMM")?));
            theirs.push(median(run_bare(&code, *way, nr_signals).context("on the bare program")?));
        }
        let nr_samples = (ours.len(), theirs.len());
        let (ours, theirs) = (median(ours), median(theirs));
        rows.push(Row {
            what: (*what).to_owned(),
            peer: "bare KVM_RUN loop".to_owned(),
            ours: microseconds(ours),
            theirs: microseconds(theirs),
            ratio: theirs.as_secs_f64() / ours.as_secs_f64(),
            wanted: *wanted,
            nr_samples,
        });
    }
    Ok(rows)
}

fn microseconds(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}

/// The device that the handler writes to.
struct Port(Arc<Handled>);

impl Device for Port {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: PORT, count: 4 }]
    }

    fn read(&mut self, _: Location, data: &mut [u8]) -> Flow {
        data.fill(0);
        Flow::Continue
    }

    fn write(&mut self, _: Location, _: &[u8], _: &GuestMemory) -> Flow {
        match self.0.tell() {
            true => Flow::Continue,
            false => Flow::Stop(StopReason::DeviceStopped("done".to_owned())),
        }
    }
}

/// What the VMM's user does for each way.
enum Signal {
    Message(Interrupts),
    Event(Irqfd),
    Pin(Interrupts),
}

impl Signal {
    fn send(&self) -> anyhow::Result<()> {
        match self {
            Self::Message(interrupts) => interrupts.signal_msi(MsiMessage::fixed(0, VECTOR)).map(drop)?,
            Self::Event(event) => event.signal()?,
            Self::Pin(interrupts) => interrupts.pulse_line(PIN)?,
        }
        Ok(())
    }
}

fn run_ours(
    hypervisor: &Hypervisor,
    image: &Image,
    irqchip: Irqchip,
    way: Way,
    nr_signals: u32,
) -> anyhow::Result<Vec<Duration>> {
    let handled = Arc::new(Handled::new());
    let config = VmConfig { irqchip, ..VmConfig::new(Entry::Pvh) }.with(Port(handled.clone()));
    let mut vm = Vm::new(hypervisor, image, config)?;
    let interrupts = vm.interrupts().clone();
    let signal = match way {
        Way::Message => Signal::Message(interrupts),
        Way::MessageEvent => Signal::Event(interrupts.msi_irqfd(MsiMessage::fixed(0, VECTOR))?),
        Way::Pin => Signal::Pin(interrupts),
    };
    let handle = vm.handle();
    let (times, stopped) = thread::scope(|scope| {
        let signalling = scope.spawn(|| {
            // A guest that does not answer any more is ended from here.
            signal_all(&handled, nr_signals, || signal.send()).inspect_err(|_| handle.stop())
        });
        let _pinned = placement::pin(0);
        let stopped = vm.run(&mut NoObserver);
        handled.is_over.store(true, Ordering::Release);
        (signalling.join(), stopped)
    });
    let stopped = stopped?;
    let Ok(times) = times else { bail!("the signalling thread panicked") };
    times.with_context(|| format!("the guest ended: {stopped}"))
}

fn run_bare(code: &[u8], way: Way, nr_signals: u32) -> anyhow::Result<Vec<Duration>> {
    let mut vm = BareVm::new(code, true)?;
    let signal = vm.signal(way)?;
    let handled = Handled::new();
    thread::scope(|scope| {
        let signalling =
            scope.spawn(|| signal_all(&handled, nr_signals, || signal.send()).inspect_err(|_| signal.end()));
        let _pinned = placement::pin(0);
        vm.run(&handled)?;
        signalling.join().map_err(|_| anyhow::anyhow!("the signalling thread panicked"))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interrupt_reaches_the_handler_on_both_sides() {
        if !std::path::Path::new("/dev/kvm").exists() {
            eprintln!("no /dev/kvm: not tested here");
            return;
        }
        let rows = measure(1, 3).unwrap();
        assert_eq!(rows.len(), COMPARISONS.len());
        assert!(rows.iter().all(|row| row.ratio.is_finite() && row.ratio > 0.0), "{rows:?}");
    }

    #[test]
    fn a_signal_that_fails_ends_the_measurement() {
        let handled = Handled::new();
        handled.tell();
        let mut nr_sent = 0;
        let mut signal = || {
            nr_sent += 1;
            match nr_sent {
                1 => drop(handled.tell()),
                _ => bail!("the second signal"),
            }
            Ok(())
        };
        let error = signal_all(&handled, 2, &mut signal).unwrap_err().to_string();
        assert_eq!((error.as_str(), nr_sent), ("the second signal", 2));
    }
}
