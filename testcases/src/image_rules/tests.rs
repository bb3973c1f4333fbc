//! Rules, each broken in an image of a few functions that is written here; and what reaches what.

use super::{ring_0::text, *};
use iced_x86::code_asm::*;
use std::collections::BTreeSet;

const START: u64 = 0x21_0000;
/// Distance between the functions of a test's image.
const STEP: u64 = 0x100;

/// A function of an image: its name, and what writes it.
type Written<'a> = (&'a str, &'a dyn Fn(&mut CodeAssembler));

/// An image of functions, one each [`STEP`] bytes; the first is the entry.
fn image(functions: &[Written<'_>]) -> Image {
    let mut image = Image { entries: vec![START], ..Image::default() };
    for (index, (name, write)) in functions.iter().enumerate() {
        let start = START + index as u64 * STEP;
        let mut assembler = CodeAssembler::new(64).unwrap();
        write(&mut assembler);
        let mut code = assembler.assemble(start).unwrap();
        code.resize(STEP as usize, 0xcc);
        image.functions.insert(start, Function { name: (*name).to_owned(), code });
    }
    image
}

fn function(index: u64) -> u64 {
    START + index * STEP
}

/// What is found: function, rule, instruction.
fn found(image: &Image) -> Vec<(String, Rule, String)> {
    let found = examine(image);
    found.into_iter().map(|violation| (violation.function, violation.rule, violation.instruction)).collect()
}

fn found_in_one(write: &dyn Fn(&mut CodeAssembler)) -> Vec<Rule> {
    found(&image(&[("f", write)])).into_iter().map(|(_, rule, _)| rule).collect()
}

#[test]
fn plain_code_breaks_no_rule() {
    let rules = found_in_one(&|a| {
        a.push(rbp).unwrap();
        a.mov(rbp, rsp).unwrap();
        a.sub(rsp, 0x20).unwrap();
        a.mov(qword_ptr(rbp - 0x20), rax).unwrap();
        a.mov(qword_ptr(rsp + 8), rax).unwrap();
        a.lea(rax, qword_ptr(rsp - 8)).unwrap();
        a.rep().movsq().unwrap();
        a.mov(cr3, rax).unwrap();
        a.tzcnt(rax, rcx).unwrap();
        a.sfence().unwrap();
        a.movnti(dword_ptr(rcx), eax).unwrap();
        a.ret().unwrap();
    });
    assert_eq!(rules, []);
}

#[test]
fn each_kind_of_extended_state_is_found() {
    let table: [Written<'_>; 11] = [
        ("movaps", &|a| a.movaps(xmm0, xmm1).unwrap()),
        ("pxor", &|a| a.pxor(xmm2, xmm2).unwrap()),
        ("movq", &|a| a.movq(xmm0, rax).unwrap()),
        ("vpaddd", &|a| a.vpaddd(ymm0, ymm1, ymm2).unwrap()),
        ("kmovw", &|a| a.kmovw(k1, eax).unwrap()),
        ("paddb", &|a| a.paddb(mm0, mm1).unwrap()),
        ("fld1", &|a| a.fld1().unwrap()),
        ("fninit", &|a| a.fninit().unwrap()),
        ("popcnt", &|a| a.popcnt(rax, rcx).unwrap()),
        ("crc32", &|a| a.crc32(eax, ecx).unwrap()),
        ("andn", &|a| a.andn(rax, rcx, rdx).unwrap()),
    ];
    for (name, write) in table {
        let found = found(&image(&[("f", &|a| {
            write(a);
            a.ret().unwrap();
        })]));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!((found[0].1, found[0].2.starts_with(name)), (Rule::PlainInstructions, true), "{found:?}");
    }
}

#[test]
fn red_zone_by_rsp_is_found() {
    assert_eq!(found_in_one(&|a| a.mov(qword_ptr(rsp - 8), rax).unwrap()), [Rule::NoRedZone]);
    assert_eq!(found_in_one(&|a| a.mov(rax, qword_ptr(rsp - 0x80)).unwrap()), [Rule::NoRedZone]);
    assert_eq!(found_in_one(&|a| a.mov(rax, qword_ptr(rsp + rdx * 8 - 8)).unwrap()), []);
    assert_eq!(found_in_one(&|a| a.mov(rax, qword_ptr(rsp)).unwrap()), []);
}

#[test]
fn red_zone_by_frame_pointer_is_found() {
    let leaf = |frame: i32| {
        move |a: &mut CodeAssembler| {
            a.push(rbp).unwrap();
            a.mov(rbp, rsp).unwrap();
            if frame > 0 {
                a.sub(rsp, frame).unwrap();
            }
            a.mov(qword_ptr(rbp - 0x10), rdi).unwrap();
            a.ret().unwrap();
        }
    };
    assert_eq!(found_in_one(&leaf(0)), [Rule::NoRedZone]);
    assert_eq!(found_in_one(&leaf(8)), [Rule::NoRedZone]);
    assert_eq!(found_in_one(&leaf(0x10)), []);
    // RBP as an ordinary register is no frame.
    assert_eq!(found_in_one(&|a| a.mov(qword_ptr(rbp - 0x10), rdi).unwrap()), []);
}

#[test]
fn only_what_is_reached_counts() {
    let bad = |a: &mut CodeAssembler| {
        a.pxor(xmm0, xmm0).unwrap();
        a.ret().unwrap();
    };
    let unreached = image(&[("f", &|a| a.ret().unwrap()), ("g", &bad)]);
    assert_eq!(found(&unreached), []);
    let called = image(&[
        ("f", &|a| {
            a.call(function(1)).unwrap();
            a.ret().unwrap();
        }),
        ("g", &|a| a.jmp(function(2)).unwrap()),
        ("h", &bad),
    ]);
    let violations = examine(&called);
    assert_eq!(violations.len(), 1);
    assert_eq!((violations[0].function.as_str(), violations[0].reached_from.as_str()), ("h", "g"));
    assert!(violations[0].to_string().contains("in h (reached from g): `pxor xmm0,xmm0`"), "{}", violations[0]);
}

#[test]
fn addresses_in_code_and_data_are_reached() {
    let bad = |a: &mut CodeAssembler| {
        a.pxor(xmm0, xmm0).unwrap();
        a.ret().unwrap();
    };
    let by_lea: &dyn Fn(&mut CodeAssembler) = &|a| {
        a.lea(rax, qword_ptr(function(1))).unwrap();
        a.ret().unwrap();
    };
    let by_immediate: &dyn Fn(&mut CodeAssembler) = &|a| {
        a.mov(edi, function(1) as u32).unwrap();
        a.ret().unwrap();
    };
    for first in [by_lea, by_immediate] {
        assert_eq!(found(&image(&[("f", first), ("g", &bad)])).len(), 1);
        // `core` takes addresses of its own to format a panic, which nobody formats.
        assert_eq!(found(&image(&[("f", first), ("core::fmt::num::f", &bad)])), []);
    }
    let mut by_data = image(&[("f", &|a| a.ret().unwrap()), ("g", &bad), ("core::str::h", &bad)]);
    by_data.pointers = BTreeSet::from([function(1), function(2)]);
    assert_eq!(found(&by_data).into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), ["g"]);
}

#[test]
fn functions_of_core_are_told_by_name() {
    let is_of_core = |name: &str| Function { name: name.to_owned(), code: Vec::new() }.is_of_core();
    for name in [
        "core::str::count",
        "<usize as core::fmt::Display>::fmt",
        "<&T as core::fmt::Debug>::fmt",
        "<core::fmt::Formatter>::pad",
    ] {
        assert!(is_of_core(name), "{name}");
    }
    for name in ["suite::mmio::width", "<rt::catch::Outcome as core::convert::From<T>>::from", "memcpy"] {
        assert!(!is_of_core(name), "{name}");
    }
}

#[test]
fn falling_into_the_next_function_reaches_it() {
    let bad = |a: &mut CodeAssembler| a.pxor(xmm0, xmm0).unwrap();
    assert_eq!(found(&image(&[("f", &|a| a.pop(rdi).unwrap()), ("g", &bad)])).len(), 1);
    assert_eq!(found(&image(&[("f", &|a| a.ud2().unwrap()), ("g", &bad)])), []);
}

#[test]
fn formatting_is_found_where_it_is_called() {
    let calls = image(&[("f", &|a| a.call(function(1)).unwrap()), ("core::fmt::write", &|a| a.ret().unwrap())]);
    assert_eq!(
        found(&calls).into_iter().map(|(name, rule, _)| (name, rule)).collect::<Vec<_>>(),
        [("core::fmt::write".to_owned(), Rule::NoFormatting)]
    );
}

#[test]
fn code_of_32_bits_is_decoded_as_such() {
    let mut image = image(&[("pvh_entry", &|a| a.ret().unwrap())]);
    // INC ESI, then RET: in 64-bit mode the first byte would be a prefix.
    image.functions.get_mut(&START).unwrap().code = vec![0x46, 0xc3];
    let instructions = image.functions[&START].instructions(START);
    assert_eq!(instructions.iter().map(text).collect::<Vec<_>>(), ["inc esi", "ret"]);
}

#[test]
fn what_is_no_image_is_an_error() {
    assert!(matches!(violations(b"text"), Err(ImageRulesError::Elf(_))));
    assert!(matches!(violations(&[]), Err(ImageRulesError::Elf(_))));
}
