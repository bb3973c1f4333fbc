//! Modes outside of long mode: what each computes, and the ways between them.

mod entering;
