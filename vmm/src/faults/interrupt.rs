//! Interrupts that go wrong on their way to a controller or a processor.

use super::Fault;
use crate::interrupts::MsiMessage;
use ::platform::model::Signal;

/// What becomes of an interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEffect {
    /// What it does is not noticed.
    Dropped,
    /// It is stuck at what it was taken to first: it never falls.
    NeverFalls,
    /// Each rise is two.
    Doubled,
    /// It leads to another input.
    MovedTo(u32),
    /// It is high when it should be low.
    Inverted,
}

/// What becomes of which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// Its number; any if not given.
    pub line: Option<u32>,
    /// What becomes of it.
    pub effect: LineEffect,
}

/// What becomes of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEffect {
    /// They are lost.
    Dropped,
    /// They are sent twice.
    Doubled,
    /// Bits of the data are inverted.
    DataXor(u32),
    /// Bits of the address are inverted.
    AddressXor(u64),
}

/// What becomes of messages to KVM's local APICs, and to those of this VMM from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFault {
    /// What becomes of them.
    pub effect: MessageEffect,
}

/// What becomes of interrupts that a vCPU's thread hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectionFault {
    /// They are acknowledged, and lost.
    Dropped,
    /// Bits of the vector are inverted.
    VectorXor(u8),
    /// Each comes twice.
    Doubled,
    /// Each comes an entry into the guest later than it could.
    Late,
}

/// What is wrong with the interrupts of a VM.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Interference(Option<Fault>);

impl Interference {
    pub(crate) const fn new(fault: Option<Fault>) -> Self {
        Self(match fault {
            Some(Fault::Line(_) | Fault::Message(_)) => fault,
            _ => None,
        })
    }

    fn of_line(self, line: u32) -> Option<LineEffect> {
        match self.0 {
            Some(Fault::Line(fault)) if fault.line.is_none_or(|only| only == line) => Some(fault.effect),
            _ => None,
        }
    }

    /// What a line of a platform's device really does.
    pub(crate) fn signal(self, line: u32, signal: Signal) -> Option<(u32, Signal)> {
        Some(match self.of_line(line) {
            None => (line, signal),
            Some(LineEffect::Dropped) => return None,
            Some(LineEffect::MovedTo(other)) => (other, signal),
            Some(LineEffect::NeverFalls) => (line, Signal { high: signal.high || signal.rises > 0, ..signal }),
            Some(LineEffect::Doubled) => (line, Signal { rises: 2 * signal.rises, ..signal }),
            Some(LineEffect::Inverted) => {
                (line, Signal { high: !signal.high, rises: u64::from(!signal.high), ..signal })
            }
        })
    }

    /// The levels that a line really is taken to.
    pub(crate) fn levels(self, line: u32, asserted: bool) -> (u32, &'static [bool]) {
        let told: &'static [bool] = if asserted { &[true] } else { &[false] };
        match self.of_line(line) {
            None => (line, told),
            Some(LineEffect::Dropped) => (line, &[]),
            Some(LineEffect::MovedTo(other)) => (other, told),
            Some(LineEffect::NeverFalls) => (line, if asserted { told } else { &[] }),
            Some(LineEffect::Doubled) if asserted => (line, &[true, false, true]),
            Some(LineEffect::Doubled) => (line, told),
            Some(LineEffect::Inverted) => (line, if asserted { &[false] } else { &[true] }),
        }
    }

    /// What really is sent, and how often.
    pub(crate) fn message(self, message: MsiMessage) -> (MsiMessage, u32) {
        let Some(Fault::Message(MessageFault { effect })) = self.0 else { return (message, 1) };
        let MsiMessage { address, data } = message;
        match effect {
            MessageEffect::Dropped => (message, 0),
            MessageEffect::Doubled => (message, 2),
            MessageEffect::DataXor(bits) => (MsiMessage { address, data: data ^ bits }, 1),
            MessageEffect::AddressXor(bits) => (MsiMessage { address: address ^ bits, data }, 1),
        }
    }
}
