//! Debugging a guest with gdb.
