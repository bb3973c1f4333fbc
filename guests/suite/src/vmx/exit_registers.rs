//! Instructions with register operands, with every register: what their exits tell of it.

use super::{
    exit_information::Word,
    exit_slots::{Code, run_slot, slot},
    with_guest,
};
use rt::{
    case, check_eq,
    cpu::{control, cpuid::read_leaf},
    user_code,
    vmx::{
        Guest,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::Needs,
};

macro_rules! registers {
    ($($name:ident = $width:tt $instruction:literal;)*) => {
        $(user_code!($name: $crate::vmx::exit_slots::register_slots!($width; $instruction));)*
    };
}

registers! {
    sldt_16 = 16 "sldt \\r";
    sldt_32 = 32 "sldt \\r";
    sldt_64 = 64 "sldt \\r";
    str_16 = 16 "str \\r";
    str_32 = 32 "str \\r";
    str_64 = 64 "str \\r";
    lldt = 16 "lldt \\r";
    ltr = 16 "ltr \\r";
    rdrand_16 = 16 "rdrand \\r";
    rdrand_32 = 32 "rdrand \\r";
    rdrand_64 = 64 "rdrand \\r";
    rdseed_16 = 16 "rdseed \\r";
    rdseed_32 = 32 "rdseed \\r";
    rdseed_64 = 64 "rdseed \\r";
    vmread_to = 64 "vmread \\r, rbx";
    vmread_of = 64 "vmread r9, \\r";
    vmwrite_from = 64 "vmwrite r10, \\r";
    vmwrite_of = 64 "vmwrite \\r, rsi";
    invept = 64 "invept \\r, [rdi]";
    invvpid = 64 "invvpid \\r, [rdi]";
    invpcid = 64 "invpcid \\r, [rdi]";
    to_cr0 = 64 "mov cr0, \\r";
    to_cr3 = 64 "mov cr3, \\r";
    from_cr3 = 64 "mov \\r, cr3";
    to_cr4 = 64 "mov cr4, \\r";
    to_cr8 = 64 "mov cr8, \\r";
    from_cr8 = 64 "mov \\r, cr8";
    to_dr0 = 64 "mov dr0, \\r";
    to_dr3 = 64 "mov dr3, \\r";
    to_dr6 = 64 "mov dr6, \\r";
    to_dr7 = 64 "mov dr7, \\r";
    from_dr1 = 64 "mov \\r, dr1";
    from_dr2 = 64 "mov \\r, dr2";
    from_dr6 = 64 "mov \\r, dr6";
    from_dr7 = 64 "mov \\r, dr7";
}

user_code!(end: "vmcall");

/// An instruction, with what its exits show for each register.
struct Row {
    code: Code,
    reason: u32,
    word: fn(u8) -> Word,
    /// The exit qualification, where it is defined.
    qualification: Option<fn(u8) -> u64>,
}

/// One whose instruction information tells the register, and whose qualification is not defined.
const fn told(code: Code, reason: u32, word: fn(u8) -> Word) -> Row {
    Row { code, reason, word, qualification: None }
}

/// One whose exit qualification tells the register.
const fn qualified(code: Code, reason: u32, qualification: fn(u8) -> u64) -> Row {
    Row { code, reason, word: |_| Word::NONE, qualification: Some(qualification) }
}

/// What every register holds, RSP too: no bit that control registers reserve, no segment.
const VALUE: u64 = 0x1000;

/// Lets a row exit with each register.
fn each_register(rows: &[Row], setup: fn(&mut Guest)) {
    with_guest(end, |guest| {
        for (number, row) in rows.iter().enumerate() {
            for register in 0..16_u8 {
                let slot = slot(row.code, register.into());
                guest.registers = [VALUE; 16];
                let _ = guest.set(field::GUEST_RSP, VALUE);
                setup(guest);
                let exit = run_slot(guest, slot);
                let registers = guest.registers;
                guest.reset();
                // A row's number is that of the register, with 16 for each line of the table in front of its own.
                let at = number * 16 + usize::from(register);
                check_eq!("exit reason", [&[]; at], exit.reason, row.reason);
                if exit.reason != row.reason {
                    continue;
                }
                let word = (row.word)(register);
                if word != Word::NONE {
                    check_eq!("instruction information", [&[]; at], word.seen(exit.instruction), word.value);
                }
                if let Some(due) = row.qualification {
                    check_eq!("exit qualification", [&[]; at], exit.qualification, due(register));
                }
                check_eq!("instruction length", [&[]; at], exit.length, slot.length);
                check_eq!("RIP from the start", [&[]; at], exit.rip.wrapping_sub(slot.rip), 0);
                let kept = registers.iter().enumerate().all(|(index, &value)| index == 4 || value == VALUE);
                rt::check!("no register changes", [&[]; at], kept);
            }
        }
    });
}

fn descriptor_tables(guest: &mut Guest) {
    guest.activate(secondary::DESCRIPTOR_TABLE);
}

/// SLDT, STR, LLDT and LTR of each register, in each operand size, tell it, and which of them it is.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_DESCRIPTOR_TABLE)]
fn registers_of_ldtr_and_tr() {
    const SLDT: fn(u8) -> Word = |register| Word::NONE.register_1(register).identity(0);
    const STR: fn(u8) -> Word = |register| Word::NONE.register_1(register).identity(1);
    let rows = [
        told(sldt_16, reason::LDTR_OR_TR, SLDT),
        told(sldt_32, reason::LDTR_OR_TR, SLDT),
        told(sldt_64, reason::LDTR_OR_TR, SLDT),
        told(str_16, reason::LDTR_OR_TR, STR),
        told(str_32, reason::LDTR_OR_TR, STR),
        told(str_64, reason::LDTR_OR_TR, STR),
        told(lldt, reason::LDTR_OR_TR, |register| Word::NONE.register_1(register).identity(2)),
        told(ltr, reason::LDTR_OR_TR, |register| Word::NONE.register_1(register).identity(3)),
    ];
    each_register(&rows, descriptor_tables);
}

/// RDRAND of each register tells it and the operand size, with an exit qualification of 0.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn registers_of_rdrand() {
    if read_leaf(1, 0).ecx >> 30 & 1 == 0 || !can(secondary::RDRAND) {
        rt::skip!("there is no RDRAND or no exit of it");
        return;
    }
    let row = |code, word| Row { code, reason: reason::RDRAND, word, qualification: Some(|_| 0) };
    let rows = [
        row(rdrand_16, |register| Word::NONE.only_register(register, 0)),
        row(rdrand_32, |register| Word::NONE.only_register(register, 1)),
        row(rdrand_64, |register| Word::NONE.only_register(register, 2)),
    ];
    each_register(&rows, |guest| guest.activate(secondary::RDRAND));
}

/// RDSEED of each register tells it and the operand size, with an exit qualification of 0.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn registers_of_rdseed() {
    if read_leaf(7, 0).ebx >> 18 & 1 == 0 || !can(secondary::RDSEED) {
        rt::skip!("there is no RDSEED or no exit of it");
        return;
    }
    let row = |code, word| Row { code, reason: reason::RDSEED, word, qualification: Some(|_| 0) };
    let rows = [
        row(rdseed_16, |register| Word::NONE.only_register(register, 0)),
        row(rdseed_32, |register| Word::NONE.only_register(register, 1)),
        row(rdseed_64, |register| Word::NONE.only_register(register, 2)),
    ];
    each_register(&rows, |guest| guest.activate(secondary::RDSEED));
}

fn can(bits: u32) -> bool {
    rt::vmx::capability::Controls::read().secondary.allows(bits)
}

/// VMREAD and VMWRITE between registers tell both of them.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX)]
fn registers_of_vmread_and_vmwrite() {
    let rows = [
        told(vmread_to, reason::VMREAD, |register| Word::NONE.register_1(register).register_2(3)),
        told(vmread_of, reason::VMREAD, |register| Word::NONE.register_1(9).register_2(register)),
        told(vmwrite_from, reason::VMWRITE, |register| Word::NONE.register_1(register).register_2(10)),
        told(vmwrite_of, reason::VMWRITE, |register| Word::NONE.register_1(6).register_2(register)),
    ];
    each_register(&rows, |_| {});
}

/// INVEPT and INVVPID tell the register that holds the type.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_INVEPT | Needs::VMX_INVVPID)]
fn registers_of_invept_and_invvpid() {
    const WORD: fn(u8) -> Word =
        |register| super::exit_information::Operand::based(7).information().register_2(register);
    let row = |code, reason| Row { code, reason, word: WORD, qualification: Some(|_| 0) };
    each_register(&[row(invept, reason::INVEPT), row(invvpid, reason::INVVPID)], |_| {});
}

/// INVPCID tells the register that holds the type.
#[case(feature = VmxExits, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SECONDARY)]
fn registers_of_invpcid() {
    if !can(secondary::INVPCID) {
        rt::skip!("the processor has no \"enable INVPCID\"");
        return;
    }
    const WORD: fn(u8) -> Word =
        |register| super::exit_information::Operand::based(7).information().register_2(register);
    each_register(&[Row { code: invpcid, reason: reason::INVPCID, word: WORD, qualification: Some(|_| 0) }], |guest| {
        guest.activate(secondary::INVPCID);
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INVLPG.into());
    });
}

/// MOV to CR0, CR3, CR4 and CR8 and from CR3 and CR8 tell the general register.
#[case(feature = VmxControlRegisters, spec = sdm3c("Basic VM-Exit Information"), needs = Needs::INTEL | Needs::VMX)]
fn registers_of_moves_of_control_registers() {
    const FROM: u64 = 1 << 4;
    let rows = [
        qualified(to_cr0, reason::CONTROL_REGISTER, |register| u64::from(register) << 8),
        qualified(to_cr3, reason::CONTROL_REGISTER, |register| u64::from(register) << 8 | 3),
        qualified(from_cr3, reason::CONTROL_REGISTER, |register| u64::from(register) << 8 | FROM | 3),
        qualified(to_cr4, reason::CONTROL_REGISTER, |register| u64::from(register) << 8 | 4),
        qualified(to_cr8, reason::CONTROL_REGISTER, |register| u64::from(register) << 8 | 8),
        qualified(from_cr8, reason::CONTROL_REGISTER, |register| u64::from(register) << 8 | FROM | 8),
    ];
    each_register(&rows, |guest| {
        const BITS: u32 = processor::CR3_LOAD | processor::CR3_STORE | processor::CR8_LOAD | processor::CR8_STORE;
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, BITS.into());
        for (mask, shadow) in [(field::CR0_MASK, field::CR0_SHADOW), (field::CR4_MASK, field::CR4_SHADOW)] {
            let _ = guest.set(mask, u64::MAX);
            let _ = guest.set(shadow, control::cr0::PE);
        }
    });
}

/// MOV to and from debug registers tell the general register.
#[case(feature = VmxControlRegisters, spec = sdm3c("Basic VM-Exit Information"), needs = Needs::INTEL | Needs::VMX)]
fn registers_of_moves_of_debug_registers() {
    const FROM: u64 = 1 << 4;
    let rows = [
        qualified(to_dr0, reason::MOV_DR, |register| u64::from(register) << 8),
        qualified(to_dr3, reason::MOV_DR, |register| u64::from(register) << 8 | 3),
        qualified(to_dr6, reason::MOV_DR, |register| u64::from(register) << 8 | 6),
        qualified(to_dr7, reason::MOV_DR, |register| u64::from(register) << 8 | 7),
        qualified(from_dr1, reason::MOV_DR, |register| u64::from(register) << 8 | FROM | 1),
        qualified(from_dr2, reason::MOV_DR, |register| u64::from(register) << 8 | FROM | 2),
        qualified(from_dr6, reason::MOV_DR, |register| u64::from(register) << 8 | FROM | 6),
        qualified(from_dr7, reason::MOV_DR, |register| u64::from(register) << 8 | FROM | 7),
    ];
    each_register(&rows, |guest| _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MOV_DR.into()));
}
