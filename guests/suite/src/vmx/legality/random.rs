//! Random states: values of rules that have nothing to do with each other, all of them legal, or one or two just outside.

use super::super::field::{self, segment};
use super::{Allowed, Facts, Failure, Given, Place, Rule, TABLES};
use crate::random::Random;

const NR_STEPS: usize = 12;
/// Fields that a state may change: what L2 can take back.
const NR_FIELDS: usize = 40;

/// A value of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    table: usize,
    rule: usize,
    /// Which of the values, as [`Rule::each`] counts them.
    value: usize,
    is_legal: bool,
}

impl Step {
    fn rule(&self) -> &'static Rule {
        &TABLES[self.table][self.rule]
    }
}

/// A state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    steps: [Step; NR_STEPS],
    nr_steps: usize,
}

/// What stands for all fields that are checked together with this one.
fn group(encoding: u32) -> u32 {
    let parts = [field::GUEST_ES, field::GUEST_ES_BASE, field::GUEST_ES_LIMIT, field::GUEST_ES_RIGHTS];
    let part = parts.iter().find(|first| (**first..=**first + segment::TR).contains(&encoding));
    match (part, encoding) {
        // The CPL and the mode belong to what is delivered and blocked, and that to the controls of entries.
        (Some(first), _) if [segment::CS, segment::SS].contains(&(encoding - first)) => field::ENTRY_CONTROLS,
        (Some(first), _) => field::GUEST_ES + encoding - first,
        (
            None,
            field::GUEST_RIP
            | field::GUEST_RFLAGS
            | field::GUEST_ACTIVITY
            | field::GUEST_INTERRUPTIBILITY
            | field::GUEST_PENDING_DEBUG
            | field::GUEST_DEBUGCTL
            | field::GUEST_DR7
            | field::GUEST_PAT
            | field::GUEST_EFER
            | field::GUEST_PERF_GLOBAL_CTRL
            | field::GUEST_BNDCFGS
            | field::ENTRY_INTERRUPTION
            | field::ENTRY_ERROR_CODE
            | field::ENTRY_LENGTH
            | field::PIN_CONTROLS,
        ) => field::ENTRY_CONTROLS,
        (None, field::HOST_PAT | field::HOST_EFER) => field::EXIT_CONTROLS,
        (None, field::CR3_TARGET_COUNT) => encoding,
        // What the remaining controls refer to shares pages, and hangs on bits of two words.
        (None, _) if field::kind(encoding) == field::Kind::Control && encoding != field::EXIT_CONTROLS => {
            if encoding == field::ENTRY_CONTROLS { encoding } else { field::PROCESSOR_CONTROLS }
        }
        (None, field::VMCS_LINK) => field::PROCESSOR_CONTROLS,
        (None, _) => encoding,
    }
}

fn fields(rule: &'static Rule) -> impl Iterator<Item = u32> {
    rule.base.iter().chain(rule.given).map(|given| given.field).chain([rule.field])
}

/// Whether the processor has the controls that a rule gives.
fn is_offered(rule: &Rule, facts: &Facts) -> bool {
    let may = |encoding: u32| -> Option<Allowed> {
        match encoding {
            field::PIN_CONTROLS => Some(facts.pin),
            field::PROCESSOR_CONTROLS => Some(facts.processor),
            field::SECONDARY_CONTROLS => Some(facts.secondary),
            field::EXIT_CONTROLS => Some(facts.exit),
            field::ENTRY_CONTROLS => Some(facts.entry),
            _ => None,
        }
    };
    let is_legal = |given: &Given| match may(given.field) {
        Some(allowed) => (given.change)(facts, allowed.must) & !allowed.may & 0xffff_ffff == 0,
        None => true,
    };
    (rule.holds)(facts) && rule.base.iter().chain(rule.given).all(is_legal)
}

/// The number of a random value that is legal, or that is not.
fn pick(rule: &Rule, facts: &Facts, wants_legal: bool, random: &mut Random) -> Option<usize> {
    let mut count = 0;
    rule.each(facts, |_, _, is_legal| count += usize::from(is_legal == wants_legal));
    let mut left = random.below(count);
    let (mut number, mut found) = (0, None);
    rule.each(facts, |_, _, is_legal| {
        if is_legal == wants_legal && found.is_none() {
            if left == 0 {
                found = Some(number);
            } else {
                left -= 1;
            }
        }
        number += 1;
    });
    found
}

impl Plan {
    /// The state with this number, of a guest in 64-bit mode.
    pub(crate) fn new(facts: &Facts, seed: u64, number: u64) -> Self {
        Self::of(facts, Random::of(seed, number), |rule| rule.base.is_empty())
    }

    /// The state with this number, of a guest in any mode that some rule starts from.
    pub(crate) fn in_any_mode(facts: &Facts, seed: u64, number: u64) -> Self {
        Self::of(facts, Random::of(seed, number), |_| true)
    }

    fn of(facts: &Facts, mut random: Random, is_wanted: fn(&Rule) -> bool) -> Self {
        let mut plan = Self::default();
        let nr_illegal = [0, 1, 1, 1, 2][random.below(5)];
        let nr_wanted = 1 + nr_illegal + random.below(NR_STEPS - nr_illegal - 1);
        for _ in 0..8 * NR_STEPS {
            if plan.nr_steps == nr_wanted {
                break;
            }
            let table = random.below(TABLES.len());
            let step = Step { table, rule: random.below(TABLES[table].len()), ..Step::default() };
            if is_wanted(step.rule()) && plan.suits(step.rule()) {
                plan.take(step, facts, plan.nr_steps >= nr_illegal, &mut random);
            }
        }
        plan
    }

    /// How many rules have a legal value on a processor, how many an illegal one, and how many there are.
    pub(crate) fn count(facts: &Facts) -> [u64; 3] {
        let mut count = [0; 3];
        for rule in TABLES.iter().copied().flatten() {
            let mut has = [false; 2];
            if is_offered(rule, facts) {
                rule.each(facts, |_, _, is_legal| has[usize::from(!is_legal)] = true);
            }
            for (count, has) in count.iter_mut().zip([has[0], has[1], true]) {
                *count += u64::from(has);
            }
        }
        count
    }

    /// Whether a rule holds in the mode that the first one has chosen. What is checked of guest state depends on the mode, and
    /// so a rule that does not start from another one holds in 64-bit mode alone.
    fn suits(&self, rule: &Rule) -> bool {
        let Some((first, _)) = self.steps().next() else { return true };
        let is_of_guest = matches!(rule.failure, Failure::Guest(_) | Failure::Msr(_));
        rule.base.is_empty() && (first.base.is_empty() || !is_of_guest)
    }

    /// Takes a value of a rule, if that has nothing to do with those that there are.
    fn take(&mut self, step: Step, facts: &Facts, wants_legal: bool, random: &mut Random) {
        let rule = step.rule();
        let nr_fields: usize = self.steps().map(|(rule, _)| fields(rule).count()).sum();
        let is_taken = |wanted| self.steps().flat_map(|(rule, _)| fields(rule)).any(|field| group(field) == wanted);
        let is_free = !fields(rule).any(|own| is_taken(group(own)));
        // Which of two checks of guest state comes first is not told, and they differ in their qualification.
        let agrees = |other: Failure| match (other, rule.failure) {
            (Failure::Guest(other), Failure::Guest(own)) => other == own,
            _ => true,
        };
        let is_clear = wants_legal || self.due().is_none_or(agrees);
        if !is_free || !is_clear || !is_offered(rule, facts) || nr_fields + fields(rule).count() > NR_FIELDS {
            return;
        }
        if let Some(value) = pick(rule, facts, wants_legal, random) {
            self.steps[self.nr_steps] = Step { value, is_legal: wants_legal, ..step };
            self.nr_steps += 1;
        }
    }

    /// Its rules, each with whether its value is legal.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&'static Rule, bool)> {
        self.steps[..self.nr_steps].iter().map(|step| (step.rule(), step.is_legal))
    }

    /// How an entry must fail.
    pub(crate) fn due(&self) -> Option<Failure> {
        let stage = |failure: Failure| match failure {
            Failure::Controls | Failure::Host | Failure::ControlsOrHost => 0,
            Failure::Guest(_) => 1,
            Failure::Msr(_) => 2,
        };
        let illegal = self.steps().filter(|(_, is_legal)| !is_legal).map(|(rule, _)| rule.failure);
        illegal.reduce(|one, other| match stage(one).cmp(&stage(other)) {
            core::cmp::Ordering::Less => one,
            core::cmp::Ordering::Greater => other,
            core::cmp::Ordering::Equal if one == other => one,
            // Controls and host state are checked in any order.
            core::cmp::Ordering::Equal => Failure::ControlsOrHost,
        })
    }

    /// Table and rule of a step, by number, and whether its value is legal.
    pub(crate) fn rule(&self, at: usize) -> (usize, usize, bool) {
        self.steps.get(at).map_or((0, 0, true), |step| (step.table, step.rule, step.is_legal))
    }

    /// Leaves the step out.
    pub(crate) fn remove(&mut self, at: usize) {
        self.steps.copy_within(at + 1..self.nr_steps, at);
        self.nr_steps -= 1;
        self.steps[self.nr_steps] = Step::default();
    }

    /// Calls `body` with each rule, which of its values, and how that comes about.
    pub(crate) fn each(&self, facts: &Facts, mut body: impl FnMut(&'static Rule, Place, &dyn Fn(u64) -> u64)) {
        for step in &self.steps[..self.nr_steps] {
            let mut number = 0;
            step.rule().each(facts, |place, change, _| {
                if number == step.value {
                    body(step.rule(), place, change);
                }
                number += 1;
            });
        }
    }
}
