//! Each kind of disagreement is found, and what is predicted or left open is none.

use super::*;
use crate::{
    machine::{
        Exception, Extended,
        area::{self, HI16_ZMM, OPMASK, SSE, X87, ZMM_HI256},
        window::Window,
    },
    predict::{
        predict,
        test_support::{assemble, input},
    },
};
use iced_x86::{IcedError, code_asm::*};

/// An output that agrees with what is predicted for an instruction that changes nothing.
fn unchanged(input: &Input) -> Output {
    let registers = crate::Registers { rip: input.registers.rip + input.code.len() as u64, ..input.registers };
    Output { end: End::Completed, registers, extended: input.extended.clone(), memory: input.content(), accesses: None }
}

fn with_extended(mut input: Input) -> Input {
    let mut extended = Extended::initial(area::size_bytes(0xe7));
    extended.set_components(0xe7);
    extended.bytes_mut()[SSE.offset..SSE.offset + SSE.size_bytes].fill(0x11);
    extended.bytes_mut()[HI16_ZMM.offset..].fill(0x22);
    input.extended = Some(Box::new(extended));
    input
}

/// What an output that is changed by `change` disagrees about.
fn aspects(input: &Input, change: impl FnOnce(&mut Output)) -> Vec<Aspect> {
    let mut output = unchanged(input);
    change(&mut output);
    check(input, &predict(input).unwrap(), &output).iter().map(|found| found.aspect).collect()
}

fn plain(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Input {
    with_extended(input(&assemble(build)))
}

fn raised(vector: u8) -> End {
    End::Raised(Exception { vector, error_code: None, address: None })
}

/// Changes a byte of the extended state.
fn flip(output: &mut Output, offset: usize) {
    output.extended.as_mut().unwrap().bytes_mut()[offset] ^= 1;
}

#[test]
fn what_agrees_is_no_disagreement() {
    let store = plain(|a| a.mov(dword_ptr(rbx), eax));
    assert_eq!(aspects(&store, |_| {}), []);
    assert_eq!(aspects(&store, |output| output.memory[3] ^= 1), []);
    // IF and the bit that is always set are the executor's.
    assert_eq!(aspects(&store, |output| output.registers.rflags = 0x202), []);
    let add = plain(|a| a.add(ecx, dword_ptr(rbx)));
    let changes = |output: &mut Output| (output.registers.general[1], output.registers.rflags) = (7, 0x8d5);
    assert_eq!(aspects(&add, changes), []);
}

#[test]
fn another_end_is_found_and_nothing_that_follows_from_it() {
    let load = plain(|a| a.mov(eax, dword_ptr(rbx)));
    assert_eq!(aspects(&load, |output| (output.end, output.registers.rip) = (raised(6), 0)), [Aspect::End]);
    assert_eq!(aspects(&load, |output| output.end = End::Hung), [Aspect::End]);
    assert_eq!(aspects(&load, |output| output.end = End::Refused("1".to_owned())), [Aspect::End]);
    let mut faults = load;
    faults.window = Window::EndsAbsent;
    faults.registers.general[3] = Window::EndsAbsent.address() + 0x1000;
    assert_eq!(aspects(&faults, |_| {}), [Aspect::End]);
    let address = Some(faults.registers.general[3]);
    let fault = |error_code| End::Raised(Exception { vector: 14, error_code: Some(error_code), address });
    let at_fault = |output: &mut Output, code| (output.end, output.registers.rip) = (fault(code), faults.registers.rip);
    assert_eq!(aspects(&faults, |output| at_fault(output, 4)), []);
    assert_eq!(aspects(&faults, |output| at_fault(output, 6)), [Aspect::End]);
    let told = check(&faults, &predict(&faults).unwrap(), &unchanged(&faults));
    let text = "end: predicted exception 14 with error code 0x4 at 0x12101000, seen completion";
    assert_eq!(told[0].to_string(), text);
}

#[test]
fn rip_elsewhere_is_found() {
    let load = plain(|a| a.mov(eax, dword_ptr(rbx)));
    assert_eq!(aspects(&load, |output| output.registers.rip += 1), [Aspect::Rip]);
    let divide = plain(|a| a.div(dword_ptr(rbx)));
    let divide = Input { memory: (0..4).map(|offset| (offset, 0)).collect(), ..divide };
    assert_eq!(aspects(&divide, |output| output.end = raised(0)), [Aspect::Rip]);
}

#[test]
fn changes_of_registers_that_are_not_written_are_found() {
    let load = plain(|a| a.mov(eax, dword_ptr(rbx)));
    for number in 1..16 {
        assert_eq!(aspects(&load, |output| output.registers.general[number] ^= 1), [Aspect::General], "{number}");
    }
    assert_eq!(aspects(&load, |output| output.registers.general[0] ^= 1), []);
}

#[test]
fn upper_halves_count_in_64_bit_mode_only() {
    let mut load = input(&[0x8b, 0x03]);
    let upper = |output: &mut Output| output.registers.general[3] |= 1 << 32;
    assert_eq!(aspects(&load, upper), [Aspect::General]);
    load.bitness = Bitness::Bits32;
    load.registers.bitness = Bitness::Bits32;
    assert_eq!(aspects(&load, upper), []);
    assert_eq!(aspects(&load, |output| output.registers.general[3] ^= 1), [Aspect::General]);
}

#[test]
fn changes_of_flags_that_are_not_set_are_found() {
    let load = plain(|a| a.mov(eax, dword_ptr(rbx)));
    for flag in [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800] {
        assert_eq!(aspects(&load, |output| output.registers.rflags ^= flag), [Aspect::Flags], "{flag:#x}");
    }
    let increment = plain(|a| a.inc(dword_ptr(rbx)));
    assert_eq!(aspects(&increment, |output| output.registers.rflags ^= 1), [Aspect::Flags]);
}

#[test]
fn writes_elsewhere_are_found() {
    let store = plain(|a| a.mov(dword_ptr(rbx + 8), eax));
    for (offset, expected) in [(7, vec![Aspect::Memory]), (8, vec![]), (11, vec![]), (12, vec![Aspect::Memory])] {
        assert_eq!(aspects(&store, |output| output.memory[offset] ^= 1), expected, "{offset}");
    }
    assert_eq!(aspects(&store, |output| output.memory.truncate(100)), [Aspect::Memory]);
    let save = plain(|a| a.fxsave(ptr(rbx)));
    assert_eq!(aspects(&save, |output| output.memory[420] ^= 1), [], "undefined");
    assert_eq!(aspects(&save, |output| output.memory[512] ^= 1), [Aspect::Memory]);
}

#[test]
fn changes_of_vector_registers_that_are_not_written_are_found() {
    let load = plain(|a| a.vmovups(zmm2, zmmword_ptr(rbx)));
    for offset in [SSE.offset + 16, ZMM_HI256.offset, HI16_ZMM.offset, HI16_ZMM.offset + 1023] {
        assert_eq!(aspects(&load, |output| flip(output, offset)), [Aspect::Vector], "{offset}");
    }
    assert_eq!(aspects(&load, |output| flip(output, ZMM_HI256.offset + 64)), []);
}

#[test]
fn sse_instructions_that_change_upper_halves_are_found() {
    let load = plain(|a| a.movups(xmm2, xmmword_ptr(rbx)));
    assert_eq!(aspects(&load, |output| flip(output, SSE.offset + 32)), []);
    assert_eq!(aspects(&load, |output| flip(output, area::AVX.offset + 32)), [Aspect::Vector]);
}

#[test]
fn changes_of_other_extended_state_are_found() {
    let load = plain(|a| a.mov(eax, dword_ptr(rbx)));
    for (offset, expected) in
        [(0, Aspect::X87), (2, Aspect::X87), (4, Aspect::X87), (32, Aspect::X87), (X87.size_bytes - 7, Aspect::X87)]
    {
        assert_eq!(aspects(&load, |output| flip(output, offset)), [expected], "{offset}");
    }
    assert_eq!(aspects(&load, |output| flip(output, 24)), [Aspect::Mxcsr]);
    assert_eq!(aspects(&load, |output| flip(output, OPMASK.offset + 8)), [Aspect::Opmask]);
    // FIP and reserved bytes have no meaning.
    assert_eq!(aspects(&load, |output| flip(output, 8)), []);
}

#[test]
fn state_that_a_processor_no_longer_tracks_is_initial() {
    let mut load = plain(|a| a.mov(eax, dword_ptr(rbx)));
    let area = load.extended.as_mut().unwrap();
    **area = Extended::initial(area::size_bytes(0xe7));
    assert_eq!(aspects(&load, |output| output.extended = Some(Box::new(Extended::initial(0)))), []);
}
