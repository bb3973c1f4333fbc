//! Entries load MSRs from a list behind all other checks.

use super::{
    entry_walk::seen,
    legality::{Column, Failure, judge},
    with_guest,
};
use rt::{
    Outcome, case, check_eq, check_outcome, names, user_code,
    vmx::{Guest, Page, field, page},
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

const CS: u32 = 0x174;

/// An entry: the number of the MSR with what stands above it, the value, and whether it can be loaded.
type Entry = (u64, u64, bool);

macro_rules! entries {
    ($table:ident $names:ident; $($title:literal: $index:expr, $value:expr, $is_legal:expr;)+) => {
        static $table: &[Entry] = &[$(($index, $value, $is_legal)),+];
        const $names: &[Text] = names![$($title),+];
    };
}

entries! { ENTRIES NAMES;
    "IA32_SYSENTER_CS": 0x174, 8, true;
    "IA32_STAR": 0xc000_0081, 0, true;
    "IA32_LSTAR": 0xc000_0082, 0, true;
    "IA32_KERNEL_GS_BASE": 0xc000_0102, 0, true;
    "IA32_FS_BASE": 0xc000_0100, 0, false;
    "IA32_GS_BASE": 0xc000_0101, 0, false;
    "MSR 800H": 0x800, 0, false;
    "MSR 808H": 0x808, 0, false;
    "MSR 8FFH": 0x8ff, 0, false;
    "IA32_SYSENTER_CS with bit 32": 0x1_0000_0174, 8, false;
    "IA32_SYSENTER_CS with bit 63": 0x8000_0000_0000_0174, 8, false;
    "IA32_LSTAR that is not canonical": 0xc000_0082, 1 << 62, false;
    "IA32_KERNEL_GS_BASE that is not canonical": 0xc000_0102, 1 << 47, false;
    "IA32_EFER with a reserved bit": 0xc000_0080, 1 << 63 | 0xd00, false;
    "IA32_PAT with a reserved type": 0x277, 2, false;
    "an MSR that there is not": 0x4000_0000, 0, false;
    "IA32_SMM_MONITOR_CTL": 0x9b, 0, false;
}

/// Enters with the entry in `place`, counted from 1, behind those that can be loaded.
fn enter(guest: &mut Guest, place: u64, entry: Entry) -> super::legality::Seen {
    for index in 0..4 {
        page::set_msr_entry(Page::EntryMsrLoad, index, CS, 0);
    }
    let at = Page::EntryMsrLoad.address() + 16 * (place - 1);
    rt::mmio::write_u64(at, entry.0);
    rt::mmio::write_u64(at + 8, entry.1);
    let _ = guest.set(field::ENTRY_MSR_LOAD, Page::EntryMsrLoad.address());
    let _ = guest.set(field::ENTRY_MSR_LOAD_COUNT, place + 1);
    let _ = guest.set(field::PREEMPTION_TIMER, 0);
    let seen = seen(guest.run());
    guest.reset();
    seen
}

fn each_at(place: u64) {
    with_guest(end, |guest| {
        for (row, &entry) in ENTRIES.iter().enumerate() {
            let failure = (!entry.2).then_some(Failure::Msr(place));
            for (column, actual, expected) in judge(failure, enter(guest, place, entry)).into_iter().flatten() {
                match column {
                    Column::Outcome => check_outcome!("entry with", [NAMES; row], Outcome(actual), Outcome(expected)),
                    Column::Reason => check_eq!("exit reason of a failed entry with", [NAMES; row], actual, expected),
                    Column::Qualification => check_eq!("exit qualification with", [NAMES; row], actual, expected),
                }
            }
        }
    });
}

/// Entries fail with exit reason 34 and qualification 1 where the first entry of the list cannot be loaded.
#[case(feature = VmxEntryGuestState, spec = [sdm3c("Loading MSRs"), sdm3c("VM-Entry Failures During or After Loading Guest State")],
       needs = Needs::INTEL | Needs::VMX)]
fn entry_loads_msrs_from_the_first_entry() {
    each_at(1);
}

/// The qualification tells the place of an entry that cannot be loaded: here the third.
#[case(feature = VmxEntryGuestState, spec = [sdm3c("Loading MSRs"), sdm3c("VM-Entry Failures During or After Loading Guest State")],
       needs = Needs::INTEL | Needs::VMX)]
fn entry_loads_msrs_from_the_third_entry() {
    each_at(3);
}

/// Controls are checked before host state, host state before guest state, and all before MSRs are loaded.
#[case(feature = VmxEntryGuestState, spec = [sdm3c("VM Entries"), sdm3c("Loading MSRs")], needs = Needs::INTEL | Needs::VMX)]
fn entry_checks_come_in_order() {
    const ORDER: &[Text] = names!["MSRs", "guest state", "host state", "controls"];
    let failures = [Failure::Msr(1), Failure::Guest(0), Failure::Host, Failure::ControlsOrHost];
    with_guest(end, |guest| {
        for (row, failure) in failures.into_iter().enumerate() {
            for (number, (field, value)) in
                [(field::GUEST_RFLAGS, 0), (field::HOST_CS, 0), (field::CR3_TARGET_COUNT, 0x1ff)]
                    .into_iter()
                    .enumerate()
            {
                if number < row {
                    let _ = guest.set(field, value);
                }
            }
            let seen = enter(guest, 1, (0xc000_0100, 0, false));
            for (column, actual, expected) in judge(Some(failure), seen).into_iter().flatten() {
                match column {
                    Column::Outcome => {
                        check_outcome!("entry with illegal", [ORDER; row], Outcome(actual), Outcome(expected))
                    }
                    Column::Reason => check_eq!("exit reason with illegal", [ORDER; row], actual, expected),
                    Column::Qualification => {
                        check_eq!("exit qualification with illegal", [ORDER; row], actual, expected)
                    }
                }
            }
        }
    });
}
