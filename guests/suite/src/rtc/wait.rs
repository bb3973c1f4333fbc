//! Waiting for the half second until an update, at little cost: halted, with the timer of the local APIC to wake up.

use rt::{
    interrupts::{self, End, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
};

const VECTOR: u8 = 0x6f;
/// Divided by one: 10 ms of the 1 GHz that virtual machines have, and below half a second of anything that has 24 MHz.
const COUNT: u32 = 10_000_000;
const DIVIDE_BY_1: u32 = 0xb;

/// A processor that is woken regularly while it waits, until this is dropped.
///
/// The timer is set anew before each halt: a periodic one would leave no time between its interrupts where one of them takes
/// longer than its period, as on a loaded host that emulates.
pub(crate) struct Halting {
    pub(crate) apic: LocalApic,
    _listening: Listening,
}

impl Halting {
    pub(crate) fn new() -> Self {
        let apic = LocalApic::enabled();
        let listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
        apic.write(Register::DIVIDE, DIVIDE_BY_1);
        apic.write(Register::LVT_TIMER, u32::from(VECTOR));
        Self { apic, _listening: listening }
    }

    /// Halts until `done`, which is asked at each interrupt; false if so many microseconds passed.
    pub(crate) fn until(&self, micros: u64, mut done: impl FnMut() -> bool) -> bool {
        interrupts::halt_until(micros, || {
            let is_done = done();
            if !is_done {
                self.apic.write(Register::INITIAL_COUNT, COUNT);
            }
            is_done
        })
    }
}

impl Drop for Halting {
    fn drop(&mut self) {
        self.apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
        self.apic.write(Register::INITIAL_COUNT, 0);
        // One may be waiting, whose handler is gone with this.
        let _ = interrupts::wait_for_more();
    }
}
