//! How `cargo xtask mutants` makes the tables of the suite wrong, where what they judge cannot be: it shows that their verdicts
//! can fail.
//!
//! The command line names the case, and the mutation by [`WORD`]. Of each value of its table, such a case makes just the check
//! that the mutation has to break, so that each check that it makes has to fail.

/// Word of the command line, up to the name of the mutation.
pub const WORD: &str = "vp.mutation=";

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Illegal values are not written, as if nobody checked them: a legal one stays or takes their place. Legal ones are left out.
    Unwritten,
    /// What is legal is due to be refused, and what is illegal to be accepted.
    Inverted,
}

impl Mutation {
    /// Every mutation.
    pub const ALL: [Self; 2] = [Self::Unwritten, Self::Inverted];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unwritten => "unwritten",
            Self::Inverted => "inverted",
        }
    }

    /// Whether a value is tried at all.
    pub const fn tries(self, is_legal: bool) -> bool {
        !matches!(self, Self::Unwritten) || !is_legal
    }

    /// Whether a value is written before it is tried; if not, what is tried must be legal.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Unwritten)
    }

    /// Whether a value has to be accepted.
    pub const fn accepts(self, is_legal: bool) -> bool {
        matches!(self, Self::Inverted) != is_legal
    }
}
