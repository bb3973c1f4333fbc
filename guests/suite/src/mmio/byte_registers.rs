//! Loads and stores by every 8-bit register, and by every register whose encoding is special.

use rt::{
    Outcome, case, check_eq, check_outcome, instruction, mmio, names,
    test_device::page_address,
    vocabulary::{Needs, Text},
};

const NAMES: &[Text] =
    names!["AL", "CL", "DL", "BL", "AH", "CH", "DH", "BH", "SPL", "BPL", "SIL", "DIL", "R8B", "R12B", "R13B", "R15B"];

// RAX holds the address and what a register held before, so that any register may be the subject: it is saved on the
// stack (or in R14, for SPL), used, read by XCHG and restored.
macro_rules! load {
    ($row:literal, $full:literal, $byte:literal, $shift:literal) => {{
        const BEFORE: u64 = 0xc1c2_c3c4_c5c6_c7c8;
        let mut after = 0_u64;
        let result = instruction!(
            concat!("mov r9, ", $full), concat!("mov ", $full, ", r10"),
            concat!("mov ", $byte, ", [r11]"), concat!("xchg ", $full, ", r9"),
            out("r9") after, in("r10") BEFORE, in("r11") page_address($row));
        let expected = BEFORE & !(0xff << $shift) | (0xa0 + $row) << $shift;
        check_outcome!("load", [NAMES; $row], result, Outcome::COMPLETED);
        check_eq!("register after the load", [NAMES; $row], after, expected);
    }};
}

// The high-byte registers cannot be encoded with a REX prefix, so the address is in RSI or RDI there.
macro_rules! load_high {
    ($row:literal, $full:literal, $byte:literal) => {{
        const BEFORE: u64 = 0xc1c2_c3c4_c5c6_c7c8;
        let mut after = 0_u64;
        let result = instruction!(
            concat!("mov r9, ", $full), concat!("mov ", $full, ", r10"),
            concat!("mov ", $byte, ", [rsi]"), concat!("xchg ", $full, ", r9"),
            out("r9") after, in("r10") BEFORE, in("rsi") page_address($row));
        let expected = BEFORE & !0xff00 | (0xa0 + $row) << 8;
        check_outcome!("load", [NAMES; $row], result, Outcome::COMPLETED);
        check_eq!("register after the load", [NAMES; $row], after, expected);
    }};
}

/// A load into each 8-bit register changes that byte of that register and nothing else of it.
#[case(feature = MmioWidth, spec = sdm2("MOV—Move"), needs = Needs::TEST_DEVICE)]
fn load_into_each_byte_register() {
    for row in 0..16 {
        mmio::write_u8(page_address(row), 0xa0 + row as u8);
    }
    load!(0, "rax", "al", 0);
    load!(1, "rcx", "cl", 0);
    load!(2, "rdx", "dl", 0);
    load!(3, "rbx", "bl", 0);
    load_high!(4, "rax", "ah");
    load_high!(5, "rcx", "ch");
    load_high!(6, "rdx", "dh");
    load_high!(7, "rbx", "bh");
    load!(8, "rsp", "spl", 0);
    load!(9, "rbp", "bpl", 0);
    load!(10, "rsi", "sil", 0);
    load!(11, "rdi", "dil", 0);
    load!(12, "r8", "r8b", 0);
    load!(13, "r12", "r12b", 0);
    load!(14, "r13", "r13b", 0);
    load!(15, "r15", "r15b", 0);
}

macro_rules! store {
    ($row:literal, $full:literal, $byte:literal, $address:tt, $shift:literal) => {{
        let result = instruction!(
            concat!("mov r9, ", $full), concat!("mov ", $full, ", r10"),
            concat!("mov [", $address, "], ", $byte), concat!("mov ", $full, ", r9"),
            out("r9") _, in("r10") (0xb0_u64 + $row) << $shift | 0x1100_0000_0011_0000, in($address) page_address($row));
        check_outcome!("store", [NAMES; $row], result, Outcome::COMPLETED);
        check_eq!("byte stored", [NAMES; $row], mmio::read_u8(page_address($row)), 0xb0 + $row);
    }};
}

/// A store of each 8-bit register stores that byte of that register.
#[case(feature = MmioWidth, spec = sdm2("MOV—Move"), needs = Needs::TEST_DEVICE)]
fn store_of_each_byte_register() {
    store!(0, "rax", "al", "r11", 0);
    store!(1, "rcx", "cl", "r11", 0);
    store!(2, "rdx", "dl", "r11", 0);
    store!(3, "rbx", "bl", "r11", 0);
    store!(4, "rax", "ah", "rsi", 8);
    store!(5, "rcx", "ch", "rsi", 8);
    store!(6, "rdx", "dh", "rsi", 8);
    store!(7, "rbx", "bh", "rsi", 8);
    store!(8, "rsp", "spl", "r11", 0);
    store!(9, "rbp", "bpl", "r11", 0);
    store!(10, "rsi", "sil", "r11", 0);
    store!(11, "rdi", "dil", "r11", 0);
    store!(12, "r8", "r8b", "r11", 0);
    store!(13, "r12", "r12b", "r11", 0);
    store!(14, "r13", "r13b", "r11", 0);
    store!(15, "r15", "r15b", "r11", 0);
}

/// MOV between the accumulator and a 64-bit absolute address moves each width.
#[case(feature = MmioWidth, spec = sdm2("MOV—Move"), needs = Needs::TEST_DEVICE)]
fn absolute_address_forms() {
    const NAMES: &[Text] = names!["AL", "AX", "EAX", "RAX"];
    const PATTERN: u64 = 0x8877_6655_4433_2211;
    const BEFORE: u64 = 0xc1c2_c3c4_c5c6_c7c8;
    const _: () = assert!(page_address(0x20) == 0xd000_0020);
    macro_rules! row {
        ($row:literal, $load:literal, $store:literal, $loaded:expr, $stored:expr) => {{
            mmio::write_u64(page_address(0x20), PATTERN);
            let mut rax = BEFORE;
            let load = instruction!($load, inout("rax") rax);
            let store = instruction!($store, in("rax") BEFORE);
            check_outcome!("load", [NAMES; $row], load, Outcome::COMPLETED);
            check_outcome!("store", [NAMES; $row], store, Outcome::COMPLETED);
            check_eq!("RAX after the load", [NAMES; $row], rax, $loaded);
            check_eq!("memory after the store", [NAMES; $row], mmio::read_u64(page_address(0x20)), $stored);
        }};
    }
    row!(
        0,
        ".byte 0xa0; .quad 0xd0000020",
        ".byte 0xa2; .quad 0xd0000020",
        0xc1c2_c3c4_c5c6_c711_u64,
        0x8877_6655_4433_22c8_u64
    );
    row!(
        1,
        ".byte 0x66, 0xa1; .quad 0xd0000020",
        ".byte 0x66, 0xa3; .quad 0xd0000020",
        0xc1c2_c3c4_c5c6_2211_u64,
        0x8877_6655_4433_c7c8_u64
    );
    row!(2, ".byte 0xa1; .quad 0xd0000020", ".byte 0xa3; .quad 0xd0000020", 0x4433_2211_u64, 0x8877_6655_c5c6_c7c8_u64);
    row!(3, ".byte 0x48, 0xa1; .quad 0xd0000020", ".byte 0x48, 0xa3; .quad 0xd0000020", PATTERN, BEFORE);
}
