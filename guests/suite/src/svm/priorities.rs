//! Exceptions against intercepts of the same instruction, at CPL 0: some intercepts come before every exception, others behind
//! those that need no memory, and all of them before an access to memory.

use super::{end_of, with_svm};
use rt::{
    case, check_eq,
    cpu::{control, cpuid::read_leaf},
    layout::UNMAPPED,
    names,
    svm::{
        Guest,
        field::{
            self, CR_READS, CR_WRITES, DR_READS, DR_WRITES, INTERCEPTS_1, INTERCEPTS_2, exit, intercept_1, intercept_2,
        },
    },
    user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

const GP: u64 = exit::EXCEPTION + 13;

/// An instruction, RBX, and the ending.
struct Row {
    code: Code,
    rbx: u64,
    due: u64,
}

macro_rules! rows {
    ($table:ident $names:ident; $($function:ident $title:literal: $assembly:literal, $rbx:expr => $due:expr;)*) => {
        $(user_code!($function: $assembly, "vmmcall");)*
        const $table: &[Row] = &[$(Row { code: $function, rbx: $rbx, due: $due }),*];
        const $names: &[Text] = names![$($title),*];
    };
}

const fn first(bit: u32) -> u64 {
    exit::INTR + bit as u64
}

const fn second(bit: u32) -> u64 {
    exit::VMRUN + bit as u64
}

// A value that the register cannot take: #GP, although the write is intercepted.
rows! { VALUES VALUE_NAMES;
    paging_without_protection "CR0 with PG and without PE": "mov cr0, rbx", 0x8000_0030 => GP;
    no_write_through "CR0 with NW and without CD": "mov cr0, rbx", 0xa000_0031 => GP;
    high_half_of_cr0 "CR0 with bit 32": "mov cr0, rbx", 0x1_8000_0031 => GP;
    high_bit_of_cr3 "CR3 with bit 62": "mov cr3, rbx", 1 << 62 => GP;
    high_half_of_cr4 "CR4 with bit 32": "mov cr4, rbx", 1 << 32 | 0x20 => GP;
    without_pae "CR4 without PAE in long mode": "mov cr4, rbx", 0 => GP;
    cr8_of_16 "CR8 of 16": "mov cr8, rbx", 16 => GP;
    high_half_of_dr6 "DR6 with bit 32": "mov dr6, rbx", 1 << 32 => GP;
    high_half_of_dr7 "DR7 with bit 32": "mov dr7, rbx", 1 << 32 | 0x400 => GP;
}

// Memory operands that are not mapped: the intercept comes before their page fault.
rows! { OPERANDS OPERAND_NAMES;
    store_gdtr "SGDT": "sgdt [rbx]", UNMAPPED => first(intercept_1::GDTR_READ);
    store_idtr "SIDT": "sidt [rbx]", UNMAPPED => first(intercept_1::IDTR_READ);
    store_ldtr "SLDT": "sldt word ptr [rbx]", UNMAPPED => first(intercept_1::LDTR_READ);
    store_tr "STR": "str word ptr [rbx]", UNMAPPED => first(intercept_1::TR_READ);
    load_gdtr "LGDT": "lgdt [rbx]", UNMAPPED => first(intercept_1::GDTR_WRITE);
    load_idtr "LIDT": "lidt [rbx]", UNMAPPED => first(intercept_1::IDTR_WRITE);
    load_ldtr "LLDT": "lldt word ptr [rbx]", UNMAPPED => first(intercept_1::LDTR_WRITE);
    load_tr "LTR": "ltr word ptr [rbx]", UNMAPPED => first(intercept_1::TR_WRITE);
    store_msw "SMSW": "smsw word ptr [rbx]", UNMAPPED => exit::CR_READ;
    load_msw "LMSW": "lmsw word ptr [rbx]", UNMAPPED => exit::CR_WRITE;
    bad_page "INVLPG, an address that is not canonical": "invlpg [rbx]", 1 << 63 => first(intercept_1::INVLPG);
    push_flags "PUSHF, a stack that is not mapped": "pushfq", 0 => first(intercept_1::PUSHF);
    pop_flags "POPF, a stack that is not mapped": "popfq", 0 => first(intercept_1::POPF);
    interrupt_return "IRET, a stack that is not mapped": "iretq", 0 => first(intercept_1::IRET);
    interrupt "INT 80H, a stack that is not mapped": "int 0x80", 0 => first(intercept_1::INTN);
    resume "RSM, outside of SMM": "rsm", 0 => first(intercept_1::RSM);
}

// Operands of SVM's own instructions: RAX is the address.
rows! { ADDRESSES ADDRESS_NAMES;
    run_unaligned "VMRUN": "vmrun rax", 0 => GP;
    load_unaligned "VMLOAD": "vmload rax", 0 => GP;
    save_unaligned "VMSAVE": "vmsave rax", 0 => GP;
}

/// A guest with every intercept of an instruction and of all exceptions.
fn guest(row: &Row) -> Guest {
    let mut guest = Guest::new(row.code);
    // All but INTR, NMI, SMI, INIT, VINTR and the selective one of CR0.
    guest.write_u32(INTERCEPTS_1, !0x3f);
    for bit in intercept_2::VMRUN..=intercept_2::MWAIT {
        guest.intercept(INTERCEPTS_2, bit);
    }
    for word in [CR_READS, CR_WRITES, DR_READS, DR_WRITES] {
        guest.write_u16(word, u16::MAX);
    }
    guest.registers.rbx = row.rbx;
    guest
}

/// Runs every row, with what is the same for all.
fn walk(rows: &[Row], prepare: impl Fn(&mut Guest, &Row)) {
    with_svm(|| {
        for (number, row) in rows.iter().enumerate() {
            let mut guest = guest(row);
            prepare(&mut guest, row);
            let rsp = guest.read_u64(field::RSP);
            let ran = guest.run();
            let (rip, information) = ran.as_ref().map_or((0, 0), |exit| (exit.rip, exit.info_1));
            let ending = end_of(ran);
            check_eq!("ending", [&[]; number], ending, row.due);
            check_eq!("RIP", [&[]; number], rip, super::start_of(row.code));
            check_eq!("RSP", [&[]; number], guest.read_u64(field::RSP), rsp);
            if row.due == GP && ending == GP {
                check_eq!("error code", [&[]; number], information, 0);
            }
        }
    });
}

/// A value that a control or debug register cannot take raises #GP before the write exits.
#[case(feature = SvmControlRegisters, spec = [apm2("Instruction Intercepts"), apm2("MOV CRx/DRx Intercepts")], needs = Needs::SVM)]
fn values_are_checked_before_writes_exit() {
    let _ = VALUE_NAMES;
    walk(VALUES, |_, _| ());
}

/// Neither a memory operand nor the stack is accessed before the intercept.
#[case(feature = SvmIntercepts, spec = apm2("Instruction Intercepts"), needs = Needs::SVM)]
fn intercepts_come_before_memory() {
    let _ = OPERAND_NAMES;
    walk(OPERANDS, |guest, row| {
        if row.rbx == 0 {
            guest.write_u64(field::RSP, UNMAPPED + 4096);
        }
    });
}

/// VMRUN, VMLOAD and VMSAVE check their address before they exit.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm3("VMRUN"), apm3("VMLOAD"), apm3("VMSAVE")], needs = Needs::SVM)]
fn addresses_are_checked_before_exits() {
    let _ = ADDRESS_NAMES;
    for address in [0x10, 0x800, 1 << 52, 1 << 63] {
        walk(ADDRESSES, |guest, _| guest.write_u64(field::RAX, address));
    }
}

user_code!(monitor: "monitor", "vmmcall");
user_code!(mwait: "mwait", "vmmcall");

/// MONITOR and MWAIT with extensions that there are not raise #GP before they exit; without, they exit.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm3("MONITOR"), apm3("MWAIT")], needs = Needs::SVM | Needs::MONITOR)]
fn extensions_of_monitor_and_mwait() {
    let rows = [Row { code: monitor, rbx: 0, due: 0 }, Row { code: mwait, rbx: 0, due: 1 }];
    with_svm(|| {
        for (number, row) in rows.iter().enumerate() {
            for extensions in [0, 1 << 8] {
                let mut guest = guest(row);
                guest.registers.rcx = extensions;
                let due = match (extensions, row.due) {
                    (0, 0) => second(intercept_2::MONITOR),
                    (0, _) => second(intercept_2::MWAIT),
                    _ => GP,
                };
                check_eq!("ending", [&[]; number as u64 | extensions], end_of(guest.run()), due);
            }
        }
    });
}

user_code!(rdtsc: "rdtsc", "vmmcall");
user_code!(rdpmc: "rdpmc", "vmmcall");
user_code!(rdtscp: "rdtscp", "vmmcall");

/// RDTSC and RDPMC that CR4 forbids at CPL 3 raise #GP before they exit; those that it allows exit.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm3("RDTSC"), apm3("RDPMC")], needs = Needs::SVM)]
fn counters_that_cr4_forbids() {
    const TSD: u64 = 1 << 2;
    const PCE: u64 = 1 << 8;
    const HAS_RDTSCP: u32 = 1 << 27;
    let cr4 = control::read_cr4() & !(TSD | PCE);
    let rows: [(Code, u64, u64); 6] = [
        (rdtsc, 0, first(intercept_1::RDTSC)),
        (rdtsc, TSD, GP),
        (rdpmc, PCE, first(intercept_1::RDPMC)),
        (rdpmc, 0, GP),
        (rdtscp, 0, second(intercept_2::RDTSCP)),
        (rdtscp, TSD, GP),
    ];
    let has_rdtscp = read_leaf(0x8000_0001, 0).edx & HAS_RDTSCP != 0;
    with_svm(|| {
        for (number, (code, bits, due)) in rows.into_iter().enumerate() {
            if number >= 4 && !has_rdtscp {
                continue;
            }
            let mut guest = guest(&Row { code, rbx: 0, due });
            guest.start_in(rt::svm::mode::Mode::User);
            guest.write_u64(field::CR4, cr4 | bits);
            check_eq!("ending", [&[]; number], end_of(guest.run()), due);
        }
    });
}
