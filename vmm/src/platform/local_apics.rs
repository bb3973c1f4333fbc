//! The local APICs of all vCPUs, and the messages among them.

use super::saved::Unfit;
use crate::tsc;
use ::platform::{
    fault::LocalApicFault,
    local_apic::{self, Ipi, LocalApic, Output, TimeStampCounter},
    message::{self, DeliveryMode, Identity, Interrupt, Message, Trigger},
    model::Model,
    time::{self, Nanoseconds},
};
use kvm_ioctls::VcpuFd;
use serde::{Deserialize, Serialize};

/// Hertz of the timers' clock before it is divided: that of KVM's (Linux, "arch/x86/include/asm/kvm_host.h",
/// APIC_BUS_FREQUENCY).
const TIMER_FREQUENCY: u64 = 1_000_000_000;
/// The pin that the 8259s lead to.
const LINT0: u8 = 0;

/// What local APICs have to know of the processors that they are part of.
#[derive(Debug)]
pub(crate) struct Processors {
    pub(crate) nr: u8,
    /// How many there can be, with those that come later.
    pub(crate) nr_max: u8,
    /// Their time-stamp counters, if the timers have deadlines.
    pub(crate) counters: Option<Counters>,
    /// Width of physical addresses, which IA32_APIC_BASE takes.
    pub(crate) physical_address_bits: u8,
}

/// The time-stamp counters of all vCPUs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Hertz.
    frequency: u64,
    /// How far each is ahead of the host's; wraps.
    differences: Vec<u64>,
}

impl Counters {
    /// Nothing if KVM cannot tell of them or move them.
    pub(crate) fn of(vcpus: &[VcpuFd]) -> Option<Self> {
        let first = vcpus.first().filter(|vcpu| tsc::can_be_moved(vcpu))?;
        let frequency = u64::from(first.get_tsc_khz().ok()?) * 1000;
        let differences = vcpus.iter().map(|vcpu| tsc::difference(vcpu).ok()).collect::<Option<_>>()?;
        (frequency != 0).then_some(Self { frequency, differences })
    }
}

/// All local APICs of a VM.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct LocalApics {
    apics: Vec<LocalApic>,
    /// A bit for each whose processor is there: the others are sent nothing.
    present: u64,
    physical_address_bits: u8,
    counters: Option<Counters>,
    /// Whether a deadline was ever set: until then nobody has to look at counters.
    has_deadlines: bool,
    /// Of which vCPU the thread has to look, because it was told something.
    touched: u64,
    /// Who got the last interrupt that went by priority.
    last: usize,
    /// Vectors of level-triggered interrupts that have ended, and of which the I/O APIC is to be told.
    ended: Vec<u8>,
}

impl LocalApics {
    pub(super) fn new(processors: Processors) -> Self {
        let Processors { nr, nr_max, mut counters, physical_address_bits } = processors;
        if let Some(counters) = &mut counters {
            // What comes later tells of its own then.
            counters.differences.resize(nr_max.into(), 0);
        }
        Self {
            apics: (0..nr_max).map(|id| new_apic(id, counters.as_ref(), physical_address_bits)).collect(),
            present: u64::MAX.checked_shr(u64::BITS - u32::from(nr)).unwrap_or(0),
            physical_address_bits,
            counters,
            has_deadlines: false,
            touched: 0,
            last: 0,
            ended: Vec::new(),
        }
    }

    /// A processor came, with a new local APIC; its counter is so far ahead of the host's.
    pub(super) fn add(&mut self, now: Nanoseconds, vcpu: u8, difference: u64) {
        let new = new_apic(vcpu, self.counters.as_ref(), self.physical_address_bits);
        if let Some(apic) = self.apics.get_mut(usize::from(vcpu)) {
            *apic = new;
            apic.advance(now);
            self.present |= 1 << vcpu;
            self.move_counter(now, vcpu, difference);
        }
    }

    /// A processor is gone, and its local APIC with it.
    pub(super) fn remove(&mut self, vcpu: u8) {
        let new = new_apic(vcpu, self.counters.as_ref(), self.physical_address_bits);
        if let Some(apic) = self.apics.get_mut(usize::from(vcpu)) {
            *apic = new;
            self.present &= !(1 << vcpu);
        }
    }

    /// Whether others can stand in for them.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.apics.len() == other.apics.len()
            && self.counters.is_some() == other.counters.is_some()
            && other.last < other.apics.len()
    }

    /// The vCPUs' counters have changed, those that came `later` by their numbers.
    pub(super) fn set_counters(&mut self, mut counters: Option<Counters>, later: &[(u8, u64)]) -> Result<(), Unfit> {
        if self.counters.is_some() != counters.is_some() {
            return Err(Unfit);
        }
        if let Some(counters) = &mut counters {
            // As when they are new.
            counters.differences.resize(self.apics.len(), 0);
            for (vcpu, difference) in later {
                *counters.differences.get_mut(usize::from(*vcpu)).ok_or(Unfit)? = *difference;
            }
        }
        self.counters = counters;
        Ok(())
    }

    /// Tells the timers what the time-stamp counters show. What they would compute from the time alone is off by what two
    /// clocks of a host are, so that a deadline could come early; this has to be called with each new `now`.
    pub(super) fn follow_counters(&mut self, now: Nanoseconds) {
        let Some(counters) = self.counters.as_ref().filter(|_| self.has_deadlines) else { return };
        let (host, passed) = (tsc::host(), time::ticks(now, counters.frequency));
        for (index, (apic, difference)) in self.apics.iter_mut().zip(&counters.differences).enumerate() {
            let before = apic.highest_pending();
            apic.correct_tsc(now, host.wrapping_add(*difference).wrapping_sub(passed));
            if apic.highest_pending() != before {
                self.touched |= 1 << index;
            }
        }
    }

    /// The guest uses deadlines from now on.
    pub(super) fn expect_deadlines(&mut self, now: Nanoseconds) {
        if !self.has_deadlines {
            self.has_deadlines = true;
            self.follow_counters(now);
        }
    }

    /// A counter was written: it is so far ahead of the host's now.
    pub(super) fn move_counter(&mut self, now: Nanoseconds, vcpu: u8, difference: u64) {
        let of_vcpu =
            |counters: &mut Counters| counters.differences.get_mut(usize::from(vcpu)).map(|old| *old = difference);
        if self.counters.as_mut().and_then(of_vcpu).is_some() {
            self.follow_counters(now);
            self.touched |= 1 << vcpu;
        }
    }

    /// Lets all of them break a rule.
    pub(super) fn set_fault(&mut self, fault: LocalApicFault) {
        self.apics.iter_mut().for_each(|apic| apic.set_fault(fault));
    }

    pub(super) fn of(&mut self, vcpu: u8) -> Option<&mut LocalApic> {
        self.apics.get_mut(usize::from(vcpu))
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Nanoseconds) {
        for (index, apic) in self.apics.iter_mut().enumerate() {
            let before = apic.highest_pending();
            apic.advance(now);
            if apic.highest_pending() != before {
                self.touched |= 1 << index;
            }
        }
    }

    pub(super) fn next_change(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        self.apics.iter().filter_map(|apic| apic.next_change(now)).min()
    }

    /// The output of the 8259s.
    pub(super) fn set_pic(&mut self, now: Nanoseconds, high: bool) {
        if let Some(first) = self.apics.first_mut() {
            first.set_pin(now, LINT0, high);
            self.touched |= u64::from(high);
        }
    }

    /// Takes a message to whom it is for; gives whether somebody took it.
    pub(super) fn deliver(&mut self, now: Nanoseconds, message: Message) -> bool {
        let Some(Interrupt { destination, delivery, vector, trigger }) = message.decode() else { return false };
        self.send(now, delivery, vector, trigger, |_, identity| destination.includes(identity))
    }

    /// Takes what local APICs send to others, until there is nothing more. Ends of interrupts are kept for
    /// [`Self::take_ended`].
    pub(super) fn carry(&mut self, now: Nanoseconds) {
        for sender in 0..self.apics.len() {
            while let Some(output) = self.apics[sender].take() {
                match output {
                    Output::EndOfInterrupt(vector) => self.ended.push(vector),
                    Output::Ipi(ipi) => {
                        let Ipi { delivery, vector, .. } = ipi;
                        self.send(now, delivery, vector, Trigger::Edge, |index, identity| {
                            ipi.reaches(index == sender, identity)
                        });
                    }
                }
            }
        }
    }

    pub(super) fn take_ended(&mut self) -> Option<u8> {
        self.ended.pop()
    }

    fn send(
        &mut self,
        now: Nanoseconds,
        delivery: DeliveryMode,
        vector: u8,
        trigger: Trigger,
        reaches: impl Fn(usize, Identity) -> bool,
    ) -> bool {
        let present = self.present;
        let is_reached = |index: usize, apic: &LocalApic| {
            present >> index & 1 != 0 && apic.identity().is_some_and(|own| reaches(index, own))
        };
        if delivery == DeliveryMode::LowestPriority {
            let priority = |(index, apic): (usize, &LocalApic)| {
                (apic.is_enabled() && is_reached(index, apic)).then(|| apic.task_priority())
            };
            let priorities: Vec<_> = self.apics.iter().enumerate().map(priority).collect();
            let Some(chosen) = message::lowest_priority(&priorities, self.last) else { return false };
            self.last = chosen;
            self.apics[chosen].deliver(now, delivery, vector, trigger);
            self.touched |= 1 << chosen;
            return true;
        }
        let mut is_taken = false;
        for (index, apic) in self.apics.iter_mut().enumerate() {
            if is_reached(index, apic) {
                // Disabled by software it takes only what has no vector.
                is_taken |= apic.is_enabled() || delivery != DeliveryMode::Fixed;
                apic.deliver(now, delivery, vector, trigger);
                self.touched |= 1 << index;
            }
        }
        is_taken
    }

    /// Which vCPUs have been told something since the last call, a bit each.
    pub(super) fn take_touched(&mut self) -> u64 {
        std::mem::take(&mut self.touched)
    }
}

/// That of a processor after its reset.
fn new_apic(id: u8, counters: Option<&Counters>, physical_address_bits: u8) -> LocalApic {
    let frequency = counters.map(|counters| counters.frequency);
    LocalApic::new(local_apic::Config {
        id: id.into(),
        bootstrap: id == 0,
        x2apic: true,
        tsc_deadline: frequency.is_some(),
        eoi_suppression: true,
        cmci: false,
        timer_frequency: TIMER_FREQUENCY,
        tsc: TimeStampCounter { frequency: frequency.unwrap_or(0), offset: 0 },
        physical_address_bits,
    })
}

const _: () = assert!(crate::layout::NR_VCPUS_MAX as u32 <= u64::BITS, "a bit for each vCPU");
