//! Which mutation of its table a case is asked for.

use crate::select;
pub use case::mutation::Mutation;
use case::mutation::WORD;

/// The mutation that the command line names, if any.
pub fn read() -> Option<Mutation> {
    let name = select::value_of_key(WORD.as_bytes())?;
    Mutation::ALL.into_iter().find(|mutation| mutation.name().as_bytes() == name)
}
