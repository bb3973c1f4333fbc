//! The interrupt command register and the self-IPI register.

use super::*;
use crate::message::Destination;

/// What a write of the interrupt command register sends, with FFH or 5 as destination.
fn sent(apic: &mut LocalApic, destination: u64, low: u64) -> Option<Output> {
    set(apic, ICR_HIGH, destination << 24);
    set(apic, ICR, low);
    let output = apic.take();
    assert_eq!(apic.take(), None);
    output
}

#[test]
fn valid_combinations_are_sent_and_others_are_not() {
    use DeliveryMode::{Fixed, Init, LowestPriority, Nmi, Smi, StartUp};
    let physical = Target::Destination(Destination::Physical(5));
    let logical = Target::Destination(Destination::Logical(5));
    for (line, low, expected) in [
        (line!(), 0x4041, Some((physical, Fixed, 0x41))),
        (line!(), 0x4841, Some((logical, Fixed, 0x41))),
        (line!(), 0xc041, Some((physical, Fixed, 0x41))),
        (line!(), 0x4141, Some((physical, LowestPriority, 0x41))),
        (line!(), 0x4200, Some((physical, Smi, 0))),
        (line!(), 0x4300, None),
        (line!(), 0x4400, Some((physical, Nmi, 0))),
        (line!(), 0x4500, Some((physical, Init, 0))),
        (line!(), 0xc500, Some((physical, Init, 0))),
        (line!(), 0x8500, None),
        (line!(), 0x4608, Some((physical, StartUp, 8))),
        (line!(), 0x4700, None),
        (line!(), 0x8_4041, Some((Target::All, Fixed, 0x41))),
        (line!(), 0x8_4141, None),
        (line!(), 0x8_4400, None),
        (line!(), 0x8_4500, None),
        (line!(), 0x8_4608, None),
        (line!(), 0xc_4041, Some((Target::Others, Fixed, 0x41))),
        (line!(), 0xc_4141, Some((Target::Others, LowestPriority, 0x41))),
        (line!(), 0xc_4200, Some((Target::Others, Smi, 0))),
        (line!(), 0xc_4400, Some((Target::Others, Nmi, 0))),
        (line!(), 0xc_4500, Some((Target::Others, Init, 0))),
        (line!(), 0xc_8500, None),
        (line!(), 0xc_4608, Some((Target::Others, StartUp, 8))),
        (line!(), 0x4_4400, None),
    ] {
        let mut apic = enabled();
        let expected = expected.map(|(target, delivery, vector)| Output::Ipi(Ipi { target, delivery, vector }));
        assert_eq!(sent(&mut apic, 5, low), expected, "line {line}");
        assert_eq!((errors(&mut apic), get(&mut apic, ICR)), (0, low), "line {line}");
        assert_eq!(apic.take_request(), None);
    }
}

#[test]
fn the_high_half_sends_nothing() {
    let mut apic = enabled();
    set(&mut apic, ICR_HIGH, 5 << 24);
    assert_eq!(apic.take(), None);
}

#[test]
fn ff_is_everybody_in_xapic_mode() {
    let Some(Output::Ipi(ipi)) = sent(&mut enabled(), 0xff, 0x4041) else { panic!("nothing was sent") };
    assert_eq!(ipi.target, Target::Destination(Destination::Physical(Destination::BROADCAST)));
}

#[test]
fn x2apic_destinations_have_32_bits() {
    let mut apic = enabled_x2apic();
    for (value, destination) in [
        (0xff_0000_4041, Destination::Physical(0xff)),
        (0x0001_0003_0000_4841, Destination::Logical(0x0001_0003)),
        (0xffff_ffff_0000_4041, Destination::Physical(Destination::BROADCAST)),
    ] {
        apic.write_msr(0, msr(ICR), value).expect("nothing reserved is set");
        let target = Target::Destination(destination);
        assert_eq!(apic.take(), Some(Output::Ipi(Ipi { target, delivery: DeliveryMode::Fixed, vector: 0x41 })));
        assert_eq!(apic.read_msr(0, msr(ICR)), Ok(value));
    }
}

#[test]
fn self_ipis_need_nobody_else() {
    let mut apic = enabled();
    assert_eq!((sent(&mut apic, 0, 0x4_4041), apic.highest_pending()), (None, Some(0x41)));
    let mut apic = enabled_x2apic();
    apic.write_msr(0, msr(0x3f0), 0x42).expect("a vector is all that is writable");
    assert_eq!((apic.take(), apic.highest_pending()), (None, Some(0x42)));
}

#[test]
fn illegal_vectors_are_errors_of_the_sender() {
    for (low, expected) in [(0x400f, 0x20), (0x410f, 0x20), (0x4_400f, 0x60), (0x4010, 0), (0x4400, 0), (0x4605, 0)] {
        let mut apic = enabled();
        sent(&mut apic, 5, low);
        assert_eq!(errors(&mut apic), expected, "{low:#x}");
    }
    let mut apic = enabled_x2apic();
    apic.write_msr(0, msr(0x3f0), 3).expect("a vector is all that is writable");
    apic.write_msr(0, msr(ESR), 0).expect("zero can be written");
    assert_eq!(apic.read_msr(0, msr(ESR)), Ok(0x60));
}

#[test]
fn shorthands_reach_whom_they_say() {
    let own = enabled().identity().expect("it is enabled");
    for (target, sender, other) in [
        (Target::All, true, true),
        (Target::Others, false, true),
        (Target::Destination(Destination::Physical(2)), true, true),
        (Target::Destination(Destination::Physical(3)), false, false),
    ] {
        let ipi = Ipi { target, delivery: DeliveryMode::Fixed, vector: 0x41 };
        assert_eq!((ipi.reaches(true, own), ipi.reaches(false, own)), (sender, other), "{target:?}");
    }
}

#[test]
fn identities_follow_the_registers() {
    let mut apic = enabled();
    set(&mut apic, LDR, 0x1200_0000);
    for (dfr, model) in [(0xf000_0000, LogicalModel::Flat), (0, LogicalModel::Cluster)] {
        set(&mut apic, DFR, dfr);
        assert_eq!(get(&mut apic, DFR), dfr | 0x0fff_ffff);
        assert_eq!(apic.identity(), Some(Identity::XApic { id: 2, logical_id: 0x12, model }));
    }
}
