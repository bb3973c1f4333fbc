//! The program `fuzz::vmcs`: random states of a VMCS by the rules of [`super::legality`].

use super::{
    entry_controls, entry_data_segment_rights, entry_events, entry_host,
    entry_random::attempt,
    entry_registers, entry_segment_limits, entry_segment_rights, entry_segments, entry_segments_by_mode, entry_state,
    entry_walk::{BITS, facts},
    legality::{Column, Facts, Place, Rule, TABLES, judge, random::Plan},
    with_guest,
};
use crate::fuzz::{Name, States, Step, Wrong, search};
use rt::{
    program::Request,
    site, user_code,
    vmx::Guest,
    vocabulary::{Site, Text, fuzz::VMCS},
};

user_code!(end: "vmcall");

/// The cases that try each rule of [`TABLES`] by itself, in the same order.
const CASES: [&[(Text, &str)]; TABLES.len()] = [
    entry_controls::CASES,
    entry_events::CASES,
    entry_host::CASES,
    entry_registers::CASES,
    entry_segments::CASES,
    entry_segment_rights::CASES,
    entry_data_segment_rights::CASES,
    entry_segment_limits::CASES,
    entry_segments_by_mode::CASES,
    entry_state::CASES,
];

const fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

const fn is_each_rule_tried_by_its_case() -> bool {
    let mut table = 0;
    while table < TABLES.len() {
        let mut rule = 0;
        while rule < TABLES[table].len() {
            if CASES[table].len() != TABLES[table].len() || !is_same(CASES[table][rule].1, TABLES[table][rule].name) {
                return false;
            }
            rule += 1;
        }
        table += 1;
    }
    true
}
const _: () = assert!(is_each_rule_tried_by_its_case());

/// L2, whose VMCS is tried.
struct Vmcs<'a> {
    guest: &'a mut Guest,
    facts: Facts,
}

impl Vmcs<'_> {
    /// The place of a step's value.
    fn place(&self, plan: &Plan, at: usize) -> Option<(&'static Rule, Place)> {
        let (mut found, mut number) = (None, 0);
        plan.each(&self.facts, |rule, place, _| {
            if number == at {
                found = Some((rule, place));
            }
            number += 1;
        });
        found
    }
}

/// The check of [`super::entry_walk`]'s cases for a column.
fn check(column: Column, place: Place) -> &'static Site {
    match (place, column) {
        (Place::Bit(_), Column::Outcome) => site!("entry", &[], Outcome),
        (Place::Bit(_), Column::Reason) => site!("exit reason of a failed entry", &[], Hex),
        (Place::Bit(_), Column::Qualification) => site!("exit qualification", &[], Hex),
        (Place::Value(_), Column::Outcome) => site!("entry with", &[], Outcome),
        (Place::Value(_), Column::Reason) => site!("exit reason of a failed entry with", &[], Hex),
        (Place::Value(_), Column::Qualification) => site!("exit qualification with", &[], Hex),
    }
}

impl States for Vmcs<'_> {
    type Plan = Plan;

    fn rules(&self) -> [u64; 3] {
        Plan::count(&self.facts)
    }

    fn plan(&self, seed: u64, number: u64) -> Plan {
        Plan::in_any_mode(&self.facts, seed, number)
    }

    fn nr_steps(&self, plan: &Plan) -> usize {
        plan.steps().count()
    }

    fn step(&self, plan: &Plan, at: usize) -> Step {
        let (table, rule, is_legal) = plan.rule(at);
        let before: usize = TABLES.iter().take(table).map(|table| table.len()).sum();
        let case = CASES.get(table).and_then(|cases| cases.get(rule)).map_or(Text::EMPTY, |(case, _)| *case);
        let name = match self.place(plan, at) {
            Some((_, Place::Bit(bit))) => BITS.get(bit as usize).copied(),
            Some((rule, Place::Value(number))) => rule.names.get(number).copied(),
            None => None,
        };
        Step { case, name: name.map_or(Name::None, Name::Text), rule: before + rule, is_legal }
    }

    fn remove(&self, plan: &mut Plan, at: usize) {
        plan.remove(at);
    }

    fn attempt(&mut self, plan: &Plan) -> Option<Wrong> {
        let judged = judge(plan.due(), attempt(self.guest, &self.facts, plan));
        let (column, actual, expected) = judged.into_iter().flatten().find(|(_, actual, due)| actual != due)?;
        let blamed = plan.steps().position(|(_, is_legal)| !is_legal).unwrap_or(0);
        // A state of no steps is the guest itself.
        let place = self.place(plan, blamed).map_or(Place::Bit(0), |(_, place)| place);
        Some(Wrong { site: check(column, place), actual, expected })
    }
}

fn vmcs(request: &Request) {
    with_guest(end, |guest| {
        let facts = facts(guest);
        search(&mut Vmcs { guest, facts }, request);
    });
}

rt::program!(VMCS, vmcs);
