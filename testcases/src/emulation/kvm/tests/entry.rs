//! The state that a guest is entered with, by the rules of a processor's VM entry: a KVM that interprets or does not
//! check takes what others refuse.
//!
//! Source: Intel SDM vol. 3C, "Checks on the Guest-State Area".

use crate::emulation::kvm::{
    Flavour,
    layout::{self, selector},
    state, tables,
};
use iced_decoder::{Bitness, Registers, machine::Mode};
use kvm_bindings::{kvm_segment, kvm_sregs};

fn every_state() -> impl Iterator<Item = (String, kvm_sregs)> {
    [Mode::User, Mode::Supervisor].into_iter().flat_map(|mode| {
        [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16]
            .map(|bitness| (format!("{mode:?} {bitness:?}"), state::special(&kvm_sregs::default(), bitness, mode, 0)))
    })
}

fn rpl(segment: &kvm_segment) -> u16 {
    segment.selector & 3
}

/// "If any bit in the limit field in the range 11:0 is 0, G must be 0; if any in the range 31:20 is 1, G must be 1."
fn assert_granularity(segment: &kvm_segment, what: &str) {
    assert!(segment.g == 0 || segment.limit & 0xfff == 0xfff, "{what}");
    assert!(segment.g == 1 || segment.limit >> 20 == 0, "{what}");
}

#[test]
fn code_and_stack_may_be_entered() {
    for (what, special) in every_state() {
        let (cs, ss) = (special.cs, special.ss);
        assert_eq!((cs.s, cs.present, cs.unusable, cs.type_), (1, 1, 0, 11), "{what}");
        assert_eq!(cs.l & cs.db, 0, "{what}");
        assert_eq!(cs.base, 0, "{what}");
        assert_eq!((ss.s, ss.present, ss.unusable, ss.type_, ss.db), (1, 1, 0, 3, 1), "{what}");
        assert_eq!(rpl(&ss), rpl(&cs), "{what}");
        assert_eq!((u16::from(ss.dpl), cs.dpl), (rpl(&ss), ss.dpl), "{what}");
        for segment in [cs, ss] {
            assert_granularity(&segment, &what);
        }
    }
}

#[test]
fn data_segments_are_unusable_or_accessed_data() {
    for (what, special) in every_state() {
        for segment in [special.ds, special.es, special.fs, special.gs] {
            if segment.unusable == 0 {
                assert_eq!((segment.s, segment.present, segment.type_), (1, 1, 3), "{what}");
                assert!(u16::from(segment.dpl) >= rpl(&segment), "{what}");
                assert_granularity(&segment, &what);
            }
        }
    }
}

#[test]
fn system_segments_and_control_registers_may_be_entered() {
    for (what, special) in every_state() {
        let (tr, ldt) = (special.tr, special.ldt);
        assert_eq!((tr.type_, tr.s, tr.present, tr.unusable, tr.selector & 4), (11, 0, 1, 0, 0), "{what}");
        assert_eq!((ldt.type_, ldt.s, ldt.present, ldt.unusable, ldt.selector & 4), (2, 0, 1, 0, 0), "{what}");
        for segment in [tr, ldt] {
            assert_granularity(&segment, &what);
            assert_eq!(segment.base >> 47, 0x1_ffff, "{what}: canonical");
        }
        for table in [special.gdt, special.idt] {
            assert_eq!(table.base >> 47, 0x1_ffff, "{what}: canonical");
        }
        let [pe, ne, pg] = [0, 5, 31].map(|bit| special.cr0 >> bit & 1);
        assert_eq!((pe, ne, pg), (1, 1, 1), "{what}");
        let [lme, lma] = [8, 10].map(|bit| special.efer >> bit & 1);
        assert_eq!((lme, lma, special.cr4 >> 5 & 1), (1, 1, 1), "{what}");
    }
    let regs = state::to_kvm(&Registers { rflags: u64::MAX, ..Registers::default() });
    // Bits 63:22, 15, 5 and 3 are 0, bit 1 is 1.
    assert_eq!(regs.rflags & (!0x3f_ffff | 1 << 15 | 1 << 5 | 1 << 3 | 1 << 1), 1 << 1);
}

#[test]
fn segments_are_those_of_their_descriptors() {
    let mut memory = vec![0; layout::MEMORY_SIZE];
    tables::write(&mut memory, Flavour::MemoryUser).unwrap();
    let descriptor = |selector: u16| {
        let table = if selector & 4 == 0 { layout::GDT } else { layout::LDT };
        let size = if selector & 4 == 0 { selector::GDT_SIZE } else { selector::LDT_SIZE };
        assert!((selector | 7) < size, "{selector:#x}");
        let at = table as usize + usize::from(selector & !7);
        u64::from_le_bytes(memory[at..at + 8].try_into().unwrap())
    };
    for (what, special) in every_state() {
        for segment in [special.cs, special.ss, special.ds, special.tr, special.ldt] {
            if segment.unusable != 0 {
                continue;
            }
            let word = descriptor(segment.selector);
            let limit = word & 0xffff | word >> 32 & 0xf_0000;
            let limit = if segment.g == 0 { limit } else { limit << 12 | 0xfff };
            let bits = |shift: u32, size: u32| (word >> shift & ((1 << size) - 1)) as u8;
            assert_eq!(u64::from(segment.limit), limit, "{what} {:#x}", segment.selector);
            assert_eq!((bits(40, 4), bits(44, 1), bits(45, 2)), (segment.type_, segment.s, segment.dpl), "{what}");
            assert_eq!(
                (bits(47, 1), bits(53, 1), bits(54, 1), bits(55, 1)),
                (segment.present, segment.l, segment.db, segment.g),
                "{what} {:#x}",
                segment.selector
            );
        }
    }
}
