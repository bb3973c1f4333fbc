//! Modes outside of long mode: what each computes, and the ways between them.

#[macro_use]
mod runner;

mod big_real;
mod entering;
mod interrupt_returns;
mod limits;
mod model;
mod port_strings;
mod protected_16;
mod protected_32;
mod real;
mod redirection;
mod strings;
mod switching;
mod tables;
mod virtual_8086;
