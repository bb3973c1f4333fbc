//! Devices reached from CPL 3: native code whose accesses leave the processor's hands only for the device.

use rt::{
    Outcome, case, check_eq, check_outcome, mmio, names,
    test_device::{self, Access, page_address, summary},
    user, user_code,
    vocabulary::{Needs, Text},
};

const AT: u64 = 0x300;
const V: u64 = 0x8877_6655_4433_2211;
const HIGH: u64 = 0x0102_0304_0506_0708;

user_code!(load_8: "movzx eax, byte ptr [rdi]", "ret");
user_code!(load_16: "movzx eax, word ptr [rdi]", "ret");
user_code!(load_32: "mov eax, [rdi]", "ret");
user_code!(load_64: "mov rax, [rdi]", "ret");
user_code!(store_8: "mov [rdi], dil", "ret");
user_code!(store_16: "mov [rdi], di", "ret");
user_code!(store_32: "mov [rdi], edi", "ret");
user_code!(store_64: "mov [rdi], rdi", "ret");

/// Loads and stores from CPL 3 are one access each, as at CPL 0.
#[case(feature = MmioWidth, spec = sdm3a("Guaranteed Atomic Operations"), needs = Needs::TEST_DEVICE)]
fn loads_and_stores_from_cpl_3() {
    const NAMES: &[Text] = names!["8 bits", "16 bits", "32 bits", "64 bits"];
    let table: [(extern "C" fn(u64) -> u64, extern "C" fn(u64) -> u64); 4] =
        [(load_8, store_8), (load_16, store_16), (load_32, store_32), (load_64, store_64)];
    for (row, (load, store)) in table.into_iter().enumerate() {
        let size = 1_u64 << row;
        let mask = u64::MAX >> (64 - size * 8);
        let address = page_address(AT);
        mmio::write_u64(address, V);
        test_device::clear_log();
        let result = user::call(load, address);
        let log = test_device::read_summary();
        check_outcome!("load", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("value", [NAMES; row], result.unwrap_or(0), V & mask);
        check_eq!("log of the load", [NAMES; row], log, summary(&[Access::read(AT, size)]));
        test_device::clear_log();
        let result = user::call(store, address);
        let log = test_device::read_summary();
        check_outcome!("store", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("log of the store", [NAMES; row], log, summary(&[Access::write(AT, size)]));
        check_eq!("register of the device", [NAMES; row], mmio::read_u64(address), V & !mask | address & mask);
    }
}

user_code!(add: "add dword ptr [rdi], 5", "ret");
user_code!(xchg: "mov eax, 9", "xchg [rdi], eax", "ret");
user_code!(lock_inc: "lock inc qword ptr [rdi]", "ret");
user_code!(bts: "bts dword ptr [rdi], 31", "setc al", "movzx eax, al", "ret");

/// Read-modify-write from CPL 3 is one read and one write, as at CPL 0.
#[case(feature = MmioReadModifyWrite, spec = [sdm2("ADD—Add"), sdm2("XCHG—Exchange Register/Memory With Register")],
       needs = Needs::TEST_DEVICE)]
fn read_modify_write_from_cpl_3() {
    const NAMES: &[Text] = names!["ADD m32, imm8", "XCHG m32, r32", "LOCK INC m64", "BTS m32, 31"];
    let table: [(extern "C" fn(u64) -> u64, u64, u64); 4] =
        [(add, 4, V + 5), (xchg, 4, V >> 32 << 32 | 9), (lock_inc, 8, V + 1), (bts, 4, V | 1 << 31)];
    for (row, (code, size, expected)) in table.into_iter().enumerate() {
        mmio::write_u64(page_address(AT), V);
        test_device::clear_log();
        let result = user::call(code, page_address(AT));
        let log = test_device::read_summary();
        check_outcome!("the instruction", [NAMES; row], result, Outcome::COMPLETED);
        let accesses = summary(&[Access::read(AT, size), Access::write(AT, size)]);
        check_eq!("log: one read, one write", [NAMES; row], log, accesses);
        check_eq!("register of the device", [NAMES; row], mmio::read_u64(page_address(AT)), expected);
    }
}

// Each returns the sum of both halves of what it loaded, or stores HIGH and V from XMM0.
user_code!(movups_load: "movups xmm0, [rdi]", "movq rax, xmm0", "psrldq xmm0, 8", "movq rcx, xmm0", "add rax, rcx", "ret");
user_code!(movaps_load: "movaps xmm0, [rdi]", "movq rax, xmm0", "psrldq xmm0, 8", "movq rcx, xmm0", "add rax, rcx", "ret");
user_code!(movdqa_load: "movdqa xmm0, [rdi]", "movq rax, xmm0", "psrldq xmm0, 8", "movq rcx, xmm0", "add rax, rcx", "ret");
user_code!(movdqu_load: "movdqu xmm0, [rdi]", "movq rax, xmm0", "psrldq xmm0, 8", "movq rcx, xmm0", "add rax, rcx", "ret");
user_code!(movups_store:
    "movabs rax, 0x8877665544332211", "movq xmm0, rax", "punpcklqdq xmm0, xmm0", "movups [rdi], xmm0", "xor eax, eax", "ret");
user_code!(movdqa_store:
    "movabs rax, 0x8877665544332211", "movq xmm0, rax", "punpcklqdq xmm0, xmm0", "movdqa [rdi], xmm0", "xor eax, eax", "ret");
user_code!(movntdq_store:
    "movabs rax, 0x8877665544332211", "movq xmm0, rax", "punpcklqdq xmm0, xmm0", "movntdq [rdi], xmm0", "sfence",
    "xor eax, eax", "ret");

/// A load or store of 16 bytes by an SSE register moves all of them between a device and the register.
#[case(feature = MmioWidth, spec = [sdm2("MOVUPS—Move Unaligned Packed Single Precision Floating-Point Values"),
       sdm2("MOVDQA,VMOVDQA32/64—Move Aligned Packed Integer Values")], needs = Needs::TEST_DEVICE)]
fn sixteen_bytes() {
    const LOADS: &[Text] = names!["MOVUPS", "MOVAPS", "MOVDQA", "MOVDQU"];
    const STORES: &[Text] = names!["MOVUPS", "MOVDQA", "MOVNTDQ"];
    let loads: [extern "C" fn(u64) -> u64; 4] = [movups_load, movaps_load, movdqa_load, movdqu_load];
    mmio::write_u64(page_address(AT), V);
    mmio::write_u64(page_address(AT + 8), HIGH);
    for (row, load) in loads.into_iter().enumerate() {
        let result = user::call(load, page_address(AT));
        check_outcome!("load", [LOADS; row], result, Outcome::COMPLETED);
        check_eq!("sum of both halves", [LOADS; row], result.unwrap_or(0), V.wrapping_add(HIGH));
    }
    let stores: [extern "C" fn(u64) -> u64; 3] = [movups_store, movdqa_store, movntdq_store];
    for (row, store) in stores.into_iter().enumerate() {
        let at = AT + 0x20 + row as u64 * 16;
        check_outcome!("store", [STORES; row], user::call(store, page_address(at)), Outcome::COMPLETED);
        check_eq!("low half", [STORES; row], mmio::read_u64(page_address(at)), V);
        check_eq!("high half", [STORES; row], mmio::read_u64(page_address(at + 8)), V);
    }
}

user_code!(movd_load: "movd xmm0, dword ptr [rdi]", "movq rax, xmm0", "ret");
user_code!(movq_load: "movq xmm0, qword ptr [rdi]", "movq rax, xmm0", "ret");
user_code!(fild: "fninit", "fild qword ptr [rdi]", "fistp qword ptr [rsp - 8]", "mov rax, [rsp - 8]", "ret");
user_code!(fistp: "fninit", "fld1", "fistp dword ptr [rdi]", "xor eax, eax", "ret");
user_code!(paddd: "pxor xmm0, xmm0", "paddd xmm0, [rdi]", "movq rax, xmm0", "ret");
user_code!(movq_store: "pcmpeqd xmm0, xmm0", "movq qword ptr [rdi + 16], xmm0", "xor eax, eax", "ret");

/// MOVD and MOVQ move between a device and an SSE register: the manuals make no exception for uncached memory.
#[case(feature = MmioWidth, spec = sdm2("MOVD/MOVQ—Move Doubleword/Move Quadword"), needs = Needs::TEST_DEVICE)]
fn scalar_sse_moves() {
    const NAMES: &[Text] = names!["MOVD xmm, m32", "MOVQ xmm, m64"];
    mmio::write_u64(page_address(AT), V);
    check_outcome!("MOVQ m64, xmm", user::call(movq_store, page_address(AT)), Outcome::COMPLETED);
    check_eq!("quadword stored", mmio::read_u64(page_address(AT + 16)), u64::MAX);
    let table: [(extern "C" fn(u64) -> u64, u64); 2] = [(movd_load, V & 0xffff_ffff), (movq_load, V)];
    for (row, (code, expected)) in table.into_iter().enumerate() {
        let result = user::call(code, page_address(AT));
        check_outcome!("load", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("value", [NAMES; row], result.unwrap_or(0), expected);
    }
}

/// SSE arithmetic takes its 16-byte operand from a device.
#[case(feature = MmioWidth, spec = sdm2("PADDB/PADDW/PADDD/PADDQ—Add Packed Integers"), needs = Needs::TEST_DEVICE)]
fn sse_arithmetic_operand() {
    mmio::write_u64(page_address(AT), V);
    let result = user::call(paddd, page_address(AT));
    check_outcome!("PADDD xmm, m128", result, Outcome::COMPLETED);
    check_eq!("low half", result.unwrap_or(0), V);
}

/// x87 loads an integer from a device and stores one to it.
#[case(feature = MmioWidth, spec = [sdm2("FILD—Load Integer"), sdm2("FIST/FISTP—Store Integer")],
       needs = Needs::TEST_DEVICE)]
fn x87_integers() {
    mmio::write_u64(page_address(AT), V);
    let result = user::call(fild, page_address(AT));
    check_outcome!("FILD m64", result, Outcome::COMPLETED);
    check_eq!("value", result.unwrap_or(0), V);
    check_outcome!("FISTP m32", user::call(fistp, page_address(AT + 8)), Outcome::COMPLETED);
    check_eq!("integer stored", mmio::read_u32(page_address(AT + 8)), 1);
}

user_code!(movbe_load: "movbe rax, [rdi]", "ret");
user_code!(movbe_store: "movabs rax, 0x8877665544332211", "movbe [rdi], eax", "ret");

/// MOVBE swaps the bytes of what it loads from and stores to a device.
#[case(feature = MmioWidth, spec = sdm2("MOVBE—Move Data After Swapping Bytes"), needs = Needs::TEST_DEVICE | Needs::MOVBE)]
fn movbe() {
    mmio::write_u64(page_address(AT), V);
    let result = user::call(movbe_load, page_address(AT));
    check_outcome!("load", result, Outcome::COMPLETED);
    check_eq!("value", result.unwrap_or(0), V.swap_bytes());
    check_outcome!("store", user::call(movbe_store, page_address(AT + 8)), Outcome::COMPLETED);
    check_eq!("register of the device", mmio::read_u64(page_address(AT + 8)), 0x1122_3344);
}
