//! MSR bitmaps: every border, every byte of a sample, reads apart from writes.

use super::{exit_slots::run, with_guest};
use rt::{
    case, check_eq,
    user::register::{RAX, RCX, RDX},
    user_code,
    vmx::{Guest, Page, control::processor, field, page::set_msr, reason},
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(rdmsr: "rdmsr", "vmcall");
user_code!(wrmsr: "wrmsr", "vmcall");

/// Numbers at the borders of both ranges and of bytes, and each bit of the number in both ranges.
fn numbers() -> impl Iterator<Item = u32> {
    const EDGES: [u32; 7] = [0, 1, 7, 0x3ff, 0xfff, 0x1ff8, 0x1fff];
    let low = (1..13).map(|bit| 1 << bit).chain(EDGES);
    low.flat_map(|number| [number, 0xc000_0000 | number])
}

fn with_bitmaps(guest: &mut Guest, number: u32) {
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MSR_BITMAPS.into());
    let _ = guest.set(field::MSR_BITMAP, Page::MsrBitmap.address());
    guest.registers[RCX] = 0xffff_ffff_0000_0000 | u64::from(number);
}

/// Each MSR has the bit of its number: alone in the bitmaps, it makes the read or the write exit.
fn each_alone(code: Code, write: bool, due: u32) {
    with_guest(code, |guest| {
        for number in numbers() {
            Page::MsrBitmap.fill(0);
            let _ = set_msr(number, !write, write);
            with_bitmaps(guest, number);
            let exit = run(guest);
            let rax = guest.registers[RAX] | guest.registers[RDX];
            guest.reset();
            check_eq!("exit reason", [&[]; number], exit.reason, due);
            check_eq!("exit qualification", [&[]; number], exit.qualification, 0);
            check_eq!("instruction length", [&[]; number], exit.length, 2);
            check_eq!("RAX and RDX", [&[]; number], rax, 0);
        }
        Page::MsrBitmap.fill(0);
    });
}

/// RDMSR exits by the bit of its MSR in the read bitmaps; the upper half of RCX does not count.
#[case(feature = VmxMsrs, spec = sdm3c("MSR-Bitmap Address"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn reads_exit_by_their_own_bit() {
    each_alone(rdmsr, false, reason::RDMSR);
}

/// WRMSR exits by the bit of its MSR in the write bitmaps, before anything is written.
#[case(feature = VmxMsrs, spec = sdm3c("MSR-Bitmap Address"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn writes_exit_by_their_own_bit() {
    each_alone(wrmsr, true, reason::WRMSR);
}

/// With all bits set but one, a read of its MSR does not exit: it completes, or raises #GP where there is no such MSR.
#[case(feature = VmxMsrs, spec = sdm3c("MSR-Bitmap Address"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn other_bits_do_not_count() {
    with_guest(rdmsr, |guest| {
        for number in numbers() {
            Page::MsrBitmap.fill(u64::MAX);
            let _ = set_msr(number, false, true);
            with_bitmaps(guest, number);
            let exit = run(guest);
            guest.reset();
            let due = match rt::cpu::msr::read(number) {
                Ok(_) => reason::VMCALL,
                Err(_) => reason::EXCEPTION_OR_NMI,
            };
            check_eq!("exit reason", [&[]; number], exit.reason, due);
        }
        Page::MsrBitmap.fill(0);
    });
}

/// Numbers behind both ranges exit by reads and writes, although no bit is set.
#[case(feature = VmxMsrs, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn writes_outside_of_the_bitmaps_exit() {
    const NUMBERS: [u32; 8] =
        [0x2000, 0x2001, 0x4000_0000, 0x8000_0000, 0xbfff_ffff, 0xc000_2000, 0xc001_0000, 0xffff_ffff];
    Page::MsrBitmap.fill(0);
    with_guest(rdmsr, |guest| {
        for number in NUMBERS {
            for (code, due) in [(rdmsr as Code, reason::RDMSR), (wrmsr, reason::WRMSR)] {
                guest.start_at(code);
                with_bitmaps(guest, number);
                let exit = run(guest);
                guest.reset();
                if due == reason::RDMSR {
                    check_eq!("exit reason of a read", [&[]; number], exit.reason, due);
                } else {
                    check_eq!("exit reason of a write", [&[]; number], exit.reason, due);
                }
            }
        }
    });
}
