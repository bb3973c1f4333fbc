//! Protection keys for user pages.

use super::{
    model::{Operation, error_code},
    probe::{self, PAGE, attempt},
};
use rt::{
    Outcome, case, check_outcome,
    cpu::control,
    names,
    paging::{self, ALL_RIGHTS},
    tables::page_bit::US,
    user, user_code,
    vocabulary::Needs,
};

user_code!(write_pkru: "mov eax, edi", "xor ecx, ecx", "xor edx, edx", "wrpkru", "ret");

/// The protection key under test, and its place in an entry that maps a page.
const KEY: u64 = 5;
const KEY_SHIFT: u32 = 59;
/// CR4.PKE.
const PKE: u64 = 1 << 22;

/// Values of PKRU: nothing forbidden; access disabled; writes disabled; both, each for the key under test; both for
/// every key that no page here has.
const PKRU: [u64; 5] = [0, 1 << (2 * KEY), 2 << (2 * KEY), 3 << (2 * KEY), 0xffff_fffc & !(3 << (2 * KEY))];

/// What the key allows: reads unless AD, writes unless AD or WD.
fn predict(pkru: u64, operation: Operation, is_user: bool, is_user_page: bool) -> Outcome {
    let rights = pkru >> (2 * KEY) & 3;
    let denied = match operation {
        Operation::Read => rights & 1 != 0,
        Operation::Write => rights != 0,
        Operation::Fetch => false,
    };
    if denied && is_user_page {
        Outcome::pf(probe::access_code(is_user, operation) | error_code::P | error_code::PK)
    } else {
        Outcome::COMPLETED
    }
}

fn check_rows(is_user: bool, page_bits: u64) {
    let pke = control::With::cr4(PKE, 0);
    check_outcome!("PKE can be set", pke.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    let address = paging::map(PAGE, probe::ret_frame(), page_bits | KEY << KEY_SHIFT);
    for (row, pkru) in PKRU.into_iter().enumerate() {
        let _ = user::call(write_pkru, pkru);
        for operation in [Operation::Read, Operation::Write] {
            probe::check_access!(
                names!["nothing forbidden", "AD", "WD", "AD+WD", "other keys forbidden"];
                row, operation, attempt(is_user, operation, address),
                predict(pkru, operation, is_user, page_bits & US != 0)
            );
        }
    }
    let _ = user::call(write_pkru, 0);
}

/// PKRU forbids CPL 3 what its bits for the page's key say, with bit 5 of the error code set.
#[case(feature = PagingPermissions, spec = sdm3a("Protection Keys"), needs = Needs::PKU)]
fn protection_key_restricts_user() {
    check_rows(true, ALL_RIGHTS);
}

/// PKRU restricts CPL 0 on user pages, too, with CR0.WP set.
#[case(feature = PagingPermissions, spec = sdm3a("Protection Keys"), needs = Needs::PKU)]
fn protection_key_restricts_supervisor_on_user_pages() {
    check_rows(false, ALL_RIGHTS);
}

/// PKRU does not concern supervisor pages.
#[case(feature = PagingPermissions, spec = sdm3a("Protection Keys"), needs = Needs::PKU)]
fn protection_key_ignores_supervisor_pages() {
    check_rows(false, ALL_RIGHTS & !US);
}

/// PKRU does not concern instruction fetches.
#[case(feature = PagingPermissions, spec = sdm3a("Protection Keys"), needs = Needs::PKU)]
fn protection_key_ignores_fetches() {
    let _pke = control::With::cr4(PKE, 0);
    let address = paging::map(PAGE, probe::ret_frame(), ALL_RIGHTS | KEY << KEY_SHIFT);
    let _ = user::call(write_pkru, 1 << (2 * KEY));
    let (fetch, read) = (attempt(true, Operation::Fetch, address), attempt(true, Operation::Read, address));
    let _ = user::call(write_pkru, 0);
    check_outcome!("fetch", fetch, Outcome::COMPLETED);
    check_outcome!("read", read, Outcome::pf(error_code::P | error_code::U | error_code::PK));
}
