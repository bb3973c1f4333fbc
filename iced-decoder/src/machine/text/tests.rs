//! Tests of the text form of inputs.

use super::*;
use crate::generate::{Generator, any_input, predicted_forms};
use std::sync::Arc;

const LINE: &str = "mode=64 code=48010b rip=10000800 rcx=ffffffffffffffff rbx=12000ffc fs.base=7f00 flags=cf+of+2 \
                    window=ends-absent seed=1f memory=ffc:ff*8,1010:0102 \
                    state=240,0:7f03,18:801f,200:02,210:ff*4";

fn error(line: &str) -> String {
    line.parse::<Input>().unwrap_err().to_string()
}

#[test]
fn a_line_is_read_and_written_alike() {
    let input: Input = LINE.parse().unwrap();
    assert_eq!(input.code, [0x48, 0x01, 0x0b]);
    assert_eq!((input.registers.general[3], input.registers.segment_bases[4]), (0x1200_0ffc, 0x7f00));
    assert_eq!((input.registers.rflags, input.window, input.memory_seed), (0x803, Window::EndsAbsent, 0x1f));
    assert_eq!((input.memory.len(), input.memory[0], input.memory[9]), (10, (0xffc, 0xff), (0x1011, 2)));
    assert_eq!(input.extended.as_ref().unwrap().components(), 2);
    assert_eq!(input.to_string(), LINE);
}

#[test]
fn usual_values_need_not_be_written() {
    let input: Input = "mode=32 code=0103".parse().unwrap();
    assert_eq!((input.bitness, input.registers.bitness), (Bitness::Bits32, Bitness::Bits32));
    assert_eq!((input.registers.rip, input.window, input.extended), (0x1000_0800, Window::Plain, None));
}

#[test]
fn errors_name_the_field_and_what_is_expected() {
    assert_eq!(error("mode=64"), "field code is missing");
    assert_eq!(error("mode=63 code=90"), "field mode is `63`, but 16, 32 or 64 is expected");
    assert_eq!(
        error("mode=64 code=9"),
        "field code is `9`, but 1 to 15 bytes of two hexadecimal digits each is expected"
    );
    assert_eq!(error("mode=64 code=90 rax=+1"), "field rax is `+1`, but a hexadecimal number of 64 bits is expected");
    assert_eq!(error("mode=64 code=90 rax=1 rax=2"), "field rax stands there twice");
    assert_eq!(error("mode=64 code=90 nop"), "`nop` is no field: name=value is expected");
    assert!(error("mode=64 code=90 r16=1").starts_with("`r16` is the name of no field"));
    for wrong in [
        "code=",
        "code=0g",
        "code=é",
        "flags=cf+xf",
        "window=plein",
        "memory=1",
        "memory=10000:00",
        "memory=ffff:00*2",
        "memory=0:00*0",
        "memory=0:00*99999999999",
        "memory=0:",
        "state=10",
        "state=fffffffffffff",
        "state=240,240:00",
    ] {
        let name = wrong.split('=').next().unwrap();
        let line = if name == "code" { format!("mode=64 {wrong}") } else { format!("mode=64 code=90 {wrong}") };
        assert!(error(&line).starts_with(&format!("field {name} is `")), "{wrong}: {}", error(&line));
    }
}

#[test]
fn equal_inputs_have_equal_hashes_and_a_bit_makes_another() {
    let input: Input = LINE.parse().unwrap();
    let mut other = input.clone();
    assert_eq!(input.hash64(), other.hash64());
    // The value is part of reproducers' names and must not change.
    assert_eq!("mode=64 code=90".parse::<Input>().unwrap().hash64(), 0xdf5f_22eb_fbbc_ebde);
    other.registers.rflags ^= 1;
    assert_ne!(input.hash64(), other.hash64());
}

proptest::proptest! {
    #[test]
    fn every_generated_input_is_read_as_it_was_written(
        input in any_input(Arc::new(Generator::new(1, predicted_forms(Bitness::Bits64).step_by(50))))
    ) {
        proptest::prop_assert_eq!(input.to_string().parse::<Input>(), Ok(input));
    }

    #[test]
    fn any_memory_and_registers_are_read_as_they_were_written(
        general: [u64; 16], segment_bases: [u64; 6], rip: u64, rflags: u64, memory_seed: u64,
        memory: Vec<(u16, u8)>, code in proptest::collection::vec(proptest::num::u8::ANY, 1..16),
    ) {
        let registers = Registers { general, rip, rflags, segment_bases, bitness: Bitness::Bits16 };
        let window = Window::EndsMemory;
        let input = Input { bitness: Bitness::Bits16, code, registers, extended: None, window, memory_seed, memory };
        proptest::prop_assert_eq!(input.to_string().parse::<Input>(), Ok(input));
    }

    #[test]
    fn no_text_panics(line in "(mode|code|memory|state|flags)=[0-9a-f:,*+é]{0,20}( (code|rip)=[0-9a-fx]{0,5})?") {
        let _ = line.parse::<Input>();
    }
}
