//! Operands, privilege and modes of the instructions of VMX.

use super::{with_guest, with_vmx};
use rt::{
    Outcome, case, catch, check, check_eq, check_outcome,
    layout::UNMAPPED,
    names, paging,
    tables::{page_bit, selector},
    user::{self, State},
    user_code,
    vmx::{Page, Prepared, capability, instruction},
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

/// An instruction whose memory operand is at RDI, by DS and by SS.
struct Instruction {
    by_data: Code,
    by_stack: Code,
    /// Whether it writes its operand.
    writes: bool,
    /// Bit of IA32_VMX_EPT_VPID_CAP that says that there is the instruction, or 0 for always.
    capability: u32,
}

macro_rules! instructions {
    ($($data:ident $stack:ident $title:literal: $setup:literal, $by_data:literal, $by_stack:literal, $writes:literal, $capability:literal;)*) => {
        $(
            user_code!($data: $setup, $by_data, "ret");
            user_code!($stack: $setup, "push rbp", "mov rbp, rdi", $by_stack, "pop rbp", "ret");
        )*
        static TABLE: &[Instruction] = &[$(Instruction {
            by_data: $data, by_stack: $stack, writes: $writes, capability: $capability,
        }),*];
        const NAMES: &[Text] = names![$($title),*];
    };
}

// ECX is the number of the guest's RSP, EAX the type of all contexts.
instructions! {
    vmclear vmclear_stack "VMCLEAR": "nop", "vmclear [rdi]", "vmclear [rbp]", false, 0;
    vmptrld vmptrld_stack "VMPTRLD": "nop", "vmptrld [rdi]", "vmptrld [rbp]", false, 0;
    vmptrst vmptrst_stack "VMPTRST": "nop", "vmptrst [rdi]", "vmptrst [rbp]", true, 0;
    vmread vmread_stack "VMREAD": "mov ecx, 0x681c", "vmread [rdi], rcx", "vmread [rbp], rcx", true, 0;
    vmwrite vmwrite_stack "VMWRITE": "mov ecx, 0x681c", "vmwrite rcx, [rdi]", "vmwrite rcx, [rbp]", false, 0;
    invept invept_stack "INVEPT": "mov eax, 2", "invept rax, [rdi]", "invept rax, [rbp]", false, 20;
    invvpid invvpid_stack "INVVPID": "mov eax, 2", "invvpid rax, [rdi]", "invvpid rax, [rbp]", false, 32;
}

const NOT_CANONICAL: u64 = 1 << 63;
/// Bits of a page fault's error code.
const PRESENT: u32 = 1;
const WRITE: u32 = 2;

fn offered() -> impl Iterator<Item = (usize, &'static Instruction)> {
    let told = capability::read(capability::number::EPT_VPID);
    TABLE.iter().enumerate().filter(move |(_, row)| row.capability == 0 || told >> row.capability & 1 != 0)
}

user_code!(end: "vmcall");

/// Memory operands fault as those of other instructions do: #PF with the access that they make, #GP(0) for addresses that are not
/// canonical, #SS(0) by the stack segment; the current VMCS stays.
#[case(feature = VmxInstructions, spec = sdm3c("VMX Instruction Reference"), needs = Needs::INTEL | Needs::VMX)]
fn memory_operands_fault() {
    with_guest(end, |guest| {
        let rsp = guest.read(rt::vmx::field::GUEST_RSP);
        let read_only = paging::map(5, paging::frame(3), page_bit::P);
        for (row, instruction) in offered() {
            let try_at = |code: Code, address: u64| Outcome::from(catch(|| code(address)));
            let access = if instruction.writes { WRITE } else { 0 };
            check_outcome!("not mapped", [NAMES; row], try_at(instruction.by_data, UNMAPPED), Outcome::pf(access));
            check_outcome!("not canonical", [NAMES; row], try_at(instruction.by_data, NOT_CANONICAL), Outcome::GP);
            check_outcome!(
                "not mapped, by SS",
                [NAMES; row],
                try_at(instruction.by_stack, UNMAPPED),
                Outcome::pf(access)
            );
            check_outcome!(
                "not canonical, by SS",
                [NAMES; row],
                try_at(instruction.by_stack, NOT_CANONICAL),
                Outcome::SS
            );
            if instruction.writes {
                let due = Outcome::pf(WRITE | PRESENT);
                check_outcome!("not writable", [NAMES; row], try_at(instruction.by_data, read_only), due);
            }
            check_eq!(
                "the current VMCS",
                [NAMES; row],
                instruction::store_pointer().unwrap_or(0),
                Page::Vmcs.address()
            );
        }
        check_eq!("the field stays", guest.read(rt::vmx::field::GUEST_RSP), rsp);
        paging::write_entry(paging::Level::Pt, 5, 0);
    });
}

/// An operand that crosses from a page that is mapped to one that is not faults, and its page fault tells the second page.
#[case(feature = VmxInstructions, spec = sdm3c("VMX Instruction Reference"), needs = Needs::INTEL | Needs::VMX)]
fn memory_operands_cross_pages() {
    with_guest(end, |_| {
        let page = paging::map(5, paging::frame(3), paging::ALL_RIGHTS);
        for (row, instruction) in offered() {
            let result = catch(|| (instruction.by_data)(page + 4092));
            let access = if instruction.writes { WRITE } else { 0 };
            check_outcome!("last 4 bytes of a page", [NAMES; row], result, Outcome::pf(access));
            check_eq!("CR2", [NAMES; row], result.err().map_or(0, |exception| exception.cr2), page + 4096);
        }
        paging::write_entry(paging::Level::Pt, 5, 0);
    });
}

user_code!(vmxon: "vmxon [rdi]", "ret");
user_code!(vmxon_stack: "push rbp", "mov rbp, rdi", "vmxon [rbp]", "pop rbp", "ret");

/// The same of VMXON outside of VMX operation.
#[case(feature = VmxInstructions, spec = sdm3c("VMXON—Enter VMX Operation"), needs = Needs::INTEL | Needs::VMX)]
fn memory_operand_of_vmxon_faults() {
    match Prepared::new() {
        Ok(_prepared) => {
            check_outcome!("not mapped", catch(|| vmxon(UNMAPPED)), Outcome::pf(0));
            check_outcome!("not canonical", catch(|| vmxon(NOT_CANONICAL)), Outcome::GP);
            check_outcome!("not canonical, by SS", catch(|| vmxon_stack(NOT_CANONICAL)), Outcome::SS);
            check_outcome!("at CPL 3", user::call(vmxon, UNMAPPED), Outcome::GP);
        }
        Err(outcome) => check_outcome!("preparation", outcome, Outcome::COMPLETED),
    }
}

user_code!(vmlaunch: "vmlaunch", "ret");
user_code!(vmresume: "vmresume", "ret");
user_code!(vmxoff: "vmxoff", "ret");
user_code!(vmcall: "vmcall", "ret");
user_code!(vmread_register: "mov ecx, 0x681c", "vmread rax, rcx", "ret");
user_code!(vmwrite_register: "mov ecx, 0x681c", "vmwrite rcx, rcx", "ret");

const OTHERS: [Code; 7] = [vmxon, vmlaunch, vmresume, vmxoff, vmcall, vmread_register, vmwrite_register];
const OTHER_NAMES: &[Text] =
    names!["VMXON", "VMLAUNCH", "VMRESUME", "VMXOFF", "VMCALL", "VMREAD to a register", "VMWRITE of a register"];

/// In VMX root operation every instruction of VMX raises #GP(0) at CPL 3, before its operand is looked at.
#[case(feature = VmxInstructions, spec = sdm3c("VMX Instruction Reference"), needs = Needs::INTEL | Needs::VMX)]
fn instructions_at_cpl_3() {
    with_guest(end, |guest| {
        for (row, instruction) in offered() {
            check_outcome!("not mapped", [NAMES; row], user::call(instruction.by_data, UNMAPPED), Outcome::GP);
        }
        for (row, code) in OTHERS.into_iter().enumerate() {
            check_outcome!("at CPL 3", [OTHER_NAMES; row], user::call(code, UNMAPPED), Outcome::GP);
        }
        check!("a guest runs behind it", guest.run().is_ok_and(|exit| exit.is_end()));
    });
}

user_code!(vmclear_32: "vmclear [rdi]", "ud2");
user_code!(vmptrld_32: "vmptrld [rdi]", "ud2");
user_code!(vmptrst_32: "vmptrst [rdi]", "ud2");

/// In compatibility mode every instruction of VMX raises #UD in root operation, which comes before the check of the CPL.
#[case(feature = VmxInstructions, spec = sdm3c("VMX Instruction Reference"), needs = Needs::INTEL | Needs::VMX)]
fn instructions_in_compatibility_mode() {
    const CODES: [Code; 10] =
        [vmclear_32, vmptrld_32, vmptrst_32, vmxon, vmlaunch, vmresume, vmxoff, vmcall, vmread_plain, vmwrite_plain];
    const NAMES: &[Text] = names![
        "VMCLEAR", "VMPTRLD", "VMPTRST", "VMXON", "VMLAUNCH", "VMRESUME", "VMXOFF", "VMCALL", "VMREAD", "VMWRITE"
    ];
    with_vmx(|_| {
        for (row, code) in CODES.into_iter().enumerate() {
            let mut state = State::at(code as *const () as u64);
            state.cs = selector::USER_CODE_32;
            let exception = user::enter(&mut state);
            check_outcome!("at CPL 3", [NAMES; row], exception, Outcome::UD);
            check_eq!("RIP from the start", [NAMES; row], exception.rip.wrapping_sub(code as *const () as u64), 0);
        }
    });
}

user_code!(vmread_plain: "vmread rax, rcx", "ud2");
user_code!(vmwrite_plain: "vmwrite rcx, rax", "ud2");

user_code!(lock_vmclear: ".byte 0xf0", "vmclear [rdi]", "ret");
user_code!(lock_vmptrld: ".byte 0xf0", "vmptrld [rdi]", "ret");
user_code!(lock_vmptrst: ".byte 0xf0", "vmptrst [rdi]", "ret");
user_code!(lock_vmread: ".byte 0xf0", "vmread [rdi], rcx", "ret");
user_code!(lock_vmwrite: ".byte 0xf0", "vmwrite rcx, [rdi]", "ret");
user_code!(lock_vmxoff: ".byte 0xf0", "vmxoff", "ret");
user_code!(vmread_66: ".byte 0x66, 0x0f, 0x78, 0xc8", "ret");
user_code!(vmread_f3: ".byte 0xf3, 0x0f, 0x78, 0xc8", "ret");
user_code!(vmwrite_66: ".byte 0x66, 0x0f, 0x79, 0xc8", "ret");
user_code!(vmwrite_f3: ".byte 0xf3, 0x0f, 0x79, 0xc8", "ret");
user_code!(invept_register: ".byte 0x66, 0x0f, 0x38, 0x80, 0xc1", "ret");
user_code!(invvpid_register: ".byte 0x66, 0x0f, 0x38, 0x81, 0xc1", "ret");

/// LOCK, an operand-size or repeat prefix before VMREAD and VMWRITE, and a register where memory must be, raise #UD.
#[case(feature = VmxInstructions, spec = sdm3c("VMX Instruction Reference"), needs = Needs::INTEL | Needs::VMX)]
fn invalid_encodings() {
    const CODES: [Code; 12] = [
        lock_vmclear,
        lock_vmptrld,
        lock_vmptrst,
        lock_vmread,
        lock_vmwrite,
        lock_vmxoff,
        vmread_66,
        vmread_f3,
        vmwrite_66,
        vmwrite_f3,
        invept_register,
        invvpid_register,
    ];
    const NAMES: &[Text] = names![
        "LOCK VMCLEAR",
        "LOCK VMPTRLD",
        "LOCK VMPTRST",
        "LOCK VMREAD",
        "LOCK VMWRITE",
        "LOCK VMXOFF",
        "66H VMREAD",
        "F3H VMREAD",
        "66H VMWRITE",
        "F3H VMWRITE",
        "INVEPT of a register",
        "INVVPID of a register"
    ];
    with_guest(end, |guest| {
        for (row, code) in CODES.into_iter().enumerate() {
            check_outcome!("outcome", [NAMES; row], catch(|| code(paging::frame(2))), Outcome::UD);
        }
        check!("a guest runs behind it", guest.run().is_ok_and(|exit| exit.is_end()));
    });
}
