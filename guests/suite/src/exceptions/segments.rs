//! Faults by loads of segment registers.

use rt::{Exception, Outcome, case, check_eq, check_outcome, instruction, names, tables::selector, user, user_code};

const NP: u8 = 11;
const SS: u8 = 12;

/// A selector of the LDT, which is empty.
const IN_LDT: u16 = 0x0c;

/// Loading DS raises #NP for a segment that is not present and #GP beyond the limit of the GDT, in the LDT that does not
/// exist, and for a segment that is none for data; the error code is the selector.
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 11—Segment Not Present (#NP)"),
       sdm3a("Interrupt 13—General Protection Exception (#GP)"), sdm3a("Error Code")])]
fn load_of_ds_at_cpl_0() {
    // Reset leaves an LDT of 64 KiB at address 0.
    let _ = instruction!("lldt {0:x}", in(reg) 0_u16);
    let table = [
        (selector::KERNEL_DATA, Outcome::COMPLETED),
        (selector::USER_DATA, Outcome::COMPLETED),
        (0, Outcome::COMPLETED),
        (3, Outcome::COMPLETED),
        (selector::KERNEL_CODE, Outcome::COMPLETED),
        (selector::NOT_PRESENT, Outcome::exception(NP, selector::NOT_PRESENT as u32)),
        (selector::BEYOND_LIMIT, Outcome::gp(selector::BEYOND_LIMIT as u32)),
        (IN_LDT, Outcome::gp(IN_LDT as u32)),
        (selector::TSS, Outcome::gp(selector::TSS as u32)),
        (selector::KERNEL_DATA | 3, Outcome::gp(selector::KERNEL_DATA as u32)),
    ];
    for (row, (value, expected)) in table.into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("mov ds, {0:x}", in(reg) value);
        check_outcome!(
            "DS",
            [names![
                "data",
                "data of CPL 3",
                "null",
                "null with RPL 3",
                "readable code",
                "not present",
                "beyond the limit",
                "in the LDT",
                "TSS",
                "RPL 3 for a segment of CPL 0"
            ]; row],
            result,
            expected
        );
    }
    let _ = instruction!("mov ds, {0:x}", in(reg) selector::KERNEL_DATA);
}

/// Loading SS raises #SS for a segment that is not present and #GP for one of another privilege level or type.
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 12—Stack Fault Exception (#SS)"), sdm2("MOV—Move")])]
fn load_of_ss_at_cpl_0() {
    let table = [
        (selector::KERNEL_DATA, Outcome::COMPLETED),
        (0, Outcome::COMPLETED),
        (selector::NOT_PRESENT, Outcome::exception(SS, selector::NOT_PRESENT as u32)),
        (selector::USER_DATA, Outcome::gp(selector::USER_DATA as u32 & !3)),
        (selector::KERNEL_DATA | 3, Outcome::gp(selector::KERNEL_DATA as u32)),
        (selector::KERNEL_CODE, Outcome::gp(selector::KERNEL_CODE as u32)),
        (selector::BEYOND_LIMIT, Outcome::gp(selector::BEYOND_LIMIT as u32)),
    ];
    for (row, (value, expected)) in table.into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("mov ss, {0:x}", in(reg) value);
        check_outcome!(
            "SS",
            [names!["data", "null", "not present", "of CPL 3", "RPL 3", "code", "beyond the limit"]; row],
            result,
            expected
        );
    }
    let _ = instruction!("mov ss, {0:x}", in(reg) selector::KERNEL_DATA);
}

user_code!(load_ds: "mov ds, edi", "ret");
user_code!(load_ss: "mov ss, edi", "ret");

/// At CPL 3 a segment of CPL 0 cannot be loaded, nor a null SS.
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 13—General Protection Exception (#GP)"), sdm2("MOV—Move")])]
fn load_of_segments_at_cpl_3() {
    let table: [(extern "C" fn(u64) -> u64, u16, Outcome); 9] = [
        (load_ds, selector::USER_DATA, Outcome::COMPLETED),
        (load_ds, 0, Outcome::COMPLETED),
        (load_ds, selector::KERNEL_DATA, Outcome::gp(selector::KERNEL_DATA as u32)),
        (load_ds, selector::KERNEL_DATA | 3, Outcome::gp(selector::KERNEL_DATA as u32)),
        (load_ds, selector::BEYOND_LIMIT | 3, Outcome::gp(selector::BEYOND_LIMIT as u32)),
        (load_ss, selector::USER_DATA, Outcome::COMPLETED),
        (load_ss, 0, Outcome::GP),
        (load_ss, 3, Outcome::GP),
        (load_ss, selector::KERNEL_DATA, Outcome::gp(selector::KERNEL_DATA as u32)),
    ];
    for (row, (function, value, expected)) in table.into_iter().enumerate() {
        check_outcome!(
            "load",
            [names![
                "DS, data",
                "DS, null",
                "DS of CPL 0",
                "DS of CPL 0, RPL 3",
                "DS beyond the limit",
                "SS, data",
                "SS, null",
                "SS, null with RPL 3",
                "SS of CPL 0"
            ]; row],
            user::call(function, u64::from(value)),
            expected
        );
    }
}

/// A load of DS that faults leaves DS as it was.
#[case(feature = ExceptionVectors, spec = sdm3a("Program or Task Restart"))]
fn faulting_load_leaves_the_segment() {
    let _ = instruction!("mov ds, {0:x}", in(reg) selector::USER_DATA);
    let _: Result<(), Exception> = instruction!("mov ds, {0:x}", in(reg) selector::BEYOND_LIMIT);
    let mut ds = 0_u64;
    let _ = instruction!("mov {0}, ds", "mov [{1}], {0}", out(reg) _, in(reg) &raw mut ds);
    check_eq!("DS", ds, selector::USER_DATA);
    let _ = instruction!("mov ds, {0:x}", in(reg) selector::KERNEL_DATA);
}
