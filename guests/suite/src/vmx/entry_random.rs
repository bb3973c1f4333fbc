//! Random states by the rules of [`super::legality`], legal or just outside: what they must lead to is the table's to say.

use super::{
    entry_walk::{apply, facts, prepare, seen},
    legality::{Column, Facts, Failure, Judged, Seen, judge, random::Plan},
    with_guest,
};
use rt::{
    Outcome, case, check_eq, check_outcome, note, user_code,
    vmx::{Guest, field},
    vocabulary::Needs,
};

user_code!(end: "vmcall");

/// Tries to enter with a state.
pub(super) fn attempt(guest: &mut Guest, facts: &Facts, plan: &Plan) -> Seen {
    let _ = guest.set(field::PREEMPTION_TIMER, 0);
    let areas = [field::EXIT_MSR_STORE, field::EXIT_MSR_LOAD, field::ENTRY_MSR_LOAD];
    let area = plan.steps().find(|(rule, _)| areas.contains(&rule.field));
    prepare(area.map_or(0, |(rule, _)| rule.field));
    plan.each(facts, |rule, _, change| {
        apply(guest, facts, rule.base);
        apply(guest, facts, rule.given);
        let value = change(guest.read(rule.field));
        let _ = guest.set(rule.field, value & field::mask(rule.field));
    });
    let seen = seen(guest.run());
    guest.reset();
    seen
}

fn is_wrong(judged: [Judged; 3]) -> bool {
    judged.into_iter().flatten().any(|(_, actual, due)| actual != due)
}

/// Leaves out what a wrong answer does not need.
fn shrink(guest: &mut Guest, facts: &Facts, mut plan: Plan) -> Plan {
    let mut at = 0;
    while at < plan.steps().count() {
        let mut smaller = plan;
        smaller.remove(at);
        if is_wrong(judge(smaller.due(), attempt(guest, facts, &smaller))) {
            plan = smaller;
        } else {
            at += 1;
        }
    }
    plan
}

fn try_states(seed: u64, count: u64, wanted: fn(Option<Failure>) -> bool) {
    with_guest(end, |guest| {
        let facts = facts(guest);
        for number in 0..count {
            let plan = Plan::new(&facts, seed, number);
            if !wanted(plan.due()) {
                continue;
            }
            let judged = judge(plan.due(), attempt(guest, &facts, &plan));
            for (column, actual, expected) in judged.into_iter().flatten() {
                match column {
                    Column::Outcome => check_outcome!("entry", [&[]; number], Outcome(actual), Outcome(expected)),
                    Column::Reason => check_eq!("exit reason of a failed entry", [&[]; number], actual, expected),
                    Column::Qualification => check_eq!("exit qualification", [&[]; number], actual, expected),
                }
            }
            if is_wrong(judged) {
                note!("state", number);
                shrink(guest, &facts, plan).each(&facts, |rule, _, change| {
                    let at = guest.read(rule.field);
                    note!("field", rule.field);
                    note!("its value without what the rule needs", change(at));
                });
            }
        }
    });
}

/// States in which many fields have other legal values are entered.
#[case(feature = VmxEntryGuestState, spec = sdm3c("VM Entries"), needs = Needs::INTEL | Needs::VMX, time = 4)]
fn entry_checks_accept_random_legal_states() {
    try_states(1, 1_000, |due| due.is_none());
}

/// States of which a control or host state is just outside are refused, whatever guest state is.
#[case(feature = VmxEntryControls, spec = sdm3c("Basic VM-Entry Checks"), needs = Needs::INTEL | Needs::VMX, time = 4)]
fn entry_checks_refuse_random_controls_and_host_state() {
    try_states(2, 1_000, |due| matches!(due, Some(Failure::Controls | Failure::Host | Failure::ControlsOrHost)));
}

/// States of which guest state is just outside fail.
#[case(feature = VmxEntryGuestState, spec = sdm3c("Checks on the Guest State Area"), needs = Needs::INTEL | Needs::VMX, time = 4)]
fn entry_checks_fail_random_guest_state() {
    try_states(3, 1_000, |due| matches!(due, Some(Failure::Guest(_))));
}
