//! The model of shadow-stack pages: each bit of an entry, each access and the entries above count.

#[path = "../src/paging/shadow_rules.rs"]
mod shadow_rules;

use case::message::outcome::{COMPLETED, exception};
use shadow_rules::{Access, D, LEAVES, P, RW, US, decide};

const ACCESSES: [Access; 4] = [Access::Push, Access::Pop, Access::Read, Access::Write];
const SHADOW: u64 = P | US | D;

#[test]
fn one_combination_is_a_shadow_stack_page() {
    for access in [Access::Push, Access::Pop] {
        let allowed: Vec<_> = LEAVES.into_iter().filter(|leaf| decide(*leaf, true, access) == COMPLETED).collect();
        assert_eq!(allowed, [SHADOW], "{access:?}");
        assert!(LEAVES.into_iter().all(|leaf| decide(leaf, false, access) != COMPLETED));
    }
}

#[test]
fn error_codes_tell_access_and_presence() {
    let codes = |leaf| ACCESSES.map(|access| decide(leaf, true, access));
    assert_eq!(codes(0), [0x46, 0x44, 0x04, 0x06].map(|code| exception(14, code)));
    assert_eq!(codes(P), [0x47, 0x45, 0x05, 0x07].map(|code| exception(14, code)));
}

#[test]
fn data_accesses_follow_us_and_rw_alone() {
    for leaf in LEAVES {
        let allowed = |access, parents| decide(leaf, parents, access) == COMPLETED;
        assert_eq!(allowed(Access::Read, true), leaf & (P | US) == P | US);
        assert_eq!(allowed(Access::Write, true), leaf & (P | US | RW) == P | US | RW);
        assert!(!allowed(Access::Write, false));
    }
}

#[test]
fn all_combinations_stand_once() {
    let mut leaves = LEAVES.to_vec();
    leaves.sort_unstable();
    leaves.dedup();
    assert_eq!(leaves.len(), 16);
    assert_eq!(leaves.into_iter().fold(0, |all, leaf| all | leaf), P | RW | US | D);
}
