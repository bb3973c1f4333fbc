//! What control registers refuse.

use rt::cpu::feature_bit::{FeatureBit, Register::Eax};
use rt::{
    Exception, Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{self, cr0, cr4, read_cr0, read_cr3, read_cr4, read_cr8, write_cr0, write_cr3, write_cr4, write_cr8},
        cpuid::read_leaf,
    },
    instruction, names,
    paging::{read_physical_address_bits, supervisor::SupervisorRuntime},
    vocabulary::{Needs, Text},
};

/// CR0 refuses paging without protection, NW without CD, any of bits 63 to 32, and to leave paging in 64-bit mode: #GP(0).
#[case(feature = ControlRegisterChecks, spec = [sdm2("MOV—Move to/from Control Registers"), sdm3a("Control Registers")])]
fn cr0_refuses() {
    let before = read_cr0();
    let table =
        [before & !cr0::PE, before & !cr0::PG, (before | cr0::NW) & !cr0::CD, before | 1 << 32, before | 1 << 63];
    for (row, value) in table.into_iter().enumerate() {
        check_outcome!(
            "MOV to CR0",
            [names!["PG without PE", "PG clear", "NW without CD", "bit 32", "bit 63"]; row],
            write_cr0(value),
            Outcome::GP
        );
    }
    check_eq!("CR0 behind them", read_cr0(), before);
}

/// ET reads as one, whatever is written, and the other bits of CR0 that may change read as written.
#[case(feature = ControlRegisterChecks, spec = sdm3a("Control Registers"))]
fn cr0_reads_back() {
    const ROWS: &[Text] = names!["ET clear", "TS", "MP clear", "EM", "AM", "WP clear", "NE clear"];
    let before = read_cr0();
    let table = [
        (before & !cr0::ET, before | cr0::ET),
        (before | cr0::TS, before | cr0::TS),
        (before & !cr0::MP, before & !cr0::MP),
        (before | cr0::EM, before | cr0::EM),
        (before | cr0::AM, before | cr0::AM),
        (before & !cr0::WP, before & !cr0::WP),
        (before & !cr0::NE, before & !cr0::NE),
    ];
    for (row, (value, expected)) in table.into_iter().enumerate() {
        check_outcome!("MOV to CR0", [ROWS; row], write_cr0(value), Outcome::COMPLETED);
        check_eq!("CR0", [ROWS; row], read_cr0(), expected);
        let _ = write_cr0(before);
    }
}

/// LMSW sets PE, MP, EM and TS, cannot clear PE, and leaves the other bits; CLTS clears TS; SMSW reads CR0.
#[case(feature = ControlRegisterChecks, spec = [sdm2("LMSW—Load Machine Status Word"),
       sdm2("CLTS—Clear Task-Switched Flag in CR0"), sdm2("SMSW—Store Machine Status Word")])]
fn machine_status_word() {
    let before = read_cr0();
    let low = cr0::PE | cr0::MP | cr0::EM | cr0::TS;
    for (row, value) in [0, cr0::TS, cr0::EM | cr0::MP, 0xfff0, 0xffff].into_iter().enumerate() {
        check_outcome!(
            "LMSW",
            [names!["0", "TS", "EM and MP", "FFF0H", "FFFFH"]; row],
            instruction!("lmsw {0:x}", in(reg) value),
            Outcome::COMPLETED
        );
        check_eq!(
            "CR0",
            [names!["0", "TS", "EM and MP", "FFF0H", "FFFFH"]; row],
            read_cr0(),
            before & !low | value & low | cr0::PE
        );
        let _ = write_cr0(before);
    }
    let _ = write_cr0(before | cr0::TS);
    let mut smsw = 0_u64;
    let _ = instruction!("smsw {0:r}", "mov [{1}], {0}", out(reg) _, in(reg) &raw mut smsw);
    check_eq!("SMSW", smsw & 0xffff, (before | cr0::TS) & 0xffff);
    let result: Result<(), Exception> = instruction!("clts");
    check_outcome!("CLTS", result, Outcome::COMPLETED);
    check_eq!("TS behind CLTS", read_cr0() & cr0::TS, 0);
    let _ = write_cr0(before);
}

/// CR4 refuses reserved bits, and changes of PAE and LA57 in 64-bit mode, with #GP(0).
#[case(feature = ControlRegisterChecks, spec = [sdm2("MOV—Move to/from Control Registers"), sdm3a("Control Registers")])]
fn cr4_refuses() {
    let before = read_cr4();
    let table = [before ^ cr4::PAE, before ^ cr4::LA57, before | 1 << 15, before | 1 << 31, before | 1 << 63];
    for (row, value) in table.into_iter().enumerate() {
        check_outcome!(
            "MOV to CR4",
            [names!["PAE clear", "LA57 changed", "bit 15", "bit 31", "bit 63"]; row],
            write_cr4(value),
            Outcome::GP
        );
    }
    check_eq!("CR4 behind them", read_cr4(), before);
}

/// A bit of CR4 can be set if and only if CPUID tells its feature.
#[case(feature = ControlRegisterChecks, spec = [sdm3a("Control Registers"), sdm2("CPUID—CPU Identification")])]
fn cr4_follows_cpuid() {
    const ROWS: &[Text] = names!["UMIP", "FSGSBASE", "PCIDE", "OSXSAVE", "SMEP", "SMAP", "PKE", "PGE"];
    let _runtime = SupervisorRuntime::new();
    let (leaf_1, leaf_7) = (read_leaf(1, 0), if read_leaf(0, 0).eax >= 7 { Some(read_leaf(7, 0)) } else { None });
    let bit = |register: u32, bit: u32| register >> bit & 1 != 0;
    let table: [(u64, bool); 8] = [
        (cr4::UMIP, leaf_7.is_some_and(|leaf| bit(leaf.ecx, 2))),
        (cr4::FSGSBASE, leaf_7.is_some_and(|leaf| bit(leaf.ebx, 0))),
        (cr4::PCIDE, bit(leaf_1.ecx, 17)),
        (cr4::OSXSAVE, bit(leaf_1.ecx, 26)),
        (cr4::SMEP, leaf_7.is_some_and(|leaf| bit(leaf.ebx, 7))),
        (cr4::SMAP, leaf_7.is_some_and(|leaf| bit(leaf.ebx, 20))),
        // PKE.
        (1 << 22, leaf_7.is_some_and(|leaf| bit(leaf.ecx, 3))),
        (cr4::PGE, bit(leaf_1.edx, 13)),
    ];
    let before = read_cr4();
    for (row, (value, offered)) in table.into_iter().enumerate() {
        let outcome = Outcome::from(write_cr4(before | value));
        let after = read_cr4();
        // SMAP would forbid nothing here, as the runtime is supervisor memory, but must not stay either.
        let _ = write_cr4(before);
        check_outcome!("MOV to CR4", [ROWS; row], outcome, if offered { Outcome::COMPLETED } else { Outcome::GP });
        check_eq!("CR4", [ROWS; row], after, if offered { before | value } else { before });
    }
}

/// CR4.PCIDE cannot be set while CR3 bits 11 to 0 are not zero.
#[case(feature = ControlRegisterChecks, spec = [sdm2("MOV—Move to/from Control Registers"),
       sdm3a("Process-Context Identifiers (PCIDs)")], needs = Needs::PCID)]
fn pcide_needs_a_clear_pcid() {
    let (cr3, cr4) = (read_cr3(), read_cr4());
    // PWT and PCD of the PML4 lie in those bits.
    check_outcome!("CR3 with PCD", write_cr3(cr3 | 1 << 4), Outcome::COMPLETED);
    check_outcome!("PCIDE", write_cr4(cr4 | cr4::PCIDE), Outcome::GP);
    let _ = write_cr3(cr3);
    check_outcome!("PCIDE with the bits clear", control::With::cr4(cr4::PCIDE, 0).map(|_| ()), Outcome::COMPLETED);
}

/// CR3 refuses the physical-address bits from MAXPHYADDR up, and reads back PWT and PCD.
#[case(feature = ControlRegisterChecks, spec = [sdm2("MOV—Move to/from Control Registers"), sdm3a("Control Registers")])]
fn cr3_refuses_bits_above_maxphyaddr() {
    let (before, width) = (read_cr3(), read_physical_address_bits());
    let table = [width.min(52), 52, 56, 60];
    for (row, bit) in table.into_iter().enumerate() {
        check_outcome!(
            "MOV to CR3",
            [names!["MAXPHYADDR", "bit 52", "bit 56", "bit 60"]; row],
            write_cr3(before | 1 << bit),
            Outcome::GP
        );
    }
    // Bits 61 and 62 are those of linear-address masking (CPUID leaf 7.1, EAX bit 26); bit 63 is a command with PCIDs.
    let is_masked = FeatureBit::new(7, 1, Eax, 26).read();
    for (row, bit) in [61, 62, 63].into_iter().enumerate().filter(|(row, _)| *row == 2 || !is_masked) {
        let result = write_cr3(before | 1 << bit);
        check_outcome!(
            "MOV to CR3 without LAM and PCIDs",
            [names!["bit 61", "bit 62", "bit 63"]; row],
            result,
            Outcome::GP
        );
    }
    check_eq!("CR3 behind them", read_cr3(), before);
    check_outcome!("PWT and PCD", write_cr3(before | 3 << 3), Outcome::COMPLETED);
    check_eq!("CR3 with PWT and PCD", read_cr3(), before | 3 << 3);
    let _ = write_cr3(before);
}

/// CR8 holds four bits, and refuses the others with #GP(0).
#[case(feature = ControlRegisterChecks, spec = [sdm3a("Control Registers"), sdm3a("Task Priority in IA-32e Mode")])]
fn cr8_holds_four_bits() {
    for value in 0..16 {
        check!("CR8 reads back", [&[]; value], write_cr8(value).is_ok() && read_cr8() == value);
    }
    let _ = write_cr8(0);
    for (row, bit) in [4, 8, 32, 63].into_iter().enumerate() {
        check_outcome!(
            "MOV to CR8",
            [names!["bit 4", "bit 8", "bit 32", "bit 63"]; row],
            write_cr8(1 << bit),
            Outcome::GP
        );
    }
    check_eq!("CR8 behind them", read_cr8(), 0);
}

/// Control registers 1, 5 to 7 and 9 to 15 do not exist: #UD.
#[case(feature = ControlRegisterChecks, spec = sdm2("MOV—Move to/from Control Registers"))]
fn control_registers_that_do_not_exist() {
    // MOV RAX, CRn and MOV CRn, RAX: the assembler refuses some of them.
    let rows: [Result<(), Exception>; 8] = [
        instruction!(".byte 0x0f, 0x20, 0xc8", out("rax") _),
        instruction!(".byte 0x0f, 0x20, 0xe8", out("rax") _),
        instruction!(".byte 0x0f, 0x20, 0xf0", out("rax") _),
        instruction!(".byte 0x0f, 0x20, 0xf8", out("rax") _),
        instruction!(".byte 0x44, 0x0f, 0x20, 0xc8", out("rax") _),
        instruction!(".byte 0x44, 0x0f, 0x20, 0xf8", out("rax") _),
        instruction!(".byte 0x0f, 0x22, 0xc8", in("rax") 0_u64),
        instruction!(".byte 0x0f, 0x22, 0xf8", in("rax") 0_u64),
    ];
    for (row, result) in rows.into_iter().enumerate() {
        check_outcome!(
            "outcome",
            [names!["read CR1", "read CR5", "read CR6", "read CR7", "read CR9", "read CR15", "write CR1", "write CR7"];
                row],
            result,
            Outcome::UD
        );
    }
}
