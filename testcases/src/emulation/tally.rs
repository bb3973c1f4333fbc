//! What came of all executions: by form, and each kind of difference once.

use super::compare::Difference;
use iced_decoder::machine::Input;
use std::collections::BTreeMap;

/// How often each thing came of a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Both executors agree.
    pub agreed: u64,
    /// The subject says that it cannot execute it.
    pub refused: u64,
    /// Something differs.
    pub differed: u64,
    /// The subject hung.
    pub hung: u64,
    /// An executor failed: says nothing of the subject.
    pub failed: u64,
    /// The reference contradicts the oracle: says nothing of the subject either.
    pub contradicted: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.judged() + self.failed + self.contradicted
    }

    /// Those that say something of the subject.
    pub fn judged(&self) -> u64 {
        self.agreed + self.refused + self.differed + self.hung
    }

    fn add(&mut self, other: &Self) {
        self.agreed += other.agreed;
        self.refused += other.refused;
        self.differed += other.differed;
        self.hung += other.hung;
        self.failed += other.failed;
        self.contradicted += other.contradicted;
    }
}

/// A kind of finding: the form, and what differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Name of the form.
    pub form: String,
    /// Names of the fields that differ, or `refused`, or `hung`, or `oracle`.
    pub fields: String,
}

/// The first input that led to a kind of finding, and how many did.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How many inputs led to it.
    pub count: u64,
    /// Number of the first one in the run.
    pub index: u64,
    /// The first one.
    pub input: Input,
    /// What differs.
    pub difference: Difference,
}

/// Results of a run, or of a part of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// By form, in the source's order.
    pub forms: BTreeMap<usize, Counts>,
    /// Every kind of finding.
    pub findings: BTreeMap<Key, Finding>,
    /// Inputs that an executor failed at: number, bytes, why. Not more than [`MAX_FAILURES`].
    pub failures: Vec<(u64, Vec<u8>, String)>,
}

/// How many failures of executors are kept.
pub const MAX_FAILURES: usize = 20;

impl Tally {
    /// Notes a finding; of two with one key the earlier input is kept.
    pub fn note(&mut self, key: Key, finding: Finding) {
        match self.findings.get_mut(&key) {
            None => {
                self.findings.insert(key, finding);
            }
            Some(known) => {
                let count = known.count + finding.count;
                if finding.index < known.index {
                    *known = finding;
                }
                known.count = count;
            }
        }
    }

    /// Adds the results of another part.
    pub fn merge(&mut self, other: Self) {
        for (form, counts) in other.forms {
            self.forms.entry(form).or_default().add(&counts);
        }
        for (key, finding) in other.findings {
            self.note(key, finding);
        }
        self.failures.extend(other.failures);
        self.failures.sort();
        self.failures.truncate(MAX_FAILURES);
    }

    /// Counts over all forms.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.forms.values().for_each(|counts| total.add(counts));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_decoder::{Bitness, Registers, machine::window::Window};

    pub(in crate::emulation) fn input(code: &[u8]) -> Input {
        Input {
            bitness: Bitness::Bits64,
            code: code.to_vec(),
            registers: Registers::default(),
            extended: None,
            window: Window::Plain,
            memory_seed: 0,
            memory: Vec::new(),
        }
    }

    fn part(index: u64) -> Tally {
        let mut tally = Tally::default();
        tally.forms.insert(0, Counts { differed: 1, ..Counts::default() });
        let key = Key { form: "Add".to_owned(), fields: "flags".to_owned() };
        let finding = Finding { count: 1, index, input: input(&[index as u8]), difference: Difference::default() };
        tally.note(key, finding);
        tally
    }

    #[test]
    fn merging_keeps_the_earliest_whatever_the_order() {
        let mut forwards = part(1);
        forwards.merge(part(2));
        let mut backwards = part(2);
        backwards.merge(part(1));
        assert_eq!(forwards, backwards);
        let finding = forwards.findings.values().next().unwrap();
        assert_eq!((finding.count, finding.index, finding.input.code.as_slice()), (2, 1, &[1][..]));
        assert_eq!(forwards.total().differed, 2);
    }

    #[test]
    fn failures_are_bounded() {
        let mut tally = Tally::default();
        for index in 0..2 * MAX_FAILURES as u64 {
            tally.merge(Tally { failures: vec![(index, vec![0x90], "died".to_owned())], ..Tally::default() });
        }
        assert_eq!(tally.failures.len(), MAX_FAILURES);
    }
}
