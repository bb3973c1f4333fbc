//! Priorities, service, ends, and the local vector table.

use super::*;

#[test]
fn requests_wait_in_irr_and_are_served_by_number() {
    let mut apic = enabled();
    for vector in [0x41, 0xf3, 0x42] {
        interrupt(&mut apic, vector, Trigger::Edge);
    }
    assert_eq!((get(&mut apic, IRR + 0x20), get(&mut apic, IRR + 0x70)), (0b110, 1 << 0x13));
    assert_eq!(apic.acknowledge(), 0xf3);
    assert_eq!((get(&mut apic, IRR + 0x70), get(&mut apic, ISR + 0x70)), (0, 1 << 0x13));
    assert_eq!(apic.highest_pending(), None, "its class is served");
    set(&mut apic, EOI, 0x1234);
    assert_eq!(apic.highest_pending(), Some(0x42));
    apic.accept(0x42);
    assert_eq!(apic.highest_pending(), None, "41H is of the same class");
    interrupt(&mut apic, 0x50, Trigger::Edge);
    assert_eq!(apic.highest_pending(), Some(0x50));
}

#[test]
fn the_processor_priority_is_the_higher_of_task_and_service() {
    for (tpr, served, ppr) in
        [(0, 0, 0), (0x25, 0, 0x25), (0x25, 0x31, 0x30), (0x35, 0x31, 0x35), (0x45, 0x31, 0x45), (0xf, 0x31, 0x30)]
    {
        let mut apic = enabled();
        if served != 0 {
            interrupt(&mut apic, served, Trigger::Edge);
            apic.acknowledge();
        }
        set(&mut apic, TPR, tpr);
        assert_eq!(get(&mut apic, PPR), ppr, "TPR {tpr:#x} while {served:#x} is served");
    }
}

#[test]
fn the_task_priority_holds_its_class_and_those_below_back() {
    for (tpr, given) in [(0x3f, true), (0x40, false), (0x50, false)] {
        let mut apic = enabled();
        interrupt(&mut apic, 0x4f, Trigger::Edge);
        set(&mut apic, TPR, tpr);
        assert_eq!(apic.highest_pending().is_some(), given, "{tpr:#x}");
    }
}

#[test]
fn cr8_is_the_class_of_the_task_priority() {
    let mut apic = enabled();
    set(&mut apic, TPR, 0x9c);
    assert_eq!(apic.cr8(), 9);
    apic.set_cr8(0xa);
    assert_eq!((get(&mut apic, TPR), apic.task_priority()), (0xa0, 0xa0));
}

#[test]
fn without_a_request_the_vector_is_the_spurious_one() {
    let mut apic = enabled();
    set(&mut apic, SVR, 0x1a7);
    interrupt(&mut apic, 0x41, Trigger::Edge);
    set(&mut apic, TPR, 0xf0);
    assert_eq!((apic.acknowledge(), get(&mut apic, ISR + 0x50)), (0xa7, 0));
    apic.accept(0x99);
    assert_eq!(get(&mut apic, ISR + 0x40), 0, "only what is requested can be taken");
}

#[test]
fn illegal_vectors_are_errors_and_not_requests() {
    let mut apic = enabled();
    for vector in 0..16 {
        interrupt(&mut apic, vector, Trigger::Edge);
        assert_eq!((errors(&mut apic), get(&mut apic, IRR)), (0x40, 0), "{vector}");
    }
    interrupt(&mut apic, 16, Trigger::Edge);
    assert_eq!((errors(&mut apic), get(&mut apic, IRR)), (0, 1 << 16));
}

#[test]
fn ends_of_levels_are_told_unless_suppressed() {
    for (svr, trigger, told) in [
        (0x1ff, Trigger::Edge, None),
        (0x1ff, Trigger::Level, Some(Output::EndOfInterrupt(0x41))),
        (0x11ff, Trigger::Level, None),
    ] {
        let mut apic = enabled();
        set(&mut apic, SVR, svr);
        interrupt(&mut apic, 0x41, trigger);
        assert_eq!(get(&mut apic, TMR + 0x20), if trigger == Trigger::Level { 2 } else { 0 });
        apic.acknowledge();
        assert_eq!(apic.take(), None);
        set(&mut apic, EOI, 0);
        assert_eq!((apic.take(), apic.take(), get(&mut apic, ISR + 0x20)), (told, None, 0));
        set(&mut apic, EOI, 0);
        assert_eq!(apic.take(), None, "nothing is in service");
    }
}

#[test]
fn the_trigger_mode_is_that_of_the_last_request() {
    let mut apic = enabled();
    interrupt(&mut apic, 0x41, Trigger::Level);
    interrupt(&mut apic, 0x41, Trigger::Edge);
    assert_eq!(get(&mut apic, TMR + 0x20), 0);
}

#[test]
fn x2apic_ends_and_serves_alike() {
    let mut apic = enabled_x2apic();
    interrupt(&mut apic, 0x41, Trigger::Level);
    apic.acknowledge();
    assert_eq!(apic.read_msr(0, msr(ISR + 0x20)), Ok(2));
    assert_eq!(apic.write_msr(0, msr(EOI), 1), Err(GeneralProtection));
    assert_eq!(apic.write_msr(0, msr(EOI), 0), Ok(()));
    assert_eq!(apic.take(), Some(Output::EndOfInterrupt(0x41)));
}

#[test]
fn entries_deliver_in_their_modes_unless_masked() {
    let sources = [
        (CMCI, LocalSource::CorrectedMachineCheck),
        (THERMAL, LocalSource::ThermalSensor),
        (PERFORMANCE, LocalSource::PerformanceCounter),
    ];
    for (offset, source) in sources {
        for (mode, request) in
            [(0, None), (2, Some(Request::Smi)), (4, Some(Request::Nmi)), (5, None), (7, None), (1, None), (3, None)]
        {
            let mut apic = enabled();
            set(&mut apic, offset, mode << 8 | 0x41 | MASKED);
            apic.signal(0, source);
            assert_eq!((apic.take_request(), apic.highest_pending()), (None, None));
            set(&mut apic, offset, mode << 8 | 0x41);
            apic.signal(0, source);
            assert_eq!(apic.take_request(), request, "{source:?} in mode {mode}");
            assert_eq!(apic.highest_pending(), (mode == 0).then_some(0x41));
        }
    }
}

#[test]
fn performance_counters_mask_themselves() {
    let mut apic = enabled();
    set(&mut apic, PERFORMANCE, 0x400);
    apic.signal(0, LocalSource::PerformanceCounter);
    assert_eq!(get(&mut apic, PERFORMANCE), 0x400 | MASKED);
}

#[test]
fn pins_deliver_edges_in_their_modes() {
    for (pin, offset) in [(0, LINT0), (1, LINT1)] {
        for (mode, request) in
            [(0, None), (2, Some(Request::Smi)), (4, Some(Request::Nmi)), (5, Some(Request::Init)), (1, None)]
        {
            let mut apic = enabled();
            set(&mut apic, offset, mode << 8 | 0x41 | MASKED);
            apic.set_pin(0, pin, true);
            set(&mut apic, offset, mode << 8 | 0x41);
            assert_eq!((apic.take_request(), apic.highest_pending()), (None, None), "masked edges are lost");
            apic.set_pin(0, pin, true);
            assert_eq!((apic.take_request(), apic.highest_pending()), (None, None), "no edge");
            apic.set_pin(0, pin, false);
            apic.set_pin(0, pin, true);
            assert_eq!(apic.highest_pending(), (mode == 0).then_some(0x41));
            assert_eq!(apic.take_request(), request, "pin {pin} in mode {mode}");
        }
    }
}

#[test]
fn pins_that_are_active_low_assert_when_they_fall() {
    let mut apic = enabled();
    apic.set_pin(0, 1, true);
    set(&mut apic, LINT1, 0x2441);
    assert_eq!(apic.take_request(), None);
    apic.set_pin(0, 1, false);
    assert_eq!(apic.take_request(), Some(Request::Nmi));
}

#[test]
fn levels_of_lint0_come_again_after_their_end() {
    let mut apic = enabled();
    set(&mut apic, LINT0, 0x8041);
    apic.set_pin(0, 0, true);
    assert_eq!(get(&mut apic, LINT0), 0xc041, "remote IRR");
    assert_eq!(apic.acknowledge(), 0x41);
    assert_eq!(apic.highest_pending(), None);
    set(&mut apic, EOI, 0);
    assert_eq!(apic.highest_pending(), Some(0x41));
    apic.set_pin(0, 0, false);
    apic.acknowledge();
    set(&mut apic, EOI, 0);
    assert_eq!((apic.highest_pending(), get(&mut apic, LINT0)), (None, 0x8041));
}

#[test]
fn the_end_of_another_vector_is_not_that_of_lint0() {
    let mut apic = enabled();
    set(&mut apic, LINT0, 0x8041);
    apic.set_pin(0, 0, true);
    interrupt(&mut apic, 0x91, Trigger::Level);
    assert_eq!(apic.acknowledge(), 0x91);
    set(&mut apic, EOI, 0);
    assert_eq!(get(&mut apic, LINT0), 0xc041);
}

#[test]
fn remote_irr_of_lint0_is_read_only_and_ends_with_level_mode() {
    let mut apic = enabled();
    set(&mut apic, LINT0, 0x8041);
    apic.set_pin(0, 0, true);
    for (written, kept) in [(0x8041, 0xc041), (0x1_8041, 0x1_c041), (0x1_0041, 0x1_0041), (0x1_c041, 0x1_8041)] {
        set(&mut apic, LINT0, written);
        assert_eq!(get(&mut apic, LINT0), kept, "{written:#x}");
    }
}

#[test]
fn a_level_of_lint0_with_an_illegal_vector_is_an_error() {
    let mut apic = enabled();
    set(&mut apic, LINT0, 0x800f);
    apic.set_pin(0, 0, true);
    assert_eq!((errors(&mut apic), get(&mut apic, LINT0)), (0x40, 0x800f));
}

#[test]
fn ext_int_goes_by_the_level_of_an_unmasked_pin() {
    let mut apic = enabled();
    apic.set_pin(0, 0, true);
    assert!(!apic.ext_int_pending());
    set(&mut apic, LINT0, 0x700);
    assert!(apic.ext_int_pending());
    apic.acknowledge_ext_int();
    assert!(apic.ext_int_pending(), "the pin decides");
    apic.set_pin(0, 0, false);
    assert!(!apic.ext_int_pending());
}

#[test]
fn ext_int_messages_last_until_acknowledged() {
    let mut apic = enabled();
    apic.deliver(0, DeliveryMode::ExtInt, 0, Trigger::Edge);
    assert!(apic.ext_int_pending());
    set(&mut apic, SVR, 0xff);
    apic.deliver(0, DeliveryMode::ExtInt, 0, Trigger::Edge);
    assert!(apic.ext_int_pending(), "disabled, it takes no other, and keeps what it has");
    apic.acknowledge_ext_int();
    assert!(!apic.ext_int_pending());
    apic.deliver(0, DeliveryMode::ExtInt, 0, Trigger::Edge);
    assert!(!apic.ext_int_pending());
}
