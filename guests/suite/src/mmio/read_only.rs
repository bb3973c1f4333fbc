//! Instructions that read a device's register once and do not write it.

use rt::{
    Outcome, case, check, check_eq, check_outcome, instruction, mmio, names,
    test_device::{self, Access, page_address, summary},
    vocabulary::{Needs, Text},
};

const AT: u64 = 0x60;
const V: u64 = 0x8877_6655_4433_2211;

/// Arithmetic with a device's register as source is one read of the operand's size, and no write.
#[case(feature = MmioWidth, spec = [sdm2("ADD—Add"), sdm2("IMUL—Signed Multiply"), sdm2("MUL—Unsigned Multiply"),
       sdm2("DIV—Unsigned Divide"), sdm2("BSF—Bit Scan Forward"), sdm2("CMOVcc—Conditional Move")],
       needs = Needs::TEST_DEVICE)]
fn device_as_a_source() {
    const NAMES: &[Text] = names![
        "ADD r32, m32",
        "SUB r8, m8",
        "AND r16, m16",
        "OR r64, m64",
        "XOR r32, m32",
        "ADC r32, m32",
        "IMUL r32, m32",
        "IMUL r64, m64, imm8",
        "MUL m8",
        "DIV m16",
        "BSF r32, m32",
        "BSR r64, m64",
        "CMOV, true",
        "CMOV, false",
        "MOVNTI"
    ];
    mmio::write_u64(page_address(AT), V);
    macro_rules! row {
        ($row:literal, $size:literal, $instruction:literal, $rax:expr, $expected:expr) => {{
            test_device::clear_log();
            let mut rax: u64 = $rax;
            let result = instruction!("stc", $instruction, in("rcx") page_address(AT), inout("rax") rax,
                inout("rdx") 0_u64 => _);
            let log = test_device::read_summary();
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("log: one read", [NAMES; $row], log, summary(&[Access::read(AT, $size)]));
            check_eq!("RAX", [NAMES; $row], rax, $expected as u64);
        }};
    }
    row!(0, 4, "add eax, [rcx]", 1, 0x4433_2212);
    row!(1, 1, "sub al, [rcx]", 0xff33, 0xff22);
    row!(2, 2, "and ax, [rcx]", 0xf_ff0f, 0xf_2201);
    row!(3, 8, "or rax, [rcx]", 0x80, V | 0x80);
    row!(4, 4, "xor eax, [rcx]", u64::MAX, 0xbbcc_ddee_u64);
    row!(5, 4, "adc eax, [rcx]", 1, 0x4433_2213);
    row!(6, 4, "imul eax, [rcx]", 2, 0x8866_4422_u64);
    row!(7, 8, "imul rax, [rcx], 16", 0, V << 4);
    row!(8, 1, "mul byte ptr [rcx]", 0x20, 0x220);
    row!(9, 2, "div word ptr [rcx]", 0x2212, 1);
    row!(10, 4, "bsf eax, [rcx]", 0x77, 0);
    row!(11, 8, "bsr rax, [rcx]", 0x77, 63);
    row!(12, 4, "cmovc eax, [rcx]", 7, 0x4433_2211);
    // A false condition still reads, and clears the upper half of a 32-bit destination.
    row!(13, 4, "cmovnc eax, [rcx]", 0x7_0000_0007, 7);
    test_device::clear_log();
    let result = instruction!("movnti [rcx], eax", in("rcx") page_address(AT), in("rax") 0x1234_5678_u64);
    check_outcome!("the instruction", [NAMES; 14], result, Outcome::COMPLETED);
    check_eq!("log: one write", [NAMES; 14], test_device::read_summary(), summary(&[Access::write(AT, 4)]));
}

/// CMP, TEST and BT set the flags from one read of a device's register, and no write.
#[case(feature = MmioWidth, spec = [sdm2("CMP—Compare Two Operands"), sdm2("TEST—Logical Compare"), sdm2("BT—Bit Test")],
       needs = Needs::TEST_DEVICE)]
fn comparisons_only_read() {
    const NAMES: &[Text] = names![
        "CMP m8, imm8",
        "CMP m32, r32",
        "CMP r64, m64",
        "CMP m16, imm16, less",
        "TEST m8, imm8",
        "TEST m32, r32",
        "BT m32, imm8, set",
        "BT m64, imm8, clear"
    ];
    const ZF: u64 = 1 << 6;
    const CF: u64 = 1;
    mmio::write_u64(page_address(AT), V);
    macro_rules! row {
        ($row:literal, $size:literal, $instruction:literal, $rax:expr, $mask:expr, $expected:expr) => {{
            test_device::clear_log();
            let mut flags = 0_u64;
            let result = instruction!($instruction, "pushfq", "pop rdx", in("rcx") page_address(AT),
                in("rax") $rax as u64, out("rdx") flags);
            let log = test_device::read_summary();
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("log: one read", [NAMES; $row], log, summary(&[Access::read(AT, $size)]));
            check_eq!("flags", [NAMES; $row], flags & $mask, $expected);
        }};
    }
    row!(0, 1, "cmp byte ptr [rcx], 0x11", 0, ZF | CF, ZF);
    row!(1, 4, "cmp [rcx], eax", 0x4433_2211, ZF | CF, ZF);
    row!(2, 8, "cmp rax, [rcx]", V, ZF | CF, ZF);
    row!(3, 2, "cmp word ptr [rcx], 0x2212", 0, ZF | CF, CF);
    row!(4, 1, "test byte ptr [rcx], 0xee", 0, ZF, ZF);
    row!(5, 4, "test [rcx], eax", 0x0040_0000, ZF, ZF);
    row!(6, 4, "bt dword ptr [rcx], 4", 0, CF, CF);
    row!(7, 8, "bt qword ptr [rcx], 62", 0, CF, 0);
}

/// PUSH reads a device's register and POP writes it, eight bytes each (two with the operand-size prefix).
#[case(feature = MmioWidth, spec = [sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack"),
       sdm2("POP—Pop a Value From the Stack")], needs = Needs::TEST_DEVICE)]
fn push_and_pop() {
    const NAMES: &[Text] = names!["64 bits", "16 bits"];
    mmio::write_u64(page_address(AT), V);
    test_device::clear_log();
    let mut rax = 0_u64;
    let result = instruction!("push qword ptr [rcx]", "pop rax", in("rcx") page_address(AT), out("rax") rax);
    check_outcome!("PUSH", [NAMES; 0], result, Outcome::COMPLETED);
    check_eq!("log of PUSH", [NAMES; 0], test_device::read_summary(), summary(&[Access::read(AT, 8)]));
    check_eq!("value pushed", [NAMES; 0], rax, V);
    test_device::clear_log();
    let result =
        instruction!("push word ptr [rcx]", "xor eax, eax", "pop ax", in("rcx") page_address(AT), out("rax") rax);
    check_outcome!("PUSH", [NAMES; 1], result, Outcome::COMPLETED);
    check_eq!("log of PUSH", [NAMES; 1], test_device::read_summary(), summary(&[Access::read(AT, 2)]));
    check_eq!("value pushed", [NAMES; 1], rax, V & 0xffff);
    test_device::clear_log();
    let result = instruction!("push rax", "pop qword ptr [rcx]", in("rcx") page_address(AT + 8), in("rax") !V);
    check_outcome!("POP", [NAMES; 0], result, Outcome::COMPLETED);
    check_eq!("log of POP", [NAMES; 0], test_device::read_summary(), summary(&[Access::write(AT + 8, 8)]));
    check_eq!("value popped", [NAMES; 0], test_device::read_data(0), !V);
    test_device::clear_log();
    let result = instruction!("push ax", "pop word ptr [rcx]", in("rcx") page_address(AT + 8), in("rax") V);
    check_outcome!("POP", [NAMES; 1], result, Outcome::COMPLETED);
    check_eq!("log of POP", [NAMES; 1], test_device::read_summary(), summary(&[Access::write(AT + 8, 2)]));
    check_eq!("value popped", [NAMES; 1], test_device::read_data(0), V & 0xffff);
}

/// CALL and JMP through a pointer in a device's register read it once and go there.
#[case(feature = MmioWidth, spec = [sdm2("CALL—Call Procedure"), sdm2("JMP—Jump")], needs = Needs::TEST_DEVICE)]
fn indirect_branches() {
    test_device::clear_log();
    let mut rax = 0_u64;
    let result = instruction!("lea rdx, [rip + 2f]", "mov [rcx], rdx", "call qword ptr [rcx]", "jmp 3f",
        "2: mov eax, 0x77", "ret", "3:", in("rcx") page_address(AT), out("rdx") _, out("rax") rax);
    check_outcome!("CALL", result, Outcome::COMPLETED);
    check_eq!("the code at the pointer ran", rax, 0x77);
    let expected = summary(&[Access::write(AT, 8), Access::read(AT, 8)]);
    check_eq!("log of CALL: the pointer's store and load", test_device::read_summary(), expected);
    test_device::clear_log();
    let result = instruction!("lea rdx, [rip + 2f]", "mov [rcx], rdx", "jmp qword ptr [rcx]", "mov eax, 0x11", "2:",
        in("rcx") page_address(AT), out("rdx") _, inout("rax") rax);
    check_outcome!("JMP", result, Outcome::COMPLETED);
    check!("the code behind JMP was skipped", rax == 0x77);
    check_eq!("log of JMP: the pointer's store and load", test_device::read_summary(), expected);
}

/// A segment register can be loaded from a device: two bytes, read once.
#[case(feature = MmioWidth, spec = sdm2("MOV—Move"), needs = Needs::TEST_DEVICE)]
fn segment_register() {
    mmio::write_u16(page_address(AT), rt::tables::selector::KERNEL_DATA);
    test_device::clear_log();
    let mut es = 0_u64;
    let result = instruction!("mov es, word ptr [rcx]", "mov eax, es", in("rcx") page_address(AT), out("rax") es);
    check_outcome!("MOV ES, m16", result, Outcome::COMPLETED);
    check_eq!("log of MOV ES", test_device::read_summary(), summary(&[Access::read(AT, 2)]));
    check_eq!("ES", es, rt::tables::selector::KERNEL_DATA);
}

/// SGDT stores its ten bytes in a device.
#[case(feature = MmioWidth, spec = sdm2("SGDT—Store Global Descriptor Table Register"), needs = Needs::TEST_DEVICE)]
fn descriptor_table_register() {
    let result = instruction!("sgdt [rcx]", in("rcx") page_address(AT));
    check_outcome!("SGDT", result, Outcome::COMPLETED);
    check_eq!("limit", mmio::read_u16(page_address(AT)), rt::tables::GDT_LIMIT);
    check_eq!("base", mmio::read_u64(page_address(AT + 2)), rt::layout::GDT);
}
