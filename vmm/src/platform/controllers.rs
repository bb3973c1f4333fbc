//! Interrupt controllers in user space: both 8259As and the I/O APIC, beside local APICs of KVM or of this VMM.

use super::{Failure, IO_APIC_VERSION, PIC_VCPU, local_apics::LocalApics};
use crate::{
    firmware::{PIT_IRQ, PIT_PIN},
    interrupts::{Interrupts, MsiMessage},
};
use ::platform::{
    io_apic::{self, IoApic, Version},
    message::Message,
    model::{Model, Signal},
    pic::Pic,
    time::Nanoseconds,
};

/// ISA interrupts have these numbers, and lead to both 8259s and the I/O APIC; others only to the latter.
const NR_ISA_LINES: u32 = 16;

/// The pin of the I/O APIC that the 8259s lead to.
const PIC_PIN: u8 = 0;

/// Registers of the I/O APIC that are read to find its level-triggered entries, and bits of those.
mod register {
    pub(super) const SELECT: u64 = 0;
    pub(super) const WINDOW: u64 = 0x10;
    pub(super) const SIZE: u8 = 4;
    pub(super) const FIRST_ENTRY: u64 = 0x10;
    pub(super) const LEVEL: u32 = 1 << 15;
    pub(super) const LOGICAL: u32 = 1 << 11;
    pub(super) const VECTOR_AND_DELIVERY: u32 = 0x7ff;
    pub(super) const DESTINATION_SHIFT: u32 = 24;
}

/// Destination mode in the address of a message.
const MESSAGE_LOGICAL: u64 = 1 << 2;
/// Trigger mode and level in its data.
const MESSAGE_LEVEL: u32 = 1 << 15 | 1 << 14;

pub(super) struct UserControllers {
    pub(super) pic: Pic,
    pub(super) io_apic: IoApic,
    pub(super) processors: Processors,
    /// What KVM knows of the level-triggered entries.
    level_pins: Vec<(u32, MsiMessage)>,
    /// The output of the 8259s, as it was told last.
    pic_asked: bool,
    touched: u64,
}

/// The local APICs at the other end.
pub(super) enum Processors {
    /// KVM's.
    Kernel(Interrupts),
    /// Ours.
    User(LocalApics),
}

impl UserControllers {
    pub(super) fn new(processors: Processors) -> Self {
        const _: () = assert!(IO_APIC_VERSION == 0x20, "that of the model below");
        let io_apic = IoApic::new(Version::WithEoiRegister);
        Self { pic: Pic::new(), io_apic, processors, level_pins: Vec::new(), pic_asked: false, touched: 0 }
    }

    /// Carries what a pin did to the inputs that its line leads to.
    pub(super) fn carry(&mut self, line: u32, signal: Signal) {
        let Ok(line) = u8::try_from(line) else { return };
        if u32::from(line) < NR_ISA_LINES {
            match (signal.rises > 0, signal.high) {
                (true, false) => self.pic.pulse(line),
                (true, true) => {
                    self.pic.set_line(line, false);
                    self.pic.set_line(line, true);
                }
                (false, level) => self.pic.set_line(line, level),
            }
        }
        if let Some(pin) = pin_of(line) {
            self.io_apic.follow(pin, signal);
        }
    }

    /// Takes a line to a level.
    pub(super) fn set_line(&mut self, line: u32, high: bool) {
        let Ok(line) = u8::try_from(line) else { return };
        if u32::from(line) < NR_ISA_LINES {
            self.pic.set_line(line, high);
        }
        if let Some(pin) = pin_of(line) {
            self.io_apic.set_line(pin, high);
        }
    }

    /// The processor asks the 8259s for a vector. Their output falls with that, and rises for what asks still.
    pub(super) fn acknowledge_pic(&mut self, now: Nanoseconds) -> u8 {
        self.set_pic_output(now, false);
        self.pic.acknowledge()
    }

    /// Takes the output of the 8259s to where it leads, if that is new: pin LINT0 of the first processor and pin 0 of the I/O
    /// APIC, which are both ways of a virtual wire (MultiProcessor specification, "Virtual Wire Mode"). Of local APICs of
    /// KVM only the first processor's thread knows; KVM looks at LINT0 by itself, and takes no such message.
    fn set_pic_output(&mut self, now: Nanoseconds, asks: bool) {
        if asks == std::mem::replace(&mut self.pic_asked, asks) {
            return;
        }
        self.io_apic.set_line(PIC_PIN, asks);
        match &mut self.processors {
            Processors::Kernel(_) => self.touched |= u64::from(asks) << PIC_VCPU,
            Processors::User(apics) => apics.set_pic(now, asks),
        }
    }

    /// Takes the outputs of the controllers to the processors.
    pub(super) fn send(&mut self, now: Nanoseconds) -> Result<(), Failure> {
        self.set_pic_output(now, self.pic.output());
        match &mut self.processors {
            Processors::Kernel(interrupts) => {
                while let Some(Message { address, data }) = self.io_apic.take() {
                    // Whether anybody takes it is not told on a PC either.
                    interrupts.signal_msi(MsiMessage { address, data })?;
                }
            }
            Processors::User(apics) => {
                apics.carry(now);
                loop {
                    while let Some(vector) = apics.take_ended() {
                        self.io_apic.end_of_interrupt(vector);
                    }
                    // A pin that has sent waits for the end, which only a processor makes: this ends.
                    let Some(message) = self.io_apic.take() else { break };
                    apics.deliver(now, message);
                }
                self.touched |= apics.take_touched();
            }
        }
        Ok(())
    }

    /// What it has told others last.
    pub(super) fn told(&self) -> (bool, u64) {
        (self.pic_asked, self.touched)
    }

    pub(super) fn set_told(&mut self, pic_asked: bool, touched: u64) {
        (self.pic_asked, self.touched) = (pic_asked, touched);
        self.level_pins = Vec::new();
    }

    /// Which vCPUs have been told something since the last call, a bit each.
    pub(super) fn take_touched(&mut self) -> u64 {
        std::mem::take(&mut self.touched)
    }

    /// Tells KVM which interrupts are level-triggered, if that has changed: it tells of their end then.
    pub(super) fn tell_level_pins(&mut self) -> Result<(), Failure> {
        let Processors::Kernel(interrupts) = &self.processors else { return Ok(()) };
        let level_pins = level_pins(&self.io_apic);
        if level_pins != self.level_pins {
            interrupts.set_pins(level_pins.iter().copied())?;
            self.level_pins = level_pins;
        }
        Ok(())
    }
}

/// The pin of the I/O APIC that a line leads to. Line 2 is the cascade of the 8259s and its pin the PIT's; pin 0 is theirs.
fn pin_of(line: u8) -> Option<u8> {
    match line {
        PIT_IRQ => Some(PIT_PIN),
        PIT_PIN => None,
        line => Some(line),
    }
}

/// The level-triggered entries, those that are masked among them: an interrupt that was sent before still ends.
fn level_pins(io_apic: &IoApic) -> Vec<(u32, MsiMessage)> {
    // A copy is read, because the index register is the guest's.
    let mut io_apic = io_apic.clone();
    let mut read = |index| {
        io_apic.write(0, register::SELECT, register::SIZE, index);
        io_apic.read(0, register::WINDOW, register::SIZE) as u32
    };
    (0..u32::from(io_apic::NR_PINS))
        .filter_map(|pin| {
            let index = register::FIRST_ENTRY + 2 * u64::from(pin);
            let low = read(index);
            (low & register::LEVEL != 0).then(|| (pin, message(low, read(index + 1))))
        })
        .collect()
}

/// The message of a level-triggered entry.
fn message(low: u32, high: u32) -> MsiMessage {
    let destination = u64::from(high >> register::DESTINATION_SHIFT);
    let logical = if low & register::LOGICAL != 0 { MESSAGE_LOGICAL } else { 0 };
    MsiMessage {
        address: MsiMessage::BASE | destination << 12 | logical,
        data: MESSAGE_LEVEL | low & register::VECTOR_AND_DELIVERY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_triggered_entries_are_told_as_they_are_sent() {
        let mut io_apic = IoApic::new(Version::WithEoiRegister);
        let mut set = |index, value| {
            io_apic.write(0, register::SELECT, register::SIZE, index);
            io_apic.write(0, register::WINDOW, register::SIZE, value);
        };
        // Pin 3: edge; pin 5: level, logical, destination 2; pin 6 the same, masked.
        for (pin, low) in [(3, 0x30), (5, 0x8835), (6, 0x1_8836)] {
            set(0x11 + 2 * pin, 2 << 24);
            set(0x10 + 2 * pin, low);
        }
        let told = level_pins(&io_apic);
        assert_eq!(told.iter().map(|(pin, _)| *pin).collect::<Vec<_>>(), [5, 6]);
        io_apic.set_line(5, true);
        let Some(Message { address, data }) = io_apic.take() else { panic!("nothing sent") };
        assert_eq!(told[0].1, MsiMessage { address, data });
    }
}
