//! A UART of vm-superio whose output is bounded, and whose input comes from a file descriptor.

mod input;

use crate::{
    bus::{Device, Flow, Location, Region},
    connection::Connection,
    interrupts::{ControllerLine, InterruptError, InterruptLine},
    layout::pc,
    memory::GuestMemory,
    save::{self, DeviceStateError},
    stop::StopReason,
    watch::Watch,
};
use input::Input;
use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use vm_superio::{SerialState, Trigger, serial::NoEvents};

/// A 16550 UART at eight ports, without interrupts unless it is given a line, and without input unless it is given some.
pub struct Serial<W: Write> {
    first_port: u16,
    line: Option<u32>,
    port: Arc<Port<W>>,
}

/// What the guest and the input's thread share.
struct Port<W: Write>(Mutex<State<W>>);

struct State<W: Write> {
    uart: vm_superio::Serial<Wire, NoEvents, Output<W>>,
    output: Output<W>,
    input: Option<Input>,
}

/// Offset of the register that holds what was received.
const DATA: u64 = 0;

impl<W: Write> Port<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> State<W> {
    /// Gives the guest what there is, as far as the UART has room for it.
    fn receive(&mut self) -> Result<(), StopReason> {
        let Some(input) = &mut self.input else { return Ok(()) };
        loop {
            let bytes = input.take(self.uart.fifo_capacity())?;
            if bytes.is_empty() {
                return Ok(());
            }
            // In loopback mode a UART hears nothing from outside: it is lost, as it would be there.
            if let Err(vm_superio::serial::Error::Trigger(error)) = self.uart.enqueue_raw_bytes(&bytes) {
                return Err(StopReason::DeviceStopped(error.to_string()));
            }
        }
    }
}

impl<W: Write + Send> Watch for Port<W> {
    fn ready(&self) -> Result<(), StopReason> {
        self.lock().receive()
    }
}

impl<W: Write + Send> Serial<W> {
    /// A UART at `first_port` that writes to `output`, which must not block for long. When the guest has sent more than
    /// `max_bytes`, or `output` fails, the run ends with [`StopReason::DeviceStopped`].
    pub fn new(first_port: u16, output: W, max_bytes: usize) -> Self {
        let output = Output::new(Bounded { output, left: max_bytes, max_bytes, problem: None });
        let uart = vm_superio::Serial::new(Wire::default(), output.clone());
        Self { first_port, line: None, port: Arc::new(Port(Mutex::new(State { uart, output, input: None }))) }
    }

    /// Gives it an interrupt line; without an interrupt controller the first interrupt ends the run.
    #[must_use]
    pub fn with_line(self, line: u32) -> Self {
        Self { line: Some(line), ..self }
    }

    /// Lets the guest receive what can be read from `input`, whose readiness must be possible to wait for: a terminal, pipe or
    /// socket. The guest hears nothing more after its end. If there is an `escape`, a person at the other end has two commands:
    /// `escape` and then `x` ends the run with [`StopReason::Requested`]; `escape` twice is the byte itself.
    #[must_use]
    pub fn with_input(self, input: OwnedFd, escape: Option<u8>) -> Self {
        self.port.lock().input = Some(Input::new(input, escape));
        self
    }
}

impl<W: Write + Send + 'static> Device for Serial<W> {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.first_port, count: pc::NR_UART_PORTS }]
    }

    fn connect(&mut self, connection: &mut Connection) {
        let state = self.port.lock();
        if let Some(line) = self.line {
            // It is connected once.
            let _ = state.uart.interrupt_evt().0.set(connection.interrupts().line(line));
        }
        if let Some(input) = &state.input {
            connection.watch(input.descriptor(), self.port.clone());
        }
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        let mut state = self.port.lock();
        // Wider accesses are bytes at successive ports, as on the ISA bus.
        for (port, byte) in (at.offset..).zip(data) {
            *byte = state.uart.read(port as u8);
        }
        // There is room for what had to wait, which nobody will tell of again.
        match at.offset == DATA && state.input.as_ref().is_some_and(Input::waits) {
            true => state.receive().map_or_else(Flow::Stop, |()| Flow::Continue),
            false => Flow::Continue,
        }
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        let mut state = self.port.lock();
        for (port, byte) in (at.offset..).zip(data) {
            // Its other errors are those of the output, kept there, and of a full loopback queue, which is the guest's
            // affair.
            if let Err(vm_superio::serial::Error::Trigger(error)) = state.uart.write(port as u8, *byte) {
                return Flow::Stop(StopReason::DeviceStopped(error.to_string()));
            }
        }
        match state.output.lock().problem.take() {
            Some(problem) => Flow::Stop(StopReason::DeviceStopped(problem)),
            None => Flow::Continue,
        }
    }

    fn save(&self) -> Result<Vec<u8>, DeviceStateError> {
        let state = self.port.lock();
        let left = state.output.lock().left as u64;
        let uart = state.uart.state();
        let divisor = (uart.baud_divisor_low, uart.baud_divisor_high);
        let interrupts = (uart.interrupt_enable, uart.interrupt_identification);
        let line = (uart.line_control, uart.line_status);
        let modem = (uart.modem_control, uart.modem_status);
        save::to_bytes(&(left, divisor, interrupts, line, modem, uart.scratch, uart.in_buffer))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), DeviceStateError> {
        let mut uart = SerialState::default();
        let left: u64;
        (
            left,
            (uart.baud_divisor_low, uart.baud_divisor_high),
            (uart.interrupt_enable, uart.interrupt_identification),
            (uart.line_control, uart.line_status),
            (uart.modem_control, uart.modem_status),
            uart.scratch,
            uart.in_buffer,
        ) = save::from_bytes(bytes)?;
        let mut state = self.port.lock();
        let (wire, output) = (state.uart.interrupt_evt().clone(), state.output.clone());
        // It refuses more input than it has room for.
        state.uart =
            vm_superio::Serial::from_state(&uart, wire, NoEvents, output).map_err(|_| DeviceStateError::Contents)?;
        let mut output = state.output.lock();
        output.left = usize::try_from(left).unwrap_or(usize::MAX).min(output.max_bytes);
        Ok(())
    }
}

/// Where the interrupt goes: on an ISA bus each is an edge.
#[derive(Clone, Default)]
struct Wire(OnceLock<ControllerLine>);

impl Trigger for Wire {
    type E = InterruptError;

    fn trigger(&self) -> Result<(), InterruptError> {
        self.0.get().map_or(Ok(()), InterruptLine::pulse)
    }
}

/// Where a UART writes to: it can be made anew with the same.
struct Output<W>(Arc<Mutex<Bounded<W>>>);

impl<W> Output<W> {
    fn new(bounded: Bounded<W>) -> Self {
        Self(Arc::new(Mutex::new(bounded)))
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Clone for Output<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

/// Passes on a limited number of bytes.
struct Bounded<W> {
    output: W,
    left: usize,
    max_bytes: usize,
    problem: Option<String>,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            self.problem = Some(format!("the guest sent more than {} bytes to the serial port", self.max_bytes));
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.left -= bytes.len();
        self.output.write_all(bytes).inspect_err(|error| {
            self.problem = Some(format!("failed to pass on the serial port's output: {error}"));
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Keeps output in memory; a clone is another reference to the same bytes.
#[derive(Clone, Debug, Default)]
pub struct CollectedOutput {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl CollectedOutput {
    /// Takes what was collected since the last call.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for CollectedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::PipeWriter, thread, time::Duration};

    const DATA: Location = Location { region: 0, offset: 0 };

    fn port(escape: Option<u8>) -> (Serial<CollectedOutput>, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Serial::new(0x3f8, CollectedOutput::default(), 0).with_input(reader.into(), escape), writer)
    }

    /// What the guest reads while the line status says that something is there.
    fn received(serial: &mut Serial<CollectedOutput>) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let (mut status, mut data) = ([0], [0]);
            assert_eq!(serial.read(Location { region: 0, offset: 5 }, &mut status), Flow::Continue);
            if status[0] & 1 == 0 {
                return bytes;
            }
            assert_eq!(serial.read(DATA, &mut data), Flow::Continue);
            bytes.extend(data);
        }
    }

    #[test]
    fn input_arrives_whole_even_where_it_is_more_than_the_uart_holds() {
        let (mut serial, mut writer) = port(None);
        let sent: Vec<u8> = (0..=255).collect();
        writer.write_all(&sent).unwrap();
        serial.port.ready().unwrap();
        assert_eq!(received(&mut serial), sent);
        assert!(received(&mut serial).is_empty());
        drop(writer);
        serial.port.ready().unwrap();
        assert!(received(&mut serial).is_empty());
    }

    #[test]
    fn nothing_waits_where_nothing_comes() {
        let (serial, writer) = port(None);
        let port = serial.port.clone();
        // A read that waited would never come back while the other end is open.
        let told = thread::spawn(move || port.ready());
        thread::sleep(Duration::from_millis(1));
        told.join().unwrap().unwrap();
        drop(writer);
    }

    #[test]
    fn a_person_ends_the_run_by_the_escape() {
        let (mut serial, mut writer) = port(Some(1));
        writer.write_all(b"a\x01\x01b\x01?\x01").unwrap();
        serial.port.ready().unwrap();
        assert_eq!(received(&mut serial), b"a\x01b");
        writer.write_all(b"x").unwrap();
        assert_eq!(serial.port.ready(), Err(StopReason::Requested));
    }
}
