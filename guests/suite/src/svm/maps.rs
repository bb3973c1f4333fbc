//! Permission maps of ports and of MSRs, at their borders.

use super::{model::Row, observe, report, start_of, with_svm};
use rt::{
    case, check_eq, names,
    svm::{
        Guest,
        field::{INTERCEPTS_1, exit, intercept_1},
        set_msr, set_port,
    },
    user_code,
    vocabulary::{Needs, Text, image::board::UNCLAIMED_PORT},
};

user_code!(in_byte: "in al, dx", "vmmcall");
user_code!(in_word: "in ax, dx", "vmmcall");
user_code!(in_dword: "in eax, dx", "vmmcall");
user_code!(out_byte: "out dx, al", "vmmcall");
user_code!(out_word: "out dx, ax", "vmmcall");
user_code!(out_dword: "out dx, eax", "vmmcall");

/// Bits of EXITINFO1 of a port access.
mod io {
    pub(super) const IN: u64 = 1 << 0;
    pub(super) const SIZE_SHIFT: u32 = 4;
    pub(super) const ADDRESS_64: u64 = 1 << 9;
    pub(super) const PORT_SHIFT: u32 = 16;
}

type Code = extern "C" fn(u64) -> u64;

/// Code, its length, its size in bytes, and whether it reads.
const ACCESSES: [(Code, u64, u16, bool); 6] = [
    (in_byte, 1, 1, true),
    (in_word, 2, 2, true),
    (in_dword, 1, 4, true),
    (out_byte, 1, 1, false),
    (out_word, 2, 2, false),
    (out_dword, 1, 4, false),
];

/// An access exits if the bit of any of its ports is set, with port, size and direction; and not by the bits around them.
#[case(feature = SvmPorts, spec = [apm2("IOIO Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn each_port_of_an_access_counts() {
    with_svm(|| {
        let mut row_number = 0;
        for (code, length, size, is_in) in ACCESSES {
            for offset in -1..=i32::from(size) {
                let port = UNCLAIMED_PORT;
                let marked = (i32::from(port) + offset) as u16;
                let mut guest = Guest::new(code);
                guest.intercept(INTERCEPTS_1, intercept_1::IOIO);
                guest.registers.rdx = port.into();
                set_port(marked, true);
                let exit = guest.run();
                set_port(marked, false);
                if (0..i32::from(size)).contains(&offset) {
                    let information = u64::from(port) << io::PORT_SHIFT
                        | u64::from(size) << io::SIZE_SHIFT
                        | if is_in { io::IN } else { 0 }
                        | io::ADDRESS_64;
                    // Segment and address size are those of string instructions: bits 12:7 are left out for others.
                    let seen = observe(&guest, exit, start_of(code));
                    let mask = !(0x1f80_u64);
                    let row = Row::instruction(exit::IOIO, length)
                        .with_info_1(information & mask)
                        .with_info_2(start_of(code) + length);
                    let seen = super::model::Observed { info_1: seen.info_1 & mask, ..seen };
                    report(row_number, &row, seen);
                } else {
                    let code = exit.map_or(0xffff_fffe, |exit| exit.code);
                    check_eq!("exit code by the bit of another port", [&[]; row_number], code, exit::VMMCALL);
                }
                row_number += 1;
            }
        }
    });
}

/// Without the intercept of ports, the map does not count.
#[case(feature = SvmPorts, spec = apm2("IOIO Intercepts"), needs = Needs::SVM)]
fn the_map_of_ports_needs_its_intercept() {
    with_svm(|| {
        for (row, (code, ..)) in ACCESSES.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.registers.rdx = UNCLAIMED_PORT.into();
            for port in UNCLAIMED_PORT..UNCLAIMED_PORT + 4 {
                set_port(port, true);
            }
            let exit = guest.run();
            for port in UNCLAIMED_PORT..UNCLAIMED_PORT + 4 {
                set_port(port, false);
            }
            check_eq!("exit code", [&[]; row], exit.map_or(0xffff_fffe, |exit| exit.code), exit::VMMCALL);
        }
    });
}

user_code!(rdmsr: "rdmsr", "vmmcall");
user_code!(wrmsr: "wrmsr", "vmmcall");

/// MSRs whose reads do no harm, in each range of the map, and one that no range has.
const MSRS: &[u32] = &[0x10, 0x1b, 0x277, 0xc000_0080, 0xc000_0081, 0xc000_0102, 0xc001_0010];
const MSR_NAMES: &[Text] = names!["10H", "1BH", "277H", "C0000080H", "C0000081H", "C0000102H", "C0010010H"];

/// Reads and writes of an MSR exit each by a bit of its own; other MSRs' bits do not count.
#[case(feature = SvmMsrs, spec = [apm2("MSR Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn reads_and_writes_have_a_bit_each() {
    with_svm(|| {
        for (row, &number) in MSRS.iter().enumerate() {
            for (write, code) in [(0, rdmsr as Code), (1, wrmsr as Code)] {
                let mut guest = Guest::new(code);
                guest.intercept(INTERCEPTS_1, intercept_1::MSR);
                guest.registers.rcx = number.into();
                let _ = set_msr(number, write == 0, write == 1);
                let exit = guest.run();
                let _ = set_msr(number, false, false);
                let due = Row::instruction(exit::MSR, 2).with_info_1(write);
                report(row * 2 + write as usize, &due, observe(&guest, exit, start_of(code)));
            }
            // Only the bit of writes is set, and those of the neighbours: a read goes through.
            let mut guest = Guest::new(rdmsr);
            guest.intercept(INTERCEPTS_1, intercept_1::MSR);
            guest.registers.rcx = number.into();
            for (number, reads, writes) in [(number - 1, true, true), (number, false, true), (number + 1, true, true)] {
                let _ = set_msr(number, reads, writes);
            }
            let code = guest.run().map_or(0xffff_fffe, |exit| exit.code);
            for number in number - 1..=number + 1 {
                let _ = set_msr(number, false, false);
            }
            check_eq!("a read by the bit of writes", [MSR_NAMES; row], code, exit::VMMCALL);
        }
    });
}

/// MSRs that no range of the map has always exit, if MSRs are intercepted at all.
#[case(feature = SvmMsrs, spec = apm2("MSR Intercepts"), needs = Needs::SVM)]
fn msrs_outside_of_the_map_always_exit() {
    const NAMES: &[Text] = names!["2000H", "4B564D00H", "BFFFFFFFH", "C0002000H", "C0012000H", "FFFFFFFFH"];
    with_svm(|| {
        for (row, number) in
            [0x2000_u64, 0x4b56_4d00, 0xbfff_ffff, 0xc000_2000, 0xc001_2000, 0xffff_ffff].into_iter().enumerate()
        {
            let mut guest = Guest::new(rdmsr);
            guest.intercept(INTERCEPTS_1, intercept_1::MSR);
            guest.registers.rcx = number;
            let exit = guest.run().map_or(0xffff_fffe, |exit| exit.code);
            check_eq!("exit code", [NAMES; row], exit, exit::MSR);
        }
    });
}
