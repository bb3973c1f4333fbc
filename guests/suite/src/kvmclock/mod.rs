//! KVM's clock: its structure and protocol, its time, the wall clock.

mod across;
mod control;
mod protocol;
mod span;
mod time;
mod wall;
