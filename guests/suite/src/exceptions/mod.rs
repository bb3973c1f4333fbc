//! Exceptions.

mod vectors;
