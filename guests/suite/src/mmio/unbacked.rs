//! Addresses and ports that no device claims: reads give ones, writes vanish.

use rt::{
    Outcome, case, catch, check_eq, check_outcome,
    cpu::port,
    instruction, mmio, names, paging, user, user_code,
    vocabulary::{
        Needs, Text,
        image::board::{UNCLAIMED_MMIO, UNCLAIMED_PORT},
    },
};

const V: u64 = 0x8877_6655_4433_2211;

/// Reads of an address that no device claims return ones in every width, before and after writes to it.
#[case(feature = MmioUnbacked, spec = pci("Master Initiated Termination"), needs = Needs::UNCLAIMED)]
fn unclaimed_memory_reads_ones() {
    for turn in 0..2 {
        let address = UNCLAIMED_MMIO + 0x40;
        let read = catch(|| {
            (mmio::read_u8(address), mmio::read_u16(address), mmio::read_u32(address), mmio::read_u64(address))
        });
        check_outcome!("loads", [names!["before writes", "after writes"]; turn], read, Outcome::COMPLETED);
        let (byte, word, doubleword, quadword) = read.unwrap_or_default();
        check_eq!("8 bits", [names!["before writes", "after writes"]; turn], byte, 0xff);
        check_eq!("16 bits", [names!["before writes", "after writes"]; turn], word, 0xffff);
        check_eq!("32 bits", [names!["before writes", "after writes"]; turn], doubleword, 0xffff_ffff_u32);
        check_eq!("64 bits", [names!["before writes", "after writes"]; turn], quadword, u64::MAX);
        let write = catch(|| {
            mmio::write_u8(address, 0x11);
            mmio::write_u16(address, 0x2211);
            mmio::write_u32(address, 0x4433_2211);
            mmio::write_u64(address, V);
        });
        check_outcome!("stores", [names!["first", "second"]; turn], write, Outcome::COMPLETED);
    }
}

/// Read-modify-write of an address that no device claims takes ones as its operand, and its result vanishes.
#[case(feature = MmioUnbacked, spec = [pci("Master Initiated Termination"), sdm2("ADD—Add")], needs = Needs::UNCLAIMED)]
fn unclaimed_read_modify_write() {
    const NAMES: &[Text] = names!["ADD", "XCHG", "LOCK INC", "CMPXCHG"];
    const ZF: u64 = 1 << 6;
    let address = UNCLAIMED_MMIO + 0x80;
    macro_rules! row {
        ($row:literal, $instruction:literal, $rax:expr, $zf:expr) => {{
            let (mut rax, mut flags): (u64, u64) = (0xffff_ffff, 0);
            let result = instruction!("mov edx, 1", $instruction, "pushfq", "pop rdx", in("rcx") address,
                inout("rax") rax, out("rdx") flags);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("EAX", [NAMES; $row], rax, $rax);
            check_eq!("ZF", [NAMES; $row], flags & ZF, $zf);
            check_eq!("value read afterwards", [NAMES; $row], mmio::read_u32(address), 0xffff_ffff_u32);
        }};
    }
    row!(0, "add [rcx], edx", 0xffff_ffff_u64, ZF);
    row!(1, "xor eax, eax; xchg [rcx], eax", 0xffff_ffff_u64, ZF);
    row!(2, "lock inc dword ptr [rcx]", 0xffff_ffff_u64, ZF);
    row!(3, "cmpxchg [rcx], edx", 0xffff_ffff_u64, ZF);
}

/// String instructions move ones from an address that no device claims, and throw away what they move there.
#[case(feature = MmioUnbacked, spec = [pci("Master Initiated Termination"),
       sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String")], needs = Needs::UNCLAIMED)]
fn unclaimed_strings() {
    let buffer = paging::frame(0);
    let result = instruction!("rep movsd", inout("rsi") UNCLAIMED_MMIO => _, inout("rdi") buffer => _,
        inout("rcx") 3_u64 => _);
    check_outcome!("REP MOVSD from it", result, Outcome::COMPLETED);
    check_eq!("first eight bytes", mmio::read_u64(buffer), u64::MAX);
    check_eq!("next eight bytes", mmio::read_u64(buffer + 8), 0xffff_ffff_u64);
    mmio::write_u64(buffer, V);
    let result = instruction!("rep movsw", inout("rsi") buffer => _, inout("rdi") UNCLAIMED_MMIO => _,
        inout("rcx") 4_u64 => _);
    check_outcome!("REP MOVSW to it", result, Outcome::COMPLETED);
    check_eq!("value read afterwards", mmio::read_u64(UNCLAIMED_MMIO), u64::MAX);
}

user_code!(load: "mov rax, [rdi]", "ret");
user_code!(store: "mov [rdi], rdi", "xor eax, eax", "ret");

/// From CPL 3, too, an address that no device claims reads ones and swallows writes.
#[case(feature = MmioUnbacked, spec = pci("Master Initiated Termination"), needs = Needs::UNCLAIMED)]
fn unclaimed_memory_from_cpl_3() {
    let first = user::call(load, UNCLAIMED_MMIO + 8);
    check_outcome!("load", first, Outcome::COMPLETED);
    check_eq!("value", first.unwrap_or(0), u64::MAX);
    check_outcome!("store", user::call(store, UNCLAIMED_MMIO + 8), Outcome::COMPLETED);
    check_eq!("value after the store", user::call(load, UNCLAIMED_MMIO + 8).unwrap_or(0), u64::MAX);
}

/// Reads of a port that no device claims return ones in every width, before and after writes to it.
#[case(feature = MmioUnbacked, spec = pci("Master Initiated Termination"), needs = Needs::UNCLAIMED)]
fn unclaimed_ports_read_ones() {
    for turn in 0..2 {
        const NAMES: &[Text] = names!["before writes", "after writes"];
        check_eq!("8 bits", [NAMES; turn], port::read_u8(UNCLAIMED_PORT), 0xff);
        check_eq!("16 bits", [NAMES; turn], port::read_u16(UNCLAIMED_PORT), 0xffff);
        check_eq!("32 bits", [NAMES; turn], port::read_u32(UNCLAIMED_PORT), 0xffff_ffff_u32);
        port::write_u8(UNCLAIMED_PORT, 0x11);
        port::write_u16(UNCLAIMED_PORT, 0x2211);
        port::write_u32(UNCLAIMED_PORT, 0x4433_2211);
    }
    let buffer = paging::frame(0);
    let result = instruction!("rep insw", in("rdx") u64::from(UNCLAIMED_PORT), inout("rdi") buffer => _,
        inout("rcx") 3_u64 => _);
    check_outcome!("REP INSW", result, Outcome::COMPLETED);
    check_eq!("memory after REP INSW", mmio::read_u64(buffer), 0xffff_ffff_ffff_u64);
}
