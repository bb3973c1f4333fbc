//! Code of 32 bits, in compatibility mode.

use super::{number::*, *};

fn input32(code: &[u8]) -> Input {
    Input { bitness: Bitness::Bits32, ..bytes(code) }
}

#[test]
fn registers_have_32_bits() {
    let mut native = Native::start().unwrap();
    // INC EAX, which is a REX prefix in 64-bit mode.
    let input = with(input32(&[0x40]), RAX, 0xffff_ffff);
    let output = completed(&mut native, &input);
    assert_eq!(output.registers.general[RAX], 0);
    assert_eq!(output.registers.rflags, flag::PF | flag::AF | flag::ZF);
}

#[test]
fn memory_is_reached_by_every_segment() {
    let mut native = Native::start().unwrap();
    // MOV EAX, [EDI] with each segment override.
    for prefix in [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] {
        let input = input32(&[prefix, 0x8b, 0x07]);
        let expected = word(&input.content(), 0) & 0xffff_ffff;
        assert_eq!(completed(&mut native, &input).registers.general[RAX], expected, "{prefix:#x}");
    }
}

#[test]
fn bases_of_fs_count() {
    let mut input = with(input32(&[0x64, 0x8b, 0x07]), RDI, 8);
    input.registers.segment_bases[4] = DATA;
    let output = completed(&mut Native::start().unwrap(), &input);
    assert_eq!(output.registers.general[RAX], word(&input.content(), 8) & 0xffff_ffff);
}

#[test]
fn exceptions_are_those_of_32_bit_code() {
    let mut native = Native::start().unwrap();
    // MOV [EDI], EAX.
    let absent = native.execute(&with(input32(&[0x89, 0x07]), RDI, 0xffff_f000)).unwrap();
    assert_eq!(absent.end, raised(14, Some(6), Some(0xffff_f000)));
    // BOUND EAX, [EDI] with EAX above, and AAM 0.
    let bound = Input { memory: (0..8).map(|offset| (offset, 0)).collect(), ..with(input32(&[0x62, 0x07]), RAX, 1) };
    assert_eq!(native.execute(&bound).unwrap().end, raised(5, None, None));
    assert_eq!(native.execute(&input32(&[0xd4, 0])).unwrap().end, raised(0, None, None));
    // PUSH ES is valid here.
    assert_eq!(completed(&mut native, &input32(&[0x06])).registers.general[RSP], TOP - 4);
}

#[test]
fn modes_alternate() {
    let mut native = Native::start().unwrap();
    for _ in 0..100 {
        completed(&mut native, &input32(&[0x40]));
        completed(&mut native, &bytes(&[0x48, 0xff, 0xc0]));
    }
}

#[test]
fn there_is_no_16_bit_code() {
    let input = Input { bitness: Bitness::Bits16, ..bytes(&[0x90]) };
    let error = Native::start().unwrap().execute(&input).unwrap_err();
    assert_eq!(error.text, "cannot execute 90: there is no 16-bit code on this executor");
}
