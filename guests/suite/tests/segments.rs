//! The model of segmentation gives known answers, and each column of its rows counts.

#[path = "../src/segments/model.rs"]
mod model;
#[path = "../src/segments/rows.rs"]
mod rows;

use model::{
    DONE, Descriptor, GP, NP, SS, SegmentRegister, Selector, Systems, TS, Through, base_used, branch, fault,
    frame_size, gate_target, handler_flags, inner_frame, inner_stack, is_canonical, is_in_table, is_port_allowed,
    is_within, lar, lldt, load_data, load_stack, lsl, ltr, prevented, return_stack, return_to, returned_flags,
    survives_return, takes_null_stack, verr, verw,
};
use rows::{NR_DESCRIPTORS, NR_ROWS, descriptor, extent, limit, name, row_descriptor, row_selector};

type Rule = fn(Selector, Descriptor, u8) -> u32;

/// Every rule, by one signature.
const RULES: &[(&str, Rule)] = &[
    ("data", |s, d, cpl| load_data(s, Some(d), cpl)),
    ("stack", |s, d, cpl| load_stack(s, Some(d), cpl, false)),
    ("branch", |s, d, cpl| branch(s, d, cpl, Systems::Legacy)),
    ("branch in long mode", |s, d, cpl| branch(s, d, cpl, Systems::Long)),
    ("return", return_to),
    ("return's stack", return_stack),
    ("gate by call", |s, d, cpl| gate_target(s, d, cpl, Through::Call)),
    ("gate by jump", |s, d, cpl| gate_target(s, d, cpl, Through::Jump)),
    ("inner stack", inner_stack),
    ("LAR", |s, d, cpl| lar(s, d, cpl, false).into()),
    ("LAR in long mode", |s, d, cpl| lar(s, d, cpl, true).into()),
    ("LSL", |s, d, cpl| lsl(s, d, cpl, false).into()),
    ("LSL in long mode", |s, d, cpl| lsl(s, d, cpl, true).into()),
    ("VERR", |s, d, cpl| verr(s, d, cpl).into()),
    ("VERW", |s, d, cpl| verw(s, d, cpl).into()),
];

const fn segment(kind: u8, dpl: u8) -> Descriptor {
    Descriptor { kind, dpl, present: true }
}

const fn at(rpl: u16) -> Selector {
    Selector { value: 0x40 | rpl }
}

const ABSENT: fn(Descriptor) -> Descriptor = |d| Descriptor { present: false, ..d };
const READ_ONLY: u8 = 0x10;
const WRITABLE: u8 = 0x12;
const EXECUTABLE: u8 = 0x18;
const READABLE_CODE: u8 = 0x1a;
const CONFORMING: u8 = 0x1c;

/// Whether an answer depends on a column anywhere in the table.
fn counts(rule: Rule, other: impl Fn(Selector, Descriptor, u8) -> (Selector, Descriptor, u8)) -> bool {
    (0..NR_ROWS).any(|row| {
        (0..4).any(|cpl| {
            let (selector, d) = (row_selector(row, 8), row_descriptor(row));
            let (other_selector, other_d, other_cpl) = other(selector, d, cpl);
            rule(selector, d, cpl) & !0xffff != rule(other_selector, other_d, other_cpl) & !0xffff
                || rule(selector, d, cpl) < 2 && rule(selector, d, cpl) != rule(other_selector, other_d, other_cpl)
        })
    })
}

#[test]
fn every_column_counts_in_every_rule_that_looks_at_it() {
    for &(rule_name, rule) in RULES {
        for bit in 0..5 {
            // The accessed bit decides nothing for segments, but every bit of a system type does.
            let blind = bit == 0
                && !matches!(rule_name, "branch" | "branch in long mode" | "LAR" | "LSL")
                && !rule_name.starts_with("L");
            let found = counts(rule, |s, d, cpl| (s, Descriptor { kind: d.kind ^ 1 << bit, ..d }, cpl));
            // A kind of code is told from others by bits 3 and 4 alone where conforming code is no case of its own.
            if !blind
                && !matches!((rule_name, bit), ("gate by call", 1 | 2) | ("gate by jump" | "return" | "branch", 1))
            {
                assert!(found || bit < 3, "{rule_name}: bit {bit} of the type");
            }
        }
        assert!(counts(rule, |s, d, cpl| (s, Descriptor { kind: d.kind ^ 8, ..d }, cpl)), "{rule_name}: code or data");
        assert!(counts(rule, |s, d, cpl| (s, Descriptor { kind: d.kind ^ 0x10, ..d }, cpl)), "{rule_name}: S");
        assert!(counts(rule, |s, d, cpl| (s, Descriptor { dpl: d.dpl ^ 1, ..d }, cpl)), "{rule_name}: DPL");
        assert!(counts(rule, |s, d, cpl| (s, Descriptor { dpl: d.dpl ^ 2, ..d }, cpl)), "{rule_name}: DPL");
        let ignores_presence = rule_name.starts_with('L') || rule_name.starts_with('V');
        assert_eq!(
            counts(rule, |s, d, cpl| (s, Descriptor { present: !d.present, ..d }, cpl)),
            !ignores_presence,
            "{rule_name}: P"
        );
        let ignores_rpl = rule_name.starts_with("gate");
        let by_rpl = counts(rule, |s, d, cpl| (Selector { value: s.value ^ 3 }, d, cpl));
        assert_eq!(by_rpl, !ignores_rpl, "{rule_name}: RPL");
        assert!(counts(rule, |s, d, cpl| (s, d, cpl ^ 3)), "{rule_name}: CPL");
    }
}

#[test]
fn known_answers() {
    let gp = |rpl: u16| fault(GP, (0x40 | rpl) & !3);
    let np = fault(NP, 0x40);
    let data = |kind, dpl, rpl, cpl| load_data(at(rpl), Some(segment(kind, dpl)), cpl);
    assert_eq!(data(READ_ONLY, 3, 0, 0), DONE);
    assert_eq!(data(READ_ONLY, 0, 3, 0), gp(3), "RPL weakens");
    assert_eq!(data(READ_ONLY, 0, 0, 3), gp(0), "CPL weakens");
    assert_eq!(data(EXECUTABLE, 3, 0, 0), gp(0), "execute-only code cannot be read");
    assert_eq!(data(READABLE_CODE, 0, 3, 0), gp(3));
    assert_eq!(data(CONFORMING | 2, 0, 3, 3), DONE, "conforming code is readable from everywhere");
    assert_eq!(data(2, 3, 0, 0), gp(0), "an LDT is no segment");
    assert_eq!(load_data(at(0), Some(ABSENT(segment(READ_ONLY, 0))), 0), np);
    assert_eq!(load_data(at(0), None, 0), gp(0));
    assert_eq!(load_data(Selector { value: 3 }, None, 3), DONE, "null");

    let stack = |kind, dpl, rpl, cpl| load_stack(at(rpl), Some(segment(kind, dpl)), cpl, true);
    assert_eq!(stack(WRITABLE, 3, 3, 3), DONE);
    assert_eq!(stack(READ_ONLY, 3, 3, 3), gp(3));
    assert_eq!(stack(WRITABLE, 3, 0, 0), gp(0));
    assert_eq!(load_stack(at(0), Some(ABSENT(segment(WRITABLE, 0))), 0, false), fault(SS, 0x40));
    let null = |rpl, cpl, is_64_bit| load_stack(Selector { value: rpl }, None, cpl, is_64_bit);
    assert_eq!(
        [null(0, 0, true), null(1, 0, true), null(3, 3, true), null(0, 0, false)],
        [DONE, fault(GP, 0), fault(GP, 0), fault(GP, 0)]
    );

    let jump = |kind, dpl, rpl, cpl| branch(at(rpl), segment(kind, dpl), cpl, Systems::Legacy);
    assert_eq!(jump(EXECUTABLE, 3, 3, 3), DONE);
    assert_eq!(jump(EXECUTABLE, 0, 3, 0), gp(3), "RPL above CPL");
    assert_eq!(jump(CONFORMING, 0, 3, 3), DONE);
    assert_eq!(jump(CONFORMING, 3, 0, 0), gp(0));
    assert_eq!(jump(0xc, 3, 3, 3), fault(GP, 0), "a gate to a null selector");
    assert_eq!(jump(9, 0, 0, 0), fault(TS, 0x40), "a TSS that is too small");
    assert_eq!(jump(0xb, 0, 0, 0), gp(0), "a task that is busy");
    let local = |d| branch(Selector { value: 0x44 }, d, 0, Systems::Legacy);
    assert_eq!(local(segment(9, 0)), fault(GP, 0x44), "a TSS in the LDT");
    assert_eq!(local(ABSENT(segment(1, 0))), fault(GP, 0x44), "before its P");
    assert_eq!(local(segment(0xc, 0)), fault(GP, 0), "a gate may stand in the LDT");
    assert_eq!(branch(at(0), ABSENT(segment(9, 0)), 0, Systems::Legacy), fault(NP, 0x40));
    assert_eq!(branch(at(0), segment(9, 0), 0, Systems::Long), gp(0), "long mode switches no tasks");
    assert_eq!(branch(at(0), segment(4, 0), 0, Systems::Long), gp(0), "nor has it 16-bit gates");

    assert_eq!(return_to(at(3), segment(EXECUTABLE, 3), 0), DONE);
    assert_eq!(return_to(at(0), segment(EXECUTABLE, 0), 3), gp(0));
    assert_eq!(return_to(at(3), segment(CONFORMING, 1), 0), DONE);
    assert_eq!(return_to(at(1), segment(CONFORMING, 3), 0), gp(1));
    assert_eq!(gate_target(at(3), segment(EXECUTABLE, 0), 3, Through::Call), DONE);
    assert_eq!(gate_target(at(3), segment(EXECUTABLE, 0), 3, Through::Jump), gp(3));
    assert_eq!(gate_target(at(0), segment(EXECUTABLE, 3), 0, Through::Call), gp(0));
    assert_eq!(inner_stack(at(1), segment(WRITABLE, 1), 1), DONE);
    assert_eq!(inner_stack(at(1), ABSENT(segment(WRITABLE, 1)), 1), fault(SS, 0x40));
    assert_eq!(inner_stack(at(0), segment(WRITABLE, 1), 1), fault(TS, 0x40));
    assert_eq!(inner_stack(Selector { value: 0 }, segment(WRITABLE, 1), 1), fault(TS, 0));
}

#[test]
fn loads_of_system_segments() {
    let absent = ABSENT(segment(2, 0));
    assert_eq!(lldt(at(3), Some(segment(2, 0))), DONE, "RPL and DPL play no part");
    assert_eq!(lldt(Selector { value: 3 }, None), DONE);
    assert_eq!(lldt(at(0), Some(segment(9, 0))), fault(GP, 0x40));
    assert_eq!(lldt(Selector { value: 0x44 }, Some(segment(2, 0))), fault(GP, 0x44), "in the LDT");
    assert_eq!(lldt(at(0), Some(absent)), fault(NP, 0x40));
    assert_eq!(lldt(at(0), None), fault(GP, 0x40));
    assert_eq!(ltr(at(0), Some(segment(9, 0)), true), DONE);
    assert_eq!(ltr(at(0), Some(segment(0xb, 0)), true), fault(GP, 0x40), "busy");
    assert_eq!(ltr(at(0), Some(segment(1, 0)), true), fault(GP, 0x40), "16 bits");
    assert_eq!(ltr(at(0), Some(segment(1, 0)), false), DONE);
    assert_eq!(ltr(Selector { value: 0 }, None, true), fault(GP, 0));
}

#[test]
fn rows_are_all_different_and_named_after_what_they_are() {
    let names: std::collections::HashSet<_> = (0..NR_ROWS).map(name).collect();
    assert_eq!(names.len(), NR_ROWS);
    assert_eq!(&name(0), b"S 0, type 0, DPL 0, RPL 0, P 1");
    assert_eq!(&name(NR_ROWS - 1), b"S 1, type f, DPL 3, RPL 3, P 0");
    let descriptors: std::collections::HashSet<_> = (0..NR_DESCRIPTORS).map(|n| descriptor(n).access()).collect();
    assert_eq!(descriptors.len(), NR_DESCRIPTORS);
    assert_eq!(extent(segment(9, 0)), (0x28, false));
    assert_eq!(extent(segment(WRITABLE, 0)), (0xf_ffff, true));
    assert_eq!(limit(segment(9, 0)), 0x28);
    assert_eq!(limit(segment(WRITABLE, 0)), u32::MAX);
    assert_eq!(limit(segment(0x16, 0)), 0xfff, "expand-down: all above the first page");
    assert_eq!(limit(segment(0x1a, 0)), u32::MAX, "code does not expand down");
}

#[test]
fn limits_of_every_shape() {
    // Up: the last byte counts, whatever B is.
    for is_big in [false, true] {
        let answers = [(0xfff, 1), (0x1000, 1), (0xfff, 2), (0xffe, 2), (0xffd, 4), (0xffc, 4)]
            .map(|(offset, size)| is_within(0xfff, false, is_big, offset, size));
        assert_eq!(answers, [true, false, false, true, false, true]);
    }
    // Down: from behind the limit to FFFFH or to the end.
    let down = |is_big, offset, size| is_within(0xfff, true, is_big, offset, size);
    assert_eq!([down(false, 0xfff, 1), down(false, 0x1000, 1), down(true, 0xfff, 4)], [false, true, false]);
    assert_eq!([down(false, 0xfffc, 4), down(false, 0xfffd, 4), down(false, 0x1_0000, 1)], [true, false, false]);
    assert_eq!([down(true, 0xfffd, 4), down(true, 0x1_0000, 1)], [true, true]);
}

#[test]
fn canonical_addresses_and_prevention() {
    for (address, bits, expected) in [
        (0x7fff_ffff_ffff, 48, true),
        (0x8000_0000_0000, 48, false),
        (0xffff_7fff_ffff_ffff, 48, false),
        (0xffff_8000_0000_0000, 48, true),
        (0x8000_0000_0000, 57, true),
        (1 << 63, 57, false),
    ] {
        assert_eq!(is_canonical(address, bits), expected, "{address:#x} with {bits} bits");
    }
    let answers = [(false, 0), (false, 3), (true, 0), (true, 1), (true, 3)].map(|(set, cpl)| prevented(set, cpl));
    assert_eq!(answers, [false, false, false, true, true]);
}

#[test]
fn selectors_end_with_their_table() {
    let find = |value| is_in_table(Selector { value }, 0x10f, Some(0x2e));
    // The GDT's last descriptor is whole, the LDT's lacks a byte.
    assert_eq!([0x108, 0x10b, 0x110, 0x10c].map(find), [true, true, false, false]);
    assert_eq!([0x24, 0x27, 0x2c, 0x28].map(find), [true, true, false, true]);
    assert!(!is_in_table(Selector { value: 4 }, 0xffff, None), "no LDT");
    assert!(is_in_table(Selector { value: 0x28 }, 0x2f, None), "the GDT needs no LDT");
    for limit in 0x107..0x110 {
        assert_eq!(is_in_table(Selector { value: 0x108 }, limit, None), limit == 0x10f, "{limit:#x}");
    }
}

#[test]
fn every_override_counts_where_it_means_something() {
    use SegmentRegister::{Cs, Ds, Es, Fs, Gs, Ss};
    for prefix in [Es, Cs, Ss, Ds, Fs, Gs] {
        for is_stack in [false, true] {
            assert_eq!(base_used(Some(prefix), is_stack, false), Some(prefix));
            let in_64_bit_mode = matches!(prefix, Fs | Gs).then_some(prefix);
            assert_eq!(base_used(Some(prefix), is_stack, true), in_64_bit_mode);
        }
    }
    assert_eq!([false, true].map(|is_stack| base_used(None, is_stack, false)), [Some(Ds), Some(Ss)]);
    assert_eq!([false, true].map(|is_stack| base_used(None, is_stack, true)), [None, None]);
}

#[test]
fn frames_of_gates() {
    assert_eq!([(true, 0), (true, 31), (false, 0), (false, 31)].map(|(big, n)| frame_size(big, n)), [16, 140, 8, 70]);
    let fits = |limit, down, esp, size| inner_frame(at(1), limit, down, esp, size) == DONE;
    assert_eq!([16, 12, 0x800, 0x801].map(|esp| fits(0x7ff, false, esp, 16)), [true, false, true, false]);
    assert_eq!([0x810, 0x80c, 0x7ff].map(|esp| fits(0x7ff, true, esp, 16)), [true, false, false]);
    assert_eq!(inner_frame(at(1), 0x7ff, false, 0x801, 16), fault(SS, 0x40));
}

#[test]
fn flags_of_handlers_and_returns() {
    const ALL: u64 = 0x3f_7fd7;
    assert_eq!(ALL & !handler_flags(ALL, true), 1 << 8 | 1 << 9 | 1 << 14 | 1 << 16);
    assert_eq!(ALL & !handler_flags(ALL, false), 1 << 8 | 1 << 14 | 1 << 16);
    // Every bit that is loaded, by CPL and IOPL.
    let system: u64 = 3 << 12 | 1 << 19 | 1 << 20;
    for (cpl, iopl, changed) in [(0, 0, system | 1 << 9), (3, 0, 0), (3, 3, 1 << 9), (1, 0, 0), (1, 1, 1 << 9)] {
        let before = 2 | iopl << 12;
        let image = ALL & !(iopl << 12);
        let loaded = returned_flags(before, image, cpl) ^ before;
        let iopl_bits = if cpl == 0 { 0 } else { 3 << 12 };
        assert_eq!(loaded & !0x25_4dd5 & !iopl_bits, changed & !iopl_bits, "CPL {cpl}, IOPL {iopl}");
        assert_eq!(loaded & 0x25_4dd5, 0x25_4dd5, "CPL {cpl}");
        assert_eq!(returned_flags(before, image, cpl) >> 12 & 3, if cpl == 0 { image >> 12 & 3 } else { iopl });
    }
    for bit in 0..22 {
        let differs = returned_flags(2, 2 | 1 << bit, 3) != 2;
        assert_eq!(differs, 0x25_4dd5_u64 >> bit & 1 != 0, "bit {bit} at CPL 3");
    }
}

#[test]
fn segments_and_stacks_of_outer_returns() {
    let survives = |kind, dpl| survives_return(segment(kind, dpl), 3);
    assert_eq!([survives(WRITABLE, 3), survives(WRITABLE, 0), survives(WRITABLE, 2)], [true, false, false]);
    assert_eq!([survives(READABLE_CODE, 0), survives(CONFORMING | 2, 0)], [false, true]);
    assert!(survives_return(segment(WRITABLE, 1), 1));
    let null =
        [(0, true), (1, true), (2, true), (3, true), (0, false), (3, false)].map(|(l, long)| takes_null_stack(l, long));
    assert_eq!(null, [true, true, true, false, false, false]);
}

#[test]
fn ports_of_a_task() {
    let map = |set: u32| move |at: u32| if at == 104 + set / 8 { 1 << (set % 8) } else { 0 };
    let allowed = |set, port, size| is_port_allowed(104, 200, port, size, map(set));
    assert_eq!([allowed(17, 16, 1), allowed(17, 17, 1), allowed(17, 18, 1)], [true, false, true]);
    assert_eq!([allowed(17, 16, 2), allowed(17, 15, 2), allowed(17, 14, 4)], [false, true, false]);
    assert_eq!([allowed(24, 23, 1), allowed(24, 23, 2), allowed(24, 21, 4)], [true, false, false]);
    let within = |limit, port| is_port_allowed(104, limit, port, 1, |_| 0);
    assert_eq!([within(105, 0), within(105, 7), within(105, 8), within(104, 0)], [true, true, false, false]);
}
