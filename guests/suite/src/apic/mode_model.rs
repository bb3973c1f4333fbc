//! Which writes of EN and EXTD are transitions. It compiles for the host too.
//!
//! Source: SDM vol. 3A, "x2APIC State Transitions".

pub(crate) const BSP: u64 = 1 << 8;
pub(crate) const EXTD: u64 = 1 << 10;
pub(crate) const EN: u64 = 1 << 11;

/// A valid state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Disabled,
    XApic,
    X2Apic,
}

/// The writes that are tried.
pub(crate) const WRITES: [u64; 4] = [0, EN, EN | EXTD, EXTD];

/// The state after a write of these bits; none if it raises #GP(0).
pub(crate) const fn transition(from: State, bits: u64) -> Option<State> {
    let to = match (bits & EN != 0, bits & EXTD != 0) {
        (false, false) => State::Disabled,
        (true, false) => State::XApic,
        (true, true) => State::X2Apic,
        (false, true) => return None,
    };
    match (from, to) {
        (State::Disabled, State::X2Apic) | (State::X2Apic, State::XApic) => None,
        _ => Some(to),
    }
}
