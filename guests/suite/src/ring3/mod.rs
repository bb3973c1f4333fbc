//! Ring 3.

mod privilege;
