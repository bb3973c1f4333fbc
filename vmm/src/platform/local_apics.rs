//! The local APICs of all vCPUs, and the messages among them.

use ::platform::{
    local_apic::{self, Ipi, LocalApic, Output, TimeStampCounter},
    message::{self, DeliveryMode, Identity, Interrupt, Message, Trigger},
    model::Model,
    time::Nanoseconds,
};

/// Hertz of the timers' clock before it is divided: that of KVM's (Linux, "arch/x86/include/asm/kvm_host.h",
/// APIC_BUS_FREQUENCY).
const TIMER_FREQUENCY: u64 = 1_000_000_000;
/// Width of physical addresses that IA32_APIC_BASE takes, in bits: the smallest that processors with 64-bit mode have.
const PHYSICAL_ADDRESS_BITS: u8 = 36;
/// The pin that the 8259s lead to.
const LINT0: u8 = 0;

/// All local APICs of a VM.
pub(super) struct LocalApics {
    apics: Vec<LocalApic>,
    /// Of which vCPU the thread has to look, because it was told something.
    touched: u64,
    /// Who got the last interrupt that went by priority.
    last: usize,
    /// Vectors of level-triggered interrupts that have ended, and of which the I/O APIC is to be told.
    ended: Vec<u8>,
}

impl LocalApics {
    pub(super) fn new(nr_vcpus: u8) -> Self {
        let apic = |id: u8| {
            LocalApic::new(local_apic::Config {
                id: id.into(),
                bootstrap: id == 0,
                x2apic: true,
                // KVM keeps the counter, whose writes are not told: the mode is not offered.
                tsc_deadline: false,
                eoi_suppression: true,
                cmci: false,
                timer_frequency: TIMER_FREQUENCY,
                tsc: TimeStampCounter { frequency: 0, offset: 0 },
                physical_address_bits: PHYSICAL_ADDRESS_BITS,
            })
        };
        Self { apics: (0..nr_vcpus).map(apic).collect(), touched: 0, last: 0, ended: Vec::new() }
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
        let is_reached = |index: usize, apic: &LocalApic| apic.identity().is_some_and(|own| reaches(index, own));
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

const _: () = assert!(crate::layout::NR_VCPUS_MAX as u32 <= u64::BITS, "a bit for each vCPU");
