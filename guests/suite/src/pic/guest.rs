//! The 8259As of the board, connected to the processor by LINT0 of its local APIC, as the walk wants them.

use super::{
    lines::Lines,
    model::{Modes, NOTHING, Step},
    walk::{Column, Machine},
};
use rt::{
    check_eq,
    cpu::port,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    pic::{self, BASE, Chip, icw4},
    trap::TrapFrame,
    vocabulary::image::board::UNCLAIMED_PORT,
};

/// The local APIC as a virtual wire, and handlers for the vectors of both controllers: each lets one interrupt in.
#[derive(Debug)]
pub(crate) struct Wire {
    _apic: LocalApic,
    _listening: Listening,
}

/// Takes one interrupt, and lets no more in.
pub(crate) fn take_one(frame: &mut TrapFrame) {
    const IF: u64 = 1 << 9;
    interrupts::log(frame);
    frame.rflags &= !IF;
}

impl Wire {
    /// Connects the 8259As, all inputs of which should be masked, with `base` and the next 15 as vectors.
    pub(crate) fn connect(base: u8) -> Self {
        let apic = LocalApic::enabled();
        apic.write(Register::LVT_LINT0, lvt::EXT_INT);
        Self { _apic: apic, _listening: Listening::with_handler(base..=base + 15, End::Not, take_one) }
    }

    /// Lets the next interrupt in; its vector. `is_due` says that one must come, and waits for it.
    pub(crate) fn acknowledge(&self, is_due: bool) -> Option<u8> {
        interrupts::clear();
        if is_due {
            let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        } else {
            // An interrupt that is requested comes with the first of these exits.
            let _enabled = interrupts::enable();
            for _ in 0..3 {
                let _ = port::read_u8(UNCLAIMED_PORT);
            }
        }
        interrupts::taken(0).map(|taken| taken.vector)
    }

    /// The same; the input, 0 to 15, or [`NOTHING`].
    pub(crate) fn take(&self, is_due: bool) -> u8 {
        self.acknowledge(is_due).map_or(NOTHING, |vector| vector.wrapping_sub(BASE))
    }
}

/// Initialises both with these modes and masks everything; nothing is in service then.
pub(crate) fn initialize(modes: Modes) {
    let automatic_end = if modes.automatic_end { icw4::AUTOMATIC_END } else { 0 };
    // The second one first, so that a request of it that is left from before does not reach the first any more.
    for (index, chip) in Chip::ALL.into_iter().enumerate().rev() {
        let fully_nested = if modes.fully_nested && index == 0 { icw4::FULLY_NESTED } else { 0 };
        chip.initialize(BASE + 8 * index as u8, automatic_end | fully_nested);
        chip.data(0xff);
        let in_service = chip.in_service();
        chip.set_edge_level(modes.level[index]);
        // The data sheet does not say that initialisation ends what is in service.
        for input in (0..8).filter(|input| in_service >> input & 1 != 0) {
            chip.command(pic::ocw2::SPECIFIC_END | input);
        }
        chip.command(if modes.special_mask { pic::ocw3::MASK_MODE_ON } else { pic::ocw3::MASK_MODE_OFF });
    }
}

/// The pair.
#[derive(Debug)]
pub(crate) struct Guest {
    lines: Lines,
    wire: Wire,
}

impl Guest {
    /// Initialises both and connects them.
    pub(crate) fn new(lines: Lines, modes: Modes) -> Self {
        initialize(modes);
        Self { lines, wire: Wire::connect(BASE) }
    }
}

fn both(read: impl Fn(Chip) -> u8) -> u16 {
    u16::from_le_bytes(Chip::ALL.map(read))
}

impl Machine for Guest {
    fn lines(&self) -> u16 {
        self.lines.all()
    }

    fn apply(&mut self, step: Step, is_due: bool) -> u8 {
        match step {
            Step::Line(line, high) => self.lines.set(line, high),
            Step::Mask(controller, mask) => Chip::ALL[controller & 1].data(mask),
            Step::Command(controller, command) => Chip::ALL[controller & 1].command(command.bits()),
            Step::Acknowledge => return self.wire.take(is_due),
            Step::Poll(controller) => {
                let told = Chip::ALL[controller & 1].poll();
                return if told & 0x80 == 0 { 0 } else { told & 0x87 };
            }
        }
        NOTHING
    }

    fn requests(&mut self) -> u16 {
        both(Chip::requests)
    }

    fn in_service(&mut self) -> u16 {
        both(Chip::in_service)
    }

    fn masks(&mut self) -> u16 {
        both(Chip::mask)
    }

    fn release(&mut self) {
        self.lines.release(self.lines.all());
    }

    fn report(&mut self, step: usize, column: Column, actual: u32, expected: u32) {
        match column {
            Column::Registers => check_eq!("ISRs and IRRs after step", [&[]; step], actual, expected),
            Column::Acknowledged => check_eq!("input acknowledged in step", [&[]; step], actual, expected),
            Column::Masks => check_eq!("IMR in the end", actual, expected),
        }
    }
}
