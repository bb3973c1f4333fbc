//! Telling every exit with the instruction that made it.
//!
//! KVM leaves RIP at the instruction or behind it, depending on the access and on its version. So the instruction is
//! looked for at RIP first, then among those that end there, and it has to make the access of the exit.

use crate::tell;
use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, InstructionInfoFactory, IntelFormatter, Mnemonic, Register,
};
use std::fmt::Write;
use vmm::{CpuState, CpuView, Exit, ExitObserver, Stopped, layout::PAGE_SIZE};

/// The longest instruction in bytes.
const INSTRUCTION_MAX_BYTES: u64 = 15;

/// Writes a line to standard error for every exit.
#[derive(Default)]
pub(crate) struct Tracer {
    nr_exits: u64,
}

impl ExitObserver for Tracer {
    fn exit(&mut self, vcpu: u8, exit: &Exit<'_>, cpu: &CpuView<'_>) {
        self.nr_exits += 1;
        let what = describe(exit);
        match cpu.registers() {
            Ok(state) => {
                let (ip, text) = instruction_of(exit, &state, cpu);
                tell(&format!("{:>6} vcpu{vcpu} {ip:#010x} {text:<32} {what}", self.nr_exits));
            }
            Err(error) => tell(&format!("{:>6} vcpu{vcpu} (no registers: {error}) {what}", self.nr_exits)),
        }
    }
}

/// The instruction where a guest stopped.
pub(crate) fn disassemble(stopped: &Stopped) -> String {
    if stopped.instruction.is_empty() {
        return "(no memory there)".to_owned();
    }
    format(&decode(&stopped.instruction, &stopped.cpu, stopped.cpu.rip))
}

fn describe(exit: &Exit<'_>) -> String {
    let value = |data: &[u8]| {
        data.iter().rev().fold(String::from("0x"), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let values = |size: u8, data: &[u8]| data.chunks(size.into()).map(value).collect::<Vec<_>>().join(" ");
    match exit {
        Exit::PioIn { port, size, data, .. } => format!("port {port:#x} -> {}", values(*size, data)),
        Exit::PioOut { port, size, data, .. } => format!("port {port:#x} <- {}", values(*size, data)),
        Exit::MmioRead { address, data } => format!("memory {address:#x} -> {}", value(data)),
        Exit::MmioWrite { address, data } => format!("memory {address:#x} <- {}", value(data)),
        Exit::Hlt => "halt".to_owned(),
        Exit::Shutdown => "shutdown".to_owned(),
        Exit::InternalError { suberror } => format!("KVM internal error {suberror}"),
        Exit::Other { name } => (*name).to_owned(),
    }
}

fn instruction_of(exit: &Exit<'_>, state: &CpuState, cpu: &CpuView<'_>) -> (u64, String) {
    let mut before = [0; INSTRUCTION_MAX_BYTES as usize];
    let start = state.linear_rip().wrapping_sub(INSTRUCTION_MAX_BYTES);
    let nr_before = cpu.read_linear(start, &mut before);
    let at_rip = cpu.instruction(state);
    find(exit, state, &at_rip, if nr_before == before.len() { &before } else { &[] })
}

fn find(exit: &Exit<'_>, state: &CpuState, at_rip: &[u8], before: &[u8]) -> (u64, String) {
    let first = decode(at_rip, state, state.rip);
    if makes(&first, exit, state) {
        return (state.rip, format(&first));
    }
    for size in 1..=before.len() {
        let ip = state.rip.wrapping_sub(size as u64);
        let instruction = decode(&before[before.len() - size..], state, ip);
        if instruction.len() == size && makes(&instruction, exit, state) {
            return (ip, format(&instruction));
        }
    }
    let text = if at_rip.is_empty() { "(no memory there)".to_owned() } else { format!("{} ?", format(&first)) };
    (state.rip, text)
}

fn decode(bytes: &[u8], state: &CpuState, ip: u64) -> Instruction {
    Decoder::with_ip(state.code_bits(), bytes, ip, DecoderOptions::NONE).decode()
}

fn format(instruction: &Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

/// Whether this instruction can have made this exit.
fn makes(instruction: &Instruction, exit: &Exit<'_>, state: &CpuState) -> bool {
    use Mnemonic::{Hlt, In, Insb, Insd, Insw, Out, Outsb, Outsd, Outsw};
    let mnemonic = instruction.mnemonic();
    match exit {
        Exit::PioIn { .. } => matches!(mnemonic, In | Insb | Insw | Insd),
        Exit::PioOut { .. } => matches!(mnemonic, Out | Outsb | Outsw | Outsd),
        Exit::MmioRead { address, .. } | Exit::MmioWrite { address, .. } => {
            accesses(instruction, *address, state) || instruction.is_string_instruction()
        }
        Exit::Hlt => mnemonic == Hlt,
        // RIP stays at what failed.
        Exit::Shutdown | Exit::InternalError { .. } | Exit::Other { .. } => true,
    }
}

/// Whether one of its memory operands lies where the exit was; paging leaves the offset within a page as it is.
fn accesses(instruction: &Instruction, address: u64, state: &CpuState) -> bool {
    let mut factory = InstructionInfoFactory::new();
    factory.info(instruction).used_memory().iter().any(|memory| {
        let size = memory.memory_size().size() as u64;
        let operand = memory.virtual_address(0, |register, _, _| register_value(register, state));
        operand.is_some_and(|operand| address.wrapping_sub(operand) % PAGE_SIZE < size)
    })
}

fn register_value(register: Register, state: &CpuState) -> Option<u64> {
    let value = match register.full_register() {
        Register::RAX => state.rax,
        Register::RBX => state.rbx,
        Register::RCX => state.rcx,
        Register::RDX => state.rdx,
        Register::RSI => state.rsi,
        Register::RDI => state.rdi,
        Register::RSP => state.rsp,
        Register::RBP => state.rbp,
        Register::R8 => state.r8,
        Register::R9 => state.r9,
        Register::R10 => state.r10,
        Register::R11 => state.r11,
        Register::R12 => state.r12,
        Register::R13 => state.r13,
        Register::R14 => state.r14,
        Register::R15 => state.r15,
        Register::FS => state.fs_base,
        Register::GS => state.gs_base,
        Register::CS => state.cs_base,
        // Flat in all code that one traces; in real mode the offset in a page may then be wrong, and the line says so.
        Register::DS | Register::ES | Register::SS => 0,
        _ => return None,
    };
    Some(match register.size() {
        4 if !register.is_segment_register() => value & 0xffff_ffff,
        2 if !register.is_segment_register() => value & 0xffff,
        _ => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: CpuState = CpuState { rip: 0x1003, cs_default_32: true, ..ZERO };
    const ZERO: CpuState = CpuState {
        rax: 0,
        rbx: 0xd000_0010,
        rcx: 0,
        rdx: 0,
        rsi: 0,
        rdi: 0,
        rsp: 0,
        rbp: 0,
        r8: 0,
        r9: 0,
        r10: 0,
        r11: 0,
        r12: 0,
        r13: 0,
        r14: 0,
        r15: 0,
        rip: 0,
        rflags: 2,
        cr0: 1,
        cr2: 0,
        cr3: 0,
        cr4: 0,
        efer: 0,
        cs: 8,
        cs_base: 0,
        cs_long: false,
        cs_default_32: false,
        ss: 16,
        fs_base: 0,
        gs_base: 0,
        cpl: 0,
    };

    fn assemble(program: impl FnOnce(&mut iced_x86::code_asm::CodeAssembler)) -> Vec<u8> {
        let mut assembler = iced_x86::code_asm::CodeAssembler::new(32).unwrap();
        program(&mut assembler);
        assembler.assemble(0).unwrap()
    }

    #[test]
    fn instruction_is_found_at_and_before_rip() {
        use iced_x86::code_asm::{eax, ebx, ptr};
        let store = assemble(|a| a.mov(ptr(ebx + 4), eax).unwrap());
        let nop = assemble(|a| a.nop().unwrap());
        let exit = Exit::MmioWrite { address: 0xe000_0014, data: &[0; 4] };
        let expected = "mov [ebx+4],eax";
        assert_eq!(find(&exit, &STATE, &store, &nop.repeat(15)), (0x1003, expected.to_owned()));
        let before = [nop.repeat(12), store].concat();
        assert_eq!(find(&exit, &STATE, &nop, &before), (0x1000, expected.to_owned()));
        // The store ends before RIP.
        let too_early = [nop.repeat(11), assemble(|a| a.mov(ptr(ebx + 4), eax).unwrap()), nop.clone()].concat();
        assert_eq!(find(&exit, &STATE, &nop, &too_early), (0x1003, "nop ?".to_owned()));
        let elsewhere = Exit::MmioWrite { address: 0xe000_0018, data: &[0; 4] };
        assert_eq!(find(&elsewhere, &STATE, &nop, &before), (0x1003, "nop ?".to_owned()));
    }

    #[test]
    fn values_are_told_in_their_size() {
        let exit = Exit::PioOut { port: 0x3f8, size: 2, count: 2, data: &[1, 2, 3, 4] };
        assert_eq!(describe(&exit), "port 0x3f8 <- 0x0201 0x0403");
    }
}
