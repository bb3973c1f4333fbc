//! SGDT, SIDT, SLDT, STR and SMSW by CPL, mode and CR4.UMIP.

use super::register_model::{Place, by_prevention};
use case::{Text, image::control};
use rt::{
    Exception, Outcome, case, check_outcome,
    cpu::control::{With, cr4},
    excursion::{Arena, Code, Program},
    instruction, machine_code, names, paging, user, user_code,
    vocabulary::Needs,
};

const NAMES: &[Text] = names![
    "SGDT",
    "SIDT",
    "SLDT register",
    "SLDT memory",
    "STR register",
    "STR memory",
    "SMSW register",
    "SMSW memory"
];

user_code!(sgdt: "sgdt [rdi]", "ret");
user_code!(sidt: "sidt [rdi]", "ret");
user_code!(sldt: "sldt eax", "ret");
user_code!(sldt_memory: "sldt word ptr [rdi]", "ret");
user_code!(str_register: "str eax", "ret");
user_code!(str_memory: "str word ptr [rdi]", "ret");
user_code!(smsw: "smsw eax", "ret");
user_code!(smsw_memory: "smsw word ptr [rdi]", "ret");

const AT_CPL_3: [extern "C" fn(u64) -> u64; 8] =
    [sgdt, sidt, sldt, sldt_memory, str_register, str_memory, smsw, smsw_memory];

fn at_cpl_0() -> [Result<(), Exception>; 8] {
    let at = paging::frame(0);
    [
        instruction!("sgdt [{0}]", in(reg) at),
        instruction!("sidt [{0}]", in(reg) at),
        instruction!("sldt {0:e}", out(reg) _),
        instruction!("sldt word ptr [{0}]", in(reg) at),
        instruction!("str {0:e}", out(reg) _),
        instruction!("str word ptr [{0}]", in(reg) at),
        instruction!("smsw {0:e}", out(reg) _),
        instruction!("smsw word ptr [{0}]", in(reg) at),
    ]
}

/// With CR4.UMIP clear the five instructions complete at CPL 3.
#[case(feature = UserModePrevention, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn without_prevention_at_cpl_3() {
    for (row, function) in AT_CPL_3.into_iter().enumerate() {
        check_outcome!(
            "at CPL 3",
            [NAMES; row],
            user::call(function, paging::frame(0)),
            by_prevention(row, Place::Protected(3), false)
        );
    }
}

/// With CR4.UMIP clear the five instructions complete at CPL 0.
#[case(feature = UserModePrevention, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn without_prevention_at_cpl_0() {
    for (row, result) in at_cpl_0().into_iter().enumerate() {
        check_outcome!("at CPL 0", [NAMES; row], result, by_prevention(row, Place::Protected(0), false));
    }
}

/// With CR4.UMIP set the five instructions raise #GP(0) at CPL 3, and complete again once it is clear.
#[case(feature = UserModePrevention, spec = [sdm3a("Control Registers"), apm2("CR4 Register")], needs = Needs::UMIP)]
fn prevention_at_cpl_3() {
    let set = With::cr4(cr4::UMIP, 0);
    check_outcome!("set CR4.UMIP", set.as_ref().map(|_| ()).map_err(|exception| *exception), Outcome::COMPLETED);
    for (row, function) in AT_CPL_3.into_iter().enumerate() {
        check_outcome!(
            "at CPL 3",
            [NAMES; row],
            user::call(function, paging::frame(0)),
            by_prevention(row, Place::Protected(3), true)
        );
    }
    drop(set);
    for (row, function) in AT_CPL_3.into_iter().enumerate() {
        check_outcome!(
            "clear again",
            [NAMES; row],
            user::call(function, paging::frame(0)),
            by_prevention(row, Place::Protected(3), false)
        );
    }
}

/// With CR4.UMIP set the five instructions complete at CPL 0.
#[case(feature = UserModePrevention, spec = [sdm3a("Control Registers"), apm2("CR4 Register")], needs = Needs::UMIP)]
fn prevention_at_cpl_0() {
    let set = With::cr4(cr4::UMIP, 0);
    for (row, result) in at_cpl_0().into_iter().enumerate() {
        check_outcome!("at CPL 0", [NAMES; row], result, by_prevention(row, Place::Protected(0), true));
    }
    drop(set);
    rt::check_eq!("CR4 as before", rt::cpu::control::read_cr4(), control::CR4);
}

machine_code! {
    /// The five in 16-bit code.
    16 PREVENTED_SGDT_16 = "sgdt [0x5000]";
    /// The same.
    16 PREVENTED_SIDT_16 = "sidt [0x5000]";
    /// The same.
    16 PREVENTED_SLDT_16 = "sldt ax";
    /// The same.
    16 PREVENTED_SLDT_MEMORY_16 = "sldt word ptr [0x5000]";
    /// The same.
    16 PREVENTED_STR_16 = "str ax";
    /// The same.
    16 PREVENTED_STR_MEMORY_16 = "str word ptr [0x5000]";
    /// The same.
    16 PREVENTED_SMSW_16 = "smsw ax";
    /// The same.
    16 PREVENTED_SMSW_MEMORY_16 = "smsw word ptr [0x5000]";
}

fn codes() -> [&'static Code; 8] {
    [
        &PREVENTED_SGDT_16,
        &PREVENTED_SIDT_16,
        &PREVENTED_SLDT_16,
        &PREVENTED_SLDT_MEMORY_16,
        &PREVENTED_STR_16,
        &PREVENTED_STR_MEMORY_16,
        &PREVENTED_SMSW_16,
        &PREVENTED_SMSW_MEMORY_16,
    ]
}

const CR4_UMIP: u32 = cr4::UMIP as u32;

/// In real mode CPL is 0: with CR4.UMIP set SGDT, SIDT and SMSW complete; SLDT and STR are undefined there.
#[case(feature = UserModePrevention, spec = [sdm2("SMSW—Store Machine Status Word"), sdm2("SLDT—Store Local Descriptor Table Register")], needs = Needs::UMIP)]
fn prevention_in_real_mode() {
    let arena = Arena::new();
    for (row, code) in codes().into_iter().enumerate() {
        let mut program = Program::REAL;
        program.cr4 = CR4_UMIP;
        let expected = by_prevention(row, Place::Real, true);
        check_outcome!("in real mode", [NAMES; row], arena.run(&program, code).outcome(), expected);
    }
}

/// At CPL 0 in 16-bit protected mode the five complete with CR4.UMIP set.
#[case(feature = UserModePrevention, spec = sdm3a("Control Registers"), needs = Needs::UMIP)]
fn prevention_in_protected_mode_at_cpl_0() {
    let arena = Arena::new();
    for (row, code) in codes().into_iter().enumerate() {
        let mut program = Program::PROTECTED_16;
        program.cr4 = CR4_UMIP;
        check_outcome!(
            "CPL 0",
            [NAMES; row],
            arena.run(&program, code).outcome(),
            by_prevention(row, Place::Protected(0), true)
        );
    }
}

/// At CPL 3 in 16-bit protected mode the five raise #GP(0) with CR4.UMIP set, and complete with it clear.
#[case(feature = UserModePrevention, spec = sdm3a("Control Registers"), needs = Needs::UMIP)]
fn prevention_in_protected_mode_at_cpl_3() {
    let arena = Arena::new();
    for (row, code) in codes().into_iter().enumerate() {
        let mut program = Program::USER_16;
        check_outcome!(
            "UMIP clear",
            [NAMES; row],
            arena.run(&program, code).outcome(),
            by_prevention(row, Place::Protected(3), false)
        );
        program.cr4 = CR4_UMIP;
        let arrival = arena.run(&program, code);
        check_outcome!("UMIP set", [NAMES; row], arrival.outcome(), by_prevention(row, Place::Protected(3), true));
        rt::check_eq!("EIP", [NAMES; row], arrival.registers.eip, program.registers.eip);
    }
}

/// In virtual-8086 mode, which is CPL 3, SGDT, SIDT and SMSW raise #GP(0) with CR4.UMIP set; SLDT and STR are undefined.
#[case(feature = UserModePrevention, spec = [sdm2("SMSW—Store Machine Status Word"), sdm2("SLDT—Store Local Descriptor Table Register")], needs = Needs::UMIP)]
fn prevention_in_virtual_8086_mode() {
    let arena = Arena::new();
    for (row, code) in codes().into_iter().enumerate() {
        let mut program = Program::VIRTUAL_8086;
        let clear = by_prevention(row, Place::Virtual8086, false);
        check_outcome!("UMIP clear", [NAMES; row], arena.run(&program, code).outcome(), clear);
        program.cr4 = CR4_UMIP;
        let set = by_prevention(row, Place::Virtual8086, true);
        check_outcome!("UMIP set", [NAMES; row], arena.run(&program, code).outcome(), set);
    }
}
