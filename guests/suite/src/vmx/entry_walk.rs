//! Runs the rules of [`super::legality`]: legal values enter, illegal ones fail as the rule says.
//!
//! L2 executes nothing: its preemption timer is 0 at the start.

use super::{
    legality::{Allowed, Column, Facts, Failure, Given, Place, Rule, Seen, judge},
    with_guest,
};
use rt::{
    Outcome,
    cpu::cpuid::read_leaf,
    mutation::{self, Mutation},
    paging, user_code,
    vmx::{
        Exit, Guest, Page,
        capability::{self, number},
        field, page, reason,
    },
};

user_code!(end: "vmcall");

/// Asks the processor for what the rules depend on.
pub(super) fn facts(guest: &Guest) -> Facts {
    let of = |word: capability::Allowed| Allowed { must: word.must.into(), may: word.may.into() };
    let between = |fixed0, fixed1| Allowed { must: capability::read(fixed0), may: capability::read(fixed1) };
    let extended = read_leaf(0x8000_0001, 0).edx;
    Facts {
        width: paging::read_physical_address_bits(),
        pin: of(guest.controls.pin),
        processor: of(guest.controls.processor),
        secondary: of(guest.controls.secondary),
        exit: of(guest.controls.exit),
        entry: of(guest.controls.entry),
        cr0: between(number::CR0_FIXED0, number::CR0_FIXED1),
        cr4: between(number::CR4_FIXED0, number::CR4_FIXED1),
        basic: capability::read(number::BASIC),
        misc: capability::read(number::MISC),
        ept: capability::read(number::EPT_VPID),
        functions: capability::read(number::FUNCTIONS),
        efer: 0x500 | u64::from(extended >> 11 & 1) | u64::from(extended >> 20 & 1) << 11,
        free_page: Page::Free.address(),
        other_vmcs: Page::SecondVmcs.address(),
        shadow_vmcs: Page::ShadowVmcs.address(),
        current_vmcs: Page::Vmcs.address(),
    }
}

/// What an attempt to enter showed, as the rules have it.
pub(super) fn seen(attempt: Result<Exit, Outcome>) -> Seen {
    match attempt {
        Err(outcome) => Seen { outcome: outcome.0, ..Seen::default() },
        Ok(exit) if exit.reason & reason::ENTRY_FAILED != 0 => {
            Seen { reason: exit.reason.into(), qualification: exit.qualification, ..Seen::default() }
        }
        Ok(_) => Seen::default(),
    }
}

/// Makes the pages that the rules refer to.
pub(super) fn prepare(field: u32) {
    let revision = capability::read_revision();
    Page::SecondVmcs.set_revision(revision);
    Page::ShadowVmcs.set_revision(revision | 1 << 31);
    let is_area = [field::EXIT_MSR_STORE, field::EXIT_MSR_LOAD, field::ENTRY_MSR_LOAD].contains(&field);
    let entry = if is_area { rt::cpu::msr::number::IA32_SYSENTER_CS } else { 0 };
    for index in 0..256 {
        page::set_msr_entry(Page::Free, index, entry, 0);
    }
}

/// Applies changes.
pub(super) fn apply(guest: &mut Guest, facts: &Facts, changes: &[Given]) {
    for given in changes {
        let value = (given.change)(facts, guest.read(given.field));
        let _ = guest.set(given.field, value);
    }
}

/// The column that tells a failure from an entry.
fn deciding(failure: Failure) -> Column {
    match failure {
        Failure::Controls | Failure::Host | Failure::ControlsOrHost => Column::Outcome,
        Failure::Guest(_) | Failure::Msr(_) => Column::Reason,
    }
}

/// Tries every value of a rule, and reports each column of each; with a mutation only the one that has to fail.
pub(super) fn walk(rule: &Rule, mut report: impl FnMut(Place, Column, u64, u64)) {
    with_guest(end, |guest| {
        let facts = facts(guest);
        if !(rule.holds)(&facts) {
            rt::skip!("the rule does not hold for the processor");
            return;
        }
        prepare(rule.field);
        let mutation = mutation::read();
        rule.each(&facts, |place, change, is_legal| {
            if mutation.is_some_and(|mutation| !mutation.tries(is_legal)) {
                return;
            }
            let _ = guest.set(field::PREEMPTION_TIMER, 0);
            apply(guest, &facts, rule.base);
            apply(guest, &facts, rule.given);
            let before = guest.read(rule.field);
            let value = match mutation.is_none_or(Mutation::writes) {
                true => change(before),
                // What a rule's base leaves in the field is legal if the rule names no legal value.
                false => rule.legal.first().map_or(before, |legal| legal(&facts, before)),
            };
            let _ = guest.set(rule.field, value & field::mask(rule.field));
            let seen = seen(guest.run());
            let is_accepted = mutation.map_or(is_legal, |mutation| mutation.accepts(is_legal));
            let failure = (!is_accepted).then_some(rule.failure);
            for (column, actual, expected) in judge(failure, seen).into_iter().flatten() {
                if mutation.is_none() || column == deciding(rule.failure) {
                    report(place, column, actual, expected);
                }
            }
            guest.reset();
        });
    });
}

/// Names of bits.
pub(super) const BITS: &[rt::vocabulary::Text] = rt::names![
    "bit 0", "bit 1", "bit 2", "bit 3", "bit 4", "bit 5", "bit 6", "bit 7", "bit 8", "bit 9", "bit 10", "bit 11",
    "bit 12", "bit 13", "bit 14", "bit 15", "bit 16", "bit 17", "bit 18", "bit 19", "bit 20", "bit 21", "bit 22",
    "bit 23", "bit 24", "bit 25", "bit 26", "bit 27", "bit 28", "bit 29", "bit 30", "bit 31", "bit 32", "bit 33",
    "bit 34", "bit 35", "bit 36", "bit 37", "bit 38", "bit 39", "bit 40", "bit 41", "bit 42", "bit 43", "bit 44",
    "bit 45", "bit 46", "bit 47", "bit 48", "bit 49", "bit 50", "bit 51", "bit 52", "bit 53", "bit 54", "bit 55",
    "bit 56", "bit 57", "bit 58", "bit 59", "bit 60", "bit 61", "bit 62", "bit 63"
];

/// Makes a case of each rule.
macro_rules! cases {
    ($feature:ident; $($(#[$doc:meta])* $name:ident $rule:path $(, $need:ident)*;)+) => {
    $(
        $(#[$doc])*
        #[case(feature = $feature, spec = [sdm3c($rule.section)], needs = Needs::INTEL | Needs::VMX $(| Needs::$need)*)]
        fn $name() {
            const NAMES: &[Text] = $rule.names;
            walk(&$rule, |place, column, actual, expected| match (place, column) {
                (Place::Bit(bit), Column::Outcome) => check_outcome!("entry", [BITS; bit], Outcome(actual), Outcome(expected)),
                (Place::Bit(bit), Column::Reason) => check_eq!("exit reason of a failed entry", [BITS; bit], actual, expected),
                (Place::Bit(bit), Column::Qualification) => check_eq!("exit qualification", [BITS; bit], actual, expected),
                (Place::Value(row), Column::Outcome) => check_outcome!("entry with", [NAMES; row], Outcome(actual), Outcome(expected)),
                (Place::Value(row), Column::Reason) => check_eq!("exit reason of a failed entry with", [NAMES; row], actual, expected),
                (Place::Value(row), Column::Qualification) => check_eq!("exit qualification with", [NAMES; row], actual, expected),
            });
        }
    )+

    /// Its cases, each with the name of its rule.
    pub(super) const CASES: &[(Text, &str)] = &[$((Text::new(concat!("vmx::", stringify!($name))), $rule.name)),+];
    };
}
pub(super) use cases;
