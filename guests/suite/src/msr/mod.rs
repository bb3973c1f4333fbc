//! Model-specific registers.
