//! Interrupts that a case sends to its own processor, and whether they come.

use rt::{
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{Registers, register::Register},
};

/// The vectors that cases use: below stand exceptions, and those whose handlers expect an error code.
pub(crate) const VECTORS: core::ops::RangeInclusive<u8> = 0x20..=0xff;

/// Whether nothing comes of what the processor sent to itself.
pub(crate) fn nothing_comes() -> bool {
    !interrupts::let_in()
}

/// Sends `vector` to the processor itself: whether it is taken once, and nothing else.
pub(crate) fn is_taken_once(registers: &Registers, vector: u8) -> bool {
    let _listening = Listening::to(vector..=vector, End::LocalApic);
    let before = interrupts::total();
    registers.send_to_self(vector);
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != 0)
        && nothing_comes()
        && interrupts::total() == before + 1
}

/// Brings `vector` into service: sends it and does not end it.
pub(crate) fn put_in_service(registers: &Registers, vector: u8) -> bool {
    let _listening = Listening::to(vector..=vector, End::Not);
    let before = interrupts::count(vector);
    registers.send_to_self(vector);
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != before)
}

/// Ends all that is in service and takes all that waits, with a task priority of 0.
pub(crate) fn drain(registers: &Registers) {
    const NR_VECTORS: u32 = 256;
    registers.write(Register::TPR, 0);
    for _ in 0..NR_VECTORS {
        if registers.read(Register::PPR) == 0 {
            break;
        }
        registers.end_interrupt();
    }
    // Handlers for all vectors cost more than a look whether any waits.
    if (0..8).any(|index| registers.read(Register(Register::IRR.0 + index)) != 0) {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        for _ in 0..NR_VECTORS {
            if !interrupts::let_in() {
                break;
            }
        }
    }
}
