//! Modes outside of long mode: what each computes, and the ways between them.

#[macro_use]
mod runner;

mod big_real;
mod edge_model;
mod entering;
mod interrupt_returns;
mod limits;
mod model;
mod port_permission_model;
mod port_permissions;
mod port_strings;
mod protected_16;
mod protected_32;
mod real;
mod redirection;
mod redirection_model;
mod return_flags;
mod return_model;
mod strings;
mod switching;
mod switching_model;
mod tables;
mod virtual_8086;

use crate::segments::{columns, reporting};
// The models name the runtime by this, so that tests on the host can put their own in its place.
use rt as runtime;
