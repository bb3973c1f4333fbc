//! What VMRUN refuses, rule by rule: the nearest legal and illegal state.

use super::{
    legality_model::{
        Change::{Clear, Set, To},
        Rule, agrees, illegal, legal,
    },
    legality_walk::attempt,
    with_svm,
};
use rt::{
    case, check, check_eq,
    cpu::control,
    names,
    svm::{
        Guest,
        field::{self, exit},
    },
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "vmmcall");

const EFER_SVME: u64 = 1 << 12;
const CR0_CD: u64 = 1 << 30;
const CR0_NW: u64 = 1 << 29;
const CR4_PAE: u64 = 1 << 5;

macro_rules! rules {
    ($($title:literal: $rule:expr;)*) => {
        pub(super) static RULES: &[Rule] = &[$($rule),*];
        pub(super) const NAMES: &[Text] = names![$($title),*];
    };
}

rules! {
    "nothing changed": legal(field::ASID, 4, Set(0));
    "EFER.SVME clear": illegal(field::EFER, 8, Clear(EFER_SVME));
    "EFER bit 63": illegal(field::EFER, 8, Set(1 << 63));
    "EFER bit 9": illegal(field::EFER, 8, Set(1 << 9));
    "EFER bit 16": illegal(field::EFER, 8, Set(1 << 16));
    "CR0.CD": legal(field::CR0, 8, Set(CR0_CD));
    "CR0.NW without CD": illegal(field::CR0, 8, Set(CR0_NW));
    "CR0.CD and NW": legal(field::CR0, 8, Set(CR0_CD | CR0_NW));
    "CR0 bit 32": illegal(field::CR0, 8, Set(1 << 32));
    "CR0 bit 63": illegal(field::CR0, 8, Set(1 << 63));
    "CR3 bit 63": illegal(field::CR3, 8, Set(1 << 63));
    "CR3 bit 52": illegal(field::CR3, 8, Set(1 << 52));
    "CR4 bit 63": illegal(field::CR4, 8, Set(1 << 63));
    "CR4 bit 32": illegal(field::CR4, 8, Set(1 << 32));
    "CR4 bit 31": illegal(field::CR4, 8, Set(1 << 31));
    "DR6 bit 32": illegal(field::DR6, 8, Set(1 << 32));
    "DR6 bit 63": illegal(field::DR6, 8, Set(1 << 63));
    "DR7 bit 32": illegal(field::DR7, 8, Set(1 << 32));
    "DR7 bit 63": illegal(field::DR7, 8, Set(1 << 63));
    "LMA with PG, PAE clear": illegal(field::CR4, 8, Clear(CR4_PAE));
    "CS with L and D": illegal(field::CS + field::segment::ATTRIBUTES, 2, Set(0x400));
    "VMRUN not intercepted": illegal(field::INTERCEPTS_2, 4, Clear(1));
    "ASID 0": illegal(field::ASID, 4, To(0));
    "ASID 1": legal(field::ASID, 4, To(1));
    "I/O map beyond physical addresses": illegal(field::IOPM_BASE, 8, To(1 << 52));
    "MSR map beyond physical addresses": illegal(field::MSRPM_BASE, 8, To(1 << 52));
    "an exception that is none: vector 2": illegal(field::EVENT_INJECTION, 8, To(1 << 31 | 3 << 8 | 2));
    "an exception of vector 32": illegal(field::EVENT_INJECTION, 8, To(1 << 31 | 3 << 8 | 32));
    "an event of type 1": illegal(field::EVENT_INJECTION, 8, To(1 << 31 | 1 << 8));
    "an event of type 5": illegal(field::EVENT_INJECTION, 8, To(1 << 31 | 5 << 8));
    "an event that is not valid": legal(field::EVENT_INJECTION, 8, To(3 << 8 | 32));
}

pub(super) fn change(guest: &Guest, rule: &Rule) {
    match rule.width {
        1 => guest.write_u8(rule.field, rule.change.apply(guest.read_u8(rule.field).into()) as u8),
        2 => guest.write_u16(rule.field, rule.change.apply(guest.read_u16(rule.field).into()) as u16),
        4 => guest.write_u32(rule.field, rule.change.apply(guest.read_u32(rule.field).into()) as u32),
        _ => guest.write_u64(rule.field, rule.change.apply(guest.read_u64(rule.field))),
    }
}

/// Low half of the exit code, which tells all exits apart.
fn low(code: u64) -> u64 {
    code & 0xffff_ffff
}

/// The exit code of a refused state is all ones, in both halves of its field.
#[case(feature = SvmLegality, spec = apm2("SVM Intercept Codes"), needs = Needs::SVM)]
fn refusal_fills_the_exit_code() {
    with_svm(|| {
        let mut guest = Guest::new(end);
        guest.write_u32(field::ASID, 0);
        let code = guest.run().map_or(0xffff_fffe, |exit| exit.code);
        check_eq!("low half", low(code), low(exit::INVALID));
        check_eq!("high half", code >> 32, exit::INVALID >> 32);
    });
}

/// Each rule of VMRUN's checks: a state that breaks it alone is refused with VMEXIT_INVALID, and the next legal one runs.
#[case(feature = SvmLegality, spec = [apm2("Canonicalization and Consistency Checks"), apm2("Event Injection")], needs = Needs::SVM)]
fn each_rule_alone() {
    with_svm(|| {
        for (number, rule) in RULES.iter().enumerate() {
            if let Some((ending, due)) = attempt(core::slice::from_ref(rule)) {
                check_eq!("exit code", [NAMES; number], ending, due);
            }
        }
    });
}

/// A refused state leaves the host and its registers as they were, and the next legal state runs. (What the VMCB's state save
/// area holds behind a refusal, the manual leaves open.)
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn a_refusal_leaves_the_host_alone() {
    const MARK: u64 = 0x1234_5678_9abc_def0;
    with_svm(|| {
        for (number, rule) in RULES.iter().enumerate().filter(|(_, rule)| !rule.is_legal) {
            let cr3 = control::read_cr3();
            let mut guest = Guest::new(end);
            guest.registers.rbx = MARK;
            change(&guest, rule);
            let code = guest.run().map_or(0xffff_fffe, |exit| exit.code);
            if !agrees(rule, low(code), low(exit::INVALID), exit::VMMCALL) {
                // The case above tells.
                continue;
            }
            check_eq!("RBX", [NAMES; number], guest.registers.rbx, MARK);
            check_eq!("CR3", [NAMES; number], control::read_cr3(), cr3);
            let again = Guest::new(end).run();
            check!("the next legal state runs", [NAMES; number], again.is_ok_and(|exit| exit.code == exit::VMMCALL));
        }
    });
}

/// Bits of the maps' addresses below a page do not count.
#[case(feature = SvmLegality, spec = [apm2("IOIO Intercepts"), apm2("MSR Intercepts")], needs = Needs::SVM)]
fn low_bits_of_the_maps_do_not_count() {
    with_svm(|| {
        for (number, at) in [field::IOPM_BASE, field::MSRPM_BASE].into_iter().enumerate() {
            let mut guest = Guest::new(end);
            guest.write_u64(at, guest.read_u64(at) | 0xabc);
            let code = guest.run().map_or(0xffff_fffe, |exit| exit.code);
            check_eq!("exit code", [&[]; number], code, exit::VMMCALL);
        }
    });
}
