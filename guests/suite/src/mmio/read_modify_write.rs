//! Instructions that read a device's register and write it.

use rt::{
    Outcome, case, check_eq, check_outcome, instruction, mmio, names,
    test_device::{self, Access, page_address, summary},
    vocabulary::{Needs, Text},
};

/// CF, PF, AF, ZF, SF and OF.
const STATUS: u64 = 0x8d5;
const CF: u64 = 1;
const PF: u64 = 1 << 2;
const AF: u64 = 1 << 4;
const ZF: u64 = 1 << 6;
const SF: u64 = 1 << 7;
const OF: u64 = 1 << 11;

const AT: u64 = 0x80;

/// One row: `$before` stands in the register, the instruction runs with RCX its address, RAX and RDX as given and CF
/// set, and then the register holds `$after`; the device has seen one read and one write.
macro_rules! row {
    ([$names:ident; $row:literal], $size:literal, $instruction:literal, $rax:expr, $rdx:expr, $before:expr, $after:expr) => {{
        mmio::write_u64(page_address(AT), $before);
        test_device::clear_log();
        let (rax, rdx): (u64, u64) = ($rax, $rdx);
        let result = instruction!("stc", $instruction,
            in("rcx") page_address(AT), inout("rax") rax => _, inout("rdx") rdx => _);
        let log = test_device::read_summary();
        check_outcome!("the instruction", [$names; $row], result, Outcome::COMPLETED);
        let expected = summary(&[Access::read(AT, $size), Access::write(AT, $size)]);
        check_eq!("log: one read, one write", [$names; $row], log, expected);
        check_eq!("register of the device", [$names; $row], mmio::read_u64(page_address(AT)), $after as u64);
    }};
}

const V: u64 = 0x8877_6655_4433_2211;

/// Arithmetic and logic on a device's register is one read and one write of the operand's size.
#[case(feature = MmioReadModifyWrite, spec = [sdm2("ADD—Add"), sdm2("ADC—Add With Carry"), sdm2("SUB—Subtract"),
       sdm2("SBB—Integer Subtraction With Borrow"), sdm2("AND—Logical AND"), sdm2("OR—Logical Inclusive OR"),
       sdm2("XOR—Logical Exclusive OR")], needs = Needs::TEST_DEVICE)]
fn arithmetic_and_logic() {
    const NAMES: &[Text] = names![
        "ADD m8, r8",
        "ADD m16, imm16",
        "ADD m32, r32",
        "ADD m64, imm8",
        "ADC m32, r32",
        "SUB m64, r64",
        "SBB m8, imm8",
        "AND m32, imm32",
        "OR m16, r16",
        "XOR m64, r64"
    ];
    row!([NAMES; 0], 1, "add [rcx], al", 0xf0, 0, V, 0x8877_6655_4433_2201_u64);
    row!([NAMES; 1], 2, "add word ptr [rcx], 0x1234", 0, 0, V, 0x8877_6655_4433_3445_u64);
    row!([NAMES; 2], 4, "add [rcx], eax", 0xf000_0000, 0, V, 0x8877_6655_3433_2211_u64);
    row!([NAMES; 3], 8, "add qword ptr [rcx], -1", 0, 0, V, V - 1);
    row!([NAMES; 4], 4, "adc [rcx], eax", 1, 0, V, V + 2);
    row!([NAMES; 5], 8, "sub [rcx], rax", V, 0, V, 0);
    row!([NAMES; 6], 1, "sbb byte ptr [rcx], 0x10", 0, 0, V, 0x8877_6655_4433_2200_u64);
    row!([NAMES; 7], 4, "and dword ptr [rcx], 0xff00ff", 0, 0, V, 0x8877_6655_0033_0011_u64);
    row!([NAMES; 8], 2, "or [rcx], ax", 0x8080, 0, V, 0x8877_6655_4433_a291_u64);
    row!([NAMES; 9], 8, "xor [rcx], rax", u64::MAX, 0, V, !V);
}

/// INC, DEC, NOT, NEG, shifts and rotates of a device's register are one read and one write.
#[case(feature = MmioReadModifyWrite, spec = [sdm2("INC—Increment by 1"), sdm2("NEG—Two's Complement Negation"),
       sdm2("SAL/SAR/SHL/SHR—Shift"), sdm2("RCL/RCR/ROL/ROR—Rotate"), sdm2("SHLD—Double Precision Shift Left")],
       needs = Needs::TEST_DEVICE)]
fn single_operand_and_shifts() {
    const NAMES: &[Text] = names![
        "INC m8",
        "DEC m64",
        "NOT m32",
        "NEG m16",
        "SHL m8, 1",
        "SHR m32, imm8",
        "SAR m64, imm8",
        "ROL m16, imm8",
        "ROR m32, 1",
        "RCL m8, 1",
        "SHLD m32, r32, imm8",
        "SHRD m64, r64, imm8"
    ];
    row!([NAMES; 0], 1, "inc byte ptr [rcx]", 0, 0, V, V + 1);
    row!([NAMES; 1], 8, "dec qword ptr [rcx]", 0, 0, V, V - 1);
    row!([NAMES; 2], 4, "not dword ptr [rcx]", 0, 0, V, 0x8877_6655_bbcc_ddee_u64);
    row!([NAMES; 3], 2, "neg word ptr [rcx]", 0, 0, V, 0x8877_6655_4433_ddef_u64);
    row!([NAMES; 4], 1, "shl byte ptr [rcx], 1", 0, 0, V, 0x8877_6655_4433_2222_u64);
    row!([NAMES; 5], 4, "shr dword ptr [rcx], 8", 0, 0, V, 0x8877_6655_0044_3322_u64);
    row!([NAMES; 6], 8, "sar qword ptr [rcx], 16", 0, 0, V, 0xffff_8877_6655_4433_u64);
    row!([NAMES; 7], 2, "rol word ptr [rcx], 4", 0, 0, V, 0x8877_6655_4433_2112_u64);
    row!([NAMES; 8], 4, "ror dword ptr [rcx], 1", 0, 0, V, 0x8877_6655_a219_9108_u64);
    row!([NAMES; 9], 1, "rcl byte ptr [rcx], 1", 0, 0, V, 0x8877_6655_4433_2223_u64);
    row!([NAMES; 10], 4, "shld [rcx], eax, 8", 0xab00_0000, 0, V, 0x8877_6655_3322_11ab_u64);
    row!([NAMES; 11], 8, "shrd [rcx], rax, 8", 0xab, 0, V, 0xab88_7766_5544_3322_u64);
}

/// BTS, BTR and BTC with an immediate offset stay in their operand, one read and one write.
#[case(feature = MmioReadModifyWrite, spec = [sdm2("BTS—Bit Test and Set"), sdm2("BTR—Bit Test and Reset"),
       sdm2("BTC—Bit Test and Complement")], needs = Needs::TEST_DEVICE)]
fn bit_instructions_with_immediate_offset() {
    const NAMES: &[Text] = names!["BTS m32, 1", "BTR m64, 63", "BTC m16, 0", "BTS m32, 33", "LOCK BTS m32, 2"];
    row!([NAMES; 0], 4, "bts dword ptr [rcx], 1", 0, 0, V, V | 2);
    row!([NAMES; 1], 8, "btr qword ptr [rcx], 63", 0, 0, V, V & !(1 << 63));
    row!([NAMES; 2], 2, "btc word ptr [rcx], 0", 0, 0, V, V ^ 1);
    // An immediate offset is taken modulo the operand's size.
    row!([NAMES; 3], 4, "bts dword ptr [rcx], 33", 0, 0, V, V | 2);
    row!([NAMES; 4], 4, "lock bts dword ptr [rcx], 2", 0, 0, V, V | 4);
}

/// BTS with its offset in a register addresses a bit string: it reaches the doubleword or quadword that holds the bit,
/// also below the operand.
#[case(feature = MmioReadModifyWrite, spec = sdm2("BTS—Bit Test and Set"), needs = Needs::TEST_DEVICE)]
fn bit_string_in_a_device() {
    const NAMES: &[Text] =
        names!["32 bits, offset 35", "32 bits, offset -1", "64 bits, offset 64", "64 bits, offset -64"];
    macro_rules! string_row {
        ($row:literal, $instruction:literal, $offset:literal, $byte:expr, $bit:literal) => {{
            for quadword in 0..4 {
                mmio::write_u64(page_address(AT - 8 + quadword * 8), 0);
            }
            let result = instruction!($instruction, in("rcx") page_address(AT), in("rax") $offset as i64);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("byte with the bit", [NAMES; $row], mmio::read_u8(page_address($byte)), 1 << $bit);
            check_eq!("operand itself", [NAMES; $row], mmio::read_u32(page_address(AT)), 0);
        }};
    }
    string_row!(0, "bts [rcx], eax", 35, AT + 4, 3);
    string_row!(1, "bts [rcx], eax", -1, AT - 1, 7);
    string_row!(2, "bts [rcx], rax", 64, AT + 8, 0);
    string_row!(3, "bts [rcx], rax", -64, AT - 8, 0);
}

/// XCHG and XADD exchange a register with a device's in one read and one write, with and without LOCK.
#[case(feature = MmioReadModifyWrite, spec = [sdm2("XCHG—Exchange Register/Memory With Register"),
       sdm2("XADD—Exchange and Add")], needs = Needs::TEST_DEVICE)]
fn exchanges() {
    const NAMES: &[Text] = names![
        "XCHG m8",
        "XCHG m16",
        "XCHG m32",
        "XCHG m64",
        "LOCK XCHG m32",
        "XADD m8",
        "XADD m32",
        "XADD m64",
        "LOCK XADD m16"
    ];
    const R: u64 = 0x0101_0101_0101_0101;
    macro_rules! exchange {
        ($row:literal, $size:literal, $instruction:literal, $memory:expr, $register:expr) => {{
            mmio::write_u64(page_address(AT), V);
            test_device::clear_log();
            let mut rax = R;
            let result = instruction!($instruction, in("rcx") page_address(AT), inout("rax") rax);
            let log = test_device::read_summary();
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            let expected = summary(&[Access::read(AT, $size), Access::write(AT, $size)]);
            check_eq!("log: one read, one write", [NAMES; $row], log, expected);
            check_eq!("register of the device", [NAMES; $row], mmio::read_u64(page_address(AT)), $memory);
            check_eq!("RAX", [NAMES; $row], rax, $register);
        }};
    }
    exchange!(0, 1, "xchg [rcx], al", 0x8877_6655_4433_2201_u64, 0x0101_0101_0101_0111_u64);
    exchange!(1, 2, "xchg [rcx], ax", 0x8877_6655_4433_0101_u64, 0x0101_0101_0101_2211_u64);
    exchange!(2, 4, "xchg [rcx], eax", 0x8877_6655_0101_0101_u64, 0x4433_2211_u64);
    exchange!(3, 8, "xchg [rcx], rax", R, V);
    exchange!(4, 4, "lock xchg [rcx], eax", 0x8877_6655_0101_0101_u64, 0x4433_2211_u64);
    exchange!(5, 1, "xadd [rcx], al", 0x8877_6655_4433_2212_u64, 0x0101_0101_0101_0111_u64);
    exchange!(6, 4, "xadd [rcx], eax", 0x8877_6655_4534_2312_u64, 0x4433_2211_u64);
    exchange!(7, 8, "xadd [rcx], rax", V + R, V);
    exchange!(8, 2, "lock xadd [rcx], ax", 0x8877_6655_4433_2312_u64, 0x0101_0101_0101_2211_u64);
}

/// CMPXCHG writes a device's register whether the comparison succeeds or not, and tells by ZF and RAX.
#[case(feature = MmioReadModifyWrite, spec = [sdm2("CMPXCHG—Compare and Exchange"), apm3("CMPXCHG")],
       needs = Needs::TEST_DEVICE)]
fn compare_and_exchange() {
    const NAMES: &[Text] = names![
        "m8, equal",
        "m8, different",
        "m16, equal",
        "m32, equal",
        "m32, different",
        "m64, equal",
        "m64, different",
        "LOCK m32, equal",
        "LOCK m32, different"
    ];
    const NEW: u64 = 0x0f0e_0d0c_0b0a_0908;
    macro_rules! exchange {
        ($row:literal, $size:literal, $instruction:literal, $rax:expr, $zf:expr, $memory:expr, $rax_after:expr) => {{
            mmio::write_u64(page_address(AT), V);
            test_device::clear_log();
            let (mut rax, mut flags): (u64, u64) = ($rax, 0);
            let result = instruction!($instruction, "pushfq", "pop r8", in("rcx") page_address(AT), inout("rax") rax,
                in("rdx") NEW, out("r8") flags);
            let log = test_device::read_summary();
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            let expected = summary(&[Access::read(AT, $size), Access::write(AT, $size)]);
            check_eq!("log: one read, one write", [NAMES; $row], log, expected);
            check_eq!("register of the device", [NAMES; $row], mmio::read_u64(page_address(AT)), $memory);
            check_eq!("RAX", [NAMES; $row], rax, $rax_after);
            check_eq!("ZF", [NAMES; $row], flags & ZF, $zf);
        }};
    }
    exchange!(0, 1, "cmpxchg [rcx], dl", V, ZF, 0x8877_6655_4433_2208_u64, V);
    exchange!(1, 1, "cmpxchg [rcx], dl", 0x12, 0, V, 0x11);
    exchange!(2, 2, "cmpxchg [rcx], dx", 0x2211, ZF, 0x8877_6655_4433_0908_u64, 0x2211);
    exchange!(3, 4, "cmpxchg [rcx], edx", 0x4433_2211, ZF, 0x8877_6655_0b0a_0908_u64, 0x4433_2211);
    exchange!(4, 4, "cmpxchg [rcx], edx", V + 1, 0, V, 0x4433_2211);
    exchange!(5, 8, "cmpxchg [rcx], rdx", V, ZF, NEW, V);
    exchange!(6, 8, "cmpxchg [rcx], rdx", 0, 0, V, V);
    exchange!(7, 4, "lock cmpxchg [rcx], edx", 0x4433_2211, ZF, 0x8877_6655_0b0a_0908_u64, 0x4433_2211);
    exchange!(8, 4, "lock cmpxchg [rcx], edx", V + 1, 0, V, 0x4433_2211);
}

/// CMPXCHG8B on a device's register is one read and one write of eight bytes.
#[case(feature = MmioReadModifyWrite, spec = sdm2("CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"),
       needs = Needs::TEST_DEVICE)]
fn compare_and_exchange_8_bytes() {
    const NAMES: &[Text] = names!["equal", "different", "LOCK, equal"];
    macro_rules! exchange {
        ($row:literal, $instruction:literal, $low:expr, $zf:expr, $memory:expr) => {{
            mmio::write_u64(page_address(AT), V);
            test_device::clear_log();
            let (mut rax, mut rdx, mut flags): (u64, u64, u64) = ($low, V >> 32, 0);
            let result = instruction!("xchg rbx, r9", $instruction, "xchg rbx, r9", "pushfq", "pop r8",
                in("rsi") page_address(AT), inout("rax") rax, inout("rdx") rdx, in("rcx") 0x0403_0201_u64,
                inout("r9") 0x0807_0605_u64 => _, out("r8") flags);
            let log = test_device::read_summary();
            check_outcome!("CMPXCHG8B", [NAMES; $row], result, Outcome::COMPLETED);
            let expected = summary(&[Access::read(AT, 8), Access::write(AT, 8)]);
            check_eq!("log: one read, one write", [NAMES; $row], log, expected);
            check_eq!("register of the device", [NAMES; $row], mmio::read_u64(page_address(AT)), $memory);
            check_eq!("EAX", [NAMES; $row], rax, V & 0xffff_ffff);
            check_eq!("EDX", [NAMES; $row], rdx, V >> 32);
            check_eq!("ZF", [NAMES; $row], flags & ZF, $zf);
        }};
    }
    exchange!(0, "cmpxchg8b [rsi]", V & 0xffff_ffff, ZF, 0x0403_0201_0807_0605_u64);
    exchange!(1, "cmpxchg8b [rsi]", 0, 0, V);
    exchange!(2, "lock cmpxchg8b [rsi]", V & 0xffff_ffff, ZF, 0x0403_0201_0807_0605_u64);
}

/// The status flags of an instruction on a device's register are those of its result.
#[case(feature = MmioReadModifyWrite, spec = [sdm1("Status Flags"), sdm2("ADD—Add")], needs = Needs::TEST_DEVICE)]
fn status_flags() {
    const NAMES: &[Text] =
        names!["ADD to zero", "ADD to overflow", "SUB to borrow", "XOR", "INC keeps CF", "NEG of zero"];
    macro_rules! flags_row {
        ($row:literal, $instruction:literal, $before:literal, $defined:expr, $expected:expr) => {{
            mmio::write_u32(page_address(AT), $before);
            let mut flags = 0_u64;
            let result = instruction!("stc", $instruction, "pushfq", "pop rax",
                in("rcx") page_address(AT), out("rax") flags);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("status flags", [NAMES; $row], flags & $defined, $expected);
        }};
    }
    flags_row!(0, "add dword ptr [rcx], 1", 0xffff_ffff, STATUS, CF | PF | AF | ZF);
    flags_row!(1, "add dword ptr [rcx], 1", 0x7fff_ffff, STATUS, PF | AF | SF | OF);
    flags_row!(2, "sub dword ptr [rcx], 1", 0, STATUS, CF | PF | AF | SF);
    // XOR leaves AF undefined.
    flags_row!(3, "test eax, eax; xor dword ptr [rcx], 3", 3, STATUS & !AF, PF | ZF);
    flags_row!(4, "inc dword ptr [rcx]", 0xffff_ffff, STATUS, CF | PF | AF | ZF);
    flags_row!(5, "neg dword ptr [rcx]", 0, STATUS, PF | ZF);
}

/// SETcc writes a device's register without reading it.
#[case(feature = MmioReadModifyWrite, spec = sdm2("SETcc—Set Byte on Condition"), needs = Needs::TEST_DEVICE)]
fn set_on_condition_only_writes() {
    for (row, expected) in [1_u64, 0].into_iter().enumerate() {
        mmio::write_u8(page_address(AT), 0x55);
        test_device::clear_log();
        let result = if expected == 1 {
            instruction!("stc", "setc byte ptr [rcx]", in("rcx") page_address(AT))
        } else {
            instruction!("clc", "setc byte ptr [rcx]", in("rcx") page_address(AT))
        };
        const NAMES: &[Text] = names!["true", "false"];
        check_outcome!("SETC", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("log: one write", [NAMES; row], test_device::read_summary(), summary(&[Access::write(AT, 1)]));
        check_eq!("byte", [NAMES; row], mmio::read_u8(page_address(AT)), expected);
    }
}
