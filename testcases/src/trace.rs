//! The exit trace: every exit of a case with the instruction behind it.
//!
//! The instruction is found by `iced-decoder`, which predicts accesses on its own: where no instruction at or before
//! RIP makes the access that was reported, the trace says so.

use crate::symbols::{MAX_INSTRUCTION_BYTES, Symbols};
use iced_decoder::{Access, Accessor, Bitness, Code, Direction, Place, Registers, Space, accessor};
use std::io::Write;
use vmm::{CpuState, CpuView, Exit, ExitObserver};

/// Writes one line for each exit.
pub struct Trace<'a, W> {
    symbols: &'a Symbols,
    output: W,
    nr_exits: u64,
}

impl<'a, W: Write + Send> Trace<'a, W> {
    /// A trace that names places by `symbols`.
    pub fn new(symbols: &'a Symbols, output: W) -> Self {
        Self { symbols, output, nr_exits: 0 }
    }

    /// Writes KVM's counters, without those that are zero.
    pub fn tell_statistics(&mut self, statistics: &[(String, u64)]) {
        let counted = statistics.iter().filter(|(_, value)| *value != 0);
        let counted: Vec<_> = counted.map(|(name, value)| format!("{name} {value}")).collect();
        if !counted.is_empty() {
            let _ = writeln!(self.output, "KVM counted: {}", counted.join(", "));
        }
    }

    fn line(&mut self, vcpu: u8, exit: &Exit<'_>, cpu: &CpuView<'_>) -> String {
        let number = self.nr_exits;
        let what = describe(exit);
        let Ok(state) = cpu.registers() else {
            return format!("{number:>5} vCPU {vcpu} {what}: its registers cannot be read");
        };
        let rip = state.linear_rip();
        let (before, at) = code_around(cpu, rip);
        let found =
            access_of(exit).and_then(|access| accessor(Code { before: &before, at: &at }, &registers(&state), &access));
        let (address, instruction) = match found {
            Some(Accessor { instruction, place }) => {
                let text = crate::symbols::format(&instruction);
                let note = if place == Place::BeforeRip { " (done)" } else { "" };
                (instruction.ip(), format!("{text}{note}"))
            }
            None => {
                let text = crate::symbols::disassemble(&at, rip).unwrap_or_else(|| "no code".to_owned());
                let note = if access_of(exit).is_some() { " (predicted to make no such access)" } else { "" };
                (rip, format!("{text}{note}"))
            }
        };
        format!("{number:>5} vCPU {vcpu} CPL {} {what:<44} {}: {instruction}", state.cpl, self.symbols.name(address))
    }
}

impl<W: Write + Send> ExitObserver for Trace<'_, W> {
    fn exit(&mut self, vcpu: u8, exit: &Exit<'_>, cpu: &CpuView<'_>) {
        let line = self.line(vcpu, exit, cpu);
        self.nr_exits += 1;
        // A reader that has seen enough closes the pipe; the case runs on.
        let _ = writeln!(self.output, "{line}");
    }
}

fn code_around(cpu: &CpuView<'_>, rip: u64) -> (Vec<u8>, Vec<u8>) {
    let mut at = vec![0; MAX_INSTRUCTION_BYTES as usize];
    let length = cpu.read_linear(rip, &mut at);
    at.truncate(length);
    let mut before = vec![0; rip.min(MAX_INSTRUCTION_BYTES) as usize];
    let length = cpu.read_linear(rip - before.len() as u64, &mut before);
    if length < before.len() {
        // What stands directly below RIP is on a page that is not mapped.
        before.clear();
    }
    (before, at)
}

fn registers(state: &CpuState) -> Registers {
    Registers {
        general: [
            state.rax, state.rcx, state.rdx, state.rbx, state.rsp, state.rbp, state.rsi, state.rdi, state.r8, state.r9,
            state.r10, state.r11, state.r12, state.r13, state.r14, state.r15,
        ],
        rip: state.linear_rip(),
        rflags: state.rflags,
        segment_bases: [0, state.cs_base, 0, 0, state.fs_base, state.gs_base],
        bitness: match state.code_bits() {
            64 => Bitness::Bits64,
            32 => Bitness::Bits32,
            _ => Bitness::Bits16,
        },
    }
}

fn access_of(exit: &Exit<'_>) -> Option<Access> {
    let access = |space, address, size_bytes, direction| Some(Access { space, address, size_bytes, direction });
    match *exit {
        Exit::PioIn { port, size, .. } => access(Space::Port, port.into(), size.into(), Direction::Read),
        Exit::PioOut { port, size, .. } => access(Space::Port, port.into(), size.into(), Direction::Write),
        Exit::MmioRead { address, data } => access(Space::Memory, address, data.len() as u32, Direction::Read),
        Exit::MmioWrite { address, data } => access(Space::Memory, address, data.len() as u32, Direction::Write),
        Exit::Hlt | Exit::Shutdown | Exit::InternalError { .. } | Exit::Other { .. } => None,
    }
}

fn describe(exit: &Exit<'_>) -> String {
    match *exit {
        Exit::PioIn { port, count, data, .. } => format!("port {port:#x} reads {}{}", value(data), times(count)),
        Exit::PioOut { port, count, data, .. } => format!("port {port:#x} takes {}{}", value(data), times(count)),
        Exit::MmioRead { address, data } => format!("MMIO {address:#x} reads {}", value(data)),
        Exit::MmioWrite { address, data } => format!("MMIO {address:#x} takes {}", value(data)),
        Exit::Hlt => "HLT".to_owned(),
        Exit::Shutdown => "triple fault".to_owned(),
        Exit::InternalError { suberror } => format!("KVM internal error {suberror}"),
        Exit::Other { name } => name.to_owned(),
    }
}

/// Little-endian bytes as a number of their width, or as bytes if there are more than eight.
fn value(data: &[u8]) -> String {
    match data.len() {
        1..=8 => data.iter().rev().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
        length => format!("{length} bytes"),
    }
}

fn times(count: u32) -> String {
    if count == 1 { String::new() } else { format!(" in {count} accesses") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_told_with_their_width() {
        let port = Exit::PioOut { port: 0x3f8, size: 1, count: 1, data: b"A" };
        assert_eq!(describe(&port), "port 0x3f8 takes 0x41");
        let read = Exit::MmioRead { address: 0xd000_0000, data: &[0x78, 0x56, 0, 0] };
        assert_eq!(describe(&read), "MMIO 0xd0000000 reads 0x00005678");
        let string = Exit::PioIn { port: 0x5c0, size: 4, count: 3, data: &[0; 12] };
        assert_eq!(describe(&string), "port 0x5c0 reads 12 bytes in 3 accesses");
    }
}
