//! Every protection key with every right, for user and supervisor pages; see [`super::decision`].

use super::{
    combinations::{driven, with_mode},
    decision::{Mode, Operation, bit, decide},
};
use rt::{
    Outcome, attempts, case, check, check_outcome,
    cpu::{
        control,
        msr::{self, number},
    },
    layout, names,
    paging::{frame, table},
    tables::page_bit::PS,
    user, user_code,
    vocabulary::{Needs, Text},
};

user_code!(write_pkru: "mov eax, edi", "xor ecx, ecx", "xor edx, edx", "wrpkru", "ret");

/// CR4.PKE, CR4.PKS.
const PKE: u64 = 1 << 22;
const PKS: u64 = 1 << 24;

/// Number of keys, of rights of a key (bit 0: access disabled, bit 1: writes disabled).
const NR_KEYS: usize = 16;
const NR_RIGHTS: usize = 4;
const NR_ROWS: usize = NR_KEYS * NR_RIGHTS;

const NAME_SIZE: usize = 12;
static NAME_TEXT: [[u8; NAME_SIZE]; NR_ROWS] = {
    let mut names = [*b"key 00 -- --"; NR_ROWS];
    let mut row = 0;
    while row < NR_ROWS {
        let (key, rights) = (row / NR_RIGHTS, row % NR_RIGHTS);
        names[row][4] = b'0' + (key / 10) as u8;
        names[row][5] = b'0' + (key % 10) as u8;
        if rights & 1 != 0 {
            names[row][7] = b'A';
            names[row][8] = b'D';
        }
        if rights & 2 != 0 {
            names[row][10] = b'W';
            names[row][11] = b'D';
        }
        row += 1;
    }
    names
};

static NAMES: [Text; NR_ROWS] = {
    let (mut names, mut row) = ([Text::EMPTY; NR_ROWS], 0);
    while row < NR_ROWS {
        names[row] = match core::str::from_utf8(&NAME_TEXT[row]) {
            Ok(text) => Text::new(text),
            Err(_) => panic!("names are ASCII"),
        };
        row += 1;
    }
    names
};

const RIGHTS: u64 = bit::P | bit::RW | bit::US;

/// The pages of a row: their entries from the PDE on, and what they are.
#[derive(Clone, Copy)]
enum Page {
    /// A user page with the key.
    User,
    /// A supervisor page with the key.
    Supervisor,
    /// A user page of 2 MiB with the key.
    LargeUser,
    /// A supervisor page of 2 MiB with the key.
    LargeSupervisor,
    /// A user page with the next key, which is allowed everything.
    NextKey,
    /// A user page of key 0 below a PDE that has the key's bits, which are ignored there.
    KeyInDirectory,
}

const PAGES: [Page; 6] =
    [Page::User, Page::Supervisor, Page::LargeUser, Page::LargeSupervisor, Page::NextKey, Page::KeyInDirectory];

/// PDE and PTE of a page, without addresses, and the indices that lead there.
fn entries(page: Page, key: usize) -> ([u64; 2], [usize; 2]) {
    let bits = |key: usize| (key as u64) << bit::KEY_SHIFT;
    let low = (frame(0) >> 12 & 511) as usize;
    match page {
        Page::User => ([RIGHTS, RIGHTS | bits(key)], [0, 16 + key]),
        Page::Supervisor => ([RIGHTS, RIGHTS & !bit::US | bits(key)], [0, 32 + key]),
        Page::LargeUser => ([RIGHTS | PS | bits(key), 0], [16 + key, low]),
        Page::LargeSupervisor => ([RIGHTS & !bit::US | PS | bits(key), 0], [32 + key, low]),
        Page::NextKey => ([RIGHTS, RIGHTS | bits(key % 15 + 1)], [0, 16 + key % 15 + 1]),
        Page::KeyInDirectory => ([RIGHTS | bits(key), RIGHTS], [48 + key, 16]),
    }
}

fn build() {
    rt::mmio::write_u8(frame(0), attempts::RETURN);
    for key in 0..NR_KEYS {
        for page in PAGES {
            let ([pde, pte], [directory, index]) = entries(page, key);
            if pde & PS != 0 {
                table::write(layout::WINDOW_PD, directory, frame(0) & !((2 << 20) - 1) | pde);
            } else {
                table::write(layout::WINDOW_PD, directory, layout::WINDOW_PT | pde);
                table::write(layout::WINDOW_PT, index, frame(0) | pte);
            }
        }
    }
}

/// Which register the rights are in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Pkru,
    Pkrs,
}

fn write_keys(keys: Keys, value: u32) -> Outcome {
    match keys {
        Keys::Pkru => user::call(write_pkru, u64::from(value)).into(),
        Keys::Pkrs => msr::write(number::IA32_PKRS, u64::from(value)).into(),
    }
}

/// Tries every right of every key but 0, which the runtime's own pages have.
fn sweep(keys: Keys, mode: Mode) {
    let enabled = control::With::cr4(if keys == Keys::Pkru { PKE } else { PKS }, 0);
    check_outcome!("the keys can be enabled", enabled.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    let Ok(_enabled) = enabled else { return };
    check_outcome!("tables built at CPL 3", user::run(build), Outcome::COMPLETED);
    table::reload_cr3();
    for row in NR_RIGHTS..NR_ROWS {
        let (key, rights) = (row / NR_RIGHTS, row % NR_RIGHTS);
        let value = (rights as u32) << (2 * key);
        let prepared = user::run(|| {
            for (index, page) in PAGES.into_iter().enumerate() {
                let (_, [directory, table_index]) = entries(page, key);
                let address = table::linear_address([1, 0, directory, table_index], 0);
                for operation in Operation::ALL {
                    attempts::put(index * 3 + operation as usize, address, driven(operation));
                }
            }
        });
        let written = write_keys(keys, value);
        let walked = with_mode(mode, || {
            if mode.user {
                attempts::run_user(PAGES.len() * 3)
            } else {
                attempts::run_supervisor(PAGES.len() * 3, false)
            }
        });
        let restored = write_keys(keys, 0);
        let judged = match keys {
            Keys::Pkru => Mode { user_keys: Some(value), ..mode },
            Keys::Pkrs => Mode { supervisor_keys: Some(value), ..mode },
        };
        let reported = user::run(|| report(row, key, judged));
        let ran = [Outcome::from(prepared), written, Outcome::from(walked), restored, Outcome::from(reported)];
        check!("row ran", [&NAMES; row], ran.iter().all(|outcome| *outcome == Outcome::COMPLETED));
    }
}

fn report(row: usize, key: usize, mode: Mode) {
    for (index, page) in PAGES.into_iter().enumerate() {
        let ([pde, pte], _) = entries(page, key);
        if mode.user && mode.supervisor_keys.is_some() && matches!(page, Page::Supervisor | Page::LargeSupervisor) {
            // It faults anyway; whether the error code names the key, too, is left open.
            continue;
        }
        for operation in Operation::ALL {
            let actual = attempts::outcome(index * 3 + operation as usize);
            let expected = Outcome(decide(&[RIGHTS, RIGHTS, pde, pte], operation, &mode).outcome);
            macro_rules! each {
                ($read:literal $write:literal $fetch:literal) => {
                    match operation {
                        Operation::Read => check_outcome!($read, [&NAMES; row], actual, expected),
                        Operation::Write => check_outcome!($write, [&NAMES; row], actual, expected),
                        Operation::Fetch => check_outcome!($fetch, [&NAMES; row], actual, expected),
                    }
                };
            }
            match page {
                Page::User => each!("user page, read" "user page, write" "user page, fetch"),
                Page::Supervisor => each!("supervisor page, read" "supervisor page, write" "supervisor page, fetch"),
                Page::LargeUser => each!("large user page, read" "large user page, write" "large user page, fetch"),
                Page::LargeSupervisor => each!("large supervisor page, read" "large supervisor page, write"
                                               "large supervisor page, fetch"),
                Page::NextKey => each!("next key, read" "next key, write" "next key, fetch"),
                Page::KeyInDirectory => each!("key in a PDE, read" "key in a PDE, write" "key in a PDE, fetch"),
            }
        }
    }
}

const USER: Mode = Mode { execute_disable: true, ..Mode::USER };
const SUPERVISOR: Mode = Mode { user: false, ..USER };
const NO_WP: Mode = Mode { write_protect: false, ..SUPERVISOR };

/// CPL 3 under PKRU: every right of every key, for user and supervisor pages of 4 KiB and 2 MiB.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKU | Needs::NX)]
fn pkru_user() {
    sweep(Keys::Pkru, USER);
}

/// CPL 0 under PKRU: every right of every key, for user and supervisor pages of 4 KiB and 2 MiB.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKU | Needs::NX)]
fn pkru_supervisor() {
    sweep(Keys::Pkru, SUPERVISOR);
}

/// CPL 0 under PKRU with CR0.WP clear, which takes the effect from WD: every right of every key.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKU | Needs::NX)]
fn pkru_supervisor_without_wp() {
    sweep(Keys::Pkru, NO_WP);
}

/// CPL 3 under PKRU with CR0.WP clear, where WD counts all the same: every right of every key.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKU | Needs::NX)]
fn pkru_user_without_wp() {
    sweep(Keys::Pkru, Mode { write_protect: false, ..USER });
}

/// CPL 0 under IA32_PKRS: every right of every key, for user and supervisor pages of 4 KiB and 2 MiB.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKS | Needs::NX)]
fn pkrs_supervisor() {
    sweep(Keys::Pkrs, SUPERVISOR);
}

/// CPL 0 under IA32_PKRS with CR0.WP clear, which takes the effect from WD: every right of every key.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKS | Needs::NX)]
fn pkrs_supervisor_without_wp() {
    sweep(Keys::Pkrs, NO_WP);
}

/// CPL 3 under IA32_PKRS, which does not concern user pages: every right of every key.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::PKS | Needs::NX)]
fn pkrs_user() {
    sweep(Keys::Pkrs, USER);
}

/// IA32_PKRS takes 32 bits: it raises #GP(0) for others, and keeps what it had.
#[case(feature = PagingProtectionKeys, spec = [sdm3a("Protection Keys"), sdm4("Architectural MSRs")],
       needs = Needs::PKS)]
fn pkrs_has_32_bits() {
    const ROWS: &[Text] = names!["bit 32", "bit 63", "all upper bits"];
    check_outcome!("32 bits", msr::write(number::IA32_PKRS, 0xffff_fffc), Outcome::COMPLETED);
    for (row, value) in [1 << 32, 1 << 63, u64::MAX << 32].into_iter().enumerate() {
        check_outcome!("WRMSR", [ROWS; row], msr::write(number::IA32_PKRS, value), Outcome::GP);
        rt::check_eq!("value", [ROWS; row], msr::read(number::IA32_PKRS).unwrap_or(0), 0xffff_fffc_u64);
    }
    check_outcome!("zero", msr::write(number::IA32_PKRS, 0), Outcome::COMPLETED);
}

/// PKRU has no effect while CR4.PKE is clear.
#[case(feature = PagingProtectionKeys, spec = sdm3a("Protection Keys"), needs = Needs::PKU)]
fn pkru_without_pke() {
    let enabled = control::With::cr4(PKE, 0);
    check_outcome!("PKRU written", user::call(write_pkru, 0xffff_fffc), Outcome::COMPLETED);
    drop(enabled);
    check_outcome!("tables built at CPL 3", user::run(build), Outcome::COMPLETED);
    table::reload_cr3();
    for key in 1..NR_KEYS {
        let (_, [directory, index]) = entries(Page::User, key);
        for operation in Operation::ALL {
            let row = (key - 1) * 3 + operation as usize;
            attempts::put(row, table::linear_address([1, 0, directory, index], 0), driven(operation));
        }
    }
    for is_user in [true, false] {
        let count = (NR_KEYS - 1) * 3;
        let walked = if is_user { attempts::run_user(count) } else { attempts::run_supervisor(count, false) };
        check_outcome!("walk of the table", walked, Outcome::COMPLETED);
        for row in 0..count {
            let (name, actual) = ((row / 3 + 1) * NR_RIGHTS + 3, attempts::outcome(row));
            match (is_user, row % 3) {
                (true, 0) => check_outcome!("CPL 3 read", [&NAMES; name], actual, Outcome::COMPLETED),
                (true, 1) => check_outcome!("CPL 3 write", [&NAMES; name], actual, Outcome::COMPLETED),
                (true, _) => check_outcome!("CPL 3 fetch", [&NAMES; name], actual, Outcome::COMPLETED),
                (false, 0) => check_outcome!("CPL 0 read", [&NAMES; name], actual, Outcome::COMPLETED),
                (false, 1) => check_outcome!("CPL 0 write", [&NAMES; name], actual, Outcome::COMPLETED),
                (false, _) => check_outcome!("CPL 0 fetch", [&NAMES; name], actual, Outcome::COMPLETED),
            }
        }
    }
}
