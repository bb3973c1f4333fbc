//! Instructions with a memory operand, in every form of address: what their exits tell of it, bit by bit.

use super::{
    exit_information::{Operand, Word, segment},
    exit_slots::{Code, run_slot, slot},
    with_guest,
};
use rt::{
    case, check_eq,
    cpu::control::cr4,
    names, paging, user_code,
    vmx::{
        Guest, capability,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

macro_rules! forms {
    ($($text:literal, $operand:expr;)*) => {
        macro_rules! all_forms {
            ($before:literal, $after:literal) => { $crate::vmx::exit_slots::slots!($before, $after; $($text),*) };
        }
        const FORMS: &[Operand] = &[$($operand),*];
        const NAMES: &[Text] = names![$($text),*];
    };
}

const BP: Operand = Operand::based(5);
const DI: Operand = Operand::based(7);

forms! {
    "[rdi]", DI;
    "[rax]", Operand::based(0);
    "[rsp]", Operand::based(4);
    "[rbp]", BP;
    "[r12]", Operand::based(12);
    "[r13]", Operand::based(13);
    "[r15]", Operand::based(15);
    "[rdi + 0x7f]", DI.plus(0x7f);
    "[rdi - 0x80]", DI.plus(-0x80);
    "[rdi + 0x12345678]", DI.plus(0x1234_5678);
    "[rdi - 0x7ffffff0]", DI.plus(-0x7fff_fff0);
    "[rdi + rcx]", DI.indexed(1, 0);
    "[rdi + rdx*2 + 8]", DI.indexed(2, 1).plus(8);
    "[rbp + r9*4 - 4]", BP.indexed(9, 2).plus(-4);
    "[r8 + r15*8 + 0x100]", Operand::based(8).indexed(15, 3).plus(0x100);
    "[rbx + r12*2]", Operand::based(3).indexed(12, 1);
    "[rsi*8 + 0x1000]", Operand::NONE.indexed(6, 3).plus(0x1000);
    "[rip + 0x40]", Operand::from_rip(0x40);
    "[rip - 0x1000]", Operand::from_rip(-0x1000);
    "fs:[rdi]", DI.of_segment(segment::FS);
    "gs:[r10 + 0x10]", Operand::based(10).plus(0x10).of_segment(segment::GS);
    "[edi]", DI.with_address_size(1);
    "[r9d + ecx*4 - 8]", Operand::based(9).indexed(1, 2).plus(-8).with_address_size(1);
    "fs:[ebp + esi + 0x55]", BP.indexed(6, 0).plus(0x55).of_segment(segment::FS).with_address_size(1);
}

user_code!(end: "vmcall");
user_code!(vmclear: all_forms!("vmclear ", ""));
user_code!(vmptrld: all_forms!("vmptrld ", ""));
user_code!(vmptrst: all_forms!("vmptrst ", ""));
user_code!(vmxon: all_forms!("vmxon ", ""));
user_code!(vmread: all_forms!("vmread ", ", r11"));
user_code!(vmwrite: all_forms!("vmwrite rbx, ", ""));
user_code!(invept: all_forms!("invept r14, ", ""));
user_code!(invvpid: all_forms!("invvpid rcx, ", ""));
user_code!(invpcid: all_forms!("invpcid rbp, ", ""));
user_code!(sgdt: all_forms!("sgdt ", ""));
user_code!(sidt: all_forms!("sidt ", ""));
user_code!(lgdt: all_forms!("lgdt ", ""));
user_code!(lidt: all_forms!("lidt ", ""));
user_code!(sldt: all_forms!("sldt word ptr ", ""));
user_code!(str_: all_forms!("str word ptr ", ""));
user_code!(lldt: all_forms!("lldt word ptr ", ""));
user_code!(ltr: all_forms!("ltr word ptr ", ""));
user_code!(xsaves: all_forms!("xsaves ", ""));
user_code!(xrstors: all_forms!("xrstors ", ""));
user_code!(invlpg: all_forms!("invlpg ", ""));

/// Registers hold an address that may be written, but RCX, RDX, RSI, R9, R12 and R15 hold 0, for they are indices.
fn prepare(guest: &mut Guest) {
    guest.registers = [paging::frame(2) + 0x800; 16];
    for index in [1, 2, 6, 9, 12, 15] {
        guest.registers[index] = 0;
    }
    for changed in [field::GUEST_GDTR_BASE, field::GUEST_GDTR_LIMIT, field::GUEST_IDTR_BASE, field::GUEST_IDTR_LIMIT] {
        guest.keep(changed);
    }
}

/// Lets the instruction exit in each form; `more` is what the instruction information tells beside the operand.
fn each_form(code: Code, reason: u32, setup: fn(&mut Guest), more: fn(Word) -> Word) {
    with_guest(end, |guest| {
        for (row, operand) in FORMS.iter().enumerate() {
            let slot = slot(code, row);
            prepare(guest);
            setup(guest);
            let exit = run_slot(guest, slot);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason);
            if exit.reason != reason {
                continue;
            }
            let word = more(operand.information());
            check_eq!("instruction information", [NAMES; row], word.seen(exit.instruction), word.value);
            let due = operand.qualification(slot.rip + slot.length);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, due);
            check_eq!("instruction length", [NAMES; row], exit.length, slot.length);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(slot.rip), 0);
        }
    });
}

fn nothing(_: &mut Guest) {}

fn descriptor_tables(guest: &mut Guest) {
    guest.activate(secondary::DESCRIPTOR_TABLE);
}

/// VMCLEAR tells its operand.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn operand_of_vmclear() {
    each_form(vmclear, reason::VMCLEAR, nothing, |word| word);
}

/// VMPTRLD tells its operand.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn operand_of_vmptrld() {
    each_form(vmptrld, reason::VMPTRLD, nothing, |word| word);
}

/// VMPTRST tells its operand.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn operand_of_vmptrst() {
    each_form(vmptrst, reason::VMPTRST, nothing, |word| word);
}

/// VMXON tells its operand.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn operand_of_vmxon() {
    each_form(vmxon, reason::VMXON, nothing, |word| word);
}

/// VMREAD tells its operand in memory, and the register with the number of the field.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn operand_of_vmread() {
    each_form(vmread, reason::VMREAD, nothing, |word| word.register_2(11));
}

/// VMWRITE tells its operand in memory, and the register with the number of the field.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn operand_of_vmwrite() {
    each_form(vmwrite, reason::VMWRITE, nothing, |word| word.register_2(3));
}

/// INVEPT tells its operand and the register with the type.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_INVEPT)]
fn operand_of_an_invept_that_exits() {
    each_form(invept, reason::INVEPT, nothing, |word| word.register_2(14));
}

/// INVVPID tells its operand and the register with the type.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_INVVPID)]
fn operand_of_an_invvpid_that_exits() {
    each_form(invvpid, reason::INVVPID, nothing, |word| word.register_2(1));
}

/// INVPCID exits by "INVLPG exiting", and tells its operand and the register with the type.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn operand_of_invpcid() {
    if !capability::Controls::read().secondary.allows(secondary::INVPCID) {
        rt::skip!("the processor has no \"enable INVPCID\"");
        return;
    }
    let setup = |guest: &mut Guest| {
        guest.activate(secondary::INVPCID);
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INVLPG.into());
    };
    each_form(invpcid, reason::INVPCID, setup, |word| word.register_2(5));
}

/// SGDT tells its operand, and that it is SGDT.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_sgdt() {
    each_form(sgdt, reason::GDTR_OR_IDTR, descriptor_tables, |word| word.identity(0));
}

/// SIDT tells its operand, and that it is SIDT.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_sidt() {
    each_form(sidt, reason::GDTR_OR_IDTR, descriptor_tables, |word| word.identity(1));
}

/// LGDT tells its operand, and that it is LGDT.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_lgdt() {
    each_form(lgdt, reason::GDTR_OR_IDTR, descriptor_tables, |word| word.identity(2));
}

/// LIDT tells its operand, and that it is LIDT.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_lidt() {
    each_form(lidt, reason::GDTR_OR_IDTR, descriptor_tables, |word| word.identity(3));
}

/// SLDT tells its operand, and that it is SLDT.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_sldt() {
    each_form(sldt, reason::LDTR_OR_TR, descriptor_tables, |word| word.identity(0));
}

/// STR tells its operand, and that it is STR.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_str() {
    each_form(str_, reason::LDTR_OR_TR, descriptor_tables, |word| word.identity(1));
}

/// LLDT tells its operand, and that it is LLDT.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_lldt() {
    each_form(lldt, reason::LDTR_OR_TR, descriptor_tables, |word| word.identity(2));
}

/// LTR tells its operand, and that it is LTR.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn operand_of_ltr() {
    each_form(ltr, reason::LDTR_OR_TR, descriptor_tables, |word| word.identity(3));
}

/// Lets XSAVES and XRSTORS exit in each form, where IA32_XSS takes the component.
fn each_form_of_supervisor_state(code: Code, reason: u32) {
    use rt::cpu::{cpuid::read_leaf, msr};
    const IA32_XSS: u32 = 0xda0;
    let offered = u64::from(read_leaf(0xd, 1).ecx);
    let component = offered & offered.wrapping_neg();
    if component == 0 || msr::write(IA32_XSS, component).is_err() {
        rt::skip!("IA32_XSS takes no component");
        return;
    }
    let setup = |guest: &mut Guest| {
        guest.activate(secondary::XSAVES);
        let _ = guest.set(field::XSS_EXITING, u64::MAX);
        let _ = guest.set_bits(field::GUEST_CR4, cr4::OSXSAVE);
        // EDX:EAX names all components; RAX is a base too.
        guest.registers[0] = 0xffff_ffff;
    };
    each_form(code, reason, setup, |word| word);
    let _ = msr::write(IA32_XSS, 0);
}

/// XSAVES tells its operand where it exits by the XSS-exiting bitmap.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_XSAVES)]
fn operand_of_xsaves() {
    each_form_of_supervisor_state(xsaves, reason::XSAVES);
}

/// XRSTORS tells its operand where it exits by the XSS-exiting bitmap.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_XSAVES)]
fn operand_of_xrstors() {
    each_form_of_supervisor_state(xrstors, reason::XRSTORS);
}

/// INVLPG tells the linear address of its operand: base, index, scale, displacement and the base of FS and GS, in its address size.
#[case(feature = VmxExits, spec = sdm3c("Basic VM-Exit Information"), needs = Needs::INTEL | Needs::VMX)]
fn linear_address_of_invlpg() {
    const FS: u64 = 0x12_3456_7000;
    const GS: u64 = 0xffff_8000_0001_0000;
    with_guest(end, |guest| {
        for (row, operand) in FORMS.iter().enumerate() {
            let slot = slot(invlpg, row);
            for register in 0..16 {
                guest.registers[register] = 0x1111_1111_1000 + ((register as u64) << 20);
            }
            let _ = guest.set(field::GUEST_RSP, guest.registers[4]);
            let _ = guest.set(field::GUEST_FS_BASE, FS);
            let _ = guest.set(field::GUEST_GS_BASE, GS);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INVLPG.into());
            let due = operand.linear_address(&guest.registers, slot.rip + slot.length, FS, GS);
            let exit = run_slot(guest, slot);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::INVLPG);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, due);
            check_eq!("instruction length", [NAMES; row], exit.length, slot.length);
        }
    });
}
