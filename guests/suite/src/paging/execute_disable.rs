//! Instruction fetches and execute-disable.

use super::{
    model::{Mode, Operation, error_code, predict},
    probe::{self, LEVELS, PAGE, attempt, check_access},
};
use rt::{
    Outcome, case, check_outcome,
    cpu::msr::{self, efer, number},
    names,
    paging::{self, ALL_RIGHTS},
    tables::page_bit::{P, RW, US, XD},
    vocabulary::Needs,
};

const ALL: [Operation; 3] = [Operation::Read, Operation::Write, Operation::Fetch];

/// IA32_EFER.NXE set until the result is dropped; `None` if that faults, which the case has checked then.
fn enable() -> Option<msr::With> {
    let value = msr::read(number::IA32_EFER).unwrap_or(rt::boot::EFER | efer::LMA) | efer::NXE;
    let enabled = msr::With::value(number::IA32_EFER, value);
    check_outcome!("NXE can be set", enabled.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    enabled.ok()
}

fn check_levels(mode: Mode) {
    let _enabled = enable();
    let address = probe::map_without([0; 4]);
    for (row, level) in LEVELS.into_iter().enumerate() {
        let entry = paging::read_entry(level, PAGE);
        paging::write_entry(level, PAGE, entry | XD);
        for operation in ALL {
            check_access!(
                names!["PML4E with XD", "PDPTE with XD", "PDE with XD", "PTE with XD"];
                row, operation, attempt(mode.user, operation, address), predict(&probe::entries(), operation, mode)
            );
        }
        paging::write_entry(level, PAGE, entry);
    }
}

/// XD at any level forbids CPL 3 to fetch, and neither to read nor to write.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::NX)]
fn user_fetch_with_xd_at_each_level() {
    check_levels(Mode { execute_disable: true, ..Mode::USER });
}

/// XD at any level forbids CPL 0 to fetch, and neither to read nor to write.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"), needs = Needs::NX)]
fn supervisor_fetch_with_xd_at_each_level() {
    check_levels(Mode { execute_disable: true, ..Mode::SUPERVISOR });
}

const FETCHED: [u64; 7] = [0, P, P | US, P | RW | US, P | XD, P | US | XD, P | RW | US | XD];

fn check_fetch(mode: Mode) {
    let _enabled = enable();
    let target = probe::ret_frame();
    for (row, bits) in FETCHED.into_iter().enumerate() {
        let address = paging::map(PAGE, target, bits);
        check_outcome!(
            "fetch",
            [names!["none", "P", "P+US", "P+RW+US", "P+XD", "P+US+XD", "P+RW+US+XD"]; row],
            attempt(mode.user, Operation::Fetch, address),
            predict(&probe::entries(), Operation::Fetch, mode)
        );
    }
}

/// CPL 3 fetches from pages that have P and U/S and not XD; else bit 4 of the error code tells the fetch.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_fetch_by_leaf_rights() {
    check_fetch(Mode { execute_disable: true, ..Mode::USER });
}

/// CPL 0 fetches from pages that have P and not XD; else bit 4 of the error code tells the fetch.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_fetch_by_leaf_rights() {
    check_fetch(Mode { execute_disable: true, ..Mode::SUPERVISOR });
}

/// With EFER.NXE and CR4.SMEP clear, bit 4 of the error code is clear for a fetch too.
///
/// AMD's manual calls the bit undefined then.
#[case(feature = PagingPermissions, spec = sdm3a("Page-Fault Exceptions"), needs = Needs::INTEL)]
fn fetch_is_not_told_without_nxe() {
    let target = probe::ret_frame();
    for (row, bits) in [0, P, RW | US].into_iter().enumerate() {
        let address = paging::map(PAGE, target, bits);
        let present = if bits & P == 0 { 0 } else { error_code::P };
        check_outcome!(
            "user fetch",
            [names!["absent", "supervisor page", "absent with rights"]; row],
            attempt(true, Operation::Fetch, address),
            Outcome::pf(error_code::U | present)
        );
    }
    check_outcome!(
        "allowed",
        attempt(true, Operation::Fetch, paging::map(PAGE, target, ALL_RIGHTS)),
        Outcome::COMPLETED
    );
}
