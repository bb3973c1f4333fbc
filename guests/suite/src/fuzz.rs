//! Tries random states of a table of rules, and tells which answers are wrong, each with as few values as it needs.

use rt::{
    program::Request,
    report::record,
    vocabulary::{Site, Text, fuzz::Tag},
};

/// What a value of a rule is called, as the checks of the rule's case have it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// Nothing: the rule has one value.
    None,
    /// A name.
    Text(Text),
    /// A number.
    Number(u64),
}

/// A value of a rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Name of the case that tries the rule by itself.
    pub(crate) case: Text,
    /// What the value is called.
    pub(crate) name: Name,
    /// Number of the rule, below [`MAX_RULES`].
    pub(crate) rule: usize,
    /// Whether the value is legal.
    pub(crate) is_legal: bool,
}

/// A wrong answer.
pub(crate) struct Wrong {
    /// The check that it fails.
    pub(crate) site: &'static Site,
    pub(crate) actual: u64,
    pub(crate) expected: u64,
}

/// States that can be tried.
pub(crate) trait States {
    /// A state: some values of rules.
    type Plan: Copy;

    /// How many rules have a legal value here, how many an illegal one, and how many there are.
    fn rules(&self) -> [u64; 3];
    /// The state with this number.
    fn plan(&self, seed: u64, number: u64) -> Self::Plan;
    /// How many values it consists of.
    fn nr_steps(&self, plan: &Self::Plan) -> usize;
    /// One of them.
    fn step(&self, plan: &Self::Plan, at: usize) -> Step;
    /// Leaves one out.
    fn remove(&self, plan: &mut Self::Plan, at: usize);
    /// Tries it; nothing if the answer is that of the table.
    fn attempt(&mut self, plan: &Self::Plan) -> Option<Wrong>;
}

const MAX_RULES: usize = 512;

/// Which rules have been tried.
struct Touched([u64; 2 * MAX_RULES / 64]);

impl Touched {
    /// Whether this is the first time.
    fn is_new(&mut self, step: &Step) -> bool {
        let number = 2 * step.rule + usize::from(step.is_legal);
        let Some(word) = self.0.get_mut(number / 64) else { return false };
        let is_new = *word >> (number % 64) & 1 == 0;
        *word |= 1 << (number % 64);
        is_new
    }
}

fn tell(tag: Tag, step: &Step) {
    let case = step.case.get();
    let (address, length) = match &step.name {
        Name::None => (0, 0),
        Name::Number(number) => (0, number + 1),
        Name::Text(text) => (text.get().as_ptr() as u64, text.get().len() as u64),
    };
    let rule = (step.rule as u64) << 1 | u64::from(step.is_legal);
    record(tag, None, [case.as_ptr() as u64, case.len() as u64, address, length, rule]);
}

/// Leaves out what a wrong answer does not need.
fn shrink<S: States>(states: &mut S, mut plan: S::Plan, mut wrong: Wrong) -> (S::Plan, Wrong) {
    let mut at = 0;
    while at < states.nr_steps(&plan) {
        let mut smaller = plan;
        states.remove(&mut smaller, at);
        match states.attempt(&smaller) {
            Some(still) => (plan, wrong) = (smaller, still),
            None => at += 1,
        }
    }
    (plan, wrong)
}

/// Tries the states that are asked for.
pub(crate) fn search<S: States>(states: &mut S, request: &Request) {
    let mut touched = Touched([0; 2 * MAX_RULES / 64]);
    let mut nr_tried = 0;
    let [legal, illegal, all] = states.rules();
    record(Tag::Rules, None, [legal, illegal, all, 0, 0]);
    for number in request.first..request.first.saturating_add(request.count) {
        let mut plan = states.plan(request.seed, number);
        for at in (0..states.nr_steps(&plan)).rev() {
            if request.keep >> at & 1 == 0 {
                states.remove(&mut plan, at);
            }
        }
        let steps = (0..states.nr_steps(&plan)).map(|at| states.step(&plan, at));
        if steps.clone().any(|step| !step.is_legal && request.avoids(step.rule as u64)) {
            continue;
        }
        if number % request.every == 0 {
            record(Tag::State, None, [number, 0, 0, 0, 0]);
        }
        for step in steps {
            if touched.is_new(&step) {
                tell(Tag::Touched, &step);
            }
            if request.every == 1 {
                tell(Tag::Step, &step);
            }
        }
        nr_tried += 1;
        if let Some(wrong) = states.attempt(&plan) {
            let (plan, wrong) = shrink(states, plan, wrong);
            let nr_steps = states.nr_steps(&plan);
            record(Tag::Finding, Some(wrong.site), [number, wrong.actual, wrong.expected, nr_steps as u64, 0]);
            for at in 0..nr_steps {
                tell(Tag::Step, &states.step(&plan, at));
            }
        }
    }
    record(Tag::Summary, None, [nr_tried, request.count - nr_tried, 0, 0, 0]);
}
