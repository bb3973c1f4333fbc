//! IA32_APIC_BASE, software enable, INIT and start-up.

use super::*;

const BSP: u64 = 1 << 8;
const EXTENDED: u64 = 1 << 10;
const ENABLED: u64 = 1 << 11;

#[test]
fn only_these_transitions_are_legal() {
    let disabled = DEFAULT_ADDRESS | BSP;
    let xapic = disabled | ENABLED;
    let x2apic = xapic | EXTENDED;
    let path = |base| match base {
        base if base == disabled => &[0][..],
        base if base == xapic => &[],
        _ => &[1],
    };
    for (from, to, legal) in [
        (disabled, disabled, true),
        (disabled, xapic, true),
        (disabled, x2apic, false),
        (xapic, disabled, true),
        (xapic, xapic, true),
        (xapic, x2apic, true),
        (x2apic, disabled, true),
        (x2apic, xapic, false),
        (x2apic, x2apic, true),
        (xapic, disabled | EXTENDED, false),
        (disabled, disabled | EXTENDED, false),
        (x2apic, disabled | EXTENDED, false),
    ] {
        let mut apic = LocalApic::new(config());
        for step in path(from) {
            apic.write_msr(0, MSR_APIC_BASE, [disabled, x2apic][*step]).expect("legal");
        }
        assert_eq!(apic.write_msr(0, MSR_APIC_BASE, to).is_ok(), legal, "{from:#x} to {to:#x}");
        assert_eq!(apic.read_msr(0, MSR_APIC_BASE), Ok(if legal { to } else { from }));
    }
}

#[test]
fn reserved_bits_of_the_base_are_refused() {
    for bit in 0..64 {
        let mut apic = LocalApic::new(config());
        let legal = matches!(bit, 8 | 10 | 12..40);
        let result = apic.write_msr(0, MSR_APIC_BASE, DEFAULT_ADDRESS | ENABLED | 1 << bit);
        assert_eq!(result.is_ok(), legal || bit == 11, "bit {bit}");
    }
    let mut without = LocalApic::new(Config { x2apic: false, ..config() });
    assert_eq!(without.write_msr(0, MSR_APIC_BASE, X2APIC_BASE), Err(GeneralProtection));
}

#[test]
fn the_registers_move_and_vanish() {
    let mut apic = LocalApic::new(config());
    assert_eq!((apic.mode(), apic.address()), (Mode::XApic, Some(DEFAULT_ADDRESS)));
    apic.write_msr(0, MSR_APIC_BASE, 0x1234_5000 | ENABLED).expect("legal");
    assert_eq!(apic.address(), Some(0x1234_5000));
    assert_eq!(apic.read_msr(0, msr(ID)), Err(GeneralProtection));
    apic.write_msr(0, MSR_APIC_BASE, X2APIC_BASE).expect("legal");
    assert_eq!((apic.address(), get(&mut apic, ID)), (None, 0xffff_ffff));
    set(&mut apic, TPR, 0x55);
    assert_eq!(apic.read_msr(0, msr(TPR)), Ok(0));
}

#[test]
fn x2apic_mode_takes_the_state_over() {
    let mut apic = enabled();
    interrupt(&mut apic, 0x41, Trigger::Edge);
    for (offset, value) in [(TPR, 0x25), (LINT0, 0x700), (ICR_HIGH, 1 << 24), (DIVIDE, 3), (INITIAL, 77)] {
        set(&mut apic, offset, value);
    }
    apic.write_msr(0, MSR_APIC_BASE, X2APIC_BASE).expect("legal");
    for (offset, value) in
        [(TPR, 0x25), (LINT0, 0x700), (ICR, 0), (DIVIDE, 3), (INITIAL, 77), (SVR, 0x1ff), (IRR + 0x20, 2)]
    {
        assert_eq!(apic.read_msr(0, msr(offset)), Ok(value), "{offset:#x}");
    }
}

#[test]
fn disabling_forgets_everything_and_leaves_the_pins() {
    let mut apic = enabled();
    interrupt(&mut apic, 0x41, Trigger::Edge);
    set(&mut apic, INITIAL, 1_000);
    set(&mut apic, LVT_TIMER, 0x50);
    apic.write_msr(0, MSR_APIC_BASE, DEFAULT_ADDRESS).expect("legal");
    assert_eq!((apic.highest_pending(), apic.next_change(0), apic.identity()), (None, None, None));
    assert!(!apic.is_enabled());
    interrupt(&mut apic, 0x42, Trigger::Edge);
    assert_eq!(apic.highest_pending(), None);
    apic.set_pin(0, 0, true);
    assert!(apic.ext_int_pending());
    assert_eq!(apic.take_request(), None);
    apic.set_pin(0, 1, true);
    apic.set_pin(0, 1, false);
    assert_eq!((apic.take_request(), apic.take_request()), (Some(Request::Nmi), None));
    apic.write_msr(0, MSR_APIC_BASE, DEFAULT_ADDRESS | ENABLED).expect("legal");
    assert_eq!((get(&mut apic, SVR), get(&mut apic, LVT_TIMER)), (0xff, MASKED));
    assert!(!apic.ext_int_pending());
}

#[test]
fn disabled_by_software_it_masks_and_refuses_but_gives_what_it_holds() {
    let mut apic = enabled();
    set(&mut apic, LVT_TIMER, 0x50);
    interrupt(&mut apic, 0x41, Trigger::Edge);
    assert!(apic.is_enabled() && enabled_x2apic().is_enabled());
    set(&mut apic, SVR, 0xff);
    assert!(!apic.is_enabled());
    assert_eq!(get(&mut apic, LVT_TIMER), MASKED | 0x50);
    for offset in [CMCI, LVT_TIMER, THERMAL, PERFORMANCE, LINT0, LINT1, ERROR] {
        assert_eq!(get(&mut apic, offset) & MASKED, MASKED, "{offset:#x}");
        set(&mut apic, offset, 0x51);
        assert_eq!(get(&mut apic, offset), MASKED | 0x51, "{offset:#x}");
    }
    interrupt(&mut apic, 0x91, Trigger::Edge);
    assert_eq!(apic.acknowledge(), 0x41);
    assert_eq!(apic.highest_pending(), None);
    set(&mut apic, SVR, 0x1ff);
    assert_eq!(get(&mut apic, LVT_TIMER), MASKED | 0x51, "enabling unmasks nothing");
}

#[test]
fn disabled_by_software_it_takes_nmi_smi_init_and_sends() {
    let mut apic = LocalApic::new(config());
    set(&mut apic, ICR, 0x4041);
    assert!(matches!(apic.take(), Some(Output::Ipi(_))));
    apic.deliver(0, DeliveryMode::Nmi, 0, Trigger::Edge);
    apic.deliver(0, DeliveryMode::Smi, 0, Trigger::Edge);
    assert_eq!([(); 3].map(|()| apic.take_request()), [Some(Request::Smi), Some(Request::Nmi), None]);
    apic.deliver(0, DeliveryMode::Init, 0, Trigger::Edge);
    assert_eq!(apic.take_request(), Some(Request::Init));
}

fn application() -> LocalApic {
    LocalApic::new(Config { bootstrap: false, ..config() })
}

#[test]
fn application_processors_wait_for_the_first_start_up() {
    let mut apic = application();
    assert!(apic.is_waiting());
    apic.deliver(0, DeliveryMode::Nmi, 0, Trigger::Edge);
    assert_eq!(apic.take_request(), None);
    apic.deliver(0, DeliveryMode::StartUp, 8, Trigger::Edge);
    apic.deliver(0, DeliveryMode::StartUp, 9, Trigger::Edge);
    assert_eq!([(); 3].map(|()| apic.take_request()), [Some(Request::StartUp(8)), Some(Request::Nmi), None]);
    apic.deliver(0, DeliveryMode::StartUp, 9, Trigger::Edge);
    assert_eq!((apic.take_request(), apic.is_waiting()), (None, false));
}

#[test]
fn init_resets_the_registers_but_not_the_base() {
    let mut apic = application();
    apic.write_msr(0, MSR_APIC_BASE, X2APIC_BASE & !BSP).expect("legal");
    apic.write_msr(0, msr(TPR), 0x20).expect("legal");
    apic.deliver(0, DeliveryMode::StartUp, 8, Trigger::Edge);
    assert_eq!(apic.take_request(), Some(Request::StartUp(8)));
    apic.deliver(0, DeliveryMode::Init, 0, Trigger::Edge);
    apic.deliver(0, DeliveryMode::StartUp, 9, Trigger::Edge);
    assert_eq!([(); 3].map(|()| apic.take_request()), [Some(Request::Init), Some(Request::StartUp(9)), None]);
    assert_eq!((apic.mode(), apic.read_msr(0, msr(TPR))), (Mode::X2Apic, Ok(0)));
}

#[test]
fn the_bootstrap_processor_starts_without_a_start_up() {
    let mut apic = enabled();
    apic.deliver(0, DeliveryMode::Init, 0, Trigger::Edge);
    apic.deliver(0, DeliveryMode::StartUp, 9, Trigger::Edge);
    assert_eq!((apic.take_request(), apic.take_request()), (Some(Request::Init), None));
    assert_eq!((apic.is_waiting(), get(&mut apic, SVR)), (false, 0xff));
}

#[test]
fn init_obeys_what_the_base_says_of_the_bootstrap_processor() {
    let mut apic = enabled();
    apic.write_msr(0, MSR_APIC_BASE, DEFAULT_ADDRESS | ENABLED).expect("legal");
    apic.deliver(0, DeliveryMode::Init, 0, Trigger::Edge);
    assert_eq!((apic.take_request(), apic.is_waiting()), (Some(Request::Init), true));
}

#[test]
fn a_second_init_takes_the_start_up_before_it_back() {
    let mut apic = application();
    for (delivery, vector) in
        [(DeliveryMode::Init, 0), (DeliveryMode::StartUp, 8), (DeliveryMode::Init, 0), (DeliveryMode::StartUp, 9)]
    {
        apic.deliver(0, delivery, vector, Trigger::Edge);
    }
    assert_eq!([(); 3].map(|()| apic.take_request()), [Some(Request::Init), Some(Request::StartUp(9)), None]);
}

#[test]
fn disabling_stops_the_timer() {
    let mut apic = enabled();
    set(&mut apic, INITIAL, 1_000);
    apic.write_msr(0, MSR_APIC_BASE, DEFAULT_ADDRESS).expect("legal");
    apic.write_msr(0, MSR_APIC_BASE, DEFAULT_ADDRESS | ENABLED).expect("legal");
    assert_eq!((get(&mut apic, INITIAL), get(&mut apic, CURRENT)), (0, 0));
}
