//! Areas of MSRs that entries load, and that exits store and load.

use super::{exit_slots::run, with_guest};
use rt::{
    case, check, check_eq,
    cpu::msr,
    mmio, names,
    user::register::{RAX, RCX, RDX},
    user_code,
    vmx::{
        Guest, Page,
        control::processor,
        field,
        page::{msr_entry, set_msr_entry},
        reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");
user_code!(rdmsr: "rdmsr", "vmcall");
user_code!(wrmsr: "wrmsr", "vmcall");

const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const CSTAR: u32 = 0xc000_0083;
const SFMASK: u32 = 0xc000_0084;
const KERNEL_GS_BASE: u32 = 0xc000_0102;
/// MSRs that this image does not use.
const MSRS: [u32; 4] = [STAR, LSTAR, SFMASK, KERNEL_GS_BASE];
const NAMES: &[Text] = names!["IA32_STAR", "IA32_LSTAR", "IA32_FMASK", "IA32_KERNEL_GS_BASE"];
const VALUES: [u64; 4] = [0x0023_0008_0000_0000, 0x1234_5678_9000, 0x4_7700, 0xffff_8800_0000_1000];

fn entry_area(guest: &mut Guest, count: u64) {
    let _ = guest.set(field::ENTRY_MSR_LOAD, Page::EntryMsrLoad.address());
    let _ = guest.set(field::ENTRY_MSR_LOAD_COUNT, count);
}

fn open_bitmaps(guest: &mut Guest) {
    Page::MsrBitmap.fill(0);
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MSR_BITMAPS.into());
    let _ = guest.set(field::MSR_BITMAP, Page::MsrBitmap.address());
}

/// Runs `body`, and gives the MSRs back what they had.
fn keeping_msrs(body: impl FnOnce()) {
    let before = MSRS.map(|number| msr::read(number).unwrap_or(0));
    body();
    for (number, value) in MSRS.into_iter().zip(before) {
        let _ = msr::write(number, value);
    }
}

/// An entry loads each MSR of its area in order, and L2 reads what it loaded; the exit leaves them.
#[case(feature = VmxMsrs, spec = sdm3c("Loading MSRs"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn entries_load_msrs() {
    keeping_msrs(|| {
        with_guest(rdmsr, |guest| {
            for (row, number) in MSRS.into_iter().enumerate() {
                for (index, (number, value)) in MSRS.into_iter().zip(VALUES).enumerate() {
                    let _ = msr::write(number, 0);
                    set_msr_entry(Page::EntryMsrLoad, index as u64 * 2, number, 0);
                    set_msr_entry(Page::EntryMsrLoad, index as u64 * 2 + 1, number, value);
                }
                entry_area(guest, 8);
                open_bitmaps(guest);
                guest.registers[RCX] = number.into();
                let exit = run(guest);
                let seen = guest.registers[RAX] | guest.registers[RDX] << 32;
                guest.reset();
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
                check_eq!("value in L2", [NAMES; row], seen, VALUES[row]);
                check_eq!("value behind the exit", [NAMES; row], msr::read(number).unwrap_or(0), VALUES[row]);
            }
        });
    });
}

/// An entry of the area that may not be loaded fails the VM entry with its number; what is behind it is not loaded.
#[case(feature = VmxMsrs, spec = [sdm3c("Loading MSRs"), sdm3c("VM-Entry Failures During or After Loading Guest State")], needs = Needs::INTEL | Needs::VMX)]
fn entries_refuse_msrs() {
    const ROWS: [(u64, u64); 12] = [
        (0xc000_0100, 0),
        (0xc000_0101, 0),
        (0x800, 0),
        (0x808, 0),
        (0x8ff, 0),
        (STAR as u64 | 1 << 32, 0),
        (STAR as u64 | 1 << 63, 0),
        (LSTAR as u64, 1 << 63),
        (KERNEL_GS_BASE as u64, 0x8000_0000_0000_0000),
        (0xc000_0080, 1 << 63),
        (0x4b56_0000, 0),
        (0x480, 0),
    ];
    const NAMES: &[Text] = names![
        "IA32_FS_BASE",
        "IA32_GS_BASE",
        "MSR 800H",
        "MSR 808H",
        "MSR 8FFH",
        "bit 32 of the number",
        "bit 63 of the number",
        "IA32_LSTAR, not canonical",
        "IA32_KERNEL_GS_BASE, not canonical",
        "IA32_EFER, reserved bit",
        "an MSR that there is not",
        "an MSR that is read-only"
    ];
    keeping_msrs(|| {
        with_guest(end, |guest| {
            for (row, (number, value)) in ROWS.into_iter().enumerate() {
                for place in 1..=3_u64 {
                    for index in 0..4 {
                        set_msr_entry(Page::EntryMsrLoad, index, SFMASK, 0x100 * (index + 1));
                    }
                    let _ = msr::write(SFMASK, 0);
                    mmio::write_u64(Page::EntryMsrLoad.address() + (place - 1) * 16, number);
                    mmio::write_u64(Page::EntryMsrLoad.address() + (place - 1) * 16 + 8, value);
                    entry_area(guest, 4);
                    let exit = run(guest);
                    guest.reset();
                    let loaded = msr::read(SFMASK).unwrap_or(u64::MAX);
                    // The place is the first digit behind the name's number.
                    let at = row * 10 + place as usize;
                    check_eq!("exit reason", [&[]; at], exit.reason, reason::ENTRY_FAILED | reason::MSR_LOADING);
                    check_eq!("exit qualification", [&[]; at], exit.qualification, place);
                    check_eq!("what was loaded in front of it", [&[]; at], loaded, 0x100 * (place - 1));
                }
                check!("the guest runs without it", [NAMES; row], run(guest).is_end());
                guest.reset();
            }
        });
    });
}

/// An exit stores each MSR of its area as L2 left it, and then loads those of the other area.
#[case(feature = VmxMsrs, spec = [sdm3c("Saving MSRs"), sdm3c("Loading MSRs")], needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn exits_store_and_load_msrs() {
    const LOADED: [u64; 4] = [0x0033_0010_0000_0000, 0x1111_2222_3000, 0x700, 0x7000_0000_0000];
    keeping_msrs(|| {
        with_guest(wrmsr, |guest| {
            for (row, number) in MSRS.into_iter().enumerate() {
                for (index, number) in MSRS.into_iter().enumerate() {
                    let _ = msr::write(number, 0);
                    set_msr_entry(Page::ExitMsrStore, index as u64, number, u64::MAX);
                    set_msr_entry(Page::ExitMsrLoad, index as u64, number, LOADED[index]);
                }
                let _ = guest.set(field::EXIT_MSR_STORE, Page::ExitMsrStore.address());
                let _ = guest.set(field::EXIT_MSR_STORE_COUNT, 4);
                let _ = guest.set(field::EXIT_MSR_LOAD, Page::ExitMsrLoad.address());
                let _ = guest.set(field::EXIT_MSR_LOAD_COUNT, 4);
                open_bitmaps(guest);
                guest.registers[RCX] = number.into();
                guest.registers[RAX] = VALUES[row] & 0xffff_ffff;
                guest.registers[RDX] = VALUES[row] >> 32;
                let exit = run(guest);
                guest.reset();
                check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
                check_eq!("stored value", [NAMES; row], msr_entry(Page::ExitMsrStore, row as u64), VALUES[row]);
                let others =
                    (0..4).filter(|&index| index != row).map(|index| msr_entry(Page::ExitMsrStore, index as u64));
                check_eq!("stored values of the others", [NAMES; row], others.fold(0, |all, value| all | value), 0);
                check_eq!("loaded value", [NAMES; row], msr::read(number).unwrap_or(0), LOADED[row]);
            }
        });
    });
}

/// An entry that fails for the area loads the host's state and the exit's area, and stores nothing.
#[case(feature = VmxMsrs, spec = sdm3c("VM-Entry Failures During or After Loading Guest State"), needs = Needs::INTEL | Needs::VMX)]
fn failed_entries_load_the_exit_area() {
    keeping_msrs(|| {
        with_guest(end, |guest| {
            for by_area in [false, true] {
                let _ = msr::write(CSTAR, 0);
                let _ = msr::write(LSTAR, 0);
                set_msr_entry(Page::ExitMsrStore, 0, LSTAR, 0x77);
                set_msr_entry(Page::ExitMsrLoad, 0, LSTAR, 0x5000);
                set_msr_entry(Page::EntryMsrLoad, 0, 0xc000_0100, 0);
                let _ = guest.set(field::EXIT_MSR_STORE, Page::ExitMsrStore.address());
                let _ = guest.set(field::EXIT_MSR_STORE_COUNT, 1);
                let _ = guest.set(field::EXIT_MSR_LOAD, Page::ExitMsrLoad.address());
                let _ = guest.set(field::EXIT_MSR_LOAD_COUNT, 1);
                if by_area {
                    entry_area(guest, 1);
                } else {
                    let _ = guest.set(field::GUEST_RFLAGS, 0);
                }
                let exit = run(guest);
                guest.reset();
                let row = u64::from(by_area);
                let due = if by_area { reason::MSR_LOADING } else { reason::INVALID_GUEST_STATE };
                check_eq!("exit reason", [&[]; row], exit.reason, reason::ENTRY_FAILED | due);
                check_eq!("the exit's area is loaded", [&[]; row], msr::read(LSTAR).unwrap_or(0), 0x5000);
                check_eq!("nothing is stored", [&[]; row], msr_entry(Page::ExitMsrStore, 0), 0x77);
            }
        });
    });
}
