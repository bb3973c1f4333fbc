//! Reset values, writable bits, sizes.

use super::*;

/// Offset, value after reset, and what stays in xAPIC mode of all ones; write-only registers are not among them.
const XAPIC: &[(u64, u64, u64)] = &[
    (ID, 2 << 24, 2 << 24),
    (0x30, 0x0106_0014, 0x0106_0014),
    (TPR, 0, 0xff),
    (0x90, 0, 0),
    (PPR, 0, 0),
    (0xc0, 0, 0),
    (LDR, 0, 0xff00_0000),
    (DFR, 0xffff_ffff, 0xffff_ffff),
    (SVR, 0xff, 0x11ff),
    (ESR, 0, 0),
    (CMCI, 0x1_0000, 0x1_07ff),
    (ICR, 0, 0xc_cfff),
    (ICR_HIGH, 0, 0xff00_0000),
    (LVT_TIMER, 0x1_0000, 0x7_00ff),
    (THERMAL, 0x1_0000, 0x1_07ff),
    (PERFORMANCE, 0x1_0000, 0x1_07ff),
    (LINT0, 0x1_0000, 0x1_a7ff),
    (LINT1, 0x1_0000, 0x1_a7ff),
    (ERROR, 0x1_0000, 0x1_00ff),
    (INITIAL, 0, 0xffff_ffff),
    (DIVIDE, 0, 0xb),
];

fn exists(offset: u64) -> bool {
    (ISR..IRR + 0x80).contains(&offset)
        || offset == EOI
        || offset == CURRENT
        || XAPIC.iter().any(|(known, ..)| *known == offset)
}

#[test]
fn xapic_registers_reset_and_keep_what_is_writable() {
    for &(offset, reset, kept) in XAPIC {
        let mut apic = LocalApic::new(config());
        assert_eq!(get(&mut apic, offset), reset, "{offset:#x}");
        set(&mut apic, offset, 0xffff_ffff);
        assert_eq!(get(&mut apic, offset), kept, "{offset:#x}");
    }
}

#[test]
fn pending_service_and_trigger_registers_are_read_only() {
    let mut apic = enabled();
    for offset in (ISR..IRR + 0x80).step_by(16) {
        set(&mut apic, offset, 0xffff_ffff);
        assert_eq!(get(&mut apic, offset), 0, "{offset:#x}");
    }
    assert_eq!(errors(&mut apic), 0);
}

#[test]
fn what_is_no_register_is_an_illegal_register_in_xapic_mode() {
    for offset in (0..SIZE_BYTES).step_by(16) {
        let error = if exists(offset) { 0 } else { 0x80 };
        let mut apic = enabled();
        get(&mut apic, offset);
        assert_eq!(errors(&mut apic), error, "reading {offset:#x}");
        set(&mut apic, offset, 0);
        assert_eq!(errors(&mut apic) & 0x80, error, "writing {offset:#x}");
    }
}

#[test]
fn registers_of_absent_features_are_absent() {
    let mut apic = LocalApic::new(Config { cmci: false, tsc_deadline: false, eoi_suppression: false, ..config() });
    assert_eq!(get(&mut apic, 0x30), 0x5_0014);
    set(&mut apic, SVR, 0xffff_ffff);
    set(&mut apic, LVT_TIMER, 0xffff_ffff);
    assert_eq!((get(&mut apic, SVR), get(&mut apic, LVT_TIMER)), (0x1ff, 0x3_00ff));
    get(&mut apic, CMCI);
    assert_eq!(errors(&mut apic), 0x80);
    assert_eq!(apic.read_msr(0, MSR_TSC_DEADLINE), Err(GeneralProtection));
}

#[test]
fn writes_count_only_aligned_and_with_32_bits() {
    let mut apic = enabled();
    set(&mut apic, TPR, 0x12);
    for (offset, size) in [(0, 1), (0, 2), (0, 8), (1, 1), (4, 4), (8, 4), (2, 4)] {
        apic.write(0, TPR + offset, size, 0xffff_ffff);
        assert_eq!(get(&mut apic, TPR), 0x12, "{size} bytes at {offset}");
    }
}

#[test]
fn small_reads_give_parts_and_the_rest_of_a_register_is_zero() {
    let mut apic = enabled();
    for (offset, size, expected) in
        [(0, 1, 0x14), (2, 1, 0x06), (2, 2, 0x0106), (0, 8, 0x0106_0014), (4, 4, 0), (12, 4, 0)]
    {
        assert_eq!(apic.read(0, 0x30 + offset, size), expected, "{size} bytes at {offset}");
    }
}

/// Offset, and the bits that can be written without an exception; nothing for read-only registers.
const X2APIC: &[(u64, Option<u64>)] = &[
    (ID, None),
    (0x30, None),
    (TPR, Some(0xff)),
    (PPR, None),
    (EOI, Some(0)),
    (LDR, None),
    (SVR, Some(0x11ff)),
    (ESR, Some(0)),
    (CMCI, Some(0x1_17ff)),
    (ICR, Some(0xffff_ffff_000c_dfff)),
    (LVT_TIMER, Some(0x7_10ff)),
    (THERMAL, Some(0x1_17ff)),
    (PERFORMANCE, Some(0x1_17ff)),
    (LINT0, Some(0x1_f7ff)),
    (LINT1, Some(0x1_f7ff)),
    (ERROR, Some(0x1_10ff)),
    (INITIAL, Some(0xffff_ffff)),
    (CURRENT, None),
    (DIVIDE, Some(0xb)),
    (0x3f0, Some(0xff)),
];

#[test]
fn x2apic_registers_refuse_reserved_bits_one_by_one() {
    for &(offset, writable) in X2APIC {
        for bit in 0..64 {
            let mut apic = enabled_x2apic();
            let before = apic.clone();
            let expected = writable.is_some_and(|writable| writable >> bit & 1 == 1);
            let result = apic.write_msr(0, msr(offset), 1 << bit);
            assert_eq!(result.is_ok(), expected, "bit {bit} of {offset:#x}");
            assert!(expected || apic == before);
        }
        assert_eq!(enabled_x2apic().write_msr(0, msr(offset), 0).is_ok(), writable.is_some(), "{offset:#x}");
    }
}

#[test]
fn x2apic_msrs_are_these_and_no_others() {
    for number in MSR_X2APIC_FIRST - 1..=MSR_X2APIC_LAST + 1 {
        let offset = u64::from(number.wrapping_sub(MSR_X2APIC_FIRST)) * 16;
        let known = X2APIC.iter().any(|(known, _)| *known == offset) || (ISR..IRR + 0x80).contains(&offset);
        let readable = known && offset != EOI && offset != 0x3f0;
        assert_eq!(enabled_x2apic().read_msr(0, number).is_ok(), readable, "{number:#x}");
    }
}

#[test]
fn x2apic_ids_are_wide() {
    let mut apic = LocalApic::new(Config { id: 0x1_0123, ..config() });
    assert_eq!(get(&mut apic, ID), 0x2300_0000);
    apic.write_msr(0, MSR_APIC_BASE, X2APIC_BASE).expect("allowed");
    assert_eq!(apic.read_msr(0, msr(ID)), Ok(0x1_0123));
    assert_eq!(apic.read_msr(0, msr(LDR)), Ok(0x1012_0008));
    assert_eq!(apic.identity(), Some(Identity::X2Apic { id: 0x1_0123 }));
}

#[test]
fn the_error_status_shows_what_was_detected_before_the_last_write() {
    let mut apic = enabled();
    get(&mut apic, 0);
    assert_eq!(get(&mut apic, ESR), 0);
    set(&mut apic, ESR, 0xffff_ffff);
    interrupt(&mut apic, 0xf, Trigger::Edge);
    assert_eq!(get(&mut apic, ESR), 0x80);
    assert_eq!((errors(&mut apic), errors(&mut apic)), (0x40, 0));
}

#[test]
fn error_interrupts_come_once_per_write_of_the_error_status() {
    let mut apic = enabled();
    set(&mut apic, ERROR, 0x50);
    let mut interrupts = || {
        get(&mut apic, 0);
        let pending = apic.highest_pending();
        apic.acknowledge();
        set(&mut apic, EOI, 0);
        pending
    };
    assert_eq!((interrupts(), interrupts()), (Some(0x50), None));
    errors(&mut apic);
    get(&mut apic, 0);
    assert_eq!(apic.highest_pending(), Some(0x50));
}

#[test]
fn an_error_interrupt_with_an_illegal_vector_is_an_error_itself() {
    let mut apic = enabled();
    set(&mut apic, ERROR, 0x05);
    get(&mut apic, 0);
    assert_eq!((errors(&mut apic), apic.highest_pending()), (0xc0, None));
}
