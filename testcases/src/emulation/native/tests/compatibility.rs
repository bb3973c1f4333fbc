//! Code of 32 and 16 bits, in compatibility mode.

use super::{number::*, *};

fn input32(code: &[u8]) -> Input {
    Input { bitness: Bitness::Bits32, ..bytes(code) }
}

fn input16(code: &[u8]) -> Input {
    Input { bitness: Bitness::Bits16, ..bytes(code) }
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
fn code_of_16_bits_has_operands_and_addresses_of_16_bits() {
    let mut native = Native::start().unwrap();
    // INC AX.
    let output = completed(&mut native, &with(input16(&[0x40]), RAX, 0xffff_ffff));
    assert_eq!(output.registers.general[RAX], 0xffff_0000);
    // MOV AX, [FS:DI+2].
    let mut reads = with(input16(&[0x64, 0x8b, 0x45, 2]), RDI, 0x7777_0010);
    reads.registers.segment_bases[4] = DATA;
    let expected = word(&reads.content(), 0x12) & 0xffff;
    assert_eq!(completed(&mut native, &reads).registers.general[RAX], expected);
    // MOV EAX, [EDI], with both prefixes.
    let wide = input16(&[0x66, 0x67, 0x8b, 0x07]);
    assert_eq!(completed(&mut native, &wide).registers.general[RAX], word(&wide.content(), 0) & 0xffff_ffff);
    // MOV [BX], AX where nothing is mapped, and UD2.
    let absent = native.execute(&with(input16(&[0x89, 0x07]), RBX, 0x1234)).unwrap();
    assert_eq!(absent.end, raised(14, Some(6), Some(0x1234)));
    assert_eq!(native.execute(&input16(&[0x0f, 0x0b])).unwrap().end, raised(6, None, None));
}

#[test]
fn modes_alternate() {
    let mut native = Native::start().unwrap();
    for _ in 0..100 {
        let outputs = native.execute_many(&[input32(&[0x40]), bytes(&[0x48, 0xff, 0xc0]), input16(&[0x40])]);
        for output in outputs {
            assert_eq!(output.unwrap().registers.general[RAX], 1);
        }
    }
}
