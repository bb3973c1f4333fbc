//! The models of processor state give known answers, and each of their inputs counts.

#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/state/component.rs"]
mod component;

use component::{
    Layout, NR_COMPONENTS,
    Restored::{Initialised, Kept, Loaded},
    Save, bit, header_faults, is_legal_xcr0, restored, restored_mxcsr,
};

const EVERYTHING: u64 = bit::X87 | bit::SSE | bit::AVX | bit::MPX | bit::AVX512 | bit::PKRU | bit::AMX;

#[test]
fn legal_values_of_xcr0() {
    let legal: Vec<u64> = (0..256).filter(|&value| is_legal_xcr0(value, EVERYTHING)).collect();
    assert_eq!(legal, [0x01, 0x03, 0x07, 0x19, 0x1b, 0x1f, 0xe7, 0xff]);
    for (value, expected) in [(0x201, true), (0x200, false), (1 << 17 | 1, false), (3 << 17 | 1, true), (0x401, false)]
    {
        assert_eq!(is_legal_xcr0(value, EVERYTHING), expected, "{value:#x}");
    }
}

#[test]
fn a_bit_that_is_not_supported_is_illegal() {
    for missing in [bit::SSE, bit::AVX, bit::MPX, bit::AVX512, bit::PKRU, bit::AMX] {
        assert!(!is_legal_xcr0(EVERYTHING, EVERYTHING & !missing), "{missing:#x}");
    }
}

#[test]
fn every_bit_that_goes_with_another_counts() {
    for bit in 0..20 {
        let alone = EVERYTHING & !(1 << bit);
        let goes_alone = [9, 8, 10, 11, 12, 13, 14, 15, 16, 19].contains(&bit);
        assert_eq!(is_legal_xcr0(alone, EVERYTHING), goes_alone, "without bit {bit}");
    }
}

#[test]
fn xstate_bv_keeps_what_is_not_requested_unless_compacting() {
    assert_eq!(Save::Xsave.xstate_bv(0b110, 0b011, 0b001), (0b101, 0b010));
    assert_eq!(Save::Xsaveopt.xstate_bv(0b110, 0b011, 0b001), (0b101, 0b010));
    assert_eq!(Save::Xsavec.xstate_bv(0b110, 0b011, 0b001), (0b001, 0b010));
    assert_eq!(Save::Xsaves.xstate_bv(0b110, 0b011, 0b111), (0b011, 0));
    assert_eq!((Save::Xsave.xcomp_bv(5, 3), Save::Xsavec.xcomp_bv(5, 3)), (5, 3 | 1 << 63));
}

#[test]
fn what_is_written() {
    for save in [Save::Xsave, Save::Xsaveopt, Save::Xsavec, Save::Xsaves] {
        assert!(!save.writes(1, 0b101, true) && save.writes(2, 0b101, true), "{save:?}");
        assert_eq!(save.writes(2, 0b101, false), save == Save::Xsave);
    }
}

#[test]
fn what_is_restored() {
    let all = [(0, 0), (0, 4), (4, 0), (4, 4)].map(|(rfbm, xstate_bv)| restored(2, rfbm, xstate_bv));
    assert_eq!(all, [Kept, Kept, Initialised, Loaded]);
    let mxcsr = |compacted| {
        [(1, 7), (2, 0), (2, 2), (4, 0), (4, 7), (6, 0)].map(|(rfbm, bv)| restored_mxcsr(compacted, rfbm, bv))
    };
    assert_eq!(mxcsr(false), [Kept, Loaded, Loaded, Loaded, Loaded, Loaded]);
    assert_eq!(mxcsr(true), [Kept, Initialised, Loaded, Kept, Kept, Initialised]);
}

#[test]
fn every_field_of_the_header_counts() {
    let faults = |header| header_faults(&header, 7, true);
    assert!(!faults([7, 0, 0, 1, 1, 1, 1, 1]) && !faults([3, 1 << 63 | 7, 0, 0, 0, 0, 0, 0]));
    assert!(faults([8, 0, 0, 0, 0, 0, 0, 0]), "XSTATE_BV beyond XCR0");
    assert!(faults([0, 1, 0, 0, 0, 0, 0, 0]), "XCOMP_BV of the standard form");
    assert!(faults([0, 0, 1 << 56, 0, 0, 0, 0, 0]), "byte 23");
    assert!(faults([0, 1 << 63 | 8, 0, 0, 0, 0, 0, 0]), "XCOMP_BV beyond XCR0");
    assert!(faults([4, 1 << 63 | 3, 0, 0, 0, 0, 0, 0]), "XSTATE_BV beyond XCOMP_BV");
    assert!(header_faults(&[0, 1 << 63, 0, 0, 0, 0, 0, 0], 7, false), "no compacted form");
    for index in 2..8 {
        let mut header = [3, 1 << 63 | 7, 0, 0, 0, 0, 0, 0];
        header[index] = 1 << 63;
        assert!(faults(header), "quadword {index} of the compacted form");
    }
}

#[test]
fn compacted_offsets_follow_presence_size_and_alignment() {
    let mut layout = Layout { size: [0; NR_COMPONENTS], offset: [0; NR_COMPONENTS], aligned: [false; NR_COMPONENTS] };
    (layout.size[2], layout.size[5], layout.size[9], layout.size[18]) = (256, 64, 8, 8192);
    layout.aligned[18] = true;
    let all = 1 << 2 | 1 << 5 | 1 << 9 | 1 << 18;
    let offsets = [2, 5, 9, 18, NR_COMPONENTS].map(|component| layout.compacted_offset(component, all));
    assert_eq!(offsets, [576, 832, 896, 960, 9152]);
    assert_eq!(layout.compacted_offset(9, 1 << 9), 576);
    assert_eq!(layout.compacted_offset(18, 1 << 9 | 1 << 18), 640);
    layout.aligned[18] = false;
    assert_eq!(layout.compacted_offset(18, 1 << 9 | 1 << 18), 584);
}

#[path = "../src/state/numeric.rs"]
mod numeric;

use case::message::outcome::{COMPLETED, exception};
use numeric::{Class, Control, Leads, Meets, flag, leads, outcome};

const UD: u64 = exception(6, 0);
const NM: u64 = exception(7, 0);

#[test]
fn known_outcomes_of_control_bits() {
    // Without any bit, with EM, MP, TS, MP and TS, EM and TS; all of them with OSFXSR.
    let numbers = [8, 9, 10, 12, 14, 13];
    let row = |class| numbers.map(|number| outcome(class, Control::numbered(number)));
    assert_eq!(row(Class::X87), [COMPLETED, NM, COMPLETED, NM, NM, NM]);
    assert_eq!(row(Class::Fxsave), [COMPLETED, NM, COMPLETED, NM, NM, NM]);
    assert_eq!(row(Class::Wait), [COMPLETED, COMPLETED, COMPLETED, COMPLETED, NM, COMPLETED]);
    assert_eq!(row(Class::Mmx), [COMPLETED, UD, COMPLETED, NM, NM, UD]);
    assert_eq!(row(Class::Sse), [COMPLETED, UD, COMPLETED, NM, NM, UD]);
    assert_eq!(row(Class::Extended), [COMPLETED, COMPLETED, COMPLETED, NM, NM, NM]);
    assert_eq!(row(Class::Unaffected), [COMPLETED; 6]);
}

#[test]
fn osfxsr_decides_on_sse_alone() {
    for class in [Class::X87, Class::Wait, Class::Mmx, Class::Sse, Class::Fxsave, Class::Extended, Class::Unaffected] {
        let differs =
            (0..8).any(|bits| outcome(class, Control::numbered(bits)) != outcome(class, Control::numbered(bits | 8)));
        assert_eq!(differs, class == Class::Sse, "{class:?}");
    }
}

const NOTHING: Meets = Meets { before: 0, overflow: false, tiny: false, inexact: false };
const ALL_MASKED: u64 = 0x3f;

#[test]
fn masked_exceptions_set_flags_and_fault_never() {
    let table = [
        (Meets { before: flag::IE, ..NOTHING }, flag::IE),
        (Meets { before: flag::DE, inexact: true, ..NOTHING }, flag::DE | flag::PE),
        (Meets { before: flag::ZE, ..NOTHING }, flag::ZE),
        (Meets { overflow: true, inexact: true, ..NOTHING }, flag::OE | flag::PE),
        (Meets { tiny: true, ..NOTHING }, 0),
        (Meets { tiny: true, inexact: true, ..NOTHING }, flag::UE | flag::PE),
        (Meets { inexact: true, ..NOTHING }, flag::PE),
        (NOTHING, 0),
    ];
    for (meets, flags) in table {
        assert_eq!(leads(meets, ALL_MASKED), Leads { faults: false, flags, open: 0 }, "{meets:?}");
    }
}

#[test]
fn an_unmasked_exception_faults_and_ends_what_comes_behind_it() {
    let fault = |flags, open| Leads { faults: true, flags, open };
    let denormal = Meets { before: flag::DE, inexact: true, ..NOTHING };
    assert_eq!(leads(denormal, ALL_MASKED & !flag::DE), fault(flag::DE, 0));
    assert_eq!(leads(denormal, ALL_MASKED & !flag::PE), fault(flag::DE | flag::PE, 0));
    let tiny = Meets { tiny: true, ..NOTHING };
    assert_eq!(leads(tiny, ALL_MASKED & !flag::UE), fault(flag::UE, flag::PE));
    let large = Meets { overflow: true, inexact: true, ..NOTHING };
    assert_eq!(leads(large, ALL_MASKED & !flag::OE), fault(flag::OE, flag::PE));
    assert_eq!(leads(large, ALL_MASKED & !flag::PE), fault(flag::OE | flag::PE, 0));
    assert_eq!(leads(large, ALL_MASKED & !flag::IE), Leads { faults: false, flags: flag::OE | flag::PE, open: 0 });
}

/// Each mask and each part of what an operation meets changes what it leads to, for some other of them.
#[test]
fn every_input_of_the_exceptions_counts() {
    let all: Vec<Meets> = (0..64)
        .map(|bits| Meets { before: bits & 7, overflow: bits & 8 != 0, tiny: bits & 16 != 0, inexact: bits & 32 != 0 })
        .collect();
    for bit in 0..6 {
        assert!(
            all.iter().any(|&meets| leads(meets, ALL_MASKED) != leads(meets, ALL_MASKED & !(1 << bit))),
            "mask {bit}"
        );
    }
    for bit in 0..6_usize {
        let differs = (0..64).any(|bits| leads(all[bits], ALL_MASKED) != leads(all[bits ^ 1 << bit], ALL_MASKED));
        assert!(differs, "input {bit}");
    }
}

#[path = "../src/state/tags.rs"]
mod tags;

#[test]
fn tags_tell_each_class_of_values() {
    let all = [(0x3fff, 1 << 63), (0, 0), (0x8000, 0), (0x7fff, 1 << 63), (0, 1), (0x3fff, 1), (0x7ffe, u64::MAX)]
        .map(tags::tag);
    assert_eq!(all, [0, 1, 1, 2, 2, 2, 0]);
}

#[test]
fn a_tag_word_follows_every_bit_and_the_top() {
    let stack = [(0, 0), (0, 1), (1, 1 << 63), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)];
    assert_eq!(tags::tag_word(0, 0, &stack), 0xffff);
    assert_eq!(tags::tag_word(0b111, 0, &stack), 0xffc9);
    assert_eq!(tags::tag_word(0b1000_0011, 7, &stack), 0x7ff2);
    for bit in 0..8 {
        assert_ne!(tags::tag_word(0xff, 3, &stack), tags::tag_word(0xff ^ 1 << bit, 3, &stack), "bit {bit}");
    }
}
