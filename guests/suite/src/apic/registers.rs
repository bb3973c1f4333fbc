//! Every register in both modes, by the table: reset value, readable, writable, reserved, read-only.

use super::{
    guest::{Guest, check_range},
    table::{Access, NR_ROWS, ROWS},
    walk::{self, COMPLETED},
};
use rt::{
    Outcome, case, check, check_eq, check_outcome, instruction,
    local_apic::{LocalApic, Mode, Registers, register::Register},
    names, skip,
    vocabulary::{Needs, Text},
};

/// A local APIC with x2APIC mode.
const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);

/// Firmware that has used the local APIC leaves it enabled.
fn is_used(registers: &Registers) -> bool {
    registers.read(Register::SVR) != 0xff
}

/// After power-up the registers hold what the manual tells, in xAPIC mode.
#[case(feature = ApicRegisters, spec = [sdm3a("Local APIC State After Power-Up or Reset"), apm2("APIC Registers")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn reset_values() {
    let registers = Registers::new();
    if registers.are_msrs() || is_used(&registers) {
        return skip!("firmware has used the local APIC before");
    }
    walk::check_reset(&mut Guest::new(&registers));
}

/// The same values are found after the transition to x2APIC mode, with the logical ID made of the ID.
#[case(feature = X2ApicRegisters, spec = [sdm3a("x2APIC State Transitions"), sdm3a("Local APIC State After Power-Up or Reset")],
       needs = X2APIC, irqchip = LocalApic)]
fn reset_values_in_x2apic_mode() {
    let registers = Registers::new();
    if registers.are_msrs() || is_used(&registers) {
        return skip!("firmware has used the local APIC before");
    }
    let result = rt::local_apic::go_to(Mode::X2Apic);
    check_outcome!("to x2APIC mode", result, Outcome::COMPLETED);
    if result.is_ok() {
        walk::check_reset(&mut Guest::new(&Registers::new()));
    }
}

/// Makes a walk over the table in a mode, with the local APIC enabled.
fn in_mode(mode: Mode, walk: impl FnOnce(&mut Guest<'_>)) {
    match LocalApic::in_mode(mode) {
        Ok(apic) => walk(&mut Guest::new(&apic)),
        Err(exception) => check_outcome!("to the mode", exception, Outcome::COMPLETED),
    }
}

macro_rules! walks {
    ($($(#[$doc:meta])* $name:ident $feature:ident $mode:ident $needs:expr, $spec:expr, $walk:expr;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = $feature, spec = [$spec, sdm3a("Local APIC Register Address Map"), apm2("APIC Registers")],
                   needs = $needs, irqchip = LocalApic, time = 2)]
            fn $name() {
                in_mode(Mode::$mode, $walk);
            }
        )*
    };
}

walks! {
    /// Bits that are reserved read as zero where nobody has written them.
    reserved_bits_read_as_zero ApicRegisters XApic Needs::LOCAL_APIC, sdm3a("Local Vector Table"), |guest| walk::check_reads(guest);
    /// Writes to registers that are read-only change nothing.
    read_only_registers ApicRegisters XApic Needs::LOCAL_APIC, sdm3a("Local APIC"), |guest| walk::check_read_only(guest);
    /// Every writable bit, and every legal value of a field, reads back as it was written.
    writable_bits ApicRegisters XApic Needs::LOCAL_APIC, sdm3a("Local Vector Table"), |guest| walk::check_values(guest, 0, NR_ROWS);
    /// Writing a reserved bit changes no other bit of the register.
    reserved_bits_change_no_others ApicRegisters XApic Needs::LOCAL_APIC, sdm3a("Local Vector Table"),
        |guest| walk::check_reserved(guest, 0, NR_ROWS);
    /// RDMSR reads every register, zero in its reserved bits, and raises #GP(0) for those that are write-only.
    x2apic_reads X2ApicRegisters X2Apic X2APIC, sdm3a("x2APIC Register Address Space"),
        |guest| walk::check_reads(guest);
    /// WRMSR to a register that is read-only raises #GP(0) and changes nothing.
    x2apic_read_only_registers X2ApicRegisters X2Apic X2APIC, sdm3a("x2APIC Register Address Space"),
        |guest| walk::check_read_only(guest);
    /// In x2APIC mode every writable bit, and every legal value of a field, reads back as it was written.
    x2apic_writable_bits X2ApicRegisters X2Apic X2APIC, sdm3a("x2APIC Register Address Space"),
        |guest| walk::check_values(guest, 0, NR_ROWS);
}

macro_rules! reserved {
    ($($(#[$doc:meta])* $name:ident $first:literal $end:literal;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = X2ApicRegisters, spec = [sdm3a("Reserved Bit Checking"), apm2("x2APIC Register Address Space")],
                   needs = X2APIC, irqchip = LocalApic, time = 2)]
            fn $name() {
                in_mode(Mode::X2Apic, |guest| check_range(guest, $first, $end));
            }
        )*
    };
}

// A case may take no longer than its subject's limit.
reserved! {
    /// Setting a reserved bit of TPR, EOI or SVR by WRMSR raises #GP(0) and changes nothing.
    x2apic_reserved_bits_of_priorities 0x00 0x0f;
    /// Setting a reserved bit of ESR or ICR by WRMSR raises #GP(0), and sends nothing.
    x2apic_reserved_bits_of_commands 0x0f 0x32;
    /// Setting a reserved bit of an entry of the local vector table by WRMSR raises #GP(0) and changes nothing.
    x2apic_reserved_bits_of_local_vectors 0x32 0x38;
    /// Setting a reserved bit of a timer's register or of the self-IPI register by WRMSR raises #GP(0) and changes nothing.
    x2apic_reserved_bits_of_the_timer 0x38 0x40;
}

/// RDMSR and WRMSR of the MSRs from 800H to 8FFH that are no registers raise #GP(0) in x2APIC mode too.
#[case(feature = X2ApicRegisters, spec = [sdm3a("x2APIC Register Address Space"), apm2("x2APIC Register Address Space")],
       needs = X2APIC, irqchip = LocalApic, time = 2)]
fn x2apic_missing_registers() {
    in_mode(Mode::X2Apic, |guest| {
        walk::check_missing(guest, |number, is_write, code| {
            if is_write {
                check_outcome!("WRMSR of 800H plus", [&[]; number], Outcome(code), Outcome::GP);
            } else {
                check_outcome!("RDMSR of 800H plus", [&[]; number], Outcome(code), Outcome::GP);
            }
        });
    });
}

/// While registers are MSRs, the page of registers is memory of the board, and reading it gives none of them.
#[case(feature = X2ApicRegisters, spec = [sdm3a("Detecting and Enabling x2APIC Mode"), apm2("Enabling x2APIC Mode")],
       needs = X2APIC, irqchip = LocalApic)]
fn no_registers_in_memory_in_x2apic_mode() {
    in_mode(Mode::X2Apic, |_| {
        let page = rt::local_apic::read_base() & rt::local_apic::base::ADDRESS;
        let registers = Registers::new();
        registers.write(Register::TPR, 0x35);
        check!("TPR is not read", rt::mmio::read_u32(page + Register::TPR.offset()) != 0x35);
        check!(
            "nor the version",
            u64::from(rt::mmio::read_u32(page + 0x30)) != registers.read(Register::VERSION).into()
        );
        rt::mmio::write_u32(page + Register::TPR.offset(), 0x53);
        check_eq!("TPR is not written", registers.read(Register::TPR), 0x35);
        registers.write(Register::TPR, 0);
    });
}

/// Version: an integrated local APIC, with the entries of the local vector table that its number of the last one tells of.
#[case(feature = ApicRegisters, spec = [sdm3a("Local APIC Version Register"), apm2("APIC Version Register (APIC Offset 30h)")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn version() {
    in_mode(Mode::XApic, |guest| {
        let version = guest.registers().read(Register::VERSION);
        check!("10H to 1FH", version >> 4 & 0xf == 1);
        check!("at least timer, LINT0, LINT1 and error", version >> 16 & 0xff >= 3);
        check_eq!("bits 15:8", version >> 8 & 0xff, 0);
        check_eq!("bits 30:25", version >> 25 & 0x3f, 0);
    });
}

/// Every instruction that reads or writes 32 bits of memory reaches a register.
#[case(feature = ApicRegisters, spec = [sdm3a("The Local APIC Block Diagram"), apm2("APIC Register Access")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn instructions_that_reach_registers() {
    let Ok(apic) = LocalApic::in_mode(Mode::XApic) else { return check!("xAPIC mode", false) };
    let base = rt::local_apic::read_base() & rt::local_apic::base::ADDRESS;
    let tpr = base + Register::TPR.offset();
    apic.write(Register::TPR, 0x25);
    const READS: &[Text] =
        names!["MOV EAX, moffs", "MOV R9D, m", "ADD r, m", "LODSD", "CMP m, r", "MOVSD from it", "MOVZX of its word"];
    let mut memory = 0_u32;
    let mut value = 0_u64;
    for (row, _) in READS.iter().enumerate() {
        value = u64::MAX;
        let result = match row {
            0 if base == 0xfee0_0000 => instruction!("movabs eax, dword ptr [0xfee00080]", out("rax") value),
            0 => instruction!("mov eax, [{}]", in(reg) tpr, out("rax") value),
            1 => instruction!("mov r9d, [{}]", in(reg) tpr, out("r9") value),
            2 => instruction!("xor eax, eax", "add eax, [{}]", in(reg) tpr, out("rax") value),
            3 => instruction!("cld", "lodsd", inout("rsi") tpr => _, inout("rax") 0_u64 => value),
            4 => instruction!("mov ecx, 0x25", "cmp [{}], ecx", "sete al", "movzx eax, al", "imul eax, eax, 0x25",
                              in(reg) tpr, out("rcx") _, out("rax") value),
            5 => {
                let result = instruction!("cld", "movsd", inout("rsi") tpr => _, inout("rdi") &raw mut memory => _);
                value = memory.into();
                result
            }
            _ => instruction!("mov eax, [{}]", "movzx eax, ax", in(reg) tpr, out("rax") value),
        };
        check_outcome!("read", [READS; row], result, Outcome::COMPLETED);
        check_eq!("what is read", [READS; row], value, 0x25);
    }
    const WRITES: &[Text] =
        names!["MOV moffs, EAX", "MOV m, imm", "STOSD", "XCHG", "OR m, r", "ADD m, imm", "MOVSD to it", "NOT twice"];
    for (row, _) in WRITES.iter().enumerate() {
        apic.write(Register::TPR, 0x10);
        let result = match row {
            0 if base == 0xfee0_0000 => instruction!("movabs dword ptr [0xfee00080], eax", in("eax") 0x31),
            0 => instruction!("mov [{}], eax", in(reg) tpr, in("eax") 0x31),
            1 => instruction!("mov dword ptr [{}], 0x31", in(reg) tpr),
            2 => instruction!("cld", "stosd", inout("rdi") tpr => _, in("eax") 0x31),
            3 => {
                let result = instruction!("mov eax, 0x31", "xchg [{}], eax", in(reg) tpr, out("rax") value);
                check_eq!("what XCHG reads", value, 0x10);
                result
            }
            4 => instruction!("or [{}], eax", in(reg) tpr, in("eax") 0x31),
            5 => instruction!("add dword ptr [{}], 0x21", in(reg) tpr),
            6 => {
                memory = 0x31;
                instruction!("cld", "movsd", inout("rdi") tpr => _, inout("rsi") &raw const memory => _)
            }
            _ => {
                instruction!("mov dword ptr [{0}], 0x31", "xor dword ptr [{0}], 0x42", "xor dword ptr [{0}], 0x42", in(reg) tpr)
            }
        };
        check_outcome!("write", [WRITES; row], result, Outcome::COMPLETED);
        check_eq!("what is written", [WRITES; row], apic.read(Register::TPR), 0x31);
    }
}

/// The ID is the initial APIC ID of CPUID, in bits 31:24 in xAPIC mode and as 32 bits in x2APIC mode, where the logical ID is
/// made of it.
#[case(feature = X2ApicRegisters, spec = [sdm3a("Local APIC ID"), sdm3a("Deriving Logical x2APIC ID from the Local x2APIC ID"),
       apm2("x2APIC_ID")], needs = X2APIC, irqchip = LocalApic)]
fn ids() {
    let initial = rt::cpu::cpuid::read_leaf(1, 0).ebx >> 24;
    in_mode(Mode::XApic, |guest| check_eq!("xAPIC ID", guest.registers().id(), initial));
    in_mode(Mode::X2Apic, |guest| {
        let id = guest.registers().id();
        check_eq!("its low byte", id & 0xff, initial);
        if rt::cpu::cpuid::read_leaf(0, 0).eax >= 0xb {
            check_eq!("x2APIC ID", id, rt::cpu::cpuid::read_leaf(0xb, 0).edx);
        }
        let logical = (id >> 4) << 16 | 1 << (id & 0xf);
        check_eq!("logical ID", guest.registers().read(Register::LDR), logical);
    });
}

const _: () =
    assert!(Outcome::COMPLETED.0 == COMPLETED && ROWS[0].number == 2 && matches!(ROWS[0].x2apic, Access::ReadOnly));
