//! The rules of flushes and of PDPTEs outside of long mode, each seen to tell right from wrong.

#[path = "../src/paging/flush_rules.rs"]
mod flush_rules;
#[path = "../src/paging/pointer_rules.rs"]
mod pointer_rules;

use case::message::outcome::{COMPLETED, exception};
use flush_rules::{Change, Flush, must_be_seen};
use pointer_rules::{
    Register, WRITES, expected_number, expected_outcome, is_ignored, is_refusal, is_reserved, loads_pointers,
};

#[test]
fn global_pages_survive_what_is_about_one_address_space() {
    for flush in [Flush::Cr3, Flush::Pse, Flush::Smep, Flush::Task] {
        for change in [Change::GlobalPage, Change::GlobalLargePage] {
            assert!(!must_be_seen(flush, change, true), "{flush:?} {change:?}");
        }
        assert!(must_be_seen(flush, Change::Page, false), "{flush:?}");
    }
    assert!(must_be_seen(Flush::Pge, Change::GlobalPage, false));
}

#[test]
fn pdptes_are_loaded_in_pae_paging_and_not_by_invlpg() {
    assert!(must_be_seen(Flush::Cr3, Change::Pointer, true));
    assert!(!must_be_seen(Flush::Cr3, Change::Pointer, false));
    assert!(!must_be_seen(Flush::Invlpg, Change::Pointer, true));
}

#[test]
fn every_change_is_shown_by_some_flush() {
    for change in Change::ALL {
        assert!(must_be_seen(Flush::Pg, change, true), "{change:?}");
    }
}

#[test]
fn large_pages_are_those_that_invlpg_may_hit_elsewhere() {
    assert!(Change::LargePage.keeps_a_large_page() && Change::LargePageToTable.keeps_a_large_page());
    assert!(!Change::TableToLargePage.keeps_a_large_page() && !Change::Pointer.keeps_a_large_page());
}

#[test]
fn each_bit_of_a_pdpte_is_reserved_or_not() {
    let reserved: Vec<_> = (1..64).filter(|&bit| is_reserved(bit, 40)).collect();
    let expected: Vec<_> = [1, 2, 5, 6, 7, 8].into_iter().chain(40..64).collect();
    assert_eq!(reserved, expected);
    assert!(!is_reserved(51, 52) && is_reserved(52, 52));
    let ignored: Vec<_> = (0..64).filter(|&bit| is_ignored(bit)).collect();
    assert_eq!(ignored, [3, 4, 9, 10, 11]);
}

#[test]
fn a_reserved_bit_is_refused_at_load_or_at_use_and_never_taken() {
    assert!(is_refusal(exception(13, 0)) && is_refusal(exception(14, 9)));
    for wrong in [COMPLETED, exception(13, 8), exception(14, 0), exception(14, 1), exception(14, 13), exception(6, 0)] {
        assert!(!is_refusal(wrong), "{wrong:#x}");
    }
}

#[test]
fn the_bits_that_load_pdptes_are_known() {
    let loading = |register| (0..32).filter(|&bit| loads_pointers(register, bit)).collect::<Vec<_>>();
    assert_eq!(loading(Register::Cr0), [29, 30, 31]);
    assert_eq!(loading(Register::Cr4), [4, 5, 7, 20]);
}

#[test]
fn each_row_of_writes_expects_one_of_two_numbers_and_outcomes() {
    const NR_LOADING: usize = 10;
    let (old, new) = (1, 2);
    for (row, write) in WRITES.iter().enumerate() {
        let loads = row < NR_LOADING;
        assert_eq!(expected_number(write, old, new), if loads { new } else { old }, "{}", write.name);
        assert_eq!(expected_outcome(write), if loads { exception(13, 0) } else { COMPLETED }, "{}", write.name);
        assert_eq!(write.name.ends_with("from 1 to 0"), write.before >> write.bit & 1 == 1, "{}", write.name);
        assert!(write.name.starts_with(if write.register == Register::Cr0 { "CR0" } else { "CR4" }), "{}", write.name);
    }
}
