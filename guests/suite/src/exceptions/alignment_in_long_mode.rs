//! Accesses in long mode that are not the program's own, and so are not checked for alignment: descriptors, gates, stacks of
//! handlers, the task-state segment.

use super::{
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    Outcome, case, check, check_outcome,
    cpu::control::{self, cr0},
    descriptors::{Descriptors, FREE},
    excursion::tables::{access, flag, segment},
    gate::Stack,
    instruction, io_bitmap, layout, mmio,
    paging::frame,
    tables::{TSS_LIMIT, selector},
    user::{self, State, register},
    user_code,
};

/// AC.
const ALIGNMENT_CHECK: u64 = 1 << 18;
/// How far tables and stacks are moved off their alignment.
const OFF: u64 = 3;
/// An LDT of the case, of 16 bytes in the GDT, and a task-state segment.
const OTHER_LDT: u16 = FREE;
const OTHER_TSS: u16 = FREE + 16;
/// Descriptors of that LDT: data, 64-bit code of CPL 3, conforming 32-bit code, a call gate of 16 bytes.
const DATA: u16 = 4 | 3;
const CODE: u16 = 8 | 4 | 3;
const CODE_32: u16 = 16 | 4 | 3;
const GATE: u16 = 24 | 4 | 3;
/// L of a code segment's descriptor.
const FLAG_L: u32 = 1 << 21;

user_code!(undefined: "ud2");

/// The first eight bytes of the descriptor of a system segment at this address.
const fn system(base: u64, limit: u32, kind: u32) -> u64 {
    segment(base as u32, limit, kind, 0)
}

/// An LDT off its alignment, until this is dropped.
struct Moved {
    _table: Descriptors,
}

impl Moved {
    fn new() -> Self {
        let table = Descriptors::new();
        let base = frame(2) + OFF;
        table.set(OTHER_LDT, system(base, 0x3f, access::LDT));
        table.set(OTHER_LDT + 8, 0);
        let target = undefined as *const () as usize as u64;
        let gate =
            target & 0xffff | u64::from(selector::KERNEL_CODE) << 16 | 0xec << 40 | (target >> 16 & 0xffff) << 48;
        let descriptors = [
            segment(0, 0xf_ffff, access::DATA | access::DPL_3, flag::FLAT),
            segment(0, 0xf_ffff, access::CODE | access::DPL_3, FLAG_L | flag::G),
            segment(0, 0xf_ffff, access::CODE | access::DPL_3, flag::FLAT),
            gate,
            target >> 32,
        ];
        for (index, descriptor) in (0..).zip(descriptors) {
            mmio::write_u64(base + index * 8, descriptor);
        }
        check_outcome!("LLDT", instruction!("lldt {0:x}", in(reg) OTHER_LDT), Outcome::COMPLETED);
        Self { _table: table }
    }
}

/// Whether alignment is checked at all: else nothing here would tell anything.
fn check_that_it_is_checked(machine: &Machine) {
    let address = Some(machine.data() + OFF);
    // MOV EAX, [RDI].
    let end = machine.run(&[0x8b, 0x07], Start { flags: ALIGNMENT_CHECK, address, ..Start::PLAIN });
    check_outcome!("the program's own access", end.outcome, Outcome::exception(17, 0));
}

/// Loads and queries of descriptors in an LDT that is off its alignment.
fn check_descriptors(mode: Mode) {
    let Ok(_mask) = control::With::cr0(cr0::AM, 0) else {
        rt::skip!("CR0.AM cannot be written");
        return;
    };
    let machine = Machine::new(mode);
    check_that_it_is_checked(&machine);
    let _moved = Moved::new();
    let end_of = |bytes: &[u8], selector: u16| {
        machine.run(bytes, Start { flags: ALIGNMENT_CHECK, rdx: selector.into(), ..Start::PLAIN }).outcome
    };
    check_outcome!("MOV ES", end_of(&[0x8e, 0xc2], DATA), Outcome::COMPLETED);
    check_outcome!("MOV FS", end_of(&[0x8e, 0xe2], DATA), Outcome::COMPLETED);
    check_outcome!("MOV SS", end_of(&[0x8e, 0xd2], DATA), Outcome::COMPLETED);
    check_outcome!("LAR", end_of(&[0x0f, 0x02, 0xc2], DATA), Outcome::COMPLETED);
    check_outcome!("LSL", end_of(&[0x0f, 0x03, 0xc2], DATA), Outcome::COMPLETED);
    check_outcome!("VERR", end_of(&[0x0f, 0x00, 0xe2], DATA), Outcome::COMPLETED);
    check_outcome!("VERW", end_of(&[0x0f, 0x00, 0xea], DATA), Outcome::COMPLETED);
}

/// At CPL 3 of 64-bit mode, loads and queries of descriptors in an LDT at an odd address raise no #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")])]
fn implicit_accesses_in_64_bit_mode() {
    check_descriptors(Mode::Long3);
}

/// At CPL 3 of compatibility mode, loads and queries of descriptors in an LDT at an odd address raise no #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")])]
fn implicit_accesses_in_compatibility_mode() {
    check_descriptors(Mode::Compatible3);
}

/// Runs 64-bit code at CPL 3 with AC set; the argument is in RDI, and the stack pointer is aligned.
fn end_of(code: extern "C" fn(u64) -> u64, argument: impl Into<u64>) -> rt::Exception {
    let mut state = State::at(code as *const () as usize as u64);
    state.rflags |= ALIGNMENT_CHECK;
    state.registers[register::RDI] = argument.into();
    user::enter(&mut state)
}

user_code!(far_jump: "sub rsp, 16", "lea rax, [rip + 2f]", "mov [rsp], eax", "mov [rsp + 4], edi", ".byte 0xff, 0x2c, 0x24",
           "2: ud2");
user_code!(far_call: "sub rsp, 16", "lea rax, [rip + 2f]", "mov [rsp], eax", "mov [rsp + 4], edi", ".byte 0xff, 0x1c, 0x24",
           "ud2", "2: ud2");
user_code!(far_return: "push rdi", "lea rax, [rip + 2f]", "push rax", ".byte 0x48, 0xcb", "2: ud2");
user_code!(interrupt_return: "mov rcx, rsp", "mov eax, ss", "push rax", "push rcx", "pushfq", "push rdi",
           "lea rax, [rip + 2f]", "push rax", "iretq", "2: ud2");

/// At CPL 3 of 64-bit mode, far JMP, CALL, RET and IRETQ by descriptors in an LDT at an odd address raise no #AC, nor does a
/// call gate there, whose stack at CPL 0 is off its alignment.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")])]
fn implicit_accesses_of_far_branches() {
    let Ok(_mask) = control::With::cr0(cr0::AM, 0) else {
        rt::skip!("CR0.AM cannot be written");
        return;
    };
    check_that_it_is_checked(&Machine::new(Mode::Long3));
    let _moved = Moved::new();
    check_outcome!("far JMP", end_of(far_jump, CODE), Outcome::UD);
    check_outcome!("far CALL", end_of(far_call, CODE), Outcome::UD);
    check_outcome!("far RET", end_of(far_return, CODE), Outcome::UD);
    check_outcome!("IRETQ", end_of(interrupt_return, CODE), Outcome::UD);
    let reached = end_of(far_return, CODE_32);
    check_outcome!("far RET to compatibility mode", reached, Outcome::UD);
    let top = frame(1) + 4096 - OFF;
    let _stack = Stack::privilege_0(top);
    let through_gate = end_of(far_call, GATE);
    check_outcome!("CALL through a gate", through_gate, Outcome::UD);
    check!("the frame of the gate is off its alignment", through_gate.rsp == top - 32);
}

user_code!(breakpoint: "int3", "ud2");
user_code!(division: "xor ecx, ecx", "div ecx", "ud2");
user_code!(absent: "mov eax, [rdi]", "ud2");
user_code!(read_port: "mov edx, edi", "in al, dx", "ud2");

/// A copy of the task-state segment off its alignment, until this is dropped.
struct Task {
    _table: Descriptors,
}

impl Task {
    fn new() -> Self {
        let table = Descriptors::new();
        let base = frame(4) + OFF;
        // The bitmap is copied as far as the ports that are tried.
        let copied = user::run(|| {
            for offset in (0..0x800).step_by(8) {
                mmio::write_u64(base + offset, mmio::read_u64(layout::TSS + offset));
            }
        });
        check_outcome!("copy", copied, Outcome::COMPLETED);
        table.set(OTHER_TSS, system(base, TSS_LIMIT, access::TSS_32));
        table.set(OTHER_TSS + 8, 0);
        check_outcome!("LTR", instruction!("ltr {0:x}", in(reg) OTHER_TSS), Outcome::COMPLETED);
        Self { _table: table }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // LTR takes a TSS that is not busy alone.
        let at = layout::GDT + u64::from(selector::TSS);
        mmio::write_u64(at, mmio::read_u64(at) & !(1 << 41));
        let _ = instruction!("ltr {0:x}", in(reg) selector::TSS);
    }
}

/// At CPL 3 of 64-bit mode, exceptions through a task-state segment at an odd address raise no #AC, nor does an IN whose bits
/// of the I/O permission bitmap are read there.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")])]
fn implicit_accesses_of_exceptions() {
    // A 16550's scratch register, or nothing.
    const PORT: u16 = 0x3ff;
    let Ok(_mask) = control::With::cr0(cr0::AM, 0) else {
        rt::skip!("CR0.AM cannot be written");
        return;
    };
    check_that_it_is_checked(&Machine::new(Mode::Long3));
    let _ports = io_bitmap::allow(PORT, 1);
    let _task = Task::new();
    check_outcome!("INT3", end_of(breakpoint, 0_u64), Outcome::BP);
    check_outcome!("DIV", end_of(division, 0_u64), Outcome::DE);
    check_outcome!("#PF", end_of(absent, layout::UNMAPPED), Outcome::exception(14, 4));
    check_outcome!("IN of a port that is allowed", end_of(read_port, PORT), Outcome::UD);
    check_outcome!("IN of a port that is not", end_of(read_port, PORT - 8), Outcome::GP);
    check_outcome!("IN of a port in an odd byte that is not", end_of(read_port, PORT - 16), Outcome::GP);
}
