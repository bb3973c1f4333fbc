//! I/O and MSR bitmaps.

use super::with_guest;
use rt::{
    case, check_eq, names,
    user::register::{RCX, RDX},
    user_code,
    vmx::{
        Exit, Guest, Page,
        control::processor,
        field,
        page::{set_msr, set_port},
        reason,
    },
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

/// An I/O instruction whose port is 80H, by an immediate byte or in DX.
struct Access {
    code: Code,
    qualification: u64,
    length: u64,
}

macro_rules! accesses {
    ($($function:ident $title:literal: $assembly:literal $length:literal, $qualification:expr;)*) => {
        $(user_code!($function: $assembly, "vmcall");)*
        static ACCESSES: &[Access] = &[$(Access { code: $function, qualification: $qualification | 0x80 << 16, length: $length }),*];
        const NAMES: &[Text] = names![$($title),*];
    };
}

const IN: u64 = 1 << 3;
const IMMEDIATE: u64 = 1 << 6;

accesses! {
    in_al_dx "IN AL, DX": "in al, dx" 1, IN;
    in_ax_dx "IN AX, DX": "in ax, dx" 2, IN | 1;
    in_eax_dx "IN EAX, DX": "in eax, dx" 1, IN | 3;
    in_al "IN AL, 80H": "in al, 0x80" 2, IN | IMMEDIATE;
    in_ax "IN AX, 80H": "in ax, 0x80" 3, IN | IMMEDIATE | 1;
    in_eax "IN EAX, 80H": "in eax, 0x80" 2, IN | IMMEDIATE | 3;
    out_al_dx "OUT DX, AL": "out dx, al" 1, 0;
    out_ax_dx "OUT DX, AX": "out dx, ax" 2, 1;
    out_eax_dx "OUT DX, EAX": "out dx, eax" 1, 3;
    out_al "OUT 80H, AL": "out 0x80, al" 2, IMMEDIATE;
    out_ax "OUT 80H, AX": "out 0x80, ax" 3, IMMEDIATE | 1;
    out_eax "OUT 80H, EAX": "out 0x80, eax" 2, IMMEDIATE | 3;
}

/// "Unconditional I/O exiting" lets every I/O instruction exit, with size, direction, form and port in the exit qualification.
#[case(feature = VmxPorts, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX)]
fn unconditional_exits_of_ports() {
    with_guest(in_al, |guest| {
        for (row, access) in ACCESSES.iter().enumerate() {
            guest.start_at(access.code);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::UNCONDITIONAL_IO.into());
            guest.registers[RDX] = 0x80;
            let exit = guest.run().unwrap_or_default();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::IO_INSTRUCTION);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, access.qualification);
            check_eq!("instruction length", [NAMES; row], exit.length, access.length);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
            guest.reset();
        }
    });
}

fn with_io_bitmaps(guest: &mut Guest) {
    let controls = processor::IO_BITMAPS | processor::UNCONDITIONAL_IO;
    // The other control does not count beside bitmaps.
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, controls.into());
    let _ = guest.set(field::IO_BITMAP_A, Page::IoBitmapA.address());
    let _ = guest.set(field::IO_BITMAP_B, Page::IoBitmapB.address());
}

fn run(guest: &mut Guest) -> Exit {
    guest.run().unwrap_or(Exit { reason: u32::MAX, ..Exit::default() })
}

/// With I/O bitmaps an access exits by the bits of its ports: any of those that it covers, in both bitmaps, and no others.
#[case(feature = VmxPorts, spec = [sdm3c("I/O-Bitmap Addresses"), sdm3c("Instructions That Cause VM Exits Conditionally")],
       needs = Needs::INTEL | Needs::VMX)]
fn ports_by_their_bits() {
    // Ports that no device of a PC has, and both sides of the border of the bitmaps.
    const PORTS: [u16; 6] = [0x80, 0x7ff0, 0x7ffe, 0x7fff, 0x8000, 0x9a37];
    const SIZES: [(Code, u16); 3] = [(in_al_dx, 1), (in_ax_dx, 2), (in_eax_dx, 4)];
    for page in [Page::IoBitmapA, Page::IoBitmapB] {
        page.fill(0);
    }
    with_guest(in_al_dx, |guest| {
        for (size_row, (code, size)) in SIZES.into_iter().enumerate() {
            guest.start_at(code);
            for (row, port) in PORTS.into_iter().enumerate() {
                // The bit of one port at a time, from the one before the access to the one behind it.
                for distance in 0..size + 2 {
                    let set = port - 1 + distance;
                    set_port(set, true);
                    with_io_bitmaps(guest);
                    guest.registers[RDX] = port.into();
                    let covers = (1..=size).contains(&distance);
                    let due = if covers { reason::IO_INSTRUCTION } else { reason::VMCALL };
                    let seen = run(guest).reason;
                    set_port(set, false);
                    guest.reset();
                    // A row's number tells size, port, and where the bit is from the port before the access on.
                    check_eq!("exit reason", [&[]; size_row * 100 + row * 10 + usize::from(distance)], seen, due);
                }
            }
        }
    });
}

user_code!(rdmsr: "rdmsr", "vmcall");
user_code!(wrmsr: "wrmsr", "vmcall");

/// MSRs that can be read without harm, at both borders of both ranges where there are such.
const MSRS: [u32; 5] = [0x10, 0x1b, 0x277, 0xc000_0080, 0xc000_0102];
const MSR_NAMES: &[Text] = names!["10H", "1BH", "277H", "C0000080H", "C0000102H"];

fn with_msr_bitmaps(guest: &mut Guest) {
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MSR_BITMAPS.into());
    let _ = guest.set(field::MSR_BITMAP, Page::MsrBitmap.address());
}

/// With MSR bitmaps reads and writes of an MSR exit each by a bit of its own; those of its neighbours do not count.
#[case(feature = VmxMsrs, spec = [sdm3c("MSR-Bitmap Address"), sdm3c("Instructions That Cause VM Exits Conditionally")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn msrs_by_their_bits() {
    Page::MsrBitmap.fill(0);
    with_guest(rdmsr, |guest| {
        for (row, number) in MSRS.into_iter().enumerate() {
            for (write, code, due) in [(false, rdmsr as Code, reason::RDMSR), (true, wrmsr as Code, reason::WRMSR)] {
                let _ = set_msr(number, !write, write);
                guest.start_at(code);
                with_msr_bitmaps(guest);
                guest.registers[RCX] = number.into();
                let exit = run(guest);
                let _ = set_msr(number, false, false);
                guest.reset();
                if write {
                    check_eq!("exit reason of a write", [MSR_NAMES; row], exit.reason, due);
                } else {
                    check_eq!("exit reason of a read", [MSR_NAMES; row], exit.reason, due);
                }
            }
            // The bit of writes, and all bits of the neighbours: a read goes through.
            for (number, reads) in [(number - 1, true), (number, false), (number + 1, true)] {
                let _ = set_msr(number, reads, true);
            }
            guest.start_at(rdmsr);
            with_msr_bitmaps(guest);
            guest.registers[RCX] = number.into();
            let seen = run(guest).reason;
            Page::MsrBitmap.fill(0);
            guest.reset();
            check_eq!("exit reason by other bits", [MSR_NAMES; row], seen, reason::VMCALL);
        }
    });
}

/// MSRs that the bitmaps have no bit for always exit.
#[case(feature = VmxMsrs, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MSR_MAPS)]
fn msrs_outside_of_the_bitmaps_exit() {
    const NUMBERS: [u32; 6] = [0x2000, 0x4b56_4d00, 0xbfff_ffff, 0xc000_2000, 0xc001_0010, 0xffff_ffff];
    const NAMES: &[Text] = names!["2000H", "4B564D00H", "BFFFFFFFH", "C0002000H", "C0010010H", "FFFFFFFFH"];
    Page::MsrBitmap.fill(0);
    with_guest(rdmsr, |guest| {
        for (row, number) in NUMBERS.into_iter().enumerate() {
            with_msr_bitmaps(guest);
            guest.registers[RCX] = number.into();
            check_eq!("exit reason", [NAMES; row], run(guest).reason, reason::RDMSR);
            guest.reset();
        }
    });
}
