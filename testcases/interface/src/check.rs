//! What a case observed, beside what the document asks for.

use crate::{api::Answer, trouble};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// This value.
    Is(u64),
    /// A value from the first to the second.
    Within(u64, u64),
    /// Any value: the call is done.
    Done,
    /// The call is refused with one of these errors.
    Refused(&'static [i32]),
}

/// What was seen: a value, or the error that a call was refused with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A value.
    Value(u64),
    /// An error.
    Refused(i32),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Unique within its case.
    pub id: String,
    /// What is asked for.
    pub expect: Expect,
    /// What was seen.
    pub seen: Seen,
}

impl Check {
    /// Whether what was seen is what is asked for.
    pub fn passes(&self) -> bool {
        judge(&self.expect, self.seen)
    }

    /// What is asked for, in words.
    pub fn expected(&self) -> String {
        match &self.expect {
            Expect::Is(value) => format!("{value:#x}"),
            Expect::Within(low, high) => format!("{low:#x} to {high:#x}"),
            Expect::Done => "done".to_owned(),
            Expect::Refused(errors) => {
                errors.iter().map(|&error| trouble::name(error)).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    /// What was seen, in words.
    pub fn actual(&self) -> String {
        match (self.seen, &self.expect) {
            (Seen::Refused(error), _) => trouble::name(error),
            (Seen::Value(_), Expect::Done | Expect::Refused(_)) => "done".to_owned(),
            (Seen::Value(value), _) => format!("{value:#x}"),
        }
    }
}

/// Whether what was seen is what is asked for.
pub fn judge(expect: &Expect, seen: Seen) -> bool {
    match (expect, seen) {
        (Expect::Is(expected), Seen::Value(value)) => *expected == value,
        (Expect::Within(low, high), Seen::Value(value)) => (low..=high).contains(&&value),
        (Expect::Done, Seen::Value(_)) => true,
        (Expect::Refused(errors), Seen::Refused(error)) => errors.contains(&error),
        (Expect::Is(_) | Expect::Within(..) | Expect::Done, Seen::Refused(_))
        | (Expect::Refused(_), Seen::Value(_)) => false,
    }
}

/// The checks of a case, as they are made.
#[derive(Default)]
pub(crate) struct Checks(pub(crate) Vec<Check>);

impl Checks {
    fn push(&mut self, id: impl Into<String>, expect: Expect, seen: Seen) {
        self.0.push(Check { id: id.into(), expect, seen });
    }

    fn answer(&mut self, id: impl Into<String>, expect: Expect, answer: Answer) {
        let seen = answer.map_or_else(|error| Seen::Refused(error.number), Seen::Value);
        self.push(id, expect, seen);
    }

    pub(crate) fn is(&mut self, id: impl Into<String>, expected: impl Into<u64>, actual: impl Into<u64>) {
        self.push(id, Expect::Is(expected.into()), Seen::Value(actual.into()));
    }

    pub(crate) fn within(&mut self, id: impl Into<String>, low: u64, high: u64, actual: u64) {
        self.push(id, Expect::Within(low, high), Seen::Value(actual));
    }

    /// A call that must be done.
    pub(crate) fn done(&mut self, id: impl Into<String>, answer: Answer) {
        self.answer(id, Expect::Done, answer);
    }

    /// A call that must answer with this value.
    pub(crate) fn answers(&mut self, id: impl Into<String>, value: u64, answer: Answer) {
        self.answer(id, Expect::Is(value), answer);
    }

    /// A call that must be refused, with one of these errors.
    pub(crate) fn refused(&mut self, id: impl Into<String>, errors: &'static [i32], answer: Answer) {
        self.answer(id, Expect::Refused(errors), answer);
    }

    /// A call that must be refused with EINVAL.
    pub(crate) fn invalid(&mut self, id: impl Into<String>, answer: Answer) {
        self.refused(id, &[libc::EINVAL], answer);
    }
}
