//! The program `fuzz::vmcb`: random states of a VMCB by the rules of VMRUN.

use super::{
    end_of,
    ending::{COMPLETED, REFUSED},
    legality::{NAMES, RULES, change},
    legality_random::{Class, Facts, Plan},
    with_svm,
};
use crate::fuzz::{Name, States, Step, Wrong, search};
use rt::{
    paging::read_physical_address_bits,
    program::Request,
    site,
    svm::{Guest, nr_asids},
    user_code,
    vocabulary::{Site, Text, fuzz::VMCB},
};

user_code!(end: "vmmcall");

/// The cases that try the reserved bits of each register by themselves, in the order of the table.
const RESERVED: [&str; 9] = [
    "svm::reserved_bits_of_cr0",
    "svm::reserved_bits_of_cr3",
    "svm::reserved_bits_of_cr4",
    "svm::reserved_bits_of_the_low_half_of_cr4",
    "svm::reserved_bits_of_dr6",
    "svm::reserved_bits_of_dr7",
    "svm::reserved_bits_of_efer",
    "svm::reserved_bits_of_efer",
    "svm::reserved_bits_of_efer",
];
const _: () = assert!(RESERVED.len() == super::legality_rules::RESERVED.len());

struct Vmcb {
    facts: Facts,
}

/// The check that a value fails in its own case.
fn check(class: Class) -> &'static Site {
    match class {
        Class::Single(_) => site!("exit code", &[], Hex),
        Class::Reserved(_) => site!("bit", &[], Hex),
        _ => site!("ending", &[], Hex),
    }
}

impl States for Vmcb {
    type Plan = Plan;

    fn rules(&self) -> [u64; 3] {
        let mut count = [0, 0, Class::count(&self.facts) as u64];
        for number in 0..Class::count(&self.facts) {
            let [legal, illegal] = Class::of(&self.facts, number).has(&self.facts);
            count[0] += u64::from(legal);
            count[1] += u64::from(illegal);
        }
        count
    }

    fn plan(&self, seed: u64, number: u64) -> Plan {
        Plan::new(&self.facts, seed, number)
    }

    fn nr_steps(&self, plan: &Plan) -> usize {
        plan.steps().count()
    }

    fn step(&self, plan: &Plan, at: usize) -> Step {
        let Some(step) = plan.steps().nth(at) else {
            return Step { case: Text::EMPTY, name: Name::None, rule: 0, is_legal: true };
        };
        let (case, name) = match step.class {
            Class::Single(at) => ("svm::each_rule_alone", NAMES.get(at).map_or(Name::None, |name| Name::Text(*name))),
            Class::Reserved(at) => (RESERVED.get(at).copied().unwrap_or_default(), Name::Number(step.value)),
            Class::Combination(at) => ("svm::combinations_of_fields", Name::Number(at as u64)),
            Class::WithoutProtection => ("svm::long_mode_without_protection", Name::None),
            Class::Map(at) => ("svm::maps_at_the_end_of_physical_addresses", Name::Number(at as u64 * 16 + step.value)),
            Class::Free(at) => ("svm::what_is_not_checked", Name::Number(at as u64)),
        };
        let number = (0..Class::count(&self.facts)).find(|number| Class::of(&self.facts, *number) == step.class);
        Step { case: Text::new(case), name, rule: number.unwrap_or(0), is_legal: step.is_legal }
    }

    fn remove(&self, plan: &mut Plan, at: usize) {
        plan.remove(at);
    }

    fn attempt(&mut self, plan: &Plan) -> Option<Wrong> {
        let mut guest = Guest::new(end);
        for step in plan.steps() {
            step.each(&self.facts, |rule| change(&guest, &rule));
        }
        let expected = if plan.is_legal() { COMPLETED } else { REFUSED };
        let actual = end_of(guest.run());
        if actual == expected {
            return None;
        }
        let blamed = plan.steps().find(|step| !step.is_legal).or(plan.steps().next());
        Some(Wrong { site: check(blamed.map_or(Class::WithoutProtection, |step| step.class)), actual, expected })
    }
}

fn vmcb(request: &Request) {
    with_svm(|| {
        let facts = Facts { physical_bits: read_physical_address_bits(), nr_asids: nr_asids(), singles: RULES };
        search(&mut Vmcb { facts }, request);
    });
}

rt::program!(VMCB, vmcb);
