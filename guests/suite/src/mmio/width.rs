//! Loads and stores of each width: what the device sees, what the register gets.

use rt::{
    Outcome, case, check_eq, check_outcome, instruction, mmio, names,
    test_device::{self, Access, page_address, summary},
    vocabulary::{Needs, Text},
};

const PATTERN: u64 = 0x8877_6655_4433_2211;

/// An aligned store and an aligned load of each width are one access of that size each, with exactly those bytes.
#[case(feature = MmioWidth, spec = [sdm3a("Guaranteed Atomic Operations"), sdm3a("Methods of Caching Available")],
       needs = Needs::TEST_DEVICE)]
fn each_width_is_one_access() {
    const NAMES: &[Text] = names!["8 bits", "16 bits", "32 bits", "64 bits"];
    macro_rules! row {
        ($row:literal, $write:ident, $read:ident, $type:ty, $offset:literal) => {{
            const SIZE: u64 = size_of::<$type>() as u64;
            test_device::clear_log();
            mmio::$write(page_address($offset), PATTERN as $type);
            let value = mmio::$read(page_address($offset));
            let expected = summary(&[Access::write($offset, SIZE), Access::read($offset, SIZE)]);
            check_eq!("store and load in the log", [NAMES; $row], test_device::read_summary(), expected);
            check_eq!("data of the store", [NAMES; $row], test_device::read_data(0), PATTERN as $type);
            check_eq!("value loaded", [NAMES; $row], value, PATTERN as $type);
        }};
    }
    row!(0, write_u8, read_u8, u8, 0x13);
    row!(1, write_u16, read_u16, u16, 0x22);
    row!(2, write_u32, read_u32, u32, 0x34);
    row!(3, write_u64, read_u64, u64, 0x48);
}

/// The least significant byte stands at the lowest address, and a store touches no byte beside its own.
#[case(feature = MmioWidth, spec = sdm1("Bit and Byte Order"), needs = Needs::TEST_DEVICE)]
fn bytes_are_little_endian() {
    mmio::write_u64(page_address(0x100), PATTERN);
    for offset in 0..8 {
        check_eq!("byte", [&[]; offset], mmio::read_u8(page_address(0x100 + offset)), PATTERN >> (offset * 8) & 0xff);
    }
    mmio::write_u16(page_address(0x102), 0xbbaa);
    check_eq!("after a 16-bit store inside", mmio::read_u64(page_address(0x100)), 0x8877_6655_bbaa_2211_u64);
    mmio::write_u8(page_address(0x107), 0xcc);
    check_eq!("after an 8-bit store at the end", mmio::read_u64(page_address(0x100)), 0xcc77_6655_bbaa_2211_u64);
    check_eq!("bytes behind", mmio::read_u64(page_address(0x108)), 0);
}

/// Loads and stores that are not aligned carry the right bytes, at every offset in a quadword.
#[case(feature = MmioWidth, spec = sdm1("Alignment of Words, Doublewords, Quadwords, and Double Quadwords"),
       needs = Needs::TEST_DEVICE)]
fn unaligned_accesses() {
    for offset in 1..8 {
        let at = page_address(0x200 + offset);
        mmio::write_u64(page_address(0x200), 0);
        mmio::write_u64(page_address(0x208), 0);
        mmio::write_u64(at, PATTERN);
        check_eq!("64-bit load", [&[]; offset], mmio::read_u64(at), PATTERN);
        check_eq!("first quadword", [&[]; offset], mmio::read_u64(page_address(0x200)), PATTERN << (offset * 8));
        check_eq!("second quadword", [&[]; offset], mmio::read_u64(page_address(0x208)), PATTERN >> (64 - offset * 8));
        check_eq!("32-bit load", [&[]; offset], mmio::read_u32(at + 1), PATTERN >> 8 & 0xffff_ffff);
        check_eq!("16-bit load", [&[]; offset], mmio::read_u16(at), PATTERN & 0xffff);
    }
}

/// A load into a part of a register: 8 and 16 bits keep the rest, 32 bits clear the upper half.
#[case(feature = MmioWidth, spec = sdm1("General-Purpose Registers in 64-Bit Mode"), needs = Needs::TEST_DEVICE)]
fn upper_bits_of_the_register() {
    const NAMES: &[Text] = names!["MOV AL", "MOV AH", "MOV AX", "MOV EAX", "MOV RAX"];
    const BEFORE: u64 = 0xf1f2_f3f4_f5f6_f7f8;
    mmio::write_u64(page_address(0), PATTERN);
    macro_rules! row {
        ($row:literal, $instruction:literal, $expected:expr) => {{
            let mut rax = BEFORE;
            let result = instruction!($instruction, inout("rax") rax, in("rcx") page_address(0));
            check_outcome!("load", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("RAX", [NAMES; $row], rax, $expected);
        }};
    }
    row!(0, "mov al, [rcx]", 0xf1f2_f3f4_f5f6_f711_u64);
    row!(1, "mov ah, [rcx]", 0xf1f2_f3f4_f5f6_11f8_u64);
    row!(2, "mov ax, [rcx]", 0xf1f2_f3f4_f5f6_2211_u64);
    row!(3, "mov eax, [rcx]", 0x4433_2211_u64);
    row!(4, "mov rax, [rcx]", PATTERN);
}

/// MOVZX, MOVSX and MOVSXD read only as many bytes as they extend.
#[case(feature = MmioWidth, spec = [sdm2("MOVZX—Move With Zero-Extend"), sdm2("MOVSX/MOVSXD—Move With Sign-Extension")],
       needs = Needs::TEST_DEVICE)]
fn extending_loads() {
    const NAMES: &[Text] = names![
        "MOVZX r16, m8",
        "MOVZX r32, m8",
        "MOVZX r64, m8",
        "MOVZX r32, m16",
        "MOVZX r64, m16",
        "MOVSX r16, m8",
        "MOVSX r32, m8",
        "MOVSX r64, m8",
        "MOVSX r32, m16",
        "MOVSX r64, m16",
        "MOVSXD r64, m32"
    ];
    const BEFORE: u64 = 0x1111_1111_1111_1111;
    mmio::write_u64(page_address(8), 0x7777_7777_8182_8384);
    macro_rules! row {
        ($row:literal, $instruction:literal, $size:literal, $expected:expr) => {{
            let mut rax = BEFORE;
            test_device::clear_log();
            let result = instruction!($instruction, inout("rax") rax, in("rcx") page_address(8));
            check_outcome!("load", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("RAX", [NAMES; $row], rax, $expected as u64);
            check_eq!("log", [NAMES; $row], test_device::read_summary(), summary(&[Access::read(8, $size)]));
        }};
    }
    row!(0, "movzx ax, byte ptr [rcx]", 1, 0x1111_1111_1111_0084_u64);
    row!(1, "movzx eax, byte ptr [rcx]", 1, 0x84);
    row!(2, "movzx rax, byte ptr [rcx]", 1, 0x84);
    row!(3, "movzx eax, word ptr [rcx]", 2, 0x8384);
    row!(4, "movzx rax, word ptr [rcx]", 2, 0x8384);
    row!(5, "movsx ax, byte ptr [rcx]", 1, 0x1111_1111_1111_ff84_u64);
    row!(6, "movsx eax, byte ptr [rcx]", 1, 0xffff_ff84_u64);
    row!(7, "movsx rax, byte ptr [rcx]", 1, -0x7c_i64);
    row!(8, "movsx eax, word ptr [rcx]", 2, 0xffff_8384_u64);
    row!(9, "movsx rax, word ptr [rcx]", 2, -0x7c7c_i64);
    row!(10, "movsxd rax, dword ptr [rcx]", 4, -0x7e7d_7c7c_i64);
}

/// A store of an immediate value is one access of its operand's size; 64 bits are the sign-extended 32.
#[case(feature = MmioWidth, spec = sdm2("MOV—Move"), needs = Needs::TEST_DEVICE)]
fn immediate_stores() {
    const NAMES: &[Text] = names!["8 bits", "16 bits", "32 bits", "64 bits, positive", "64 bits, negative"];
    macro_rules! row {
        ($row:literal, $instruction:literal, $size:literal, $expected:expr) => {{
            test_device::clear_log();
            let result = instruction!($instruction, in("rcx") page_address(16));
            check_outcome!("store", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("log", [NAMES; $row], test_device::read_summary(), summary(&[Access::write(16, $size)]));
            check_eq!("data", [NAMES; $row], test_device::read_data(0), $expected as u64);
        }};
    }
    row!(0, "mov byte ptr [rcx], 0xa5", 1, 0xa5);
    row!(1, "mov word ptr [rcx], 0xa5c3", 2, 0xa5c3);
    row!(2, "mov dword ptr [rcx], 0x89abcdef", 4, 0x89ab_cdef_u64);
    row!(3, "mov qword ptr [rcx], 0x12345678", 8, 0x1234_5678);
    row!(4, "mov qword ptr [rcx], -2", 8, -2_i64);
}

/// Loads and stores reach the device in the order of the program, and none is left out or merged.
#[case(feature = MmioWidth, spec = sdm3a("Methods of Caching Available"), needs = Needs::TEST_DEVICE)]
fn accesses_keep_program_order() {
    const EXPECTED: [Access; 7] = [
        Access::write(0x40, 4),
        Access::write(0x40, 4),
        Access::read(0x40, 4),
        Access::read(0x40, 4),
        Access::write(0x44, 1),
        Access::read(0x48, 8),
        Access::write(0x42, 2),
    ];
    test_device::clear_log();
    let result = instruction!(
        "mov [rcx], eax", "mov [rcx], eax", "mov eax, [rcx]", "mov eax, [rcx]", "mov [rcx + 4], al",
        "mov rax, [rcx + 8]", "mov [rcx + 2], ax", in("rcx") page_address(0x40), out("rax") _);
    check_outcome!("the sequence", result, Outcome::COMPLETED);
    check_eq!("number of accesses", test_device::read_nr_accesses(), EXPECTED.len());
    for (row, expected) in EXPECTED.into_iter().enumerate() {
        check_eq!("access", [&[]; row], test_device::read_access(row as u32).0, expected.0);
    }
}
