//! A device by which a guest has the host interrupt it, in each way that the host has, and asks for the host's clock.
//!
//! | offset | written | read |
//! |---|---|---|
//! | 0 | bits 31:0 of the address of the next message | the same |
//! | 4 | the data of a message, which is sent at once | whether a local APIC took the last one |
//! | 8 | drives an interrupt line, see below | number of messages, levels and signals that were sent |
//! | 12 | stores the host's clock | the stored value's low half, and with the next read the high half |
//!
//! Bits 7:0 of what is written at offset 8 are the line, bit 8 is its level. With bit 9, an event file descriptor that is
//! bound to the line is signalled instead; with bit 10 one whose route is the message of the last address and of bits 31:16 as
//! its data, and the line does not matter. All ports have 32 bits; other accesses are ignored and read as all ones.

#![expect(unsafe_code, reason = "the raw clock has no safe wrapper among our dependencies")]
// UNSAFETY: one clock_gettime with a structure on the stack.

use super::value_of;
use crate::{
    bus::{Device, Flow, Location, Region},
    interrupts::{InterruptError, Interrupts, Irqfd, MsiMessage},
    memory::GuestMemory,
    stop::StopReason,
};

/// Ports of the device.
const NR_PORTS: u16 = 16;
/// Size of each of its registers in bytes.
const REGISTER_SIZE: usize = 4;
/// Interrupt lines that there are: one for each pin of an I/O APIC.
const NR_LINES: u8 = 24;

/// Offsets of the registers.
mod register {
    pub(super) const ADDRESS: u64 = 0;
    pub(super) const DATA: u64 = 4;
    pub(super) const LINE: u64 = 8;
    pub(super) const CLOCK: u64 = 12;
}

/// Bits of the line register.
mod line {
    pub(super) const LEVEL: u32 = 1 << 8;
    pub(super) const EVENT: u32 = 1 << 9;
    pub(super) const MESSAGE_EVENT: u32 = 1 << 10;
    pub(super) const DATA_SHIFT: u32 = 16;
}

/// The device. Where there is no such interrupt controller, a request for one ends the run with
/// [`StopReason::DeviceStopped`]; lines above those of an I/O APIC lead nowhere.
#[derive(Debug)]
pub struct Signals {
    first_port: u16,
    interrupts: Option<Interrupts>,
    message: MsiMessage,
    was_taken: bool,
    nr_sent: u32,
    /// One for each line that was asked for.
    line_events: [Option<Irqfd>; NR_LINES as usize],
    message_event: Option<(MsiMessage, Irqfd)>,
    clock: u64,
    /// Whether the next read is of the high half.
    is_high_next: bool,
}

impl Signals {
    /// A device at 16 ports from `first_port`.
    pub fn new(first_port: u16) -> Self {
        Self {
            first_port,
            interrupts: None,
            message: MsiMessage::default(),
            was_taken: false,
            nr_sent: 0,
            line_events: [const { None }; NR_LINES as usize],
            message_event: None,
            clock: 0,
            is_high_next: false,
        }
    }

    fn send(&mut self, data: u32) -> Result<(), InterruptError> {
        self.message.data = data;
        let Some(interrupts) = &self.interrupts else { return Ok(()) };
        self.was_taken = interrupts.signal_msi(self.message)?;
        self.nr_sent = self.nr_sent.wrapping_add(1);
        Ok(())
    }

    fn drive(&mut self, value: u32) -> Result<(), InterruptError> {
        let Some(interrupts) = &self.interrupts else { return Ok(()) };
        let number = value as u8;
        if value & line::MESSAGE_EVENT != 0 {
            let wanted = MsiMessage { data: value >> line::DATA_SHIFT, ..self.message };
            self.message_event.take_if(|(message, _)| *message != wanted);
            let (_, event) = match &mut self.message_event {
                Some(known) => known,
                none => none.insert((wanted, interrupts.msi_irqfd(wanted)?)),
            };
            event.signal()?;
        } else if let Some(event) = self.line_events.get_mut(usize::from(number)) {
            match (value & line::EVENT != 0, event) {
                (false, _) => interrupts.set_line(number.into(), value & line::LEVEL != 0)?,
                (true, Some(event)) => event.signal()?,
                (true, none) => none.insert(interrupts.line_irqfd(number.into())?).signal()?,
            }
        } else {
            return Ok(());
        }
        self.nr_sent = self.nr_sent.wrapping_add(1);
        Ok(())
    }

    fn read_clock(&mut self) -> u32 {
        let shift = if self.is_high_next { 32 } else { 0 };
        self.is_high_next = !self.is_high_next;
        (self.clock >> shift) as u32
    }
}

impl Device for Signals {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.first_port, count: NR_PORTS }]
    }

    fn connect(&mut self, interrupts: &Interrupts) {
        self.interrupts = Some(interrupts.clone());
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        if data.len() == REGISTER_SIZE {
            let value = match at.offset {
                register::ADDRESS => self.message.address as u32,
                register::DATA => self.was_taken.into(),
                register::LINE => self.nr_sent,
                register::CLOCK => self.read_clock(),
                _ => u32::MAX,
            };
            data.copy_from_slice(&value.to_le_bytes());
        }
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        if data.len() != REGISTER_SIZE {
            return Flow::Continue;
        }
        let value = value_of(data);
        let result = match at.offset {
            register::ADDRESS => {
                self.message.address = value.into();
                Ok(())
            }
            register::DATA => self.send(value),
            register::LINE => self.drive(value),
            register::CLOCK => {
                (self.clock, self.is_high_next) = (monotonic_raw(), false);
                Ok(())
            }
            _ => Ok(()),
        };
        match result {
            Ok(()) => Flow::Continue,
            Err(error) => {
                let source = std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
                Flow::Stop(StopReason::DeviceStopped(format!("{error}{source}")))
            }
        }
    }
}

/// The host's clock in nanoseconds, which nobody sets or slews (CLOCK_MONOTONIC_RAW).
fn monotonic_raw() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result goes to a local. It fails only for clocks that are none.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &raw mut time) };
    // Neither is negative, and more than five centuries do not pass.
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};

    fn write(device: &mut Signals, offset: u64, data: &[u8]) {
        let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
        assert_eq!(device.write(Location { region: 0, offset }, data, &memory), Flow::Continue);
    }

    fn read(device: &mut Signals, offset: u64) -> u32 {
        let mut data = [0xff; 4];
        assert_eq!(device.read(Location { region: 0, offset }, &mut data), Flow::Continue);
        u32::from_le_bytes(data)
    }

    #[test]
    fn clock_stands_still_between_two_writes_and_is_read_low_half_first() {
        let device = &mut Signals::new(0x5b0);
        let before = monotonic_raw();
        write(device, register::CLOCK, &[0; 4]);
        let halves = [(); 3].map(|()| read(device, register::CLOCK));
        let clock = u64::from(halves[1]) << 32 | u64::from(halves[0]);
        assert!((before..=monotonic_raw()).contains(&clock), "{before} {clock}");
        assert_eq!(halves[2], halves[0]);
        // The next write begins with the low half again.
        write(device, register::CLOCK, &[0; 4]);
        assert!(read(device, register::CLOCK) == device.clock as u32 && device.clock >= clock);
    }

    #[test]
    fn accesses_of_other_sizes_do_nothing() {
        let device = &mut Signals::new(0x5b0);
        write(device, register::ADDRESS, &[1, 2]);
        write(device, register::CLOCK, &[1]);
        assert_eq!((device.message, device.clock), (MsiMessage::default(), 0));
        let mut data = [0xff; 2];
        assert_eq!(device.read(Location { region: 0, offset: 0 }, &mut data), Flow::Continue);
        assert_eq!(data, [0xff; 2]);
    }
}
