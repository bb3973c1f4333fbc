//! A UART of vm-superio whose output is bounded.

use crate::{
    bus::{Device, Flow, Location, Region},
    connection::Connection,
    interrupts::{ControllerLine, InterruptError, InterruptLine},
    layout::pc,
    memory::GuestMemory,
    stop::StopReason,
};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use vm_superio::{Trigger, serial::NoEvents};

/// A 16550 UART at eight ports, without interrupts unless it is given a line.
pub struct Serial<W: Write> {
    first_port: u16,
    line: Option<u32>,
    uart: vm_superio::Serial<Wire, NoEvents, Bounded<W>>,
}

impl<W: Write + Send> Serial<W> {
    /// A UART at `first_port` that writes to `output`, which must not block for long. When the guest has sent more than
    /// `max_bytes`, or `output` fails, the run ends with [`StopReason::DeviceStopped`].
    pub fn new(first_port: u16, output: W, max_bytes: usize) -> Self {
        let output = Bounded { output, left: max_bytes, max_bytes, problem: None };
        Self { first_port, line: None, uart: vm_superio::Serial::new(Wire::default(), output) }
    }

    /// Gives it an interrupt line; without an interrupt controller the first interrupt ends the run.
    #[must_use]
    pub fn with_line(self, line: u32) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl<W: Write + Send> Device for Serial<W> {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.first_port, count: pc::NR_UART_PORTS }]
    }

    fn connect(&mut self, connection: &mut Connection) {
        if let Some(line) = self.line {
            // It is connected once.
            let _ = self.uart.interrupt_evt().0.set(connection.interrupts().line(line));
        }
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        // Wider accesses are bytes at successive ports, as on the ISA bus.
        for (port, byte) in (at.offset..).zip(data) {
            *byte = self.uart.read(port as u8);
        }
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        for (port, byte) in (at.offset..).zip(data) {
            // Its other errors are those of the output, kept there, and of a full loopback queue, which is the guest's
            // affair.
            if let Err(vm_superio::serial::Error::Trigger(error)) = self.uart.write(port as u8, *byte) {
                return Flow::Stop(StopReason::DeviceStopped(error.to_string()));
            }
        }
        match self.uart.writer_mut().problem.take() {
            Some(problem) => Flow::Stop(StopReason::DeviceStopped(problem)),
            None => Flow::Continue,
        }
    }
}

/// Where the interrupt goes: on an ISA bus each is an edge.
#[derive(Default)]
struct Wire(OnceLock<ControllerLine>);

impl Trigger for Wire {
    type E = InterruptError;

    fn trigger(&self) -> Result<(), InterruptError> {
        self.0.get().map_or(Ok(()), InterruptLine::pulse)
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
