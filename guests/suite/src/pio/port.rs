//! IN and OUT: operand sizes, addressing, and what else they change.

use rt::{
    Outcome, case, check_eq, check_outcome, instruction, names,
    test_device::{self, Access, port_number, summary},
    vocabulary::{
        Needs,
        image::board::{COM1_PORT, UNCLAIMED_PORT},
    },
};

/// The POST code port: reads and writes of it have no effect that a case could notice.
const POST_PORT: u8 = 0x80;
/// Offset of the UART's scratch register, which keeps what is written to it (PC16550D, "Scratchpad Register").
const UART_SCRATCH: u16 = 7;

const PATTERN: u64 = 0x1122_3344_5566_7788;

/// IN to AL and AX leaves the rest of RAX as it was, IN to EAX clears its upper half.
#[case(feature = PortIo, spec = [sdm2("IN—Input From Port"), sdm1("General-Purpose Registers in 64-Bit Mode")])]
fn in_and_upper_bits_of_rax() {
    macro_rules! row {
        ($row:literal, $instruction:literal, $mask:literal, $expected:expr) => {{
            let mut rax = PATTERN;
            let result = instruction!($instruction, inout("rax") rax, in("rdx") u64::from(UNCLAIMED_PORT));
            const NAMES: &[rt::vocabulary::Text] =
                names!["IN AL, DX", "IN AX, DX", "IN EAX, DX", "IN AL, imm8", "IN AX, imm8", "IN EAX, imm8"];
            check_outcome!("the read", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("upper bits of RAX", [NAMES; $row], rax & $mask, $expected);
        }};
    }
    row!(0, "in al, dx", 0xffff_ffff_ffff_ff00, PATTERN & !0xff);
    row!(1, "in ax, dx", 0xffff_ffff_ffff_0000, PATTERN & !0xffff);
    row!(2, "in eax, dx", 0xffff_ffff_0000_0000, 0);
    row!(3, "in al, 0x80", 0xffff_ffff_ffff_ff00, PATTERN & !0xff);
    row!(4, "in ax, 0x80", 0xffff_ffff_ffff_0000, PATTERN & !0xffff);
    row!(5, "in eax, 0x80", 0xffff_ffff_0000_0000, 0);
}

/// The port number is DX alone: the upper bits of RDX do not count.
#[case(feature = PortIo, spec = [sdm2("IN—Input From Port"), sdm2("OUT—Output to Port")], needs = Needs::COM1)]
fn only_dx_selects_the_port() {
    let rdx = 0xfedc_ba98_7654_0000 | u64::from(COM1_PORT + UART_SCRATCH);
    let mut rax = 0_u64;
    for (row, value) in [0x5a_u64, 0xa5].into_iter().enumerate() {
        let write = instruction!("out dx, al", in("rdx") rdx, in("rax") value);
        let read = instruction!("in al, dx", in("rdx") rdx, inout("rax") rax);
        check_outcome!("OUT", [&[]; row], write, Outcome::COMPLETED);
        check_outcome!("IN", [&[]; row], read, Outcome::COMPLETED);
        check_eq!("AL", [&[]; row], rax & 0xff, value);
    }
}

/// OUT changes no general-purpose register, IN none but the accumulator, and neither changes RFLAGS.
#[case(feature = PortIo, spec = [sdm2("IN—Input From Port"), sdm2("OUT—Output to Port")])]
fn other_registers_are_kept() {
    // CF, PF, AF, ZF, SF and OF, and all of them clear.
    const STATUS: u64 = 0x8d5;
    macro_rules! row {
        ($row:literal, $instruction:literal) => {
            for flags in [STATUS, 0] {
                let (mut rax, mut rdx, mut after) = (PATTERN, 0x1234_0000 | u64::from(UNCLAIMED_PORT), flags);
                let (mut rcx, mut r8, mut r15) = (!PATTERN, PATTERN + 8, PATTERN + 15);
                let result = instruction!(
                    "push {flags}", "popfq", $instruction, "pushfq", "pop {flags}",
                    flags = inout(reg) after, inout("rax") rax, inout("rdx") rdx, inout("rcx") rcx, inout("r8") r8,
                    inout("r15") r15);
                const NAMES: &[rt::vocabulary::Text] =
                    names!["OUT DX, AL", "OUT DX, AX", "OUT DX, EAX", "OUT imm8, AL", "IN AL, DX", "IN EAX, DX"];
                check_outcome!("the access", [NAMES; $row], result, Outcome::COMPLETED);
                check_eq!("status flags", [NAMES; $row], after & STATUS, flags);
                check_eq!("RDX", [NAMES; $row], rdx, 0x1234_0000 | u64::from(UNCLAIMED_PORT));
                check_eq!("RCX", [NAMES; $row], rcx, !PATTERN);
                check_eq!("R8", [NAMES; $row], r8, PATTERN + 8);
                check_eq!("R15", [NAMES; $row], r15, PATTERN + 15);
                if $row < 4 {
                    check_eq!("RAX", [NAMES; $row], rax, PATTERN);
                }
            }
        };
    }
    row!(0, "out dx, al");
    row!(1, "out dx, ax");
    row!(2, "out dx, eax");
    row!(3, "out 0x80, al");
    row!(4, "in al, dx");
    row!(5, "in eax, dx");
}

/// IN and OUT change no register of the system: CR2, DR0 to DR3 and the bases of segments are as they were.
#[case(feature = PortIo, spec = [sdm2("IN—Input From Port"), sdm2("OUT—Output to Port")])]
fn system_registers_are_kept() {
    use rt::cpu::{control, debug, msr, port};
    const NAMES: &[rt::vocabulary::Text] = names!["OUT", "IN"];
    const ADDRESSES: [u64; 4] = [0x1000, 0x2000, 0x3000, 0x4000];
    const CR2: u64 = 0x1234_5678_9000;
    let bases = [msr::number::IA32_FS_BASE, msr::number::IA32_KERNEL_GS_BASE];
    let read_bases = || bases.map(|number| msr::read(number).unwrap_or(u64::MAX));
    for (row, is_read) in [false, true].into_iter().enumerate() {
        debug::write_addresses(ADDRESSES);
        check_outcome!("writing CR2", [NAMES; row], control::write_cr2(CR2), Outcome::COMPLETED);
        let before = read_bases();
        if is_read {
            let _ = port::read_u8(UNCLAIMED_PORT);
        } else {
            port::write_u8(UNCLAIMED_PORT, 0);
        }
        let (cr2, addresses, after) = (control::read_cr2(), debug::read_addresses(), read_bases());
        check_eq!("CR2", [NAMES; row], cr2, CR2);
        check_eq!("DR0", [NAMES; row], addresses[0], ADDRESSES[0]);
        check_eq!("DR1", [NAMES; row], addresses[1], ADDRESSES[1]);
        check_eq!("DR2", [NAMES; row], addresses[2], ADDRESSES[2]);
        check_eq!("DR3", [NAMES; row], addresses[3], ADDRESSES[3]);
        check_eq!("FS.base", [NAMES; row], after[0], before[0]);
        check_eq!("base for SWAPGS", [NAMES; row], after[1], before[1]);
    }
}

/// LOCK before IN or OUT raises #UD.
#[case(feature = PortIo, spec = sdm2("LOCK—Assert LOCK# Signal Prefix"))]
fn lock_prefix_is_invalid() {
    macro_rules! row {
        ($row:literal, $bytes:literal) => {
            check_outcome!(
                "with LOCK",
                [names!["IN AL, imm8", "IN AL, DX", "IN EAX, DX", "OUT imm8, AL", "OUT DX, AL", "OUT DX, EAX"]; $row],
                instruction!($bytes, in("rdx") u64::from(POST_PORT), inout("rax") 0_u64 => _),
                Outcome::UD
            )
        };
    }
    row!(0, ".byte 0xf0, 0xe4, 0x80");
    row!(1, ".byte 0xf0, 0xec");
    row!(2, ".byte 0xf0, 0xed");
    row!(3, ".byte 0xf0, 0xe6, 0x80");
    row!(4, ".byte 0xf0, 0xee");
    row!(5, ".byte 0xf0, 0xef");
}

/// REX.W does not make an access to a port wider than 32 bits, nor does any prefix but 66H change its size.
#[case(feature = PortIo, spec = [sdm1("I/O Port Addressing"), apm3("IN")], needs = Needs::TEST_DEVICE)]
fn prefixes_and_access_size() {
    const NAMES: &[rt::vocabulary::Text] = names![
        "REX.W IN EAX",
        "66 IN AX",
        "66 IN AL",
        "67 IN EAX",
        "2E IN EAX",
        "REX.W OUT EAX",
        "66 OUT AX",
        "66 OUT AL"
    ];
    let port = u64::from(port_number(4));
    macro_rules! row {
        ($row:literal, $bytes:literal, $access:expr) => {{
            test_device::clear_log();
            let mut rax = 0x8765_4321_0fed_cba9_u64;
            let result = instruction!($bytes, in("rdx") port, inout("rax") rax);
            check_outcome!("the access", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("log", [NAMES; $row], test_device::read_summary(), summary(&[$access]));
            if $row == 0 {
                check_eq!("upper half of RAX", [NAMES; $row], rax >> 32, 0);
            }
        }};
    }
    row!(0, ".byte 0x48, 0xed", Access::port_in(4, 4));
    row!(1, ".byte 0x66, 0xed", Access::port_in(4, 2));
    row!(2, ".byte 0x66, 0xec", Access::port_in(4, 1));
    row!(3, ".byte 0x67, 0xed", Access::port_in(4, 4));
    row!(4, ".byte 0x2e, 0xed", Access::port_in(4, 4));
    row!(5, ".byte 0x48, 0xef", Access::port_out(4, 4));
    row!(6, ".byte 0x66, 0xef", Access::port_out(4, 2));
    row!(7, ".byte 0x66, 0xee", Access::port_out(4, 1));
}

/// An aligned access of each width is one access of that size, and carries exactly its bytes.
#[case(feature = PortIo, spec = sdm1("I/O Port Addressing"), needs = Needs::TEST_DEVICE)]
fn each_width_is_one_access() {
    use rt::cpu::port::{read_u8, read_u16, read_u32, write_u8, write_u16, write_u32};
    const NAMES: &[rt::vocabulary::Text] = names!["8 bits", "16 bits", "32 bits"];
    const VALUE: u32 = 0x89ab_cdef;
    macro_rules! row {
        ($row:literal, $write:ident, $read:ident, $type:ty, $offset:literal) => {{
            const SIZE: u64 = size_of::<$type>() as u64;
            test_device::clear_log();
            $write(port_number($offset), VALUE as $type);
            let value = $read(port_number($offset));
            let log = test_device::read_summary();
            let expected = summary(&[Access::port_out($offset, SIZE), Access::port_in($offset, SIZE)]);
            check_eq!("write and read in the log", [NAMES; $row], log, expected);
            check_eq!("data of the write", [NAMES; $row], test_device::read_data(0), VALUE as $type);
            check_eq!("value read back", [NAMES; $row], value, VALUE as $type);
        }};
    }
    row!(0, write_u8, read_u8, u8, 3);
    row!(1, write_u16, read_u16, u16, 6);
    row!(2, write_u32, read_u32, u32, 8);
}

/// A wide access addresses consecutive ports, the least significant byte at the lowest; it need not be aligned.
#[case(feature = PortIo, spec = sdm1("I/O Port Addressing"), needs = Needs::TEST_DEVICE)]
fn wide_accesses_are_little_endian() {
    use rt::cpu::port::{read_u8, read_u16, read_u32, write_u16, write_u32};
    const VALUE: u32 = 0x4433_2211;
    for offset in 0..4 {
        write_u32(port_number(offset), VALUE);
        for byte in 0..4 {
            let expected = VALUE >> (byte * 8) & 0xff;
            check_eq!("byte of 32", [&[]; offset * 4 + byte], read_u8(port_number(offset + byte)), expected);
        }
        check_eq!("32 bits", [&[]; offset], read_u32(port_number(offset)), VALUE);
        check_eq!("16 bits of 32", [&[]; offset], read_u16(port_number(offset + 1)), 0x3322);
    }
    write_u16(port_number(9), 0xbbaa);
    check_eq!("low byte of 16", read_u8(port_number(9)), 0xaa);
    check_eq!("high byte of 16", read_u8(port_number(10)), 0xbb);
}

/// Reads and writes of ports happen in the order of the program.
#[case(feature = PortIo, spec = sdm1("Ordering I/O"), needs = Needs::TEST_DEVICE)]
fn accesses_keep_program_order() {
    const EXPECTED: [Access; 6] = [
        Access::port_out(0, 1),
        Access::port_in(4, 4),
        Access::port_out(2, 2),
        Access::port_in(0, 1),
        Access::port_out(8, 4),
        Access::port_in(2, 2),
    ];
    test_device::clear_log();
    let first = u64::from(port_number(0));
    let result = instruction!(
        "out dx, al", "add edx, 4", "in eax, dx", "sub edx, 2", "out dx, ax", "sub edx, 2", "in al, dx",
        "add edx, 8", "out dx, eax", "sub edx, 6", "in ax, dx",
        inout("rdx") first => _, inout("rax") PATTERN => _);
    check_outcome!("the sequence", result, Outcome::COMPLETED);
    check_eq!("number of accesses", test_device::read_nr_accesses(), EXPECTED.len());
    for (row, expected) in EXPECTED.into_iter().enumerate() {
        check_eq!("access", [&[]; row], test_device::read_access(row as u32).0, expected.0);
    }
}
