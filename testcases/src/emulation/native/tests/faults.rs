//! Exceptions: vector, error code, address, and the state that they leave.

use super::{number::*, *};
use iced_decoder::iced_x86::code_asm::*;

#[track_caller]
fn assert_raises(input: &Input, end: End) -> Output {
    let output = execute(input);
    assert_eq!(output.end, end, "{:02x?}", input.code);
    output
}

#[track_caller]
fn assert_faults(input: &Input, end: End) {
    let output = assert_raises(input, end);
    assert_eq!(output.registers, input.registers, "a fault leaves the registers as they were");
    assert_eq!(output.memory, input.content());
}

#[test]
fn a_read_of_an_absent_page_is_a_page_fault() {
    let input = in_window(input(|a| a.mov(rax, qword_ptr(rdi + 0xffc))), Window::EndsAbsent);
    assert_faults(&input, raised(14, Some(4), Some(Window::EndsAbsent.address() + 0x1000)));
}

#[test]
fn a_write_to_an_absent_page_is_a_page_fault() {
    let input = in_window(input(|a| a.mov(qword_ptr(rdi + 0x1008), rax)), Window::EndsAbsent);
    assert_faults(&input, raised(14, Some(6), Some(Window::EndsAbsent.address() + 0x1008)));
}

#[test]
fn a_write_to_a_read_only_page_is_a_page_fault() {
    let input = in_window(input(|a| a.inc(dword_ptr(rdi + 0xffe))), Window::EndsReadOnly);
    assert_faults(&input, raised(14, Some(7), Some(Window::EndsReadOnly.address() + 0x1000)));
    let reads = in_window(super::input(|a| a.mov(eax, dword_ptr(rdi + 0x1000))), Window::EndsReadOnly);
    assert_eq!(execute(&reads).registers.general[RAX], word(&reads.content(), 0x1000) & 0xffff_ffff);
}

#[test]
fn a_write_to_the_code_is_a_page_fault() {
    let input = with(input(|a| a.mov(dword_ptr(rdi), eax)), RDI, window::CODE);
    assert_faults(&input, raised(14, Some(7), Some(window::CODE)));
}

#[test]
fn a_fetch_from_an_absent_page_is_a_page_fault() {
    let mut input = input(|a| a.nop());
    input.registers.rip = window::CODE + 0xfff;
    assert_eq!(execute(&input).end, End::Completed);
    // The first byte of a window that is no code.
    let leaves = with(super::input(|a| a.jmp(rax)), RAX, DATA);
    assert_eq!(execute(&leaves).end, End::Completed, "the jump itself is complete");
}

#[test]
fn the_upper_half_is_not_mapped_for_the_oracle() {
    for (address, end) in [
        (0xffff_8000_0000_0000, raised(14, Some(4), Some(0xffff_8000_0000_0000))),
        (0xffff_ffff_8100_0000, raised(14, Some(4), Some(0xffff_ffff_8100_0000))),
        (0x0000_8000_0000_0000, raised(13, Some(0), None)),
    ] {
        assert_faults(&with(input(|a| a.mov(eax, dword_ptr(rsi))), RSI, address), end);
    }
}

#[test]
fn nothing_that_linux_maps_for_every_process_is_there() {
    let mut native = Native::start().unwrap();
    for address in [0x40_0000_u64, 0x2a00_0800_0000, 0x5555_5555_4000, 0x7fff_ffff_e000, 0x7fff_f7fc_1000] {
        let output = native.execute(&with(input(|a| a.mov(eax, dword_ptr(rsi))), RSI, address)).unwrap();
        assert_eq!(output.end, raised(14, Some(4), Some(address)));
    }
}

#[test]
fn a_stack_pointer_that_is_not_canonical_is_a_stack_fault() {
    assert_faults(&with(input(|a| a.push(rax)), RSP, 1 << 63), raised(12, Some(0), None));
    assert_faults(&with(input(|a| a.push(rax)), RSP, 8), raised(14, Some(6), Some(0)));
}

#[test]
fn a_division_by_zero_is_a_divide_error() {
    assert_faults(&with(input(|a| a.div(rbx)), RAX, 1), raised(0, None, None));
    let overflows = with(with(with(input(|a| a.idiv(rbx)), RAX, 0), RDX, 1 << 62), RBX, 1);
    assert_faults(&overflows, raised(0, None, None));
}

#[test]
fn undefined_and_privileged_instructions_fault() {
    assert_faults(&input(|a| a.ud2()), raised(6, None, None));
    assert_faults(&bytes(&[0x06]), raised(6, None, None));
    assert_faults(&input(|a| a.hlt()), raised(13, Some(0), None));
    assert_faults(&input(|a| a.mov(rax, cr0)), raised(13, Some(0), None));
    assert_faults(&input(|a| a.in_(al, 0x60)), raised(13, Some(0), None));
    assert_faults(&input(|a| a.int(0x20)), raised(13, Some(0x20 * 8 + 2), None));
    assert_faults(&with(input(|a| a.mov(ss, eax)), RAX, 0), raised(13, Some(0), None));
}

#[test]
fn traps_are_reported_behind_their_instruction() {
    let breakpoint = assert_raises(&input(|a| a.int3()), raised(3, None, None));
    assert_eq!(breakpoint.registers.rip, RIP + 1);
    // Where RIP stands is not asserted: some hypervisors that the host itself may run on leave it at the instruction.
    assert_raises(&input(|a| a.int1()), raised(1, None, None));
}

#[test]
fn misaligned_sse_operands_are_general_protection() {
    assert_faults(&with(input(|a| a.movaps(xmm0, xmmword_ptr(rdi))), RDI, DATA + 8), raised(13, Some(0), None));
    assert_eq!(execute(&input(|a| a.movaps(xmm0, xmmword_ptr(rdi)))).end, End::Completed);
}

#[test]
fn a_repeated_move_stops_at_the_fault_with_what_is_done() {
    let input = with(in_window(input(|a| a.rep().stosb()), Window::EndsAbsent), RCX, 0x1100);
    let output = execute(&input);
    let end = Window::EndsAbsent.address() + 0x1000;
    assert_eq!(output.end, raised(14, Some(6), Some(end)));
    assert_eq!((output.registers.general[RCX], output.registers.general[RDI]), (0x100, end));
    assert_eq!(output.memory[..0x1000], [0; 0x1000]);
    assert_eq!(output.memory[0x1000..], input.content()[0x1000..]);
    assert_eq!(output.registers.rip, RIP);
}

#[test]
fn flags_and_bases_survive_a_fault() {
    let mut input = with_flags(input(|a| a.ud2()), flag::ALL);
    input.registers.segment_bases[4] = 0x1111_0000;
    input.registers.segment_bases[5] = 0x2222_0000;
    assert_faults(&input, raised(6, None, None));
}
