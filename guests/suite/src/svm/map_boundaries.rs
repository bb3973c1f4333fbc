//! The maps of ports and MSRs at each border: the first and last bit of every range, and both neighbours.

use super::{end_of, ending::COMPLETED, with_svm};
use rt::{
    case, check_eq,
    svm::{
        Guest,
        field::{EXCEPTIONS, INTERCEPTS_1, exit, intercept_1},
        set_msr, set_port,
    },
    user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(rdmsr: "rdmsr", "vmmcall");
user_code!(wrmsr: "wrmsr", "vmmcall");
user_code!(in_byte: "in al, dx", "vmmcall");
user_code!(in_word: "in ax, dx", "vmmcall");
user_code!(in_dword: "in eax, dx", "vmmcall");

/// MSRs on either side of bytes, words and ranges of the map.
const MSRS: [u32; 24] = [
    0,
    1,
    3,
    4,
    7,
    8,
    0x1ff,
    0x200,
    0xfff,
    0x1000,
    0x1ffe,
    0x1fff,
    0xc000_0000,
    0xc000_0001,
    0xc000_0003,
    0xc000_0004,
    0xc000_1ffe,
    0xc000_1fff,
    0xc001_0000,
    0xc001_0001,
    0xc001_0003,
    0xc001_0004,
    0xc001_1ffe,
    0xc001_1fff,
];

/// A guest whose MSRs are intercepted by the map.
fn guest(code: Code, number: u32) -> Guest {
    let mut guest = Guest::new(code);
    guest.intercept(INTERCEPTS_1, intercept_1::MSR);
    guest.write_u32(EXCEPTIONS, u32::MAX);
    guest.registers.rcx = number.into();
    guest
}

/// Reads and writes of MSRs at borders of the map exit by their own bit.
#[case(feature = SvmMsrs, spec = apm2("MSR Intercepts"), needs = Needs::SVM)]
fn msrs_at_borders_exit_by_their_bit() {
    with_svm(|| {
        for number in MSRS {
            for (code, write) in [(rdmsr as Code, 0), (wrmsr as Code, 1)] {
                let _ = set_msr(number, write == 0, write == 1);
                let exit = guest(code, number).run();
                let _ = set_msr(number, false, false);
                let information = exit.as_ref().map_or(2, |exit| exit.info_1);
                check_eq!("ending", [&[]; u64::from(number) << 4 | write], end_of(exit), exit::MSR);
                check_eq!("EXITINFO1", [&[]; u64::from(number) << 4 | write], information, write);
            }
        }
    });
}

/// They do not exit by any other bit of the neighbourhood: reads by that of writes, by those of the MSRs beside it.
#[case(feature = SvmMsrs, spec = apm2("MSR Intercepts"), needs = Needs::SVM)]
fn msrs_at_borders_do_not_exit_by_others() {
    with_svm(|| {
        for number in MSRS {
            let neighbours = [number.wrapping_sub(1), number + 1];
            for neighbour in neighbours {
                let _ = set_msr(neighbour, true, true);
            }
            let _ = set_msr(number, false, true);
            // What the read does is another question: there may be no such MSR.
            let ending = end_of(guest(rdmsr, number).run());
            for other in [neighbours[0], number, neighbours[1]] {
                let _ = set_msr(other, false, false);
            }
            check_eq!("it exits", [&[]; number], u64::from(ending == exit::MSR), 0);
        }
    });
}

/// Ports at borders of bytes, words, pages and of the whole map.
const PORTS: [u16; 16] = [
    0xf000, 0xf001, 0xf007, 0xf008, 0xf00f, 0xf010, 0xf01f, 0xf03f, 0xf0ff, 0xf1ff, 0xefff, 0x7fff, 0x8000, 0xfffc,
    0xfffe, 0xffff,
];

/// The bit of each port that an access touches makes it exit, over every border; past the last port it counts the bits behind it.
#[case(feature = SvmPorts, spec = apm2("IOIO Intercepts"), needs = Needs::SVM)]
fn ports_at_borders_exit_by_each_bit() {
    with_svm(|| {
        for port in PORTS {
            for (code, size) in [(in_byte as Code, 1), (in_word as Code, 2), (in_dword as Code, 4)] {
                for offset in 0..size {
                    let Some(marked) = port.checked_add(offset) else { continue };
                    let mut guest = Guest::new(code);
                    guest.intercept(INTERCEPTS_1, intercept_1::IOIO);
                    guest.registers.rdx = port.into();
                    set_port(marked, true);
                    let exit = guest.run();
                    set_port(marked, false);
                    let information = exit.as_ref().map_or(0, |exit| exit.info_1);
                    let row = u64::from(port) << 8 | u64::from(size) << 4 | u64::from(offset);
                    let ending = end_of(exit);
                    check_eq!("ending", [&[]; row], ending, exit::IOIO);
                    check_eq!("port of EXITINFO1", [&[]; row], information >> 16, port);
                }
            }
        }
    });
}

/// The bits beside them do not.
#[case(feature = SvmPorts, spec = apm2("IOIO Intercepts"), needs = Needs::SVM | Needs::UNCLAIMED)]
fn ports_at_borders_do_not_exit_by_others() {
    with_svm(|| {
        for port in [0xf001_u16, 0xf006, 0xf007, 0xf008, 0xf00f, 0xf010, 0xf01f, 0xf03f, 0xf0ff, 0xf1ff] {
            for (code, size) in [(in_byte as Code, 1), (in_word as Code, 2), (in_dword as Code, 4)] {
                let mut guest = Guest::new(code);
                guest.intercept(INTERCEPTS_1, intercept_1::IOIO);
                guest.registers.rdx = port.into();
                for beside in [port - 1, port + size] {
                    set_port(beside, true);
                }
                let ending = end_of(guest.run());
                for beside in [port - 1, port + size] {
                    set_port(beside, false);
                }
                check_eq!("ending", [&[]; u64::from(port) << 8 | u64::from(size)], ending, COMPLETED);
            }
        }
    });
}
