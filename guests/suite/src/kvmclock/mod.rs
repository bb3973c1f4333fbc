//! KVM's clock: its structure and protocol, its time, the wall clock.

mod protocol;
mod rates;
mod time;
mod wall;
