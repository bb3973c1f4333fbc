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
//!
//! The 16 ports below are for commands, which concern the processor that writes them: at offset 0 the argument, at offset 4
//! the command. Read there, it is 0 or the host's error of the last one.
//!
//! | command | what the host does |
//! |---|---|
//! | 1 | runs no processor for so many microseconds, at most 50,000 |
//! | 2 | tells KVM that this processor was paused (KVM_KVMCLOCK_CTRL) |
//! | 3 | sets KVM's clock forward by so many microseconds (KVM_SET_CLOCK) |
//! | 4 | lets this processor run on the host's processor of that number alone |
//! | 5 | lets it run on all of them |
//! | 6 | raises and lowers pin LINT1 of this processor's local APIC |
//! | 7 | takes the page of memory at this address away, until 5 ms after it is touched |

#![expect(unsafe_code, reason = "the raw clock and a thread's processors have no safe wrapper among our dependencies")]
// UNSAFETY: one clock_gettime with a structure on the stack, and calls about the calling thread's processors likewise.

use super::value_of;
use crate::{
    absent::Absent,
    bus::{Device, Flow, Location, Region},
    connection::Connection,
    interrupts::{InterruptError, Interrupts, Irqfd, MsiMessage},
    memory::GuestMemory,
    save::{self, DeviceStateError},
    stop::StopReason,
};
use std::{io, mem, thread, time::Duration};

/// Ports of each of the device's ranges.
const NR_PORTS: u16 = 16;
/// The region of commands.
const COMMANDS: usize = 1;
/// The longest pause in microseconds.
const PAUSE_MAX: u32 = 50_000;
/// How long an access waits for a page that was taken away.
const ABSENT: Duration = Duration::from_millis(5);
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

/// Commands.
mod command {
    pub(super) const PAUSE: u32 = 1;
    pub(super) const TELL_PAUSED: u32 = 2;
    pub(super) const SET_CLOCK_FORWARD: u32 = 3;
    pub(super) const MOVE_TO: u32 = 4;
    pub(super) const MOVE_ANYWHERE: u32 = 5;
    pub(super) const PULSE_LINT1: u32 = 6;
    pub(super) const TAKE_PAGE_AWAY: u32 = 7;
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
    argument: u32,
    /// Of the last command: 0, or an error of the host.
    result: u32,
    /// The page that was taken away last.
    absent: Option<Absent>,
}

impl Signals {
    /// A device at 16 ports from `first_port`, and at the 16 below for commands.
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
            argument: 0,
            result: 0,
            absent: None,
        }
    }

    fn execute(&mut self, command: u32, memory: &GuestMemory) -> Flow {
        self.result = 0;
        let result = match command {
            command::PAUSE => {
                let duration = Duration::from_micros(self.argument.min(PAUSE_MAX).into());
                match &self.interrupts {
                    Some(interrupts) => interrupts.pause_vcpus(duration),
                    None => thread::sleep(duration),
                }
                Ok(())
            }
            command::TELL_PAUSED => return Flow::TellPaused,
            command::PULSE_LINT1 => return Flow::PulseLint1,
            command::SET_CLOCK_FORWARD => match &self.interrupts {
                Some(interrupts) => interrupts.set_clock_forward(u64::from(self.argument) * 1_000),
                None => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            },
            command::MOVE_TO => run_on(Some(self.argument)),
            command::MOVE_ANYWHERE => run_on(None),
            command::TAKE_PAGE_AWAY => {
                // The one before comes back first: it may be the same.
                self.absent = None;
                Absent::new(memory, self.argument.into(), ABSENT).map(|absent| self.absent = Some(absent))
            }
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        if let Err(error) = result {
            self.result = error.raw_os_error().unwrap_or(libc::EIO).unsigned_abs();
        }
        Flow::Continue
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
        let commands = Region::Ports { first: self.first_port.wrapping_sub(NR_PORTS), count: NR_PORTS };
        vec![Region::Ports { first: self.first_port, count: NR_PORTS }, commands]
    }

    fn connect(&mut self, connection: &mut Connection) {
        self.interrupts = Some(connection.interrupts().clone());
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        if data.len() == REGISTER_SIZE {
            let value = match at.offset {
                register::ADDRESS if at.region == COMMANDS => self.argument,
                register::DATA if at.region == COMMANDS => self.result,
                _ if at.region == COMMANDS => u32::MAX,
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

    fn write(&mut self, at: Location, data: &[u8], memory: &GuestMemory) -> Flow {
        if data.len() != REGISTER_SIZE {
            return Flow::Continue;
        }
        let value = value_of(data);
        if at.region == COMMANDS {
            match at.offset {
                register::ADDRESS => self.argument = value,
                register::DATA => return self.execute(value, memory),
                _ => {}
            }
            return Flow::Continue;
        }
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

    fn quiesce(&mut self) -> Result<(), DeviceStateError> {
        // KVM serves an event some time later, but before it is unbound.
        self.line_events = [const { None }; NR_LINES as usize];
        self.message_event = None;
        Ok(())
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        // Events are made anew when the guest next asks for them, and a page that is away is back once it is read.
        let MsiMessage { address, data } = self.message;
        let sent = (address, data, self.was_taken, self.nr_sent);
        save::to_bytes(&(sent, self.clock, self.is_high_next, self.argument, self.result))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let (address, data);
        ((address, data, self.was_taken, self.nr_sent), self.clock, self.is_high_next, self.argument, self.result) =
            save::from_bytes(state)?;
        self.message = MsiMessage { address, data };
        Ok(())
    }
}

/// Lets the calling thread run on one processor of the host alone, or on all.
fn run_on(processor: Option<u32>) -> io::Result<()> {
    // SAFETY: all bits zero are the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    let number = |processor: u32| usize::try_from(processor).unwrap_or(usize::MAX);
    let chosen = processor.map_or(0..libc::CPU_SETSIZE as usize, |one| number(one)..number(one).saturating_add(1));
    for processor in chosen {
        if processor < libc::CPU_SETSIZE as usize {
            // SAFETY: the number is one of the set's.
            unsafe { libc::CPU_SET(processor, &mut set) };
        }
    }
    // SAFETY: the set is a local of the size that is told; 0 is the calling thread.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
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
    fn commands_pause_move_and_tell_what_is_refused() {
        let device = &mut Signals::new(0x5b0);
        let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
        let mut execute = |argument: u32, command: u32| {
            let at = |offset| Location { region: COMMANDS, offset };
            assert_eq!(device.write(at(register::ADDRESS), &argument.to_le_bytes(), &memory), Flow::Continue);
            let flow = device.write(at(register::DATA), &command.to_le_bytes(), &memory);
            let mut result = [0xff; 4];
            assert_eq!(device.read(at(register::DATA), &mut result), Flow::Continue);
            (flow, u32::from_le_bytes(result) as i32)
        };
        let begin = std::time::Instant::now();
        assert_eq!(execute(3_000, command::PAUSE), (Flow::Continue, 0));
        assert!(begin.elapsed() >= Duration::from_millis(3));
        assert_eq!(execute(0, command::TELL_PAUSED), (Flow::TellPaused, 0));
        assert_eq!(execute(0, command::PULSE_LINT1), (Flow::PulseLint1, 0));
        assert_eq!(execute(1, command::SET_CLOCK_FORWARD), (Flow::Continue, libc::ENODEV));
        assert_eq!(execute(u32::MAX, command::MOVE_TO), (Flow::Continue, libc::EINVAL));
        assert_eq!(execute(0, command::MOVE_ANYWHERE), (Flow::Continue, 0));
        assert_eq!(execute(1, command::TAKE_PAGE_AWAY), (Flow::Continue, libc::EINVAL));
        assert_eq!(execute(0, 77), (Flow::Continue, libc::EINVAL));
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
