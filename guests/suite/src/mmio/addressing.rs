//! How an instruction names a device's register: base, index, scale, displacement, segment, prefix.

use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_FS_BASE, IA32_GS_BASE},
    },
    instruction, mmio, names,
    test_device::page_address,
    vocabulary::{Needs, Text},
};

/// The address is base plus scaled index plus displacement, in 64 bits, or in 32 with the address-size prefix.
#[case(feature = MmioWidth, spec = sdm1("Specifying an Offset in 64-Bit Mode"), needs = Needs::TEST_DEVICE)]
fn address_forms() {
    const NAMES: &[Text] = names![
        "base",
        "base, disp8",
        "base, negative disp8",
        "base, disp32",
        "base, index",
        "base, index * 2",
        "base, index * 4, disp8",
        "base, index * 8, disp32",
        "index * 8, disp32",
        "disp32",
        "32-bit base",
        "32-bit base, index * 4",
        "R12 base",
        "R13 base",
        "RBP base",
        "R12 index"
    ];
    const BASE: u64 = page_address(0x800);
    const GARBAGE: u64 = 0x7654_3210_0000_0000;
    for offset in 0..64 {
        mmio::write_u32(page_address(0x780 + offset * 4), (0x780 + offset * 4) as u32);
    }
    macro_rules! row {
        ($row:literal, $instruction:literal, $base:expr, $index:expr, $expected:literal) => {{
            let mut rax = 0_u64;
            let result =
                instruction!($instruction, inout("rax") rax, in("rcx") $base, in("rdx") $index, out("r8") _);
            check_outcome!("load", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("value", [NAMES; $row], rax, $expected);
        }};
    }
    row!(0, "mov eax, [rcx]", BASE, 0_u64, 0x800);
    row!(1, "mov eax, [rcx + 0x7c]", BASE, 0_u64, 0x87c);
    row!(2, "mov eax, [rcx - 0x80]", BASE, 0_u64, 0x780);
    row!(3, "mov eax, [rcx - 0x12345600]", BASE + 0x1234_5600, 0_u64, 0x800);
    row!(4, "mov eax, [rcx + rdx]", BASE, 4_u64, 0x804);
    row!(5, "mov eax, [rcx + rdx * 2]", BASE, 4_u64, 0x808);
    row!(6, "mov eax, [rcx + rdx * 4 + 4]", BASE, -2_i64, 0x7fc);
    row!(7, "mov eax, [rcx + rdx * 8 + 0x1000]", BASE - 0x1000, 2_u64, 0x810);
    row!(8, "mov eax, [rdx * 8 - 0x100]", 0_u64, (BASE + 0x100) / 8, 0x800);
    // A 32-bit displacement alone is sign-extended, which cannot name this address; with the prefix it can.
    row!(9, ".byte 0x67, 0x8b, 0x04, 0x25; .long 0xd0000804", 0_u64, 0_u64, 0x804);
    row!(10, "mov eax, [ecx]", BASE | GARBAGE, 0_u64, 0x800);
    row!(11, "mov eax, [ecx + edx * 4]", BASE | GARBAGE, 3_u64 | GARBAGE, 0x80c);
    row!(12, "mov r8, r12; mov r12, rcx; mov eax, [r12]; mov r12, r8", BASE, 0_u64, 0x800);
    row!(13, "mov r8, r13; mov r13, rcx; mov eax, [r13]; mov r13, r8", BASE, 0_u64, 0x800);
    row!(14, "mov r8, rbp; mov rbp, rcx; mov eax, [rbp + 8]; mov rbp, r8", BASE, 0_u64, 0x808);
    row!(15, "mov r8, r12; mov r12, rdx; mov eax, [rcx + r12 * 4]; mov r12, r8", BASE, 4_u64, 0x810);
}

/// FS and GS add their bases to an address; CS, DS, ES and SS add nothing.
#[case(feature = MmioWidth, spec = sdm1("Segmentation in 64-Bit Mode"), needs = Needs::TEST_DEVICE)]
fn segment_prefixes() {
    const NAMES: &[Text] = names!["ES", "CS", "SS", "DS", "FS", "GS"];
    mmio::write_u32(page_address(0x40), 0x40);
    mmio::write_u32(page_address(0x48), 0x48);
    mmio::write_u32(page_address(0x50), 0x50);
    let fs = msr::With::value(IA32_FS_BASE, 8);
    let gs = msr::With::value(IA32_GS_BASE, 0x10);
    check!("FS and GS bases are set", fs.is_ok() && gs.is_ok());
    macro_rules! row {
        ($row:literal, $prefix:literal, $expected:literal) => {{
            let mut rax = 0_u64;
            let result = instruction!(concat!(".byte ", $prefix, ", 0x8b, 0x01"),
                inout("rax") rax, in("rcx") page_address(0x40));
            check_outcome!("load", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("value", [NAMES; $row], rax, $expected);
        }};
    }
    row!(0, "0x26", 0x40);
    row!(1, "0x2e", 0x40);
    row!(2, "0x36", 0x40);
    row!(3, "0x3e", 0x40);
    row!(4, "0x64", 0x48);
    row!(5, "0x65", 0x50);
}

/// An address that is not canonical raises #GP(0), or #SS(0) if the stack segment is used.
#[case(feature = MmioWidth, spec = [sdm1("Canonical Addressing"), sdm3a("Interrupt 12—Stack Fault Exception (#SS)")],
       needs = Needs::TEST_DEVICE)]
fn not_canonical_beside_a_device() {
    // The low bits are those of the device, so a truncated address would find it.
    const ADDRESS: u64 = page_address(0) | 1 << 63;
    test_device_must_see_nothing(|| {
        let load = instruction!("mov eax, [rcx]", in("rcx") ADDRESS, out("rax") _);
        check_outcome!("load", load, Outcome::GP);
        let store = instruction!("mov [rcx], eax", in("rcx") ADDRESS, in("rax") 0_u64);
        check_outcome!("store", store, Outcome::GP);
        let load = instruction!("mov r8, rbp; mov rbp, rcx; mov eax, [rbp]; mov rbp, r8",
            in("rcx") ADDRESS, out("rax") _, out("r8") _);
        check_outcome!("load by RBP", load, Outcome::SS);
    });
}

fn test_device_must_see_nothing(accesses: impl FnOnce()) {
    rt::test_device::clear_log();
    accesses();
    check_eq!("accesses that the device saw", rt::test_device::read_nr_accesses(), 0);
}
