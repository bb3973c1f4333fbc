//! Port I/O.
