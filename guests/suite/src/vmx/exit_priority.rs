//! What comes before an exit, and what an exit comes before.

use super::{exit_slots::run, with_guest};
use rt::{
    case, check_eq,
    cpu::control::cr4,
    layout::UNMAPPED,
    names, paging,
    user::register::{RAX, RCX, RDI, RDX},
    user_code,
    vmx::{
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

macro_rules! codes {
    ($($name:ident: $assembly:literal;)*) => { $(user_code!($name: $assembly, "vmcall");)* };
}

codes! {
    vmclear: "vmclear [rdi]";
    vmptrld: "vmptrld [rdi]";
    vmptrst: "vmptrst [rdi]";
    vmxon: "vmxon [rdi]";
    vmread: "vmread [rdi], rcx";
    vmwrite: "vmwrite rcx, [rdi]";
    invept: "invept rcx, [rdi]";
    invvpid: "invvpid rcx, [rdi]";
    sgdt: "sgdt [rdi]";
    sidt: "sidt [rdi]";
    lgdt: "lgdt [rdi]";
    lidt: "lidt [rdi]";
    sldt: "sldt word ptr [rdi]";
    str_: "str word ptr [rdi]";
    lldt: "lldt word ptr [rdi]";
    ltr: "ltr word ptr [rdi]";
    xsetbv: "xsetbv";
    rdtsc: "rdtsc";
    rdtscp: "rdtscp";
    wrmsr: "wrmsr";
    monitor: "monitor";
    to_dr4: ".byte 0x0f, 0x23, 0xe0";
    to_dr5: ".byte 0x0f, 0x23, 0xe8";
    from_dr4: ".byte 0x0f, 0x21, 0xe0";
}

/// An exit of an instruction with an operand in memory comes before the fault of that operand, not mapped or not canonical.
#[case(feature = VmxExits, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE
       | Needs::VMX_INVEPT | Needs::VMX_INVVPID)]
fn exits_come_before_faults_of_the_operand() {
    const ROWS: [(Code, u32); 16] = [
        (vmclear, reason::VMCLEAR),
        (vmptrld, reason::VMPTRLD),
        (vmptrst, reason::VMPTRST),
        (vmxon, reason::VMXON),
        (vmread, reason::VMREAD),
        (vmwrite, reason::VMWRITE),
        (invept, reason::INVEPT),
        (invvpid, reason::INVVPID),
        (sgdt, reason::GDTR_OR_IDTR),
        (sidt, reason::GDTR_OR_IDTR),
        (lgdt, reason::GDTR_OR_IDTR),
        (lidt, reason::GDTR_OR_IDTR),
        (sldt, reason::LDTR_OR_TR),
        (str_, reason::LDTR_OR_TR),
        (lldt, reason::LDTR_OR_TR),
        (ltr, reason::LDTR_OR_TR),
    ];
    const NAMES: &[Text] = names![
        "VMCLEAR", "VMPTRLD", "VMPTRST", "VMXON", "VMREAD", "VMWRITE", "INVEPT", "INVVPID", "SGDT", "SIDT", "LGDT",
        "LIDT", "SLDT", "STR", "LLDT", "LTR"
    ];
    with_guest(vmclear, |guest| {
        for (row, (code, due)) in ROWS.into_iter().enumerate() {
            for address in [UNMAPPED, 1 << 63] {
                guest.start_at(code);
                guest.activate(secondary::DESCRIPTOR_TABLE);
                guest.registers[RDI] = address;
                let exit = run(guest);
                guest.reset();
                if address == UNMAPPED {
                    check_eq!("exit reason where it is not mapped", [NAMES; row], exit.reason, due);
                } else {
                    check_eq!("exit reason where it is not canonical", [NAMES; row], exit.reason, due);
                }
            }
        }
    });
}

/// An exit of WRMSR, XSETBV and MONITOR comes before the #GP of their operands.
#[case(feature = VmxExits, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX)]
fn exits_come_before_faults_of_registers() {
    const NAMES: &[Text] = names![
        "WRMSR of no MSR",
        "WRMSR of reserved bits",
        "XSETBV of no register",
        "XSETBV of reserved bits",
        "MONITOR with ECX"
    ];
    with_guest(wrmsr, |guest| {
        let rows: [(Code, u64, u64, u32); 5] = [
            (wrmsr, 0x4b56_0000, 0, reason::WRMSR),
            (wrmsr, 0xc000_0080, 0xffff_ffff, reason::WRMSR),
            (xsetbv, 77, 1, reason::XSETBV),
            (xsetbv, 0, 0, reason::XSETBV),
            (monitor, 5, 0, reason::MONITOR),
        ];
        for (row, (code, rcx, value, due)) in rows.into_iter().enumerate() {
            guest.start_at(code);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MONITOR.into());
            let _ = guest.set_bits(field::GUEST_CR4, cr4::OSXSAVE);
            guest.registers[RCX] = rcx;
            guest.registers[RAX] = if due == reason::MONITOR { paging::frame(2) } else { value };
            guest.registers[RDX] = value;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, due);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
        }
    });
}

/// #UD comes before an exit: XSETBV without CR4.OSXSAVE, RDTSCP where it is not enabled.
#[case(feature = VmxExits, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX)]
fn undefined_opcodes_come_before_exits() {
    const NAMES: &[Text] = names!["XSETBV", "RDTSCP"];
    const UD: u32 = 1 << 31 | 3 << 8 | 6;
    with_guest(xsetbv, |guest| {
        for (row, code) in [xsetbv as Code, rdtscp].into_iter().enumerate() {
            guest.start_at(code);
            let _ = guest.clear_bits(field::GUEST_CR4, cr4::OSXSAVE);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::RDTSC.into());
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [NAMES; row], exit.interruption, UD);
        }
    });
}

/// MOV-DR exiting comes before the #UD of DR4 and DR5 under CR4.DE.
#[case(feature = VmxControlRegisters, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX)]
fn debug_registers_exit_before_undefined_opcodes() {
    const NAMES: &[Text] = names!["to DR4", "to DR5", "from DR4"];
    with_guest(to_dr4, |guest| {
        for (row, code) in [to_dr4 as Code, to_dr5, from_dr4].into_iter().enumerate() {
            guest.start_at(code);
            let _ = guest.set_bits(field::GUEST_CR4, cr4::DE);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MOV_DR.into());
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::MOV_DR);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, [4_u64, 5, 0x14][row]);
        }
    });
}

/// The offset of the time-stamp counter is added to what RDTSC and RDTSCP read, without an exit.
#[case(feature = VmxExits, spec = sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation"), needs = Needs::INTEL | Needs::VMX)]
fn offset_of_the_time_stamp_counter() {
    const NAMES: &[Text] = names![
        "RDTSC + 2^40",
        "RDTSC - 2^40",
        "RDTSC without offsetting",
        "RDTSCP + 2^40",
        "RDTSCP - 2^40",
        "RDTSCP without offsetting"
    ];
    const OFFSET: u64 = 1 << 40;
    with_guest(rdtsc, |guest| {
        for row in 0..6 {
            if row >= 3 && !guest.controls.secondary.allows(secondary::RDTSCP) {
                continue;
            }
            guest.start_at(if row < 3 { rdtsc } else { rdtscp });
            if row >= 3 {
                guest.activate(secondary::RDTSCP);
            }
            let _ = guest.set(field::TSC_OFFSET, if row % 3 == 1 { 0_u64.wrapping_sub(OFFSET) } else { OFFSET });
            if row % 3 != 2 {
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::TSC_OFFSETTING.into());
            }
            let before = rt::cpu::msr::read(0x10).unwrap_or(0);
            let exit = run(guest);
            let after = rt::cpu::msr::read(0x10).unwrap_or(0);
            let seen = guest.registers[RAX] & 0xffff_ffff | guest.registers[RDX] << 32;
            guest.reset();
            let offset = [OFFSET, 0_u64.wrapping_sub(OFFSET), 0][row % 3];
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
            let counted = seen.wrapping_sub(offset).wrapping_sub(before);
            rt::check!("between readings of the host", [NAMES; row], counted <= after.wrapping_sub(before));
        }
    });
}
