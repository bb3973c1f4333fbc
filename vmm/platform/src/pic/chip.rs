//! One 8259A.

use crate::fault::PicFault;
use serde::{Deserialize, Serialize};

/// What the controller waits for after ICW1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Nothing was ever initialised.
    PowerOn,
    Icw2,
    Icw3,
    Icw4,
    Ready,
}

/// One controller. Bit n of every byte is input n.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chip {
    step: Step,
    /// ICW1: there is no other controller.
    single: bool,
    /// ICW1: an ICW4 follows.
    with_icw4: bool,
    /// ICW2: the vector of input 0; its low three bits are zero.
    base: u8,
    /// ICW3: the inputs of a first controller with another behind them, or the identity of a second one.
    icw3: u8,
    auto_eoi: bool,
    fully_nested: bool,
    special_mask: bool,
    rotate_on_auto_eoi: bool,
    /// The input with the lowest priority; the one after it has the highest.
    lowest: u8,
    lines: u8,
    /// Rises that have not been acknowledged, of edge-triggered inputs.
    edges: u8,
    /// The edge/level control register.
    level: u8,
    in_service: u8,
    mask: u8,
    reads_in_service: bool,
    poll: bool,
    #[serde(skip)]
    pub(super) fault: Option<PicFault>,
}

const ICW1: u8 = 1 << 4;
const ICW1_WITH_ICW4: u8 = 1;
const ICW1_SINGLE: u8 = 1 << 1;
const ICW4_AUTO_EOI: u8 = 1 << 1;
const ICW4_FULLY_NESTED: u8 = 1 << 4;
const OCW2_SPECIFIC: u8 = 1 << 6;
const OCW3: u8 = 1 << 3;
const OCW3_POLL: u8 = 1 << 2;
/// The input that is told when no request is left.
const SPURIOUS: u8 = 7;

impl Chip {
    pub(super) const fn new() -> Self {
        Self {
            step: Step::PowerOn,
            single: false,
            with_icw4: false,
            base: 0,
            icw3: 0,
            auto_eoi: false,
            fully_nested: false,
            special_mask: false,
            rotate_on_auto_eoi: false,
            lowest: 7,
            lines: 0,
            edges: 0,
            level: 0,
            in_service: 0,
            mask: 0,
            reads_in_service: false,
            poll: false,
            fault: None,
        }
    }

    const fn breaks(&self, fault: PicFault) -> bool {
        fault.is_set(self.fault)
    }

    pub(super) fn set_line(&mut self, input: u8, high: bool) {
        let bit = 1 << input;
        if high && self.lines & bit == 0 {
            self.edges |= bit;
        } else if !high && self.lines & bit != 0 && !self.breaks(PicFault::FallKeepsRequest) {
            self.edges &= !bit;
        }
        self.lines = if high { self.lines | bit } else { self.lines & !bit };
    }

    pub(super) fn pulse(&mut self, input: u8) {
        self.edges |= 1 << input & !self.level_triggered();
    }

    pub(super) fn level_inputs(&self) -> u8 {
        self.level
    }

    pub(super) fn set_level_inputs(&mut self, level: u8) {
        self.level = level;
    }

    /// The interrupt request register.
    fn requests(&self) -> u8 {
        let level = self.level_triggered();
        (self.edges & !level) | (self.lines & level)
    }

    const fn level_triggered(&self) -> u8 {
        if self.breaks(PicFault::LevelIgnored) { 0 } else { self.level }
    }

    /// Inputs of `set` from the highest priority to the lowest.
    fn by_priority(&self, set: u8) -> impl Iterator<Item = u8> + use<> {
        let lowest = self.lowest;
        (1..=8).map(move |distance| (lowest + distance) % 8).filter(move |input| set & 1 << input != 0)
    }

    /// 0 is the most urgent.
    fn rank(&self, input: u8) -> u8 {
        (input + 7 - self.lowest) % 8
    }

    /// The request that is forwarded: unmasked, and not behind what is in service.
    fn pending(&self) -> Option<u8> {
        if self.step != Step::Ready {
            // "Initialization Sequence" ends with "Ready to accept interrupt requests", and nothing is accepted before.
            return None;
        }
        let mask = if self.breaks(PicFault::MaskIgnored) { 0 } else { self.mask };
        let input = self.by_priority(self.requests() & !mask).next()?;
        // "Special Mask Mode": what is in service and masked inhibits nothing.
        let blocking = if self.special_mask { self.in_service & !self.mask } else { self.in_service };
        let allowed = match self.by_priority(blocking).next() {
            None => true,
            Some(_) if self.breaks(PicFault::ServiceBlocksNothing) => true,
            Some(_) if self.breaks(PicFault::ServiceBlocksAll) => false,
            // "Special Fully Nested Mode": a controller in service is not locked out from the first's priority logic.
            Some(served) if served == input => self.fully_nested && self.has_cascade(input),
            Some(served) => self.rank(input) < self.rank(served),
        };
        allowed.then_some(input)
    }

    pub(super) fn output(&self) -> bool {
        self.pending().is_some()
    }

    /// Takes the pending request into service; without one gives [`SPURIOUS`], which is not in service then.
    pub(super) fn acknowledge(&mut self) -> u8 {
        let Some(input) = self.pending() else { return self.spurious() };
        let bit = 1 << input;
        self.edges &= !bit;
        if !self.auto_eoi || self.breaks(PicFault::AutoEoiKeepsService) {
            self.in_service |= bit;
        } else if self.rotate_on_auto_eoi && !self.breaks(PicFault::AutoEoiDoesNotRotate) {
            self.lowest = input;
        }
        input
    }

    fn spurious(&mut self) -> u8 {
        if self.breaks(PicFault::SpuriousIsInService) {
            self.in_service |= 1 << SPURIOUS;
        }
        SPURIOUS
    }

    /// Whether another controller stands behind an input, by what the guest said.
    pub(super) fn has_cascade(&self, input: u8) -> bool {
        !self.single && self.icw3 & 1 << input != 0
    }

    /// Whether, as a second controller, it answers to an identity on the cascade lines.
    pub(super) fn answers_to(&self, identity: u8) -> bool {
        self.step == Step::Ready && !self.single && self.icw3 & 7 == identity
    }

    pub(super) fn vector(&self, input: u8) -> u8 {
        self.base | input
    }

    /// What is read, and whether the read was a poll that acknowledged a request.
    pub(super) fn read(&mut self, upper: bool) -> (u8, bool) {
        if std::mem::take(&mut self.poll) && !self.breaks(PicFault::PollIgnored) {
            // "Poll Command": "The 8259A treats the next RD pulse … as an interrupt acknowledge".
            let found = self.output();
            if self.breaks(PicFault::PollDoesNotAcknowledge) {
                return (u8::from(found) << 7 | self.pending().unwrap_or(SPURIOUS), false);
            }
            return (u8::from(found) << 7 | self.acknowledge(), found);
        }
        let value = match (upper, self.reads_in_service) {
            (true, _) => self.mask,
            (false, true) if !self.breaks(PicFault::InServiceNotReadable) => self.in_service,
            (false, _) => self.requests(),
        };
        (value, false)
    }

    pub(super) fn write(&mut self, upper: bool, value: u8) {
        match (upper, self.step) {
            (false, _) if value & ICW1 != 0 => self.begin(value),
            (false, _) if value & OCW3 != 0 => self.mode(value),
            (false, _) => self.end_of_interrupt(value),
            (true, Step::Icw2) => {
                self.base = if self.breaks(PicFault::VectorKeepsLowBits) { value } else { value & 0xf8 };
                self.step = match (self.single, self.with_icw4) {
                    (false, _) => Step::Icw3,
                    (true, true) if !self.breaks(PicFault::Icw4NotAwaited) => Step::Icw4,
                    (true, _) => Step::Ready,
                };
            }
            (true, Step::Icw3) => {
                self.icw3 = value;
                self.step =
                    if self.with_icw4 && !self.breaks(PicFault::Icw4NotAwaited) { Step::Icw4 } else { Step::Ready };
            }
            (true, Step::Icw4) => {
                self.auto_eoi = value & ICW4_AUTO_EOI != 0;
                self.fully_nested = value & ICW4_FULLY_NESTED != 0 && !self.breaks(PicFault::FullyNestedIgnored);
                self.step = Step::Ready;
            }
            (true, Step::PowerOn | Step::Ready) => {
                self.mask = value;
                if self.breaks(PicFault::MaskForgetsRequests) {
                    self.edges &= !value;
                }
            }
        }
    }

    /// ICW1. Without an ICW4 all that it selects is zero. The data sheet does not say that nothing stays in service, but a
    /// controller that kept it could not be brought back by initialising it.
    fn begin(&mut self, icw1: u8) {
        *self = Self {
            step: Step::Icw2,
            single: icw1 & ICW1_SINGLE != 0,
            with_icw4: icw1 & ICW1_WITH_ICW4 != 0,
            base: self.base,
            // "The slave mode address is set to 7."
            icw3: 7,
            lines: self.lines,
            level: self.level,
            mask: if self.breaks(PicFault::InitKeepsMask) { self.mask } else { 0 },
            special_mask: self.special_mask && self.breaks(PicFault::InitKeepsSpecialMask),
            fault: self.fault,
            ..Self::new()
        };
    }

    /// OCW3.
    fn mode(&mut self, value: u8) {
        match value >> 5 & 3 {
            2 => self.special_mask = false,
            3 => self.special_mask = !self.breaks(PicFault::SpecialMaskIgnored),
            _ => {}
        }
        match value & 3 {
            2 => self.reads_in_service = false,
            3 => self.reads_in_service = true,
            _ => {}
        }
        self.poll = value & OCW3_POLL != 0;
    }

    /// OCW2: R, SL and EOI.
    fn end_of_interrupt(&mut self, value: u8) {
        let specific = value & OCW2_SPECIFIC != 0 && !self.breaks(PicFault::SpecificEoiEndsHighest);
        let named = value & 7;
        match value >> 5 {
            0b000 => self.rotate_on_auto_eoi = false,
            0b100 => self.rotate_on_auto_eoi = true,
            0b110 if self.breaks(PicFault::PrioritySetIgnored) => {}
            0b110 => self.lowest = named,
            command @ (0b001 | 0b011 | 0b101 | 0b111) => {
                // "An IS bit that is masked by an IMR bit will not be cleared by a non-specific EOI if the 8259A is in the
                // Special Mask Mode."
                let visible = if self.special_mask { self.in_service & !self.mask } else { self.in_service };
                let mut served = self.by_priority(visible);
                let unnamed = if self.breaks(PicFault::EoiEndsLowest) { served.last() } else { served.next() };
                let ended = if specific { Some(named) } else { unnamed };
                if let Some(input) = ended {
                    self.in_service &= !(1 << input);
                    if command & 0b100 != 0 && !self.breaks(PicFault::EoiDoesNotRotate) {
                        self.lowest = input;
                    }
                }
            }
            _ => {}
        }
    }
}
