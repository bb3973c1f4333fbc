//! The i8042 keyboard controller, as far as guests use it without a keyboard: self-test, command byte, reset.
//!
//! Source: IBM, "PS/2 Hardware Interface Technical Reference", "Keyboard and Auxiliary Device Controller".

use crate::{
    bus::{Device, Flow, Location, Region},
    memory::GuestMemory,
    save::{self, DeviceStateError},
    stop::StopReason,
};

/// Offset of the command and status port from the data port.
const COMMAND_OFFSET: u64 = 4;

/// Commands.
mod command {
    pub(super) const READ_COMMAND_BYTE: u8 = 0x20;
    pub(super) const WRITE_COMMAND_BYTE: u8 = 0x60;
    pub(super) const SELF_TEST: u8 = 0xaa;
    pub(super) const TEST_KEYBOARD_PORT: u8 = 0xab;
    pub(super) const DISABLE_KEYBOARD: u8 = 0xad;
    pub(super) const ENABLE_KEYBOARD: u8 = 0xae;
    pub(super) const READ_OUTPUT_PORT: u8 = 0xd0;
    pub(super) const PULSE_RESET: u8 = 0xfe;
}

/// Answers.
mod answer {
    pub(super) const SELF_TEST_PASSED: u8 = 0x55;
    pub(super) const PORT_WORKS: u8 = 0x00;
    /// The output port: the reset line is not pulled (bit 0), and address line 20 is on (bit 1).
    pub(super) const OUTPUT_PORT: u8 = 0b11;
}

/// Bits of the status port.
mod status {
    pub(super) const OUTPUT_FULL: u8 = 1 << 0;
    pub(super) const SYSTEM_FLAG: u8 = 1 << 2;
    pub(super) const LAST_WAS_COMMAND: u8 = 1 << 3;
    pub(super) const NOT_LOCKED: u8 = 1 << 4;
}

/// Bits of the command byte.
mod command_byte {
    pub(super) const SYSTEM_FLAG: u8 = 1 << 2;
    pub(super) const KEYBOARD_DISABLED: u8 = 1 << 4;
}

/// The controller. The reset command ends the run with [`StopReason::Reset`]; interrupts are never raised.
#[derive(Debug)]
pub struct I8042 {
    data_port: u16,
    output: Option<u8>,
    command_byte: u8,
    last_was_command: bool,
    expects_command_byte: bool,
}

impl I8042 {
    /// A controller whose data port is `data_port` and whose command port is four higher.
    pub fn new(data_port: u16) -> Self {
        Self {
            data_port,
            output: None,
            command_byte: command_byte::SYSTEM_FLAG,
            last_was_command: false,
            expects_command_byte: false,
        }
    }

    fn status(&self) -> u8 {
        let full = if self.output.is_some() { status::OUTPUT_FULL } else { 0 };
        let command = if self.last_was_command { status::LAST_WAS_COMMAND } else { 0 };
        full | self.command_byte & status::SYSTEM_FLAG | command | status::NOT_LOCKED
    }

    fn command(&mut self, value: u8) -> Flow {
        self.last_was_command = true;
        self.expects_command_byte = value == command::WRITE_COMMAND_BYTE;
        match value {
            command::READ_COMMAND_BYTE => self.output = Some(self.command_byte),
            command::SELF_TEST => {
                self.command_byte |= command_byte::SYSTEM_FLAG;
                self.output = Some(answer::SELF_TEST_PASSED);
            }
            command::READ_OUTPUT_PORT => self.output = Some(answer::OUTPUT_PORT),
            command::TEST_KEYBOARD_PORT => self.output = Some(answer::PORT_WORKS),
            command::DISABLE_KEYBOARD => self.command_byte |= command_byte::KEYBOARD_DISABLED,
            command::ENABLE_KEYBOARD => self.command_byte &= !command_byte::KEYBOARD_DISABLED,
            command::PULSE_RESET => return Flow::Stop(StopReason::Reset),
            // A controller ignores what it does not know, and bytes for a keyboard go nowhere.
            _ => {}
        }
        Flow::Continue
    }
}

impl Device for I8042 {
    fn regions(&self) -> Vec<Region> {
        // Not the ports in between: others of the PC stand there.
        let port = |offset: u64| Region::Ports { first: self.data_port.wrapping_add(offset as u16), count: 1 };
        vec![port(0), port(COMMAND_OFFSET)]
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        let value = if at.region == 0 { self.output.take().unwrap_or(0) } else { self.status() };
        data.fill(value);
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        let Some(value) = data.first().copied() else { return Flow::Continue };
        if at.region != 0 {
            return self.command(value);
        }
        self.last_was_command = false;
        if std::mem::take(&mut self.expects_command_byte) {
            self.command_byte = value;
        }
        Flow::Continue
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        save::to_bytes(&(self.output, self.command_byte, self.last_was_command, self.expects_command_byte))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        (self.output, self.command_byte, self.last_was_command, self.expects_command_byte) = save::from_bytes(state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};

    const DATA: Location = Location { region: 0, offset: 0 };
    const COMMAND: Location = Location { region: 1, offset: 0 };

    fn write(controller: &mut I8042, at: Location, value: u8) -> Flow {
        let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
        controller.write(at, &[value], &memory)
    }

    fn read(controller: &mut I8042, at: Location) -> u8 {
        let mut data = [0xff];
        assert_eq!(controller.read(at, &mut data), Flow::Continue);
        data[0]
    }

    #[test]
    fn self_test_passes_and_is_read_once() {
        let controller = &mut I8042::new(0x60);
        assert_eq!(write(controller, COMMAND, 0xaa), Flow::Continue);
        assert_eq!(read(controller, COMMAND) & status::OUTPUT_FULL, status::OUTPUT_FULL);
        assert_eq!(read(controller, DATA), 0x55);
        assert_eq!(read(controller, COMMAND) & status::OUTPUT_FULL, 0);
        assert_eq!(write(controller, COMMAND, 0xab), Flow::Continue);
        assert_eq!(read(controller, DATA), 0);
    }

    #[test]
    fn output_port_shows_no_reset() {
        let controller = &mut I8042::new(0x60);
        assert_eq!(write(controller, COMMAND, 0xd0), Flow::Continue);
        assert_eq!(read(controller, DATA) & 1, 1);
    }

    #[test]
    fn command_byte_is_kept() {
        let controller = &mut I8042::new(0x60);
        for value in [0x47, 0x00] {
            assert_eq!(write(controller, COMMAND, 0x60), Flow::Continue);
            assert_eq!(write(controller, DATA, value), Flow::Continue);
            // The second byte is for the keyboard.
            assert_eq!(write(controller, DATA, 0xf4), Flow::Continue);
            assert_eq!(write(controller, COMMAND, 0x20), Flow::Continue);
            assert_eq!(read(controller, DATA), value);
        }
    }

    #[test]
    fn only_the_reset_command_resets() {
        let controller = &mut I8042::new(0x60);
        for value in 0..=0xfd {
            assert_eq!(write(controller, COMMAND, value), Flow::Continue, "{value:#x}");
        }
        assert_eq!(write(controller, DATA, 0xfe), Flow::Continue);
        assert_eq!(write(controller, COMMAND, 0xfe), Flow::Stop(StopReason::Reset));
    }

    #[test]
    fn data_and_command_port_are_claimed_and_no_other() {
        let ports = I8042::new(0x60).regions();
        assert_eq!(ports, [0x60, 0x64].map(|first| Region::Ports { first, count: 1 }));
    }
}
