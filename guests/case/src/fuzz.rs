//! What `cargo xtask fuzz vmcs` and `cargo xtask fuzz vmcb` ask a guest for, and how it answers.
//!
//! The command line names a program of the image instead of a case, and which states it tries; numbers are hexadecimal. It
//! answers with messages of the kind [`Record`](crate::message::Kind::Record), whose row is a [`Tag`].

/// Value of `vp.case` for states of a VMCS.
pub const VMCS: &str = "fuzz::vmcs";
/// Value of `vp.case` for states of a VMCB.
pub const VMCB: &str = "fuzz::vmcb";

/// Words of the command line, up to their values.
pub mod word {
    /// Which states there are.
    pub const SEED: &str = "vp.seed=";
    /// Number of the first.
    pub const FIRST: &str = "vp.first=";
    /// How many.
    pub const COUNT: &str = "vp.count=";
    /// A state is announced before it is tried if its number is a multiple of this; with 1, its steps are told, too.
    pub const EVERY: &str = "vp.every=";
    /// Which steps of a state are made, by bits; all without this word.
    pub const KEEP: &str = "vp.keep=";
    /// Numbers of rules whose illegal values are not tried, with one comma between: the subject does not survive them.
    pub const AVOID: &str = "vp.avoid=";
}

/// The most rules that may be avoided.
pub const MAX_AVOIDED: usize = 16;

/// What a record tells.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// What the processor has: `[rules with a legal value, rules with an illegal value, rules in all]`.
    Rules = 0,
    /// A state is tried next: `[its number]`.
    State = 1,
    /// A value of a rule in the state or the finding told last: `[address and length of the name of the rule's case, address
    /// and length of the value's name, number of the rule << 1 | 1 if the value is legal]`. Without an address the length is 0
    /// for a value without a name, or its number + 1.
    Step = 2,
    /// A wrong answer; the record's site is that of the check: `[number of the state, actual, expected, number of steps]`.
    Finding = 3,
    /// A value of a rule is tried for the first time in this run; values as those of a step.
    Touched = 4,
    /// The end: `[states that were tried, states that were not because of rules to be avoided]`.
    Summary = 5,
}

impl Tag {
    /// Every tag.
    pub const ALL: [Self; 6] = [Self::Rules, Self::State, Self::Step, Self::Finding, Self::Touched, Self::Summary];
}
