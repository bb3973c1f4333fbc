//! Five-level paging.

use super::{
    combinations::{NAMES, attempt, build, combination, driven, with_mode},
    decision::{A, D, Format, Mode, Operation, bit, decide},
};
use rt::{
    Outcome, attempts, case, catch, check_count, check_eq, check_outcome,
    cpu::control::{self, cr4, read_cr4},
    layout, mmio, names,
    paging::{self, ALL_RIGHTS, five_level::FiveLevel, frame, table},
    tables::page_bit::PS,
    user,
    vocabulary::{Needs, Text},
};

/// The frames of PML5, of the PML4 below its varied entries.
const PML5: usize = 5;
const PML4: usize = 6;
/// First varied entry of the PML5.
const FIRST: usize = 16;
/// Present, writable, user, executable: see [`super::combinations`].
const EVERYTHING: usize = 8 | 1 | 2;

const USER: Mode = Mode { format: Format::FiveLevel, execute_disable: true, ..Mode::USER };
const SUPERVISOR: Mode = Mode { user: false, ..USER };

/// Which entry is varied over the PTE: 0 for the PML5E to 3 for the PDE.
fn indices(level: usize, row: usize) -> [usize; 5] {
    let mut indices = [EVERYTHING; 5];
    indices[level] = row >> 4;
    indices[4] = row & 15;
    indices
}

fn address(level: usize, row: usize) -> u64 {
    let [pml5, pml4, pdpt, pd, pt] = indices(level, row);
    table::linear_address_5([FIRST + pml5, pml4, pdpt, pd, pt], 0)
}

/// Hangs the tables of [`super::combinations`] below a PML5.
fn build_five() {
    build(false);
    for nibble in 0..16 {
        table::write(frame(PML5), FIRST + nibble, frame(PML4) | combination(nibble));
        table::write(frame(PML4), nibble, frame(1) | combination(nibble));
    }
}

fn sweep(level: usize, mode: Mode) {
    let built = user::run(|| {
        build_five();
        for row in 0..256 {
            for operation in Operation::ALL {
                attempts::put(attempt(row, operation), address(level, row), driven(operation));
            }
        }
    });
    check_outcome!("tables built at CPL 3", built, Outcome::COMPLETED);
    let walked = with_mode(mode, || {
        let _five = FiveLevel::new(PML5);
        if mode.user { attempts::run_user(256 * 3) } else { attempts::run_supervisor(256 * 3, false) }
    });
    check_outcome!("walk of the table", walked, Outcome::COMPLETED);
    let reported = user::run(|| report(level, mode));
    check_outcome!("reported at CPL 3", reported, Outcome::COMPLETED);
}

fn report(level: usize, mode: Mode) {
    let mut nr_wrong_addresses = 0;
    for row in 0..256 {
        let entries = indices(level, row).map(combination);
        for operation in Operation::ALL {
            let index = attempt(row, operation);
            let (actual, expected) = (attempts::outcome(index), Outcome(decide(&entries, operation, &mode).outcome));
            match operation {
                Operation::Read => check_outcome!("read", [&NAMES; row], actual, expected),
                Operation::Write => check_outcome!("write", [&NAMES; row], actual, expected),
                Operation::Fetch => check_outcome!("fetch", [&NAMES; row], actual, expected),
            }
            let (cr2, address) = attempts::fault_address(index);
            nr_wrong_addresses += usize::from(actual != Outcome::COMPLETED && cr2 != address);
        }
    }
    check_count!("faults whose CR2 is not the address", nr_wrong_addresses, 0);
}

/// CPL 3 in five-level paging: every combination of P, R/W, U/S and XD of PML5E and PTE.
#[case(feature = PagingFiveLevel, spec = sdm3a("Determination of Access Rights"), needs = Needs::LA57 | Needs::NX)]
fn five_level_user_pml5e_over_pte() {
    sweep(0, USER);
}

/// CPL 3 in five-level paging: every combination of P, R/W, U/S and XD of PML4E and PTE.
#[case(feature = PagingFiveLevel, spec = sdm3a("Determination of Access Rights"), needs = Needs::LA57 | Needs::NX)]
fn five_level_user_pml4e_over_pte() {
    sweep(1, USER);
}

/// CPL 0 in five-level paging: every combination of P, R/W, U/S and XD of PML5E and PTE.
#[case(feature = PagingFiveLevel, spec = sdm3a("Determination of Access Rights"), needs = Needs::LA57 | Needs::NX)]
fn five_level_supervisor_pml5e_over_pte() {
    sweep(0, SUPERVISOR);
}

/// CPL 0 in five-level paging with CR0.WP clear: every combination of P, R/W, U/S and XD of PML5E and PTE.
#[case(feature = PagingFiveLevel, spec = sdm3a("Determination of Access Rights"), needs = Needs::LA57 | Needs::NX)]
fn five_level_supervisor_without_wp_pml5e_over_pte() {
    sweep(0, Mode { write_protect: false, ..SUPERVISOR });
}

/// MOV to CR4 that changes LA57 in long mode raises #GP(0), with four levels and with five.
#[case(feature = PagingFiveLevel, spec = sdm2("MOV—Move to/from Control Registers"), needs = Needs::LA57)]
fn la57_cannot_change_in_long_mode() {
    check_outcome!("set with four levels", control::write_cr4(read_cr4() | cr4::LA57), Outcome::GP);
    check_eq!("LA57 after it", read_cr4() & cr4::LA57, 0);
    let five = FiveLevel::new(PML5);
    let cleared = control::write_cr4(read_cr4() & !cr4::LA57);
    let after = read_cr4();
    let kept = control::write_cr4(after);
    drop(five);
    check_outcome!("clear with five levels", cleared, Outcome::GP);
    check_eq!("LA57 after that", after & cr4::LA57, cr4::LA57);
    check_outcome!("write of the same value", kept, Outcome::COMPLETED);
}

/// Addresses at the borders of what is canonical with 48 and with 57 bits, and whether they are with 57.
const BORDERS: [(u64, bool); 12] = [
    (0x0000_7fff_ffff_f000, true),
    (0x0000_8000_0000_0000, true),
    (0x0001_0000_0000_0000, true),
    (0x00ff_ffff_ffff_f000, true),
    (0x0100_0000_0000_0000, false),
    (0x8000_0000_0000_0000, false),
    (0xfeff_ffff_ffff_f000, false),
    (0xff00_0000_0000_0000, true),
    (0xff80_0000_0000_0000, true),
    (0xffff_7fff_ffff_f000, true),
    (0xffff_8000_0000_0000, true),
    (0xffff_ffff_ffff_f000, true),
];
const BORDER_NAMES: &[Text] = names![
    "00007FFF_FFFFF000H",
    "00008000_00000000H",
    "00010000_00000000H",
    "00FFFFFF_FFFFF000H",
    "01000000_00000000H",
    "80000000_00000000H",
    "FEFFFFFF_FFFFF000H",
    "FF000000_00000000H",
    "FF800000_00000000H",
    "FFFF7FFF_FFFFF000H",
    "FFFF8000_00000000H",
    "FFFFFFFF_FFFFF000H",
];

/// With five levels an address is canonical if bits 63 to 57 repeat bit 56; with four it is bit 47 that counts.
#[case(feature = PagingFiveLevel, spec = sdm1("Canonical Addressing"), needs = Needs::LA57)]
fn five_level_canonical_addresses() {
    let canonical_48 = |address: u64| ((address << 16) as i64 >> 16) as u64 == address;
    for five in [false, true] {
        for (row, (address, _)) in BORDERS.into_iter().enumerate() {
            attempts::put(row, address, attempts::Operation::Read);
        }
        for is_user in [false, true] {
            let guard = five.then(|| FiveLevel::new(PML5));
            let walked = if is_user {
                attempts::run_user(BORDERS.len())
            } else {
                attempts::run_supervisor(BORDERS.len(), false)
            };
            drop(guard);
            check_outcome!("walk of the table", walked, Outcome::COMPLETED);
            for (row, (address, canonical_57)) in BORDERS.into_iter().enumerate() {
                let canonical = if five { canonical_57 } else { canonical_48(address) };
                let expected = if canonical { Outcome::pf(u32::from(is_user) << 2) } else { Outcome::GP };
                let actual = attempts::outcome(row);
                match (five, is_user) {
                    (false, false) => check_outcome!("four levels, CPL 0", [BORDER_NAMES; row], actual, expected),
                    (false, true) => check_outcome!("four levels, CPL 3", [BORDER_NAMES; row], actual, expected),
                    (true, false) => check_outcome!("five levels, CPL 0", [BORDER_NAMES; row], actual, expected),
                    (true, true) => check_outcome!("five levels, CPL 3", [BORDER_NAMES; row], actual, expected),
                }
            }
        }
    }
}

/// Bit 7 of a PML5 entry is reserved.
#[case(feature = PagingFiveLevel, spec = sdm3a("4-Level Paging and 5-Level Paging"), needs = Needs::LA57)]
fn page_size_is_reserved_in_pml5() {
    build_five();
    table::write(frame(PML5), FIRST, frame(PML4) | ALL_RIGHTS | PS);
    let address = table::linear_address_5([FIRST, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING], 0);
    for operation in Operation::ALL {
        attempts::put(operation as usize, address, driven(operation));
    }
    let entries = [ALL_RIGHTS | PS, ALL_RIGHTS, ALL_RIGHTS, ALL_RIGHTS, ALL_RIGHTS];
    for is_user in [true, false] {
        let five = FiveLevel::new(PML5);
        let walked = if is_user { attempts::run_user(3) } else { attempts::run_supervisor(3, false) };
        drop(five);
        check_outcome!("walk of the table", walked, Outcome::COMPLETED);
        let mode = Mode { execute_disable: false, user: is_user, ..USER };
        for operation in Operation::ALL {
            let (actual, expected) =
                (attempts::outcome(operation as usize), decide(&entries, operation, &mode).outcome);
            let row = operation as usize;
            if is_user {
                check_outcome!("CPL 3", [names!["read", "write", "fetch"]; row], actual, Outcome(expected));
            } else {
                check_outcome!("CPL 0", [names!["read", "write", "fetch"]; row], actual, Outcome(expected));
            }
        }
    }
}

/// An access sets A in each of the five entries, and a write D in the last one only.
#[case(feature = PagingFiveLevel, spec = sdm3a("Accessed and Dirty Flags"), needs = Needs::LA57)]
fn five_level_flags() {
    for (row, (operation, is_user)) in [
        (Operation::Read, false),
        (Operation::Read, true),
        (Operation::Write, false),
        (Operation::Write, true),
        (Operation::Fetch, false),
        (Operation::Fetch, true),
    ]
    .into_iter()
    .enumerate()
    {
        const ROWS: &[Text] =
            names!["CPL 0 read", "CPL 3 read", "CPL 0 write", "CPL 3 write", "CPL 0 fetch", "CPL 3 fetch"];
        build_five();
        let indices = [FIRST + EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING];
        attempts::put(0, table::linear_address_5(indices, 0), driven(operation));
        let five = FiveLevel::new(PML5);
        let walked = if is_user { attempts::run_user(1) } else { attempts::run_supervisor(1, false) };
        drop(five);
        check_outcome!("walk", [ROWS; row], walked, Outcome::COMPLETED);
        check_outcome!("access", [ROWS; row], attempts::outcome(0), Outcome::COMPLETED);
        for (level, index) in [PML5, PML4, 1, 2, 3].into_iter().zip(indices) {
            let flags = table::read(frame(level), index) & (A | D);
            let expected = if level == 3 && operation == Operation::Write { A | D } else { A };
            match level {
                PML5 => check_eq!("PML5E", [ROWS; row], flags, expected),
                PML4 => check_eq!("PML4E", [ROWS; row], flags, expected),
                1 => check_eq!("PDPTE", [ROWS; row], flags, expected),
                2 => check_eq!("PDE", [ROWS; row], flags, expected),
                _ => check_eq!("PTE", [ROWS; row], flags, expected),
            }
        }
    }
}

/// Bits 56 to 48 of an address select an entry of the PML5: first, last and lone bits.
#[case(feature = PagingFiveLevel, spec = sdm3a("4-Level Paging and 5-Level Paging"), needs = Needs::LA57)]
fn five_level_indices() {
    const INDICES: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 255, 256, 511];
    build_five();
    let inner = [EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING];
    mmio::write_u64(frame(0) + 0x20, 0x5a5a);
    for (row, index) in INDICES.into_iter().enumerate() {
        table::write(frame(PML5), index, frame(PML4) | bit::P | bit::RW | bit::US);
        let five = FiveLevel::new(PML5);
        let address = table::linear_address_5([index, inner[0], inner[1], inner[2], inner[3]], 0x20);
        let read = catch(|| mmio::read_u64(address)).unwrap_or(0);
        // The bits above the nine are part of the address too: four levels fewer would find the boot tables.
        let absent = Outcome::from(catch(|| mmio::read_u64(address ^ 1 << 47)));
        table::write(frame(PML5), index, 0);
        paging::invalidate(address);
        let removed = Outcome::from(catch(|| mmio::read_u64(address)));
        drop(five);
        const ROWS: &[Text] = names!["1", "2", "4", "8", "16", "32", "64", "128", "255", "256", "511"];
        check_eq!("read", [ROWS; row], read, 0x5a5a);
        check_outcome!("absent in the PML4", [ROWS; row], absent, Outcome::pf(0));
        check_outcome!("absent after INVLPG", [ROWS; row], removed, Outcome::pf(0));
    }
    check_eq!("four levels again", mmio::read_u64(layout::PML4) & !0xfff, layout::IDENTITY_PDPT);
}
