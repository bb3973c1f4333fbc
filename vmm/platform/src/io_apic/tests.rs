//! The rules of the data sheet, one by one.

use super::*;
use crate::{
    hostile,
    message::{DeliveryMode, Destination, Interrupt, Trigger},
};
use proptest::prelude::*;

const ACTIVE_LOW: u32 = 1 << 13;
const LEVEL: u32 = 1 << 15;
const MASK: u32 = 1 << 16;

fn apic() -> IoApic {
    IoApic::new(Version::WithEoiRegister)
}

fn get(apic: &mut IoApic, index: u8) -> u32 {
    apic.write(0, IOREGSEL, 4, index.into());
    apic.read(0, IOWIN, 4) as u32
}

fn set(apic: &mut IoApic, index: u8, value: u32) {
    apic.write(0, IOREGSEL, 4, index.into());
    apic.write(0, IOWIN, 4, value.into());
}

/// An I/O APIC whose pin 4 is programmed.
fn with_pin_4(low: u32) -> IoApic {
    let mut apic = apic();
    set(&mut apic, 0x19, 3 << 24);
    set(&mut apic, 0x18, low);
    apic
}

fn taken(apic: &mut IoApic) -> Option<Interrupt> {
    apic.take().and_then(Message::decode)
}

fn interrupt(delivery: DeliveryMode, vector: u8, trigger: Trigger) -> Option<Interrupt> {
    Some(Interrupt { destination: Destination::Physical(3), delivery, vector, trigger })
}

#[test]
fn registers_reset_and_keep_what_is_writable() {
    for (version, number) in [(Version::Intel82093Aa, 0x11), (Version::WithEoiRegister, 0x20)] {
        let mut apic = IoApic::new(version);
        for index in 0..=u8::MAX {
            let (reset, kept) = match index {
                0 => (0, 0x0f00_0000),
                1 => (0x17_0000 | number, 0x17_0000 | number),
                2 => (0, 0x0f00_0000),
                // The level-triggered entry of the pattern has a reserved delivery mode.
                0x10..=0x3f if index % 2 == 0 => (MASK, 0x1_afff),
                0x10..=0x3f => (0, 0xff00_0000),
                _ => (0, 0),
            };
            assert_eq!(get(&mut IoApic::new(version), index), reset, "{index:#x}");
            set(&mut apic, index, u32::MAX);
            assert_eq!(get(&mut apic, index), kept, "{index:#x}");
        }
    }
}

#[test]
fn an_edge_is_sent_once() {
    let mut apic = with_pin_4(0x41);
    apic.set_line(4, true);
    assert_eq!(get(&mut apic, 0x18), 0x1041, "delivery status is pending");
    assert_eq!(taken(&mut apic), interrupt(DeliveryMode::Fixed, 0x41, Trigger::Edge));
    assert_eq!((taken(&mut apic), get(&mut apic, 0x18)), (None, 0x41));
    apic.set_line(4, true);
    assert_eq!(taken(&mut apic), None);
    apic.set_line(4, false);
    assert_eq!(taken(&mut apic), None);
    apic.set_line(4, true);
    assert!(taken(&mut apic).is_some());
}

#[test]
fn an_edge_is_not_withdrawn_by_its_fall() {
    let mut apic = with_pin_4(0x41);
    apic.set_line(4, true);
    apic.set_line(4, false);
    assert!(taken(&mut apic).is_some());
}

#[test]
fn active_low_pins_assert_when_they_fall() {
    for trigger in [0, LEVEL] {
        let mut apic = apic();
        apic.set_line(4, true);
        set(&mut apic, 0x18, 0x41 | ACTIVE_LOW | trigger);
        assert_eq!(taken(&mut apic), None);
        apic.set_line(4, false);
        assert!(taken(&mut apic).is_some());
    }
}

#[test]
fn edges_on_a_masked_pin_are_lost() {
    let mut apic = with_pin_4(0x41 | MASK);
    apic.set_line(4, true);
    set(&mut apic, 0x18, 0x41);
    assert_eq!(taken(&mut apic), None);
}

#[test]
fn a_level_on_a_masked_pin_is_sent_when_unmasked() {
    let mut apic = with_pin_4(0x41 | MASK | LEVEL);
    apic.set_line(4, true);
    assert_eq!(taken(&mut apic), None);
    set(&mut apic, 0x18, 0x41 | LEVEL);
    assert_eq!(taken(&mut apic), interrupt(DeliveryMode::Fixed, 0x41, Trigger::Level));
}

#[test]
fn a_level_is_sent_again_only_after_its_end() {
    let mut apic = with_pin_4(0x41 | LEVEL);
    apic.set_line(4, true);
    assert!(taken(&mut apic).is_some());
    assert_eq!(get(&mut apic, 0x18), 0xc041, "remote IRR");
    assert_eq!(taken(&mut apic), None);
    apic.end_of_interrupt(0x42);
    assert_eq!(taken(&mut apic), None);
    assert!(apic.awaits_end_of(0x41) && !apic.awaits_end_of(0x42));
    apic.end_of_interrupt(0x41);
    assert!(taken(&mut apic).is_some());
    apic.set_line(4, false);
    apic.end_of_interrupt(0x41);
    assert_eq!((taken(&mut apic), get(&mut apic, 0x18)), (None, 0x8041));
}

#[test]
fn a_level_that_ends_before_it_is_sent_is_withdrawn() {
    let mut apic = with_pin_4(0x41 | LEVEL);
    apic.set_line(4, true);
    apic.set_line(4, false);
    assert_eq!(taken(&mut apic), None);
}

#[test]
fn the_eoi_register_ends_in_version_20_only() {
    for (version, ends) in [(Version::Intel82093Aa, false), (Version::WithEoiRegister, true)] {
        let mut apic = IoApic::new(version);
        set(&mut apic, 0x10, 0x41 | LEVEL);
        apic.set_line(0, true);
        apic.take();
        apic.set_line(0, false);
        apic.write(0, EOI, 4, 0x41);
        assert_eq!(apic.awaits_end_of(0x41), !ends);
    }
}

#[test]
fn all_entries_of_a_vector_end_together() {
    let mut apic = apic();
    for pin in [1, 2] {
        set(&mut apic, 0x10 + 2 * pin, 0x41 | LEVEL);
        apic.set_line(pin, true);
    }
    assert!(apic.take().is_some() && apic.take().is_some() && apic.take().is_none());
    apic.end_of_interrupt(0x41);
    assert!(apic.take().is_some() && apic.take().is_some() && apic.take().is_none());
}

#[test]
fn masking_leaves_remote_irr_and_edge_mode_clears_it() {
    let mut apic = with_pin_4(0x41 | LEVEL);
    apic.set_line(4, true);
    apic.take();
    set(&mut apic, 0x18, 0x41 | LEVEL | MASK);
    assert_eq!(get(&mut apic, 0x18), 0x1_c041);
    set(&mut apic, 0x18, 0x41 | MASK);
    set(&mut apic, 0x18, 0x41 | LEVEL);
    assert_eq!(get(&mut apic, 0x18), 0x9041, "asserted still, so that it is pending");
}

#[test]
fn remote_irr_ends_by_the_vector_that_stands_there_now() {
    let mut apic = with_pin_4(0x41 | LEVEL);
    apic.set_line(4, true);
    apic.take();
    set(&mut apic, 0x18, 0x51 | LEVEL);
    apic.end_of_interrupt(0x41);
    assert!(apic.awaits_end_of(0x51));
}

#[test]
fn delivery_modes_are_carried_and_only_two_know_levels() {
    for (bits, delivery, trigger) in [
        (0, DeliveryMode::Fixed, Trigger::Level),
        (1, DeliveryMode::LowestPriority, Trigger::Level),
        (2, DeliveryMode::Smi, Trigger::Edge),
        (4, DeliveryMode::Nmi, Trigger::Edge),
        (5, DeliveryMode::Init, Trigger::Edge),
        (7, DeliveryMode::ExtInt, Trigger::Edge),
    ] {
        let mut apic = with_pin_4(0x41 | LEVEL | bits << 8);
        apic.set_line(4, true);
        assert_eq!(taken(&mut apic), interrupt(delivery, 0x41, trigger));
        assert_eq!(taken(&mut apic), None);
    }
}

#[test]
fn destinations_are_carried() {
    let mut apic = apic();
    for (high, low, destination) in [
        (7 << 24, 0, Destination::Physical(7)),
        (0xff << 24, 0, Destination::Physical(Destination::BROADCAST)),
        (5 << 24, 1 << 11, Destination::Logical(5)),
    ] {
        set(&mut apic, 0x11, high);
        set(&mut apic, 0x10, 0x41 | low);
        apic.set_line(0, true);
        assert_eq!(taken(&mut apic).map(|interrupt| interrupt.destination), Some(destination));
        apic.set_line(0, false);
    }
}

#[test]
fn only_the_index_takes_small_writes() {
    let mut apic = apic();
    apic.write(0, IOREGSEL, 1, 0x1101);
    assert_eq!((apic.read(0, IOREGSEL, 4), apic.read(0, IOWIN, 4)), (1, 0x17_0020));
    assert_eq!((apic.read(0, IOWIN, 1), apic.read(0, IOWIN + 2, 2)), (0x20, 0x17));
    apic.write(0, IOREGSEL, 1, 0x10);
    apic.write(0, IOWIN, 2, 0x41);
    apic.write(0, IOWIN, 1, 0x41);
    assert_eq!(apic.read(0, IOWIN, 4), MASK.into());
}

#[test]
fn pins_take_turns() {
    let mut apic = apic();
    for pin in 0..NR_PINS {
        set(&mut apic, 0x10 + 2 * pin, 0x40 + u32::from(pin));
        apic.set_line(pin, true);
    }
    let vectors: Vec<u8> =
        std::iter::from_fn(|| taken(&mut apic)).take(100).map(|interrupt| interrupt.vector).collect();
    assert_eq!(vectors, (0x40..0x40 + NR_PINS).collect::<Vec<_>>());
    apic.set_line(NR_PINS, true);
    assert_eq!(apic.take(), None);
}

#[test]
fn an_edge_that_was_not_sent_is_withdrawn_by_the_mask_and_by_level_mode() {
    for (written, sent) in [(0x42, true), (0x42 | MASK, false), (0x42 | LEVEL, false)] {
        let mut apic = with_pin_4(0x41);
        apic.set_line(4, true);
        apic.set_line(4, false);
        set(&mut apic, 0x18, written);
        set(&mut apic, 0x18, 0x42);
        assert_eq!(apic.take().is_some(), sent, "{written:#x}");
    }
}

#[test]
fn a_devices_pin_sends_by_its_rises() {
    for (high_before, rises, high, sent) in [
        (false, 0, false, false),
        (false, 1, true, true),
        (false, 1, false, true),
        (true, 0, true, false),
        (true, 0, false, false),
        (true, 2, true, true),
        (true, 2, false, true),
    ] {
        let mut apic = with_pin_4(0x41);
        apic.set_line(4, high_before);
        apic.take();
        apic.follow(4, Signal { pin: 0, rises, high });
        assert_eq!(apic.take().is_some(), sent, "{high_before} {rises} {high}");
        set(&mut apic, 0x18, 0x41 | LEVEL);
        assert_eq!(apic.take().is_some(), high, "the pin is left at its level");
    }
}

#[test]
fn a_level_that_never_ends_lets_others_pass() {
    let mut apic = apic();
    for pin in [0, 1] {
        set(&mut apic, 0x10 + 2 * pin, LEVEL | 0x40 | u32::from(pin));
        apic.set_line(pin, true);
    }
    assert_eq!(taken(&mut apic).map(|interrupt| interrupt.vector), Some(0x40));
    apic.end_of_interrupt(0x40);
    assert_eq!(taken(&mut apic).map(|interrupt| interrupt.vector), Some(0x41));
}

proptest! {
    #[test]
    fn hostile_accesses_do_no_harm(steps in hostile::strategy::steps(0x50), lines in any::<u32>()) {
        let mut apic = apic();
        for pin in 0..32 {
            apic.set_line(pin, lines >> pin & 1 == 1);
        }
        hostile::survive(apic, &steps);
    }

    #[test]
    fn sending_always_ends(
        steps in proptest::collection::vec((any::<u8>(), any::<u32>(), any::<u8>(), any::<bool>()), 0..100),
    ) {
        let mut apic = apic();
        for (index, value, pin, high) in steps {
            set(&mut apic, index % 0x40, value);
            apic.set_line(pin % 26, high);
            if high {
                apic.end_of_interrupt(value as u8);
            }
            prop_assert!(std::iter::from_fn(|| apic.take()).take(25).count() <= usize::from(NR_PINS));
        }
    }
}
