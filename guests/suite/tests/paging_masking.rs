//! The model of linear-address masking gives known answers, and each of its inputs counts.

#[path = "../src/paging/masking_rules.rs"]
mod masking_rules;

use masking_rules::{METADATA, Masking};

const OFF: Masking = Masking { user_48: false, user_57: false, supervisor: false, five_levels: false };
const USER: u64 = 0x0000_0080_0000_1000;
const SUPERVISOR: u64 = 0xffff_8080_0000_1000;

#[test]
fn nothing_is_masked_without_a_control_bit() {
    for metadata in METADATA {
        assert_eq!(OFF.reached(USER ^ metadata).is_some(), metadata == 0, "{metadata:#x}");
        assert_eq!(OFF.reached(SUPERVISOR ^ metadata).is_some(), metadata == 0, "{metadata:#x}");
    }
}

/// The metadata with which the pointer reaches what it reaches without.
fn reaching(masking: Masking, pointer: u64) -> Vec<u64> {
    METADATA.into_iter().filter(|metadata| masking.reached(pointer ^ metadata) == Some(pointer)).collect()
}

#[test]
fn each_control_bit_masks_its_own_bits_of_its_own_half() {
    let within =
        |low: u32| METADATA.into_iter().filter(|m| m & !(u64::MAX >> 1 & u64::MAX << low) == 0).collect::<Vec<_>>();
    let none = vec![0];
    for (masking, user, supervisor) in [
        (Masking { user_48: true, ..OFF }, within(48), none.clone()),
        (Masking { user_57: true, ..OFF }, within(57), none.clone()),
        (Masking { user_48: true, user_57: true, ..OFF }, within(57), none.clone()),
        (Masking { supervisor: true, ..OFF }, none.clone(), within(48)),
        (Masking { supervisor: true, user_48: true, ..OFF }, within(48), within(48)),
    ] {
        assert_eq!(reaching(masking, USER), user, "{masking:?}");
        assert_eq!(reaching(masking, SUPERVISOR), supervisor, "{masking:?}");
    }
}

#[test]
fn five_levels_widen_supervisor_pointers_and_not_those_masked_to_48_bits() {
    const WIDE: Masking = Masking { five_levels: true, ..OFF };
    assert_eq!(WIDE.reached(1 << 55), Some(1 << 55));
    assert_eq!(WIDE.reached(1 << 56), None);
    let supervisor = Masking { supervisor: true, ..WIDE };
    assert_eq!(supervisor.reached(0x81ff_8080_0000_1000), Some(0xffff_8080_0000_1000));
    assert_eq!(supervisor.reached(0xfe00_0000_0000_0000), None);
    let user = Masking { user_48: true, ..WIDE };
    assert_eq!(user.reached(0x7f80_0000_0000_1000), Some(0x1000));
}

#[test]
fn bit_63_and_the_highest_address_bit_must_be_the_same() {
    let all = Masking { user_48: true, supervisor: true, ..OFF };
    assert_eq!(all.reached(1 << 47), None);
    assert_eq!(all.reached(1 << 63), None);
    assert_eq!(all.reached(1 << 63 | 1 << 47), Some(0xffff_8000_0000_0000));
}
