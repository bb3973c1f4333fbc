//! String instructions.
