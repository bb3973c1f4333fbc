//! KVM's clock: its structure and protocol, its time, the wall clock.

mod across;
mod protocol;
mod rates;
mod time;
mod wall;
