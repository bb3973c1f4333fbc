//! TMR_STS and TMR_EN of the PM1 event block, and the interrupt that they make.

use super::model::{self, Carry};
use crate::rtc::wait::Halting;
use rt::{
    acpi::{self, Root},
    case, check, check_eq, clock,
    cpu::port,
    interrupts::GENEROUS_MICROS,
    pic::{self, Chip},
    pm_timer::{self, Block, FADT, TIMER},
    skip,
    vocabulary::Needs,
};

const NEEDS: Needs = Needs::PM_TIMER.union(Needs::FIRMWARE_TABLES);

/// The block, in ACPI mode and with nothing enabled; a failure if there is none.
fn block() -> Option<Block> {
    let block = acpi::search_root().map(Root::read).and_then(|root| root.find(FADT)).map(Block::of);
    check!("the FADT is found", block.is_some());
    let block = block?;
    let (command, value) = block.acpi_on;
    if port::read_u16(block.control) & 1 == 0 && command != 0 {
        port::write_u8(command, value);
        clock::Deadline::after(GENEROUS_MICROS).wait(|| port::read_u16(block.control) & 1 != 0);
    }
    port::write_u16(block.enable, 0);
    Some(block)
}

/// Clears TMR_STS, and gives a value of the timer from then on: its highest bit did not change meanwhile.
fn clear(block: &Block) -> u32 {
    let highest = 1 << (block.width() - 1);
    let mut then = pm_timer::read();
    for _ in 0..4 {
        port::write_u16(block.status, TIMER);
        let now = pm_timer::read();
        if (then ^ now) & highest == 0 {
            return now;
        }
        then = now;
    }
    then
}

/// TMR_EN is kept; what is written to the status by ones clears, by zeros does nothing, and sets nothing.
#[case(feature = PmTimer, spec = [acpi("PM1 Enable Registers"), acpi("PM1 Status Registers")], needs = NEEDS, irqchip = Full)]
fn enable_is_kept_and_status_is_not_written() {
    let Some(block) = block() else { return };
    for row in 0..4_u8 {
        let value = if row & 1 != 0 { TIMER } else { 0 };
        if row & 2 == 0 {
            port::write_u16(block.enable, value);
        } else {
            port::write_u8(block.enable, value as u8);
        }
        check_eq!("TMR_EN", [&[]; row], port::read_u16(block.enable) & TIMER, value);
    }
    port::write_u16(block.enable, 0);
    let then = clear(&block);
    let is_clear = (0..4).any(|_| {
        port::write_u16(block.status, TIMER);
        port::read_u16(block.status) & TIMER == 0
    });
    check!("one clears TMR_STS", is_clear);
    port::write_u16(block.status, 0);
    let now = pm_timer::read();
    let status = port::read_u16(block.status) & TIMER != 0;
    let later = pm_timer::read();
    check!("zero does not set it", model::carry(then, now, later, status, block.width()) != Carry::Invented);
}

/// SLP_TYP keeps what is written, and SLP_EN, which is not written, reads as zero; SCI_EN stays as it was.
#[case(feature = PmTimer, spec = acpi("PM1 Control Registers"), needs = NEEDS, irqchip = Full)]
fn sleep_type_is_kept() {
    const SLEEP_TYPE_SHIFT: u32 = 10;
    const SLEEP_ENABLE: u16 = 1 << 13;
    let Some(block) = block() else { return };
    let before = port::read_u16(block.control) & !(7 << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
    for sleep_type in 0..8_u16 {
        port::write_u16(block.control, before | sleep_type << SLEEP_TYPE_SHIFT);
        let control = port::read_u16(block.control);
        check_eq!("SLP_TYP", [&[]; sleep_type], control >> SLEEP_TYPE_SHIFT & 7, sleep_type);
        check_eq!("SLP_EN", [&[]; sleep_type], control & SLEEP_ENABLE, 0);
        check_eq!("SCI_EN", [&[]; sleep_type], control & 1, before & 1);
    }
    port::write_u16(block.control, before);
}

/// The longest that a case waits for the highest bit of the timer: one of 24 bits needs less.
const WAIT_TICKS: u32 = (pm_timer::FREQUENCY * 5 / 2) as u32;

/// TMR_STS is set when the highest bit changes and not before; enabled, it requests the system control interrupt until it is
/// cleared.
#[case(
    feature = PmTimer, spec = [acpi("Power Management Timer"), acpi("PM1 Status Registers"), acpi("PM1 Enable Registers")],
    needs = NEEDS.union(Needs::PIC).union(Needs::LOCAL_APIC), irqchip = Full, time = 3
)]
fn status_is_set_when_the_highest_bit_changes() {
    let Some(block) = block() else { return };
    let width = block.width();
    if model::until_carry(pm_timer::read(), width) > WAIT_TICKS {
        skip!("the highest bit does not change for a while");
        return;
    }
    pic::initialize(0);
    Chip::First.data(0xff);
    Chip::Second.data(0xff);
    let (chip, request) = (if block.sci < 8 { Chip::First } else { Chip::Second }, 1_u8 << (block.sci & 7));
    chip.set_edge_level(chip.edge_level() | request);
    let is_requested = || chip.requests() & request != 0;
    let halting = Halting::new();
    let then = clear(&block);
    let mut verdict = Carry::Right;
    let changed = halting.until(5_000_000, || {
        let now = pm_timer::read();
        let status = port::read_u16(block.status) & TIMER != 0;
        let later = pm_timer::read();
        let carry = model::carry(then, now, later, status, width);
        if carry != Carry::Right {
            verdict = carry;
        }
        status
    });
    check!("it changes", changed);
    check!("not without a change of the bit", verdict != Carry::Invented);
    check!("no change is missed", verdict != Carry::Missed);
    check!("not requested without TMR_EN", !is_requested());
    port::write_u16(block.enable, TIMER);
    check!("requested with it", clock::Deadline::after(GENEROUS_MICROS).wait(is_requested));
    port::write_u16(block.status, !TIMER);
    check!("other bits do not clear it", port::read_u16(block.status) & TIMER != 0);
    port::write_u16(block.status, TIMER);
    check_eq!("one clears it", port::read_u16(block.status) & TIMER, 0);
    check!("not requested any more", clock::Deadline::after(GENEROUS_MICROS).wait(|| !is_requested()));
    port::write_u16(block.enable, 0);
}
