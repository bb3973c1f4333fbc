//! A UART of vm-superio whose output is bounded.

use crate::{
    bus::{Device, Flow, Location, Region},
    layout::pc,
    memory::GuestMemory,
    stop::StopReason,
};
use std::{
    convert::Infallible,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};
use vm_superio::{Trigger, serial::NoEvents};

/// A 16550 UART at eight ports, without interrupts.
pub struct Serial<W: Write> {
    first_port: u16,
    uart: vm_superio::Serial<NoInterrupt, NoEvents, Bounded<W>>,
}

impl<W: Write + Send> Serial<W> {
    /// A UART at `first_port` that writes to `output`, which must not block for long. When the guest has sent more than
    /// `max_bytes`, or `output` fails, the run ends with [`StopReason::DeviceStopped`].
    pub fn new(first_port: u16, output: W, max_bytes: usize) -> Self {
        let output = Bounded { output, left: max_bytes, max_bytes, problem: None };
        Self { first_port, uart: vm_superio::Serial::new(NoInterrupt, output) }
    }
}

impl<W: Write + Send> Device for Serial<W> {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: self.first_port, count: pc::NR_UART_PORTS }]
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
            // Its only errors are those of the output, kept there, and of a full loopback queue, which is the guest's
            // affair.
            let _ = self.uart.write(port as u8, *byte);
        }
        match self.uart.writer_mut().problem.take() {
            Some(problem) => Flow::Stop(StopReason::DeviceStopped(problem)),
            None => Flow::Continue,
        }
    }
}

struct NoInterrupt;

impl Trigger for NoInterrupt {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
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
