//! Instructions at CPL 3 and in compatibility mode: which exceptions come before their exits, and what the exits show.

use super::{
    exit_slots::{Code, run},
    protected_mode::{enter_compatibility, enter_user},
    with_guest,
};
use rt::{
    case, check_eq,
    cpu::{control::cr4, cpuid::read_leaf},
    names, paging,
    user::register::RDI,
    user_code,
    vmx::{
        Guest, capability,
        control::{interruption, processor, secondary},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

/// What an instruction leads to.
#[derive(Clone, Copy, PartialEq)]
enum Due {
    Exits,
    /// #GP(0).
    Protection,
    /// #UD.
    Undefined,
}
use Due::{Exits, Protection, Undefined};

struct Instruction {
    code: Code,
    reason: u32,
    length: u64,
    /// Bits of the primary, and of the secondary controls.
    primary: u32,
    secondary: u32,
    /// The bit of CPUID that offers it: leaf, register and number.
    offered: (u32, usize, u32),
    /// At CPL 3 in 64-bit mode, at CPL 3 in compatibility mode, and at CPL 0 in compatibility mode.
    due: [Due; 3],
}

/// Instructions that exit in any mode.
const ANY: [Due; 3] = [Exits, Exits, Exits];
/// Those of CPL 0.
const PRIVILEGED: [Due; 3] = [Protection, Protection, Exits];
/// VMX instructions: exits come before the CPL, and #UD of compatibility mode before exits.
const VMX: [Due; 3] = [Exits, Undefined, Undefined];
/// Exits of MOV DR come before the CPL.
const BEFORE_PRIVILEGE: [Due; 3] = ANY;
/// Those that do not exist at CPL 3.
const SUPERVISOR: [Due; 3] = [Undefined, Undefined, Exits];

macro_rules! instructions {
    ($($function:ident $title:literal: $assembly:literal, $reason:ident $length:literal, $primary:expr, $secondary:expr, $offered:expr, $due:ident;)*) => {
        $(user_code!($function: $assembly, "vmcall");)*
        static TABLE: &[Instruction] = &[$(Instruction {
            code: $function, reason: reason::$reason, length: $length, primary: $primary, secondary: $secondary, offered: $offered, due: $due,
        }),*];
        const NAMES: &[Text] = names![$($title),*];
    };
}

/// Every processor has it.
const ALL: (u32, usize, u32) = (0, 0, 0);

// None has a REX prefix, so that 32-bit code has the same bytes. RDI is the address of a frame, all else is zero.
instructions! {
    cpuid "CPUID": "cpuid", CPUID 2, 0, 0, ALL, ANY;
    invd "INVD": "invd", INVD 2, 0, 0, ALL, PRIVILEGED;
    vmcall "VMCALL": "vmcall", VMCALL 3, 0, 0, ALL, ANY;
    vmlaunch "VMLAUNCH": "vmlaunch", VMLAUNCH 3, 0, 0, ALL, VMX;
    vmresume "VMRESUME": "vmresume", VMRESUME 3, 0, 0, ALL, VMX;
    vmxoff "VMXOFF": "vmxoff", VMXOFF 3, 0, 0, ALL, VMX;
    vmclear "VMCLEAR": "vmclear [rdi]", VMCLEAR 4, 0, 0, ALL, VMX;
    vmptrld "VMPTRLD": "vmptrld [rdi]", VMPTRLD 3, 0, 0, ALL, VMX;
    vmptrst "VMPTRST": "vmptrst [rdi]", VMPTRST 3, 0, 0, ALL, VMX;
    vmxon "VMXON": "vmxon [rdi]", VMXON 4, 0, 0, ALL, VMX;
    vmread "VMREAD": "vmread rax, rcx", VMREAD 3, 0, 0, ALL, VMX;
    vmwrite "VMWRITE": "vmwrite rcx, rax", VMWRITE 3, 0, 0, ALL, VMX;
    invept "INVEPT": "invept rax, [rdi]", INVEPT 5, 0, secondary::EPT, ALL, VMX;
    invvpid "INVVPID": "invvpid rax, [rdi]", INVVPID 5, 0, secondary::VPID, ALL, VMX;
    xsetbv "XSETBV": "xsetbv", XSETBV 3, 0, 0, (1, 2, 26), PRIVILEGED;
    rdmsr "RDMSR": "rdmsr", RDMSR 2, 0, 0, ALL, PRIVILEGED;
    wrmsr "WRMSR": "wrmsr", WRMSR 2, 0, 0, ALL, PRIVILEGED;
    hlt "HLT": "hlt", HLT 1, processor::HLT, 0, ALL, PRIVILEGED;
    invlpg "INVLPG": "invlpg [rdi]", INVLPG 3, processor::INVLPG, 0, ALL, PRIVILEGED;
    mwait "MWAIT": "mwait", MWAIT 3, processor::MWAIT, 0, (1, 2, 3), SUPERVISOR;
    monitor "MONITOR": "monitor", MONITOR 3, processor::MONITOR, 0, (1, 2, 3), SUPERVISOR;
    rdpmc "RDPMC": "rdpmc", RDPMC 2, processor::RDPMC, 0, ALL, PRIVILEGED;
    rdtsc "RDTSC": "rdtsc", RDTSC 2, processor::RDTSC, 0, ALL, ANY;
    rdtscp "RDTSCP": "rdtscp", RDTSCP 3, processor::RDTSC, secondary::RDTSCP, (0x8000_0001, 3, 27), ANY;
    pause "PAUSE": "pause", PAUSE 2, processor::PAUSE, 0, ALL, ANY;
    wbinvd "WBINVD": "wbinvd", WBINVD 2, 0, secondary::WBINVD, ALL, PRIVILEGED;
    rdrand "RDRAND": "rdrand ecx", RDRAND 3, 0, secondary::RDRAND, (1, 2, 30), ANY;
    rdseed "RDSEED": "rdseed ecx", RDSEED 3, 0, secondary::RDSEED, (7, 1, 18), ANY;
    invpcid "INVPCID": "invpcid rcx, [rdi]", INVPCID 5, processor::INVLPG, secondary::INVPCID, (7, 1, 10), PRIVILEGED;
    sgdt "SGDT": "sgdt [rdi]", GDTR_OR_IDTR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, ANY;
    sidt "SIDT": "sidt [rdi]", GDTR_OR_IDTR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, ANY;
    lgdt "LGDT": "lgdt [rdi]", GDTR_OR_IDTR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, PRIVILEGED;
    lidt "LIDT": "lidt [rdi]", GDTR_OR_IDTR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, PRIVILEGED;
    sldt "SLDT": "sldt word ptr [rdi]", LDTR_OR_TR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, ANY;
    str_ "STR": "str word ptr [rdi]", LDTR_OR_TR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, ANY;
    lldt "LLDT": "lldt cx", LDTR_OR_TR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, PRIVILEGED;
    ltr "LTR": "ltr cx", LDTR_OR_TR 3, 0, secondary::DESCRIPTOR_TABLE, ALL, PRIVILEGED;
    to_cr3 "MOV to CR3": "mov cr3, rax", CONTROL_REGISTER 3, processor::CR3_LOAD, 0, ALL, PRIVILEGED;
    from_cr3 "MOV from CR3": "mov rax, cr3", CONTROL_REGISTER 3, processor::CR3_STORE, 0, ALL, PRIVILEGED;
    to_dr "MOV to DR0": "mov dr0, rax", MOV_DR 3, processor::MOV_DR, 0, ALL, BEFORE_PRIVILEGE;
    from_dr "MOV from DR0": "mov rax, dr0", MOV_DR 3, processor::MOV_DR, 0, ALL, BEFORE_PRIVILEGE;
    input "IN": "in al, 0x80", IO_INSTRUCTION 2, processor::UNCONDITIONAL_IO, 0, ALL, PRIVILEGED;
    output "OUT": "out 0x80, al", IO_INSTRUCTION 2, processor::UNCONDITIONAL_IO, 0, ALL, PRIVILEGED;
}

/// Whether processor and controls have what a row needs.
fn is_possible(guest: &Guest, row: &Instruction) -> bool {
    let (leaf, register, bit) = row.offered;
    let leaf_values = read_leaf(leaf, 0);
    let is_offered =
        leaf == 0 || [leaf_values.eax, leaf_values.ebx, leaf_values.ecx, leaf_values.edx][register] >> bit & 1 != 0;
    let capability_bit = match row.reason {
        reason::INVEPT => 20,
        reason::INVVPID => 32,
        _ => return is_offered && is_allowed(guest, row),
    };
    is_allowed(guest, row) && capability::read(capability::number::EPT_VPID) >> capability_bit & 1 != 0
}

fn is_allowed(guest: &Guest, row: &Instruction) -> bool {
    guest.controls.processor.allows(row.primary) && guest.controls.secondary.allows(row.secondary)
}

/// Runs each instruction in a mode, and holds what comes to its column.
fn each(enter: fn(&mut Guest), column: usize) {
    with_guest(vmcall, |guest| {
        for (number, row) in TABLE.iter().enumerate() {
            if !is_possible(guest, row) {
                continue;
            }
            guest.start_at(row.code);
            guest.registers[RDI] = paging::frame(2);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, row.primary.into());
            if row.secondary & !(secondary::EPT | secondary::VPID) != 0 {
                guest.activate(row.secondary);
            }
            if row.reason == reason::XSETBV {
                let _ = guest.set_bits(field::GUEST_CR4, cr4::OSXSAVE);
            }
            enter(guest);
            let exit = run(guest);
            guest.reset();
            check_eq!("RIP from the start", [NAMES; number], exit.rip.wrapping_sub(guest.start()), 0);
            let fault = match row.due[column] {
                Exits => {
                    check_eq!("exit reason", [NAMES; number], exit.reason, row.reason);
                    check_eq!("instruction length", [NAMES; number], exit.length, row.length);
                    continue;
                }
                Protection => interruption::HAS_ERROR_CODE | 13,
                Undefined => 6,
            };
            let due = interruption::VALID | interruption::HARDWARE_EXCEPTION | fault;
            check_eq!("exit reason", [NAMES; number], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [NAMES; number], exit.interruption, due);
        }
    });
}

/// At CPL 3 in 64-bit mode exceptions by privilege come before exits, but for VMX instructions and MOV DR, which exit first.
#[case(feature = VmxExits, spec = [sdm3c("Relative Priority of Faults and VM Exits"), sdm3c("Instructions That Cause VM Exits Conditionally")], needs = Needs::INTEL | Needs::VMX)]
fn exits_at_cpl_3() {
    each(|guest| enter_user(guest, false), 0);
}

/// At CPL 3 in compatibility mode VMX instructions but VMCALL raise #UD; the rest is as in 64-bit mode.
#[case(feature = VmxExits, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX)]
fn exits_at_cpl_3_in_compatibility_mode() {
    each(|guest| enter_user(guest, true), 1);
}

/// At CPL 0 in compatibility mode VMX instructions but VMCALL raise #UD; the rest exits.
#[case(feature = VmxExits, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX)]
fn exits_in_compatibility_mode() {
    each(enter_compatibility, 2);
}

/// TSD, PCE, UMIP and IOPL decide at CPL 3 whether there is an exit or #GP.
#[case(feature = VmxExits, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX | Needs::UMIP
       | Needs::VMX_DESCRIPTOR_TABLE)]
fn exits_at_cpl_3_by_control_bits() {
    const PCE: u64 = 1 << 8;
    const IOPL_3: u64 = 3 << 12;
    let rows = [
        (reason::RDTSC, cr4::TSD, 0, false),
        (reason::RDTSCP, cr4::TSD, 0, false),
        (reason::GDTR_OR_IDTR, cr4::UMIP, 0, false),
        (reason::LDTR_OR_TR, cr4::UMIP, 0, false),
        (reason::RDPMC, PCE, 0, true),
        (reason::IO_INSTRUCTION, 0, IOPL_3, true),
    ];
    with_guest(vmcall, |guest| {
        for (wanted, control, flags, exits) in rows {
            for (number, row) in TABLE.iter().enumerate().filter(|(_, row)| row.reason == wanted) {
                // Of descriptor-table instructions only stores depend on UMIP.
                let is_load = row.due == PRIVILEGED && control == cr4::UMIP;
                if is_load || !is_possible(guest, row) {
                    continue;
                }
                guest.start_at(row.code);
                guest.registers[RDI] = paging::frame(2);
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, row.primary.into());
                if row.secondary != 0 {
                    guest.activate(row.secondary);
                }
                enter_user(guest, false);
                let _ = guest.set_bits(field::GUEST_CR4, control);
                let _ = guest.set(field::GUEST_RFLAGS, flags | 2);
                let exit = run(guest);
                guest.reset();
                let due = if exits { row.reason } else { reason::EXCEPTION_OR_NMI };
                check_eq!("exit reason", [NAMES; number], exit.reason, due);
                if !exits {
                    check_eq!("vector", [NAMES; number], exit.interruption & 0xff, 13);
                }
            }
        }
    });
}
