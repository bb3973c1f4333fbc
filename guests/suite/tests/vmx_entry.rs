//! The rules of entries agree with each other, and a wrong observation is seen in every column.

#[path = "../../rt/src/vmx/control.rs"]
pub mod control;
#[path = "../../rt/src/vmx/field.rs"]
pub mod field;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/vmx/legality/mod.rs"]
mod legality;
#[path = "../src/random.rs"]
mod random;
#[path = "../../rt/src/vmx/reason.rs"]
pub mod reason;

use case::message::outcome;
use legality::{Allowed, Column, Facts, Failure, Rule, Seen, TABLES, bases, judge};
use std::collections::{BTreeMap, BTreeSet};

/// What a processor of the tenth generation says of VMX.
const FACTS: Facts = Facts {
    width: 39,
    pin: Allowed { must: 0x16, may: 0x7f },
    processor: Allowed { must: 0x0400_6172, may: 0xfff9_fffe },
    secondary: Allowed { must: 0, may: 0x0013_7cff },
    exit: Allowed { must: 0x0003_6dfb, may: 0x007f_ffff },
    entry: Allowed { must: 0x11fb, may: 0x0003_ffff },
    cr0: Allowed { must: 0x8000_0021, may: 0xffff_ffff },
    cr4: Allowed { must: 0x2000, may: 0x0037_27ff },
    basic: 0x00da_0400_0000_0004,
    misc: 0x7004_c1e7,
    ept: 0x0f01_0673_4141,
    functions: 1,
    efer: 0xd01,
    free_page: 0x0100_0000,
    other_vmcs: 0x0100_1000,
    shadow_vmcs: 0x0100_2000,
    current_vmcs: 0x0100_3000,
};

/// Which rule it is, for people.
fn name(rule: &Rule) -> String {
    let field = field::ALL.iter().find(|field| field.encoding == rule.field).map(|field| field.name);
    let names: Vec<_> = rule.names.iter().map(|name| name.get()).collect();
    format!("{field:?} with {names:?} of \"{}\"", rule.section)
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().copied().flatten()
}

/// Fields of a guest in 64-bit mode that are not 0.
fn long_mode() -> BTreeMap<u32, u64> {
    use field::segment::{CS, DS, ES, FS, GS, LDTR, SS, TR};
    let mut state = BTreeMap::from([
        (field::PIN_CONTROLS, 0x56),
        (field::PROCESSOR_CONTROLS, 0x0400_61f2),
        (field::EXIT_CONTROLS, 0x0003_6fff),
        (field::ENTRY_CONTROLS, 0x13ff),
        (field::EXCEPTION_BITMAP, 0xffff_ffff),
        (field::HOST_CR0, 0x8001_0033),
        (field::HOST_CR3, 0x10_0000),
        (field::HOST_CR4, 0x2030),
        (field::HOST_CS, 8),
        (field::HOST_SS, 16),
        (field::HOST_DS, 16),
        (field::HOST_ES, 16),
        (field::HOST_TR, 0x38),
        (field::HOST_RIP, 0x20_0000),
        (field::GUEST_CR0, 0x8001_0033),
        (field::GUEST_CR3, 0x10_0000),
        (field::GUEST_CR4, 0x2030),
        (field::GUEST_DR7, 0x400),
        (field::GUEST_RIP, 0x20_0000),
        (field::GUEST_RFLAGS, 2),
        (field::VMCS_LINK, u64::MAX),
    ]);
    for (part, selector, limit, rights) in [
        (ES, 16, 0xffff_ffff, 0xc093),
        (CS, 8, 0xffff_ffff, 0xa09b),
        (SS, 16, 0xffff_ffff, 0xc093),
        (DS, 16, 0xffff_ffff, 0xc093),
        (FS, 0, 0, 0x1_0000),
        (GS, 0, 0, 0x1_0000),
        (LDTR, 0, 0, 0x1_0000),
        (TR, 0x38, 0x2067, 0x8b),
    ] {
        state.insert(field::GUEST_ES + part, selector);
        state.insert(field::GUEST_ES_LIMIT + part, limit);
        state.insert(field::GUEST_ES_RIGHTS + part, rights);
    }
    state
}

/// Every state of a rule, with whether it is legal.
fn states(rule: &Rule) -> Vec<(BTreeMap<u32, u64>, bool)> {
    let mut states = Vec::new();
    rule.each(&FACTS, |_, change, is_legal| {
        let mut state = long_mode();
        for given in rule.base.iter().chain(rule.given) {
            let value = state.get(&given.field).copied().unwrap_or(0);
            state.insert(given.field, (given.change)(&FACTS, value));
        }
        let value = state.get(&rule.field).copied().unwrap_or(0);
        state.insert(rule.field, change(value) & field::mask(rule.field));
        state.retain(|_, value| *value != 0);
        states.push((state, is_legal));
    });
    states
}

#[test]
fn no_two_rules_contradict() {
    let mut verdicts = BTreeMap::new();
    for rule in rules().filter(|rule| (rule.holds)(&FACTS)) {
        for (state, is_legal) in states(rule) {
            let failure = (!is_legal).then_some(rule.failure);
            if let Some((other, earlier)) = verdicts.insert(state, (name(rule), failure)) {
                assert_eq!(earlier, failure, "{other} and {}", name(rule));
            }
        }
    }
    assert!(verdicts.len() > 2_500, "{} states", verdicts.len());
}

#[test]
fn every_rule_has_a_value_and_a_name_for_each() {
    for rule in rules() {
        assert!(!states(rule).is_empty(), "{} has no value", name(rule));
        assert_eq!(rule.names.len(), rule.legal.len() + rule.illegal.len(), "{}", name(rule));
        let names: BTreeSet<_> = rule.names.iter().map(|name| name.get()).collect();
        assert_eq!(names.len(), rule.names.len(), "{} has a name twice", name(rule));
        assert_eq!((rule.legal_bits)(&FACTS) & (rule.illegal_bits)(&FACTS), 0, "{}", name(rule));
        assert!(field::ALL.iter().any(|field| field.encoding == rule.field), "{}", name(rule));
    }
}

#[test]
fn every_value_of_a_rule_is_another_state() {
    for rule in rules() {
        for (number, (state, is_legal)) in states(rule).iter().enumerate() {
            let same = states(rule).iter().take(number).any(|other| other.0 == *state && other.1 != *is_legal);
            assert!(!same, "{}: value {number} is legal and illegal", name(rule));
        }
    }
}

#[test]
fn a_rule_needs_no_more_fields_than_can_be_changed_at_once() {
    for rule in rules() {
        let fields: BTreeSet<_> =
            rule.base.iter().chain(rule.given).map(|given| given.field).chain([rule.field, 0]).collect();
        assert!(fields.len() <= 48, "{}", name(rule));
    }
}

#[test]
fn every_base_is_another_one() {
    let all =
        [bases::LONG, bases::PROTECTED, bases::COMPATIBILITY, bases::PAE_WITH_EPT, bases::REAL, bases::VIRTUAL_8086];
    let states: BTreeSet<Vec<_>> = all
        .iter()
        .map(|base| base.iter().map(|given| (given.field, (given.change)(&FACTS, 0xffff))).collect())
        .collect();
    assert_eq!(states.len(), all.len());
}

/// The columns that are wrong.
fn wrong(failure: Option<Failure>, seen: Seen) -> Vec<Column> {
    let judged = judge(failure, seen).into_iter().flatten();
    judged.filter(|(_, actual, due)| actual != due).map(|(column, ..)| column).collect()
}

#[test]
fn a_wrong_observation_is_seen_in_every_column() {
    let (controls, host) = (outcome::vm_fail_valid(7), outcome::vm_fail_valid(8));
    let refused = |outcome| Seen { outcome, ..Seen::default() };
    let failed = |reason, qualification| Seen { outcome: 0, reason, qualification };
    let (guest, msr) = (0x8000_0021, 0x8000_0022);
    for (failure, right) in [
        (None, Seen::default()),
        (Some(Failure::Controls), refused(controls)),
        (Some(Failure::Host), refused(host)),
        (Some(Failure::ControlsOrHost), refused(controls)),
        (Some(Failure::ControlsOrHost), refused(host)),
        (Some(Failure::Guest(4)), failed(guest, 4)),
        (Some(Failure::Msr(2)), failed(msr, 2)),
    ] {
        assert_eq!(wrong(failure, right), [], "{failure:?}");
    }
    assert_eq!(wrong(None, refused(controls)), [Column::Outcome]);
    assert_eq!(wrong(None, failed(guest, 0)), [Column::Reason]);
    assert_eq!(wrong(Some(Failure::Controls), refused(host)), [Column::Outcome]);
    assert_eq!(wrong(Some(Failure::Controls), Seen::default()), [Column::Outcome]);
    assert_eq!(wrong(Some(Failure::Host), refused(controls)), [Column::Outcome]);
    assert_eq!(wrong(Some(Failure::ControlsOrHost), Seen::default()), [Column::Outcome]);
    assert_eq!(wrong(Some(Failure::Guest(0)), Seen::default()), [Column::Reason]);
    assert_eq!(wrong(Some(Failure::Guest(0)), failed(msr, 0)), [Column::Reason]);
    assert_eq!(wrong(Some(Failure::Guest(0)), failed(guest, 4)), [Column::Qualification]);
    assert_eq!(wrong(Some(Failure::Guest(4)), failed(guest, 0)), [Column::Qualification]);
    assert_eq!(wrong(Some(Failure::Guest(0)), refused(host)), [Column::Outcome, Column::Reason]);
    assert_eq!(wrong(Some(Failure::Msr(1)), failed(msr, 2)), [Column::Qualification]);
}

#[test]
fn every_section_of_the_checks_has_rules() {
    let sections: BTreeSet<_> = rules().map(|rule| rule.section).collect();
    for section in [
        "VM-Execution Control Fields",
        "VM-Exit Control Fields",
        "VM-Entry Control Fields",
        "Checks on Host Control Registers, MSRs, and SSP",
        "Checks on Host Segment and Descriptor-Table Registers",
        "Checks Related to Address-Space Size",
        "Checks on Guest Control Registers, Debug Registers, and MSRs",
        "Checks on Guest Segment Registers",
        "Checks on Guest Descriptor-Table Registers",
        "Checks on Guest RIP, RFLAGS, and SSP",
        "Checks on Guest Non-Register State",
        "Checks on Guest Page-Directory-Pointer-Table Entries",
    ] {
        assert!(sections.contains(section), "no rule of \"{section}\"");
    }
}

#[test]
fn random_states_depend_on_seed_and_number_alone_and_change_few_fields() {
    use legality::random::Plan;
    let (mut legal, mut kinds) = (0, BTreeSet::new());
    for number in 0..2_000 {
        let (plan, again) = (Plan::new(&FACTS, 7, number), Plan::new(&FACTS, 7, number));
        assert_eq!(plan, again);
        let rules: Vec<_> = plan.steps().collect();
        let fields: BTreeSet<_> =
            rules.iter().flat_map(|(rule, _)| rule.given.iter().map(|given| given.field).chain([rule.field])).collect();
        assert!((1..40).contains(&fields.len()), "{number}: {} fields", fields.len());
        match plan.due() {
            None => legal += 1,
            Some(due) => _ = kinds.insert(format!("{due:?}")),
        }
    }
    assert!((200..1_500).contains(&legal), "{legal} legal states");
    assert!(kinds.len() >= 4, "{kinds:?}");
    assert_ne!(Plan::new(&FACTS, 7, 0), Plan::new(&FACTS, 8, 0));
}

#[test]
fn a_state_without_its_illegal_value_is_legal() {
    use legality::random::Plan;
    for number in 0..500 {
        let mut plan = Plan::new(&FACTS, 3, number);
        let illegal: Vec<_> = plan.steps().enumerate().filter(|(_, (_, legal))| !legal).map(|(at, _)| at).collect();
        assert_eq!(illegal.is_empty(), plan.due().is_none());
        let mut nr_changes = 0;
        plan.each(&FACTS, |_, _, _| nr_changes += 1);
        assert_eq!(nr_changes, plan.steps().count());
        illegal.iter().rev().for_each(|&at| plan.remove(at));
        assert_eq!(plan.due(), None);
    }
}

#[test]
fn states_of_any_mode_keep_to_the_mode_that_a_rule_starts_from() {
    use legality::random::Plan;
    let mut modes = BTreeSet::new();
    for number in 0..3_000 {
        let plan = Plan::in_any_mode(&FACTS, 11, number);
        let steps: Vec<_> = plan.steps().collect();
        let based: Vec<_> = steps.iter().filter(|(rule, _)| !rule.base.is_empty()).collect();
        assert!(based.len() <= 1, "{number}");
        if let Some((rule, _)) = based.first() {
            assert!(!steps[0].0.base.is_empty(), "{number}: its mode is chosen first");
            let of_guest = steps.iter().filter(|(rule, _)| matches!(rule.failure, Failure::Guest(_))).count();
            assert!(of_guest <= 1, "{number}: what is checked of other guest state depends on the mode");
            modes.insert(rule.base.as_ptr());
        }
        let fields: BTreeSet<_> = steps
            .iter()
            .flat_map(|(rule, _)| rule.base.iter().chain(rule.given).map(|given| given.field).chain([rule.field]))
            .collect();
        // One more is that of the preemption timer.
        assert!(fields.len() < 48, "{number}: {} fields", fields.len());
    }
    assert!(modes.len() >= 5, "{} modes", modes.len());
    let [legal, illegal, all] = Plan::count(&FACTS);
    assert!(legal > 200 && illegal > 200 && legal <= all && illegal <= all, "{legal} {illegal} {all}");
}
