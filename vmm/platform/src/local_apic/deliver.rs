//! What becomes of interrupts that arrive: requested, in service, ended.

use super::{
    LocalApic, Mode, Output,
    errors::RECEIVE_ILLEGAL_VECTOR,
    lvt::Entry,
    registers::{LVT_MASK, SVR_ENABLE, SVR_SUPPRESS_BROADCAST},
};
use crate::{
    fault::LocalApicFault,
    message::{DeliveryMode, Trigger},
    model::Model,
    time::Nanoseconds,
};

/// Vectors below are illegal ("Valid Interrupt Vectors").
const FIRST_LEGAL: u8 = 16;
/// Priority class of a vector, PPR or TPR, in place.
const CLASS: u8 = 0xf0;

impl LocalApic {
    /// Takes an interrupt that is for this processor: whose [`crate::message::Destination`] includes
    /// [`LocalApic::identity`], and which was chosen if it goes by priority. A globally disabled local APIC takes none.
    pub fn deliver(&mut self, now: Nanoseconds, delivery: DeliveryMode, vector: u8, trigger: Trigger) {
        self.catch_up(now);
        if self.mode() == Mode::Disabled {
            return;
        }
        match delivery {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority => self.post(vector, trigger),
            DeliveryMode::Smi => self.requests.smi = true,
            DeliveryMode::Nmi => self.requests.nmi = true,
            DeliveryMode::Init => self.request_init(),
            // A processor that has one already, or neither waits nor will after INIT, ignores it.
            DeliveryMode::StartUp => {
                if self.waiting || self.requests.init {
                    self.requests.start_up.get_or_insert(vector);
                }
            }
            DeliveryMode::ExtInt => self.requests.ext_int |= self.svr & SVR_ENABLE != 0,
        }
    }

    pub(super) fn request_init(&mut self) {
        self.requests.init = true;
        self.requests.start_up = None;
    }

    /// Requests a vector. Disabled by software, the local APIC responds only to what has none ("Local APIC State After It
    /// Has Been Software Disabled").
    pub(super) fn post(&mut self, vector: u8, trigger: Trigger) {
        if self.svr & SVR_ENABLE == 0 && !self.breaks(LocalApicFault::DisabledTakesInterrupts) {
            return;
        }
        if vector < FIRST_LEGAL && !self.breaks(LocalApicFault::IllegalVectorsDelivered) {
            self.detect(RECEIVE_ILLEGAL_VECTOR);
            return;
        }
        self.requested.set(vector, true);
        let is_level =
            trigger == Trigger::Level || self.level.contains(vector) && self.breaks(LocalApicFault::TmrNeverCleared);
        self.level.set(vector, is_level && !self.breaks(LocalApicFault::TmrNeverSet));
    }

    /// PPR ("Task and Processor Priorities").
    pub fn processor_priority(&self) -> u8 {
        let served = self.in_service.highest().unwrap_or(0) & CLASS;
        match self.fault {
            Some(LocalApicFault::TaskPriorityIgnored) => return served,
            Some(LocalApicFault::ServiceIgnored) => return self.tpr,
            _ => {}
        }
        if self.tpr & CLASS >= served { self.tpr } else { served }
    }

    /// The vector that the processor would be interrupted with if it let itself be: the highest requested, if its class is
    /// above the processor's priority. What was requested before the local APIC was disabled by software is held and given
    /// still.
    pub fn highest_pending(&self) -> Option<u8> {
        let first = match self.breaks(LocalApicFault::LowestVectorFirst) {
            true => self.requested.lowest(),
            false => self.requested.highest(),
        };
        first.filter(|vector| vector & CLASS > self.processor_priority() & CLASS)
    }

    /// The processor takes a vector that [`LocalApic::highest_pending`] told: it is in service now. One that is not
    /// requested is ignored.
    pub fn accept(&mut self, vector: u8) {
        if self.requested.contains(vector) {
            self.requested.set(vector, false);
            self.in_service.set(vector, true);
        }
    }

    /// The processor asks for a vector, and takes the most urgent. Without one that is the spurious vector, which is not in
    /// service ("Spurious Interrupt").
    pub fn acknowledge(&mut self) -> u8 {
        let Some(vector) = self.highest_pending() else {
            return self.svr as u8;
        };
        self.accept(vector);
        vector
    }

    /// A write to EOI: ends the highest in service ("Signaling Interrupt Servicing Completion").
    pub(super) fn end_of_interrupt(&mut self) {
        let served = match self.fault {
            Some(LocalApicFault::EoiIgnored) => None,
            Some(LocalApicFault::EndsLowest) => self.in_service.lowest(),
            _ => self.in_service.highest(),
        };
        let Some(vector) = served else { return };
        self.in_service.set(vector, false);
        if self.level.contains(vector) {
            let is_suppressed =
                self.svr & SVR_SUPPRESS_BROADCAST != 0 && !self.breaks(LocalApicFault::SuppressionIgnored);
            if !is_suppressed && !self.breaks(LocalApicFault::NoBroadcast) {
                self.ended = Some(vector);
            }
            self.end_level(vector);
        }
    }

    /// Lets time pass until `now`, unless it has.
    pub(super) fn catch_up(&mut self, now: Nanoseconds) {
        self.now = self.now.max(now);
        let mode = self.timer_mode();
        if self.timer.advance(self.now, mode) {
            self.fire(Entry::Timer);
        }
    }
}

impl Model for LocalApic {
    type Output = Output;

    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        self.catch_up(now);
        self.read_memory(offset, size)
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        self.catch_up(now);
        self.write_memory(offset, size, value);
    }

    fn advance(&mut self, now: Nanoseconds) {
        self.catch_up(now);
    }

    fn next_change(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        let masked = self.lvt.get(Entry::Timer) & LVT_MASK != 0;
        if masked { None } else { self.timer.next_change(self.now.max(now), self.timer_mode()) }
    }

    fn take(&mut self) -> Option<Output> {
        self.ended.take().map(Output::EndOfInterrupt).or_else(|| self.ipi.take().map(Output::Ipi))
    }
}
