//! Memory-mapped I/O.
