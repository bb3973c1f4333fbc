//! General registers, flags and memory.

use super::*;
use iced_decoder::iced_x86::code_asm::*;

#[test]
fn an_addition_sets_register_and_flags() {
    let mut native = Native::start().unwrap();
    let mut input = input(|a| a.add(rax, rbx));
    input.registers.general[0] = u64::MAX;
    input.registers.general[3] = 1;
    let output = native.execute(&input).unwrap();
    assert_eq!(output.end, End::Completed);
    assert_eq!(output.registers.general[0], 0);
    assert_eq!(output.registers.rflags & 0xcd5, 0x55);
}
