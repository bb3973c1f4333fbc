//! Tables of messages and destinations.

use super::*;
use Destination::{Logical, Physical};
use proptest::prelude::*;

const fn flat(id: u8, logical_id: u8) -> Identity {
    Identity::XApic { id, logical_id, model: LogicalModel::Flat }
}

const fn cluster(id: u8, logical_id: u8) -> Identity {
    Identity::XApic { id, logical_id, model: LogicalModel::Cluster }
}

const fn x2apic(id: u32) -> Identity {
    Identity::X2Apic { id }
}

#[test]
fn destinations_include_whom_the_manual_says() {
    for (line, destination, identity, expected) in [
        (line!(), Physical(3), flat(3, 0), true),
        (line!(), Physical(3), flat(2, 0xff), false),
        (line!(), Physical(0x103), flat(3, 0), false),
        (line!(), Physical(u32::MAX), flat(3, 0), true),
        (line!(), Physical(3), x2apic(3), true),
        (line!(), Physical(0xff), x2apic(3), false),
        (line!(), Physical(0xff), x2apic(0xff), true),
        (line!(), Physical(u32::MAX), x2apic(3), true),
        (line!(), Logical(0b0101), flat(0, 0b0100), true),
        (line!(), Logical(0b0101), flat(0, 0b0010), false),
        (line!(), Logical(0), flat(0, 0xff), false),
        (line!(), Logical(0x1_0000), flat(0, 0xff), false),
        (line!(), Logical(u32::MAX), flat(0, 0), true),
        (line!(), Logical(0x25), cluster(0, 0x24), true),
        (line!(), Logical(0x25), cluster(0, 0x14), false),
        (line!(), Logical(0x25), cluster(0, 0x22), false),
        (line!(), Logical(0x20), cluster(0, 0x2f), false),
        (line!(), Logical(0x1_0025), cluster(0, 0x24), false),
        (line!(), Logical(0x0001_0005), x2apic(0x12), true),
        (line!(), Logical(0x0001_0005), x2apic(0x11), false),
        (line!(), Logical(0x0001_0005), x2apic(0x02), false),
        (line!(), Logical(0x0001_0000), x2apic(0x10), false),
        (line!(), Logical(u32::MAX), x2apic(0x10), true),
    ] {
        assert_eq!(destination.includes(identity), expected, "line {line}");
    }
}

#[test]
fn ff_of_eight_bits_is_everybody() {
    for logical in [false, true] {
        for identity in [flat(1, 0), cluster(1, 0), x2apic(1)] {
            assert!(Destination::narrow(logical, 0xff).includes(identity));
        }
    }
}

#[test]
fn logical_x2apic_ids_are_a_cluster_and_a_bit() {
    for (id, logical) in [(0, 1), (5, 0x20), (15, 0x8000), (0x10, 0x1_0001), (0x1f, 0x1_8000), (0xf_ffff, 0xffff_8000)]
    {
        assert_eq!(x2apic_logical_id(id), logical, "{id:#x}");
    }
}

#[test]
fn the_lowest_priority_gets_it_and_equals_take_turns() {
    for (priorities, last, expected) in [
        (&[Some(0x30), Some(0x20), Some(0x40)][..], 0, Some(1)),
        (&[Some(0x20), Some(0x20), Some(0x20)], 0, Some(1)),
        (&[Some(0x20), Some(0x20), Some(0x20)], 2, Some(0)),
        (&[Some(0x20), None, Some(0x20)], 0, Some(2)),
        (&[None, None], 0, None),
        (&[], 0, None),
        (&[Some(0)], usize::MAX, Some(0)),
    ] {
        assert_eq!(lowest_priority(priorities, last), expected, "{priorities:?} after {last}");
    }
}

#[test]
fn messages_say_what_their_bits_say() {
    let interrupt = |destination, delivery, vector, trigger| Some(Interrupt { destination, delivery, vector, trigger });
    for (line, address, data, expected) in [
        (line!(), 0xfee0_3000, 0x0041, interrupt(Physical(3), DeliveryMode::Fixed, 0x41, Trigger::Edge)),
        (line!(), 0xfee0_3004, 0x0041, interrupt(Logical(3), DeliveryMode::Fixed, 0x41, Trigger::Edge)),
        (line!(), 0xfee0_300c, 0x0041, interrupt(Logical(3), DeliveryMode::LowestPriority, 0x41, Trigger::Edge)),
        (line!(), 0xfee0_3008, 0x0041, interrupt(Physical(3), DeliveryMode::Fixed, 0x41, Trigger::Edge)),
        (
            line!(),
            0xfeef_f000,
            0x0141,
            interrupt(Physical(u32::MAX), DeliveryMode::LowestPriority, 0x41, Trigger::Edge),
        ),
        (line!(), 0xfee0_0000, 0xc041, interrupt(Physical(0), DeliveryMode::Fixed, 0x41, Trigger::Level)),
        (line!(), 0xfee0_0000, 0x4041, interrupt(Physical(0), DeliveryMode::Fixed, 0x41, Trigger::Edge)),
        (line!(), 0xfee0_0000, 0x8041, None),
        (line!(), 0xfee0_0000, 0x0200, interrupt(Physical(0), DeliveryMode::Smi, 0, Trigger::Edge)),
        (line!(), 0xfee0_0000, 0x0341, None),
        (line!(), 0xfee0_0000, 0x0400, interrupt(Physical(0), DeliveryMode::Nmi, 0, Trigger::Edge)),
        (line!(), 0xfee0_0000, 0x0500, interrupt(Physical(0), DeliveryMode::Init, 0, Trigger::Edge)),
        (line!(), 0xfee0_0000, 0x0608, None),
        (line!(), 0xfee0_0000, 0x0700, interrupt(Physical(0), DeliveryMode::ExtInt, 0, Trigger::Edge)),
        (line!(), 0xfef0_0000, 0x0041, None),
        (line!(), 0x1_fee0_0000, 0x0041, None),
        (line!(), 0xfedf_ffff, 0x0041, None),
    ] {
        assert_eq!(Message { address, data }.decode(), expected, "line {line}");
    }
}

proptest! {
    #[test]
    fn any_message_is_decoded_or_refused(address in any::<u64>(), within in any::<bool>(), data in any::<u32>()) {
        let address = if within { ADDRESS_BASE | address & (ADDRESS_SIZE - 1) } else { address };
        let decoded = Message { address, data }.decode();
        prop_assert!(within || decoded.is_none() || address >> 20 == 0xfee);
    }

    #[test]
    fn what_is_encoded_is_decoded(logical in any::<bool>(), destination in any::<u8>(), vector in any::<u8>(), level in any::<bool>()) {
        let trigger = if level { Trigger::Level } else { Trigger::Edge };
        for delivery in [DeliveryMode::Fixed, DeliveryMode::LowestPriority, DeliveryMode::Nmi] {
            let message = Message::encode(logical, destination, delivery.bits(), vector, trigger);
            let destination = Destination::narrow(logical, destination);
            prop_assert_eq!(message.decode(), Some(Interrupt { destination, delivery, vector, trigger }));
        }
    }

    #[test]
    fn delivery_modes_have_one_number(bits in any::<u32>()) {
        prop_assert_eq!(DeliveryMode::from_bits(bits).map_or(3, DeliveryMode::bits), bits & 7);
    }
}
