//! Two 8259A interrupt controllers in cascade, with the edge/level control registers of the PIIX.
//!
//! Own code, because no crate has this device as a state machine without threads and event descriptors.
//!
//! | offset | port | register |
//! |---|---|---|
//! | 0 | 20H | first controller: ICW1, OCW2 and OCW3; reads IRR, ISR or a poll |
//! | 1 | 21H | first controller: ICW2 to ICW4, then OCW1, the mask |
//! | 2, 3 | A0H, A1H | the same of the second controller, whose output leads to input 2 of the first |
//! | 4 | 4D0H | ELCR1: bit n makes input n level-triggered; 0 to 2 are always edge-triggered |
//! | 5 | 4D1H | ELCR2: bit n makes input 8 + n level-triggered; 8 and 13 are always edge-triggered |
//!
//! Every register is a byte; what is wider reaches one port after the other.
//!
//! Sources: 8259A data sheet (231468-003), "Interrupt Sequence", "Initialization Command Words", "Operation Command
//! Words", "Edge and Level Triggered Modes"; 82371AB (PIIX4) data sheet, "Interrupt Controller Registers".
//!
//! Deviations, all of them those of the chip sets of PCs: LTIM of ICW1 does nothing, as the ELCRs decide; an acknowledge
//! gives a vector in MCS-80 mode also; the buffered modes make no difference.

mod chip;
#[cfg(test)]
mod tests;

use crate::{
    fault::PicFault,
    model::{Model, Pin, Signal, read_bytes, write_bytes},
    time::Nanoseconds,
};
use chip::Chip;
use serde::{Deserialize, Serialize};

/// Ports of the six registers, by offset.
pub const PORTS: [u16; 6] = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1];

/// Number of inputs of the pair; [`CASCADE`] leads nowhere else.
pub const NR_INPUTS: u8 = 16;

/// The input of the first controller to which the second's output leads, and the identity by which that one is called.
pub const CASCADE: u8 = 2;

/// Number of the output INT of the first controller, as [`Model::take`] tells it.
pub const INT: u8 = 0;

/// What the data bus reads as when no controller drives it.
const FLOATING: u8 = 0xff;

/// Writable bits of both edge/level control registers.
const LEVEL_BITS: [u8; 2] = [0xf8, 0xde];

/// The pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pic {
    chips: [Chip; 2],
    int: Pin,
}

impl Default for Pic {
    fn default() -> Self {
        Self::new()
    }
}

impl Pic {
    /// The pair as power finds it: all inputs low, nothing initialised, and so without an output.
    pub const fn new() -> Self {
        Self { chips: [Chip::new(), Chip::new()], int: Pin::new(false) }
    }

    /// Lets both break a rule.
    pub fn set_fault(&mut self, fault: PicFault) {
        self.chips.iter_mut().for_each(|chip| chip.fault = Some(fault));
    }

    fn breaks(&self, fault: PicFault) -> bool {
        fault.is_set(self.chips[0].fault)
    }

    /// Takes input `input` to a level. Other inputs than there are, and [`CASCADE`], are ignored.
    ///
    /// A request of an edge-triggered input that falls before it is acknowledged is withdrawn: "If the IR input goes low
    /// before this time a DEFAULT IR7 will occur" ("Edge and Level Triggered Modes").
    pub fn set_line(&mut self, input: u8, high: bool) {
        if let Some((chip, input)) = self.input(input) {
            chip.set_line(input, high);
            self.settle();
        }
    }

    /// A rise whose fall is already past when it is told, as timers do that are asked late. Unlike a fall told by
    /// [`Pic::set_line`] that does not withdraw the request. Level-triggered inputs see nothing of it.
    pub fn pulse(&mut self, input: u8) {
        if let Some((chip, input)) = self.input(input) {
            chip.pulse(input);
            self.settle();
        }
    }

    /// What a device's pin did that leads to an input: rises are requests, also those whose fall is past.
    pub fn follow(&mut self, input: u8, signal: Signal) {
        if signal.rises != 0 || !signal.high {
            self.set_line(input, false);
        }
        if signal.high {
            self.set_line(input, true);
        } else if signal.rises != 0 {
            self.pulse(input);
        }
    }

    fn input(&mut self, input: u8) -> Option<(&mut Chip, u8)> {
        let chip = self.chips.get_mut(usize::from(input / 8))?;
        (input != CASCADE).then_some((chip, input % 8))
    }

    /// Whether INT is high: the processor is asked for an acknowledge.
    pub fn output(&self) -> bool {
        self.chips[0].output()
    }

    /// Both INTA cycles: takes the most urgent request into service and gives its vector. When there is none any more, that
    /// is input 7, which is then not in service ("Interrupt Sequence").
    pub fn acknowledge(&mut self) -> u8 {
        let ignored = self.breaks(PicFault::CascadeIgnored);
        let [first, second] = &mut self.chips;
        let input = first.acknowledge();
        let vector = if ignored || !first.has_cascade(input) {
            first.vector(input)
        } else if input == CASCADE && second.answers_to(CASCADE) {
            let input = second.acknowledge();
            // INT falls with the acknowledge, and what else requests is a new edge for the first controller.
            first.set_line(CASCADE, false);
            second.vector(input)
        } else {
            FLOATING
        };
        self.settle();
        vector
    }

    /// What a guest reads at one of [`PORTS`]; all ones elsewhere.
    pub fn read_port(&mut self, port: u16) -> u8 {
        PORTS.iter().position(|known| *known == port).map_or(FLOATING, |offset| self.read_register(offset))
    }

    /// Takes what a guest writes at one of [`PORTS`].
    pub fn write_port(&mut self, port: u16, value: u8) {
        if let Some(offset) = PORTS.iter().position(|known| *known == port) {
            self.write_register(offset, value);
        }
    }

    fn read_register(&mut self, offset: usize) -> u8 {
        if offset >= 4 {
            return self.chips[offset % 2].level_inputs();
        }
        let (value, acknowledged) = self.chips[offset / 2].read(offset % 2 == 1);
        if acknowledged && offset / 2 == 1 {
            self.chips[0].set_line(CASCADE, false);
        }
        self.settle();
        value
    }

    fn write_register(&mut self, offset: usize, value: u8) {
        if offset >= 4 {
            let reserved = if self.breaks(PicFault::LevelBitsWritable) { 0xff } else { 0 };
            self.chips[offset % 2].set_level_inputs(value & (LEVEL_BITS[offset % 2] | reserved));
        } else {
            self.chips[offset / 2].write(offset % 2 == 1, value);
        }
        self.settle();
    }

    /// Carries the second's output to the first, and the first's to the pin.
    fn settle(&mut self) {
        let request = self.chips[1].output();
        self.chips[0].set_line(CASCADE, request);
        self.int.set(self.chips[0].output());
    }
}

impl Model for Pic {
    type Output = Signal;

    fn read(&mut self, _: Nanoseconds, offset: u64, size: u8) -> u64 {
        read_bytes(offset, size, |offset| match usize::try_from(offset) {
            Ok(register) if register < PORTS.len() => self.read_register(register),
            _ => FLOATING,
        })
    }

    fn write(&mut self, _: Nanoseconds, offset: u64, size: u8, value: u64) {
        write_bytes(offset, size, value, |offset, value| match usize::try_from(offset) {
            Ok(register) if register < PORTS.len() => self.write_register(register, value),
            _ => {}
        });
    }

    fn advance(&mut self, _: Nanoseconds) {}

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        None
    }

    fn take(&mut self) -> Option<Signal> {
        self.int.take(INT)
    }
}
