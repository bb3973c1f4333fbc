//! Every rule of `legality_rules`, one after the other.

use super::{
    end_of,
    ending::{COMPLETED, REFUSED},
    legality::change,
    legality_model::{Change::To, Rule, due, legal},
    legality_rules::{COMBINATIONS, MAP_FIELDS, MAP_PAGES, RESERVED, WITHOUT_PROTECTION, last_map},
    with_svm,
};
use rt::{
    case, check_eq,
    mutation::{self, Mutation},
    paging::read_physical_address_bits,
    svm::{Guest, field},
    user_code,
    vocabulary::Needs,
};

user_code!(end: "vmmcall");

/// Tries a state; whether it is legal stands in the last of its rules. Returns its ending and the due one; nothing if the mutation
/// does not try it.
pub(super) fn attempt(rules: &[Rule]) -> Option<(u64, u64)> {
    let (last, others) = rules.split_last()?;
    let mutation = mutation::read();
    if mutation.is_some_and(|mutation| !mutation.tries(last.is_legal)) {
        return None;
    }
    let mut guest = Guest::new(end);
    others.iter().for_each(|rule| change(&guest, rule));
    if mutation.is_none_or(Mutation::writes) {
        change(&guest, last);
    }
    let is_legal = mutation.map_or(last.is_legal, |mutation| mutation.accepts(last.is_legal));
    Some((end_of(guest.run()), due(&Rule { is_legal, ..*last }, REFUSED, COMPLETED)))
}

/// Every reserved bit of a table alone.
fn walk(index: usize) {
    with_svm(|| {
        let Some(reserved) = RESERVED.get(index).copied() else { return };
        for bit in reserved.first..=reserved.last {
            if let Some((ending, due)) = attempt(&[reserved.rule(bit)]) {
                check_eq!("bit", [&[]; bit], ending, due);
            }
        }
    });
}

/// Bits 63 to 32 of CR0 must be zero.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_cr0() {
    walk(0);
}

/// Bits 63 to 52 of CR3 must be zero.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_cr3() {
    walk(1);
}

/// Bits 63 to 32 of CR4 must be zero.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_cr4() {
    walk(2);
}

/// So must those of its low half that no processor defines.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_the_low_half_of_cr4() {
    walk(3);
}

/// Bits 63 to 32 of DR6 must be zero.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_dr6() {
    walk(4);
}

/// Bits 63 to 32 of DR7 must be zero.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_dr7() {
    walk(5);
}

/// Bits of EFER from 22 on must be zero.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn reserved_bits_of_efer() {
    walk(6);
    walk(7);
    walk(8);
}

/// Long mode with paging needs CR0.PE.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn long_mode_without_protection() {
    with_svm(|| {
        if let Some((ending, due)) = attempt(&[WITHOUT_PROTECTION]) {
            check_eq!("ending", ending, due);
        }
    });
}

/// Rules about several bits, each with its nearest legal state.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn combinations_of_fields() {
    with_svm(|| {
        for (row, combination) in COMBINATIONS.iter().enumerate() {
            if let Some((ending, due)) = attempt(combination.rules) {
                check_eq!("ending", [&[]; row], ending, due);
            }
        }
    });
}

/// The maps of ports and MSRs must end within the physical addresses: the last address that does, and the next ones.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn maps_at_the_end_of_physical_addresses() {
    let physical_bits = read_physical_address_bits();
    with_svm(|| {
        for (row, (at, nr_pages)) in MAP_FIELDS.into_iter().zip(MAP_PAGES).enumerate() {
            let last = last_map(physical_bits, nr_pages);
            for step in [0, 1, nr_pages, nr_pages + 1] {
                let rule = Rule { field: at, width: 8, change: To(last + step * 4096), is_legal: step == 0 };
                if let Some((ending, due)) = attempt(&[rule]) {
                    check_eq!("ending", [&[]; row as u64 * 16 + step], ending, due);
                }
            }
        }
    });
}

/// Fields of segments that are not in use, and bits of the VMCB that mean nothing, are not checked.
#[case(feature = SvmLegality, spec = apm2("Canonicalization and Consistency Checks"), needs = Needs::SVM)]
fn what_is_not_checked() {
    const FIELDS: [u64; 12] = [
        field::ES + field::segment::BASE,
        field::DS + field::segment::BASE,
        field::ES + field::segment::LIMIT,
        field::DS + field::segment::LIMIT,
        field::EXIT_CODE,
        field::EXIT_INFO_1,
        field::EXIT_INFO_2,
        field::EXIT_INTERRUPT_INFO,
        field::NEXT_RIP,
        field::TSC_OFFSET,
        field::CR2,
        field::G_PAT,
    ];
    with_svm(|| {
        for (row, at) in FIELDS.into_iter().enumerate() {
            let is_limit = at == field::ES + field::segment::LIMIT || at == field::DS + field::segment::LIMIT;
            let rule = if is_limit { legal(at, 4, To(0)) } else { legal(at, 8, To(0x1234_5678_9abc_def0)) };
            if let Some((ending, due)) = attempt(&[rule]) {
                check_eq!("ending", [&[]; row], ending, due);
            }
        }
    });
}
