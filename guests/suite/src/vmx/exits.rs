//! Instructions that exit: always, or by a control; without the control, not.

use super::{
    exit_model::{Column, Observed, Row},
    with_guest,
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{control as register, cpuid::read_leaf},
    mmio, names, paging,
    user::register::{RAX, RDI, RSI},
    user_code,
    vmx::{
        Guest, capability,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

/// What makes an instruction exit.
#[derive(Clone, Copy)]
enum By {
    /// Nothing: it always does.
    Always,
    /// Nothing, where a bit of IA32_VMX_EPT_VPID_CAP says that there is the instruction.
    Capability(u32),
    /// A primary control that is 1.
    Primary(u32),
    /// A secondary control that is 1.
    Secondary(u32),
    /// A primary control that is 0.
    Without(u32),
}
use By::{Always, Capability, Primary, Secondary, Without};

impl By {
    fn is_control(self) -> bool {
        matches!(self, Primary(_) | Secondary(_))
    }
}

/// What the instruction does where it does not exit.
#[derive(Clone, Copy, PartialEq)]
enum Otherwise {
    Completes,
    /// Nothing that a test could survive, or that is known.
    Untried,
}
use Otherwise::{Completes, Untried};

/// Which processors have the instruction: all, or those with this bit of leaf, register and number of CPUID.
#[derive(Clone, Copy)]
struct Offered(u32, usize, u32);
const ALL: Offered = Offered(0, 0, 0);

impl Offered {
    fn is_offered(self) -> bool {
        let leaf = read_leaf(self.0, 0);
        self.0 == 0 || [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx][self.1] >> self.2 & 1 != 0
    }
}

struct Instruction {
    code: extern "C" fn(u64) -> u64,
    by: By,
    /// A secondary control without which the instruction raises #UD.
    enable: u32,
    row: Row,
    otherwise: Otherwise,
    offered: Offered,
}

macro_rules! instructions {
    ($table:ident $names:ident; $($function:ident $title:literal: $assembly:literal, $by:expr, $enable:expr, $reason:ident $length:literal,
      $otherwise:expr, $offered:expr;)*) => {
        $(user_code!($function: $assembly, "vmcall");)*
        static $table: &[Instruction] = &[$(Instruction {
            code: $function, by: $by, enable: $enable, row: Row::instruction(reason::$reason, $length), otherwise: $otherwise,
            offered: $offered,
        }),*];
        const $names: &[Text] = names![$($title),*];
    };
}

// RDI, RSI and RAX hold addresses of frames, all else is zero.
instructions! { TABLE NAMES;
    cpuid "CPUID": "cpuid", Always, 0, CPUID 2, Untried, ALL;
    invd "INVD": "invd", Always, 0, INVD 2, Untried, ALL;
    vmcall "VMCALL": "vmcall", Always, 0, VMCALL 3, Untried, ALL;
    vmlaunch "VMLAUNCH": "vmlaunch", Always, 0, VMLAUNCH 3, Untried, ALL;
    vmresume "VMRESUME": "vmresume", Always, 0, VMRESUME 3, Untried, ALL;
    vmxoff "VMXOFF": "vmxoff", Always, 0, VMXOFF 3, Untried, ALL;
    vmclear "VMCLEAR": "vmclear [rdi]", Always, 0, VMCLEAR 4, Untried, ALL;
    vmptrld "VMPTRLD": "vmptrld [rdi]", Always, 0, VMPTRLD 3, Untried, ALL;
    vmptrst "VMPTRST": "vmptrst [rdi]", Always, 0, VMPTRST 3, Untried, ALL;
    vmxon "VMXON": "vmxon [rdi]", Always, 0, VMXON 4, Untried, ALL;
    vmread "VMREAD": "vmread rax, rcx", Always, 0, VMREAD 3, Untried, ALL;
    vmwrite "VMWRITE": "vmwrite rcx, rax", Always, 0, VMWRITE 3, Untried, ALL;
    invept "INVEPT": "invept rax, [rdi]", Capability(20), 0, INVEPT 5, Untried, ALL;
    invvpid "INVVPID": "invvpid rax, [rdi]", Capability(32), 0, INVVPID 5, Untried, ALL;
    xsetbv "XSETBV": "xsetbv", Always, 0, XSETBV 3, Untried, Offered(1, 2, 26);
    rdmsr "RDMSR without bitmaps": "rdmsr", Without(processor::MSR_BITMAPS), 0, RDMSR 2, Untried, ALL;
    wrmsr "WRMSR without bitmaps": "wrmsr", Without(processor::MSR_BITMAPS), 0, WRMSR 2, Untried, ALL;
    hlt "HLT": "hlt", Primary(processor::HLT), 0, HLT 1, Untried, ALL;
    invlpg "INVLPG": "invlpg [rdi]", Primary(processor::INVLPG), 0, INVLPG 3, Completes, ALL;
    mwait "MWAIT": "mwait", Primary(processor::MWAIT), 0, MWAIT 3, Untried, Offered(1, 2, 3);
    monitor "MONITOR": "monitor", Primary(processor::MONITOR), 0, MONITOR 3, Completes, Offered(1, 2, 3);
    rdpmc "RDPMC": "rdpmc", Primary(processor::RDPMC), 0, RDPMC 2, Untried, ALL;
    rdtsc "RDTSC": "rdtsc", Primary(processor::RDTSC), 0, RDTSC 2, Completes, ALL;
    rdtscp "RDTSCP": "rdtscp", Primary(processor::RDTSC), secondary::RDTSCP, RDTSCP 3, Completes, Offered(0x8000_0001, 3, 27);
    pause "PAUSE": "pause", Primary(processor::PAUSE), 0, PAUSE 2, Completes, ALL;
    wbinvd "WBINVD": "wbinvd", Secondary(secondary::WBINVD), 0, WBINVD 2, Completes, ALL;
    rdrand "RDRAND": "rdrand ecx", Secondary(secondary::RDRAND), 0, RDRAND 3, Completes, Offered(1, 2, 30);
    rdseed "RDSEED": "rdseed ecx", Secondary(secondary::RDSEED), 0, RDSEED 3, Completes, Offered(7, 1, 18);
    invpcid "INVPCID": "invpcid rcx, [rdi]", Primary(processor::INVLPG), secondary::INVPCID, INVPCID 5, Untried, Offered(7, 1, 10);
    sgdt "SGDT": "sgdt [rsi]", Secondary(secondary::DESCRIPTOR_TABLE), 0, GDTR_OR_IDTR 3, Completes, ALL;
    sidt "SIDT": "sidt [rsi]", Secondary(secondary::DESCRIPTOR_TABLE), 0, GDTR_OR_IDTR 3, Completes, ALL;
    lgdt "LGDT": "lgdt [rdi]", Secondary(secondary::DESCRIPTOR_TABLE), 0, GDTR_OR_IDTR 3, Completes, ALL;
    lidt "LIDT": "lidt [rdi]", Secondary(secondary::DESCRIPTOR_TABLE), 0, GDTR_OR_IDTR 3, Completes, ALL;
    sldt "SLDT": "sldt ecx", Secondary(secondary::DESCRIPTOR_TABLE), 0, LDTR_OR_TR 3, Completes, ALL;
    str_ "STR": "str ecx", Secondary(secondary::DESCRIPTOR_TABLE), 0, LDTR_OR_TR 3, Completes, ALL;
    lldt "LLDT": "lldt cx", Secondary(secondary::DESCRIPTOR_TABLE), 0, LDTR_OR_TR 3, Completes, ALL;
    ltr "LTR": "ltr cx", Secondary(secondary::DESCRIPTOR_TABLE), 0, LDTR_OR_TR 3, Untried, ALL;
}

/// Reports the columns of a row.
fn report(number: usize, row: &Row, seen: Observed, rax: u64) {
    for (column, actual, expected) in row.columns(seen, rax).into_iter().flatten() {
        match column {
            Column::Reason => check_eq!("exit reason", [NAMES; number], actual, expected),
            Column::Qualification => check_eq!("exit qualification", [NAMES; number], actual, expected),
            Column::Rip => check_eq!("RIP from the start", [NAMES; number], actual, expected),
            Column::Length => check_eq!("instruction length", [NAMES; number], actual, expected),
            Column::Interruption => check_eq!("interruption information", [NAMES; number], actual, expected),
            Column::Vectoring => check_eq!("IDT-vectoring information", [NAMES; number], actual, expected),
            Column::Rax => check_eq!("RAX", [NAMES; number], actual, expected),
        }
    }
}

/// Runs it once, and tells what its exit shows.
fn observe(guest: &mut Guest) -> Option<Observed> {
    match guest.run() {
        Ok(exit) => Some(Observed {
            reason: exit.reason,
            qualification: exit.qualification,
            rip: exit.rip.wrapping_sub(guest.start()),
            length: exit.length,
            interruption: exit.interruption,
            vectoring: exit.vectoring,
            rax: guest.registers[RAX],
        }),
        Err(outcome) => {
            check_outcome!("entry", outcome, Outcome::COMPLETED);
            None
        }
    }
}

/// Whether the processor lets a control be as a row needs it.
fn is_possible(guest: &Guest, by: By) -> bool {
    match by {
        Always => true,
        Capability(bit) => capability::read(capability::number::EPT_VPID) >> bit & 1 != 0,
        Primary(bit) => guest.controls.processor.allows(bit),
        Secondary(bit) => guest.controls.secondary.allows(bit),
        Without(bit) => guest.controls.processor.must & bit == 0,
    }
}

fn prepare(guest: &mut Guest, row: &Instruction) {
    guest.start_at(row.code);
    guest.registers[RDI] = paging::frame(2);
    guest.registers[RSI] = paging::frame(3);
    guest.registers[RAX] = paging::frame(3);
    if row.enable != 0 {
        guest.activate(row.enable);
    }
    if row.row.reason == reason::XSETBV {
        // Without it, #UD comes first.
        let _ = guest.set_bits(field::GUEST_CR4, register::cr4::OSXSAVE);
    }
    // What LGDT, LIDT and LLDT load they also change in the VMCS.
    for changed in [field::GUEST_GDTR_BASE, field::GUEST_GDTR_LIMIT, field::GUEST_IDTR_BASE, field::GUEST_IDTR_LIMIT] {
        guest.keep(changed);
    }
    mmio::write_u16(paging::frame(2), rt::tables::GDT_LIMIT);
    mmio::write_u64(paging::frame(2) + 2, rt::layout::GDT);
}

fn each_exits(which: fn(&Instruction) -> bool) {
    with_guest(vmcall, |guest| {
        for (number, row) in TABLE.iter().enumerate().filter(|(_, row)| which(row)) {
            if !is_possible(guest, row.by) || !guest.controls.secondary.allows(row.enable) || !row.offered.is_offered()
            {
                continue;
            }
            prepare(guest, row);
            match row.by {
                Primary(bit) => _ = guest.set_bits(field::PROCESSOR_CONTROLS, bit.into()),
                Secondary(bit) => guest.activate(bit),
                Always | Capability(_) | Without(_) => {}
            }
            let rax = guest.registers[RAX];
            if let Some(seen) = observe(guest) {
                report(number, &expected(row), seen, rax);
            }
            guest.reset();
        }
    });
}

/// What a row's exit shows where its qualification is that of a memory operand: an address, or its displacement.
fn expected(row: &Instruction) -> Row {
    match row.row.reason {
        // The address is the operand's, for INVLPG; others have the displacement, which is 0.
        reason::INVLPG => row.row.with_qualification(paging::frame(2)),
        // MWAIT tells whether the address-range monitor is armed: it is not.
        _ => row.row,
    }
}

/// Instructions that exit in every guest, with reason, qualification and length, before they have done anything.
#[case(feature = VmxExits, spec = [sdm3c("Instructions That Cause VM Exits Unconditionally"), sdm3d("VMX Basic Exit Reasons")],
       needs = Needs::INTEL | Needs::VMX)]
fn unconditional_exits() {
    each_exits(|row| !row.by.is_control());
}

/// Instructions that exit by a control of their own, with reason, qualification and length, before they have done anything.
#[case(feature = VmxExits, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3d("VMX Basic Exit Reasons")],
       needs = Needs::INTEL | Needs::VMX)]
fn conditional_exits() {
    each_exits(|row| row.by.is_control());
}

/// Without its control, each of these instructions completes, while all controls that it does not depend on are as they were.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX)]
fn instructions_without_their_controls() {
    with_guest(vmcall, |guest| {
        for (number, row) in TABLE.iter().enumerate().filter(|(_, row)| row.otherwise == Completes) {
            let can_be_off = match row.by {
                Primary(bit) => guest.controls.processor.must & bit == 0,
                _ => true,
            };
            if !can_be_off || !guest.controls.secondary.allows(row.enable) || !row.offered.is_offered() {
                continue;
            }
            prepare(guest, row);
            let seen = observe(guest).map_or(u32::MAX, |seen| seen.reason);
            check_eq!("exit reason", [NAMES; number], seen, reason::VMCALL);
            guest.reset();
        }
    });
}

user_code!(enabled_by_control: "rdtscp", "vmcall");

/// RDTSCP raises #UD where its secondary control is 0, whatever "RDTSC exiting" says.
#[case(feature = VmxExits, spec = [sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation"), sdm3c("Relative Priority of Faults and VM Exits")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY | Needs::RDTSCP)]
fn instruction_without_its_enabling_control() {
    const UD: u64 = 1 << 31 | 3 << 8 | 6;
    with_guest(enabled_by_control, |guest| {
        for exiting in [false, true] {
            if exiting {
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::RDTSC.into());
            }
            guest.activate(0);
            let exit = guest.run().unwrap_or_default();
            check_eq!("exit reason", [&[]; u64::from(exiting)], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [&[]; u64::from(exiting)], exit.interruption, UD);
            guest.reset();
        }
    });
}

user_code!(read_cr4: "mov rax, cr4", "vmcall");

/// A guest sees the bits of CR4 that the mask names as its read shadow has them, VMXE among them.
#[case(feature = VmxControlRegisters, spec = sdm3c("Guest/Host Masks and Read Shadows for CR0 and CR4"), needs = Needs::INTEL | Needs::VMX)]
fn read_shadow_of_cr4() {
    const NAMES: &[Text] = names!["no mask", "VMXE", "all"];
    with_guest(read_cr4, |guest| {
        let cr4 = register::read_cr4();
        for (row, mask) in [0, rt::vmx::VMXE, u64::MAX].into_iter().enumerate() {
            let shadow = cr4 ^ rt::vmx::VMXE;
            let _ = guest.set(field::CR4_MASK, mask);
            let _ = guest.set(field::CR4_SHADOW, shadow);
            let reason = guest.run().unwrap_or_default().reason;
            check_eq!("exit reason", [NAMES; row], reason, reason::VMCALL);
            check_eq!("CR4", [NAMES; row], guest.registers[RAX], cr4 & !mask | shadow & mask);
            guest.reset();
        }
    });
}
