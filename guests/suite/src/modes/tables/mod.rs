//! Tables of instructions: a row is assembly, assembled for 16 and for 32-bit code, and what it does to the model.

pub(crate) mod branches;
pub(crate) mod data;
pub(crate) mod decimal;
pub(crate) mod memory;
pub(crate) mod stack;
pub(crate) mod strings;
pub(crate) mod system;
