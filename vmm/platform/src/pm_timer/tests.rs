//! Each rule of the registers.

use super::*;
use crate::{hostile, time::SECOND};
use proptest::prelude::*;

const STATUS: u64 = EVENT_OFFSET;
const ENABLE: u64 = EVENT_OFFSET + 2;

fn new() -> PowerManagement {
    PowerManagement::new(Width::Bits24, 0)
}

fn interrupt(rises: u64, high: bool) -> Option<Output> {
    Some(Output::Interrupt(Signal { pin: SCI, rises, high }))
}

#[test]
fn the_timer_counts_at_its_frequency_and_is_read_only() {
    let mut block = new();
    block.write(0, TIMER_OFFSET, 4, 0xffff_ffff);
    assert_eq!(block.read(0, TIMER_OFFSET, 4), 0);
    assert_eq!(block.read(SECOND, TIMER_OFFSET, 4), FREQUENCY);
    assert_eq!(block.read(SECOND, TIMER_OFFSET + 1, 2), FREQUENCY >> 8 & 0xffff);
}

#[test]
fn the_timer_wraps_at_its_width() {
    for (width, start, expected) in [(Width::Bits24, 0xff_fff0, 0x5), (Width::Bits32, 0xff_fff0, 0x100_0005)] {
        let mut block = PowerManagement::new(width, start);
        assert_eq!(block.read(time::time_of(21, FREQUENCY), TIMER_OFFSET, 4), expected);
    }
    let mut block = PowerManagement::new(Width::Bits32, u32::MAX);
    assert_eq!(block.read(time::time_of(3, FREQUENCY), TIMER_OFFSET, 4), 2);
}

#[test]
fn status_is_set_whenever_the_highest_bit_changes() {
    for (width, start) in [(Width::Bits24, 0x7f_fff0), (Width::Bits24, 0xff_fff0), (Width::Bits32, 0x7fff_fff0)] {
        let mut block = PowerManagement::new(width, start);
        let due = time::time_of(16, FREQUENCY);
        assert_eq!(block.next_change(0), None, "nothing is enabled");
        block.write(0, ENABLE, 2, 1);
        assert_eq!(block.next_change(0), Some(due));
        assert_eq!(block.read(due - 1, STATUS, 2), 0);
        assert_eq!(block.take(), None);
        assert_eq!(block.read(due, STATUS, 2), 1);
        assert_eq!(block.take(), interrupt(1, true));
        assert_eq!(block.next_change(due), None, "it stays high");
        block.write(due, STATUS, 2, !1);
        assert_eq!(block.read(due, STATUS, 2), 1);
        block.write(due, STATUS, 1, 1);
        assert_eq!((block.read(due, STATUS, 2), block.take()), (0, interrupt(0, false)));
        assert_eq!(block.next_change(due), Some(time::time_of(16 + width.half_range(), FREQUENCY)));
    }
}

#[test]
fn status_without_enable_does_not_interrupt_until_enabled() {
    let mut block = new();
    let due = time::time_of(1 << 23, FREQUENCY);
    assert_eq!((block.read(due, STATUS, 2), block.take()), (1, None));
    block.write(due, ENABLE, 2, 1);
    assert_eq!(block.take(), interrupt(1, true));
    block.write(due, ENABLE, 2, 0);
    assert_eq!(block.take(), interrupt(0, false));
}

#[test]
fn power_button_and_alarm_have_their_bits() {
    let mut block = new();
    block.press_power_button(0);
    block.rtc_alarm(0);
    assert_eq!((block.read(0, STATUS, 2), block.take()), (0x500, None));
    for bit in [0x100, 0x400] {
        block.write(0, ENABLE, 2, bit);
        assert_eq!(block.take(), interrupt(1, true));
        block.write(0, STATUS, 2, bit);
        assert_eq!(block.take(), interrupt(0, false));
    }
    assert_eq!(block.read(0, STATUS, 2), 0);
}

#[test]
fn only_known_bits_can_be_written() {
    let mut block = new();
    block.write(0, 0, 8, !(1 << 45));
    assert_eq!(block.read(0, 0, 8), 0x1c03_0521_0000);
    block.write(0, 0, 8, 0);
    assert_eq!(block.read(0, 0, 8), 0x0001_0000_0000, "ACPI mode stays on");
    assert_eq!(block.read(0, SIZE_BYTES - 1, 2), 0xff00);
    assert_eq!(block.take(), None);
}

#[test]
fn soft_off_needs_type_and_enable() {
    let off = u64::from(SOFT_OFF) << 10;
    let enable = u64::from(SLEEP_ENABLE);
    let mut block = new();
    block.write(0, CONTROL_OFFSET, 2, off);
    assert_eq!(block.take(), None);
    block.write(0, CONTROL_OFFSET, 2, 1 << 10 | enable);
    assert_eq!(block.take(), None, "another state");
    block.write(0, CONTROL_OFFSET, 1, enable);
    assert_eq!(block.take(), None, "another byte");
    block.write(0, CONTROL_OFFSET, 2, off | enable);
    assert_eq!(block.take(), Some(Output::Off));
    assert_eq!(block.take(), None);
    assert_eq!(block.read(0, CONTROL_OFFSET, 2), off | 1, "the enable bit is write-only");
    block.write(0, CONTROL_OFFSET + 1, 1, (off | enable) >> 8);
    assert_eq!(block.take(), Some(Output::Off));
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_it(steps in hostile::strategy::steps(SIZE_BYTES + 2), start: u32, wide: bool) {
        let width = if wide { Width::Bits32 } else { Width::Bits24 };
        hostile::survive(PowerManagement::new(width, start), &steps);
        hostile::reads_same_however_often_advanced(PowerManagement::new(width, start), &steps);
    }
}
