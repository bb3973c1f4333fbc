//! Virtual interrupts: V_IRQ with its priority and vector, V_TPR, and the intercept VINTR.

use super::{
    end_of,
    ending::{COMPLETED, delivered},
    start_of,
    virtual_interrupt_model::Waiting,
    with_svm,
};
use rt::{
    case, check_eq,
    cpu::control,
    names,
    svm::{
        Guest,
        field::{self, INTERCEPTS_1, VIRTUAL_INTERRUPT, exit, intercept_1, virtual_interrupt as bit},
        gates, stack_top,
    },
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "vmmcall");

pub(super) type Code = extern "C" fn(u64) -> u64;

pub(super) const IF: u64 = 1 << 9;
pub(super) const VECTOR: u8 = 0x51;

/// An interrupt that is taken at once.
pub(super) const TAKEN: Waiting = Waiting {
    requested: true,
    priority: 5,
    task_priority: 0,
    ignores_task_priority: false,
    interrupt_flag: true,
    virtual_gif: None,
};

/// A guest with gates, for which this interrupt waits.
pub(super) fn guest(code: Code, waiting: Waiting, vector: u8) -> Guest {
    let guest = Guest::new(code);
    guest.use_gates();
    guest.write_u64(VIRTUAL_INTERRUPT, waiting.field(vector) | bit::MASKING);
    guest.write_u64(field::RFLAGS, 2 | if waiting.interrupt_flag { IF } else { 0 });
    guest
}

/// The ending that is due, and whether V_IRQ is left.
fn judge(row: u64, waiting: Waiting) {
    let mut guest = guest(end, waiting, VECTOR);
    let due = if waiting.is_taken() { delivered(VECTOR) } else { COMPLETED };
    check_eq!("ending", [&[]; row], end_of(guest.run()), due);
    let left = u64::from(waiting.requested && !waiting.is_taken());
    check_eq!("V_IRQ", [&[]; row], guest.read_u64(VIRTUAL_INTERRUPT) >> 8 & 1, left);
}

/// It is taken if its priority is above V_TPR: every pair of them. The row is priority and V_TPR.
#[case(feature = SvmInterrupts, spec = apm2("Virtual Interrupts"), needs = Needs::SVM)]
fn priority_against_task_priority() {
    with_svm(|| {
        gates::fill();
        for pair in 0..=255_u8 {
            judge(pair.into(), Waiting { priority: pair >> 4, task_priority: pair & 15, ..TAKEN });
        }
    });
}

/// With V_IGN_TPR it is taken whatever V_TPR is.
#[case(feature = SvmInterrupts, spec = apm2("Virtual Interrupts"), needs = Needs::SVM)]
fn task_priority_is_ignored() {
    with_svm(|| {
        gates::fill();
        for pair in 0..32_u8 {
            let priority = pair >> 4 & 1;
            judge(pair.into(), Waiting { priority, task_priority: pair & 15, ignores_task_priority: true, ..TAKEN });
        }
    });
}

/// Nothing is taken without V_IRQ or with RFLAGS.IF clear.
#[case(feature = SvmInterrupts, spec = apm2("Virtual Interrupts"), needs = Needs::SVM)]
fn request_and_interrupt_flag() {
    with_svm(|| {
        gates::fill();
        for row in 0..8_u8 {
            let ignores_task_priority = row & 4 != 0;
            judge(
                row.into(),
                Waiting { requested: row & 1 != 0, interrupt_flag: row & 2 != 0, ignores_task_priority, ..TAKEN },
            );
        }
    });
}

/// Each vector from 32 on is delivered.
#[case(feature = SvmInterrupts, spec = apm2("Virtual Interrupts"), needs = Needs::SVM)]
fn every_vector() {
    with_svm(|| {
        gates::fill();
        for vector in 32..=255 {
            let mut guest = guest(end, TAKEN, vector);
            check_eq!("ending", [&[]; vector], end_of(guest.run()), delivered(vector));
        }
    });
}

/// It is taken before L2's first instruction, with the frame of an interrupt, and clears IF.
#[case(feature = SvmInterrupts, spec = [apm2("Virtual Interrupts"), apm2("Interrupt-Stack Frame")], needs = Needs::SVM)]
fn its_frame() {
    with_svm(|| {
        gates::fill();
        let mut guest = guest(end, TAKEN, VECTOR);
        let exit = guest.run();
        let info = exit.as_ref().map_or(1 << 31, |exit| exit.interrupt_info);
        check_eq!("EXITINTINFO is valid", info >> 31 & 1, 0);
        check_eq!("ending", end_of(exit), delivered(VECTOR));
        check_eq!("pushed RIP", guest.stack_word(0), start_of(end));
        check_eq!("pushed RFLAGS", guest.stack_word(2), 2 | IF);
        check_eq!("pushed RSP", guest.stack_word(3), stack_top());
        check_eq!("IF", guest.read_u64(field::RFLAGS) & IF, 0);
    });
}

/// The intercept VINTR exits where the interrupt would be taken, before it, and leaves V_IRQ; not where it would not.
#[case(feature = SvmInterrupts, spec = [apm2("Virtual Interrupts"), apm2("VINTR Intercept")], needs = Needs::SVM)]
fn intercept_of_virtual_interrupts() {
    with_svm(|| {
        gates::fill();
        for row in 0..16_u8 {
            let waiting = Waiting {
                requested: row & 1 != 0,
                interrupt_flag: row & 2 != 0,
                task_priority: if row & 4 != 0 { 5 } else { 4 },
                ignores_task_priority: row & 8 != 0,
                ..TAKEN
            };
            let mut guest = guest(end, waiting, VECTOR);
            guest.intercept(INTERCEPTS_1, intercept_1::VINTR);
            let exit = guest.run();
            let rip = exit.as_ref().map_or(0, |exit| exit.rip);
            check_eq!("ending", [&[]; row], end_of(exit), if waiting.is_taken() { exit::VINTR } else { COMPLETED });
            check_eq!("RIP", [&[]; row], rip, start_of(end));
            check_eq!("V_IRQ", [&[]; row], guest.read_u64(VIRTUAL_INTERRUPT) >> 8 & 1, row & 1);
            check_eq!("IF", [&[]; row], guest.read_u64(field::RFLAGS) & IF, u64::from(waiting.interrupt_flag) * IF);
        }
    });
}

user_code!(sti: "sti", "nop", "vmmcall");
user_code!(sti_twice: "sti", "sti", "nop", "vmmcall");
user_code!(popf: "push 0x202", "popfq", "nop", "vmmcall");
user_code!(move_ss: "mov ss, ebx", "nop", "vmmcall");
user_code!(sti_cli: "sti", "cli", "nop", "vmmcall");
user_code!(lower: "mov cr8, rax", "nop", "vmmcall");

/// It waits for the instruction behind STI, and comes at once behind POPF.
#[case(feature = SvmInterrupts, spec = [apm2("Virtual Interrupts"), apm2("Interrupt Shadows")], needs = Needs::SVM)]
fn where_it_comes_in() {
    const NAMES: &[Text] = names!["STI", "STI, STI", "POPF", "MOV SS", "STI, CLI"];
    // Code, IF at first, V_TPR at first, and how far from its start the interrupt comes; `None`: not at all.
    let rows: [(Code, bool, u8, Option<u64>); 5] = [
        (sti, false, 0, Some(2)),
        (sti_twice, false, 0, Some(2)),
        (popf, false, 0, Some(6)),
        // The VMRUN that starts with IF set would take it before: V_TPR holds it, and it stays held.
        (move_ss, true, 6, None),
        (sti_cli, false, 0, None),
    ];
    with_svm(|| {
        gates::fill();
        for (row, (code, interrupt_flag, task_priority, comes)) in rows.into_iter().enumerate() {
            let mut guest = guest(code, Waiting { interrupt_flag, task_priority, ..TAKEN }, VECTOR);
            guest.registers.rbx = rt::tables::selector::KERNEL_DATA.into();
            let ending = end_of(guest.run());
            check_eq!("ending", [NAMES; row], ending, if comes.is_some() { delivered(VECTOR) } else { COMPLETED });
            if let (Some(offset), true) = (comes, ending == delivered(VECTOR)) {
                check_eq!("pushed RIP from the start", [NAMES; row], guest.stack_word(0) - start_of(code), offset);
            }
        }
    });
}

/// It comes at once behind a MOV to CR8 that lowers V_TPR below its priority.
#[case(feature = SvmInterrupts, spec = [apm2("Virtual Interrupts"), apm2("Virtual TPR")], needs = Needs::SVM)]
fn lowering_the_task_priority_lets_it_in() {
    with_svm(|| {
        gates::fill();
        let mut guest = guest(lower, Waiting { task_priority: 6, ..TAKEN }, VECTOR);
        check_eq!("ending", end_of(guest.run()), delivered(VECTOR));
        check_eq!("pushed RIP from the start", guest.stack_word(0).wrapping_sub(start_of(lower)), 4);
    });
}

user_code!(nops: "nop", "nop", "vmmcall");

/// An interrupt shadow that the VMCB tells holds it for one instruction.
#[case(feature = SvmInterrupts, spec = [apm2("Interrupt Shadows"), apm2("Virtual Interrupts")], needs = Needs::SVM)]
fn shadow_of_the_vmcb() {
    with_svm(|| {
        gates::fill();
        for shadow in 0..2_u64 {
            let mut guest = guest(nops, TAKEN, VECTOR);
            guest.write_u64(field::INTERRUPT_SHADOW, shadow);
            check_eq!("ending", [&[]; shadow], end_of(guest.run()), delivered(VECTOR));
            check_eq!("pushed RIP", [&[]; shadow], guest.stack_word(0) - start_of(nops), shadow);
            check_eq!("shadow", [&[]; shadow], guest.read_u64(field::INTERRUPT_SHADOW) & 1, 0);
        }
    });
}

user_code!(sti_exit: "sti", "cpuid", "vmmcall");
user_code!(move_ss_exit: "mov ss, ebx", "cpuid", "vmmcall");
user_code!(nop_exit: "nop", "cpuid", "vmmcall");
user_code!(sti_nop_exit: "sti", "nop", "cpuid", "vmmcall");

/// An exit in the shadow of STI or of a load of SS tells the shadow; one behind it does not.
#[case(feature = SvmInterrupts, spec = apm2("Interrupt Shadows"), needs = Needs::SVM)]
fn exits_tell_the_shadow() {
    const NAMES: &[Text] = names!["STI", "MOV SS", "NOP", "STI, NOP"];
    let rows: [(Code, u64); 4] = [(sti_exit, 1), (move_ss_exit, 1), (nop_exit, 0), (sti_nop_exit, 0)];
    with_svm(|| {
        for (row, (code, due)) in rows.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.intercept(INTERCEPTS_1, intercept_1::CPUID);
            guest.registers.rbx = rt::tables::selector::KERNEL_DATA.into();
            check_eq!("ending", [NAMES; row], end_of(guest.run()), exit::INTR + u64::from(intercept_1::CPUID));
            check_eq!("shadow", [NAMES; row], guest.read_u64(field::INTERRUPT_SHADOW) & 1, due);
        }
    });
}

user_code!(write_cr8: "mov cr8, rbx", "mov rax, cr8", "vmmcall");
user_code!(read_cr8: "mov rax, cr8", "vmmcall");

/// With V_INTR_MASKING, CR8 is V_TPR: L2 reads it there and writes it there, and the host's CR8 stays.
#[case(feature = SvmInterrupts, spec = apm2("Virtual TPR"), needs = Needs::SVM)]
fn cr8_is_the_virtual_task_priority() {
    with_svm(|| {
        for priority in 0..16_u64 {
            let before = control::read_cr8();
            let mut guest = Guest::new(read_cr8);
            guest.write_u64(VIRTUAL_INTERRUPT, bit::MASKING | priority);
            check_eq!("reading ends", [&[]; priority], end_of(guest.run()), COMPLETED);
            check_eq!("read", [&[]; priority], guest.read_u64(field::RAX), priority);
            let mut guest = Guest::new(write_cr8);
            guest.write_u64(VIRTUAL_INTERRUPT, bit::MASKING | (15 - priority));
            guest.registers.rbx = priority;
            check_eq!("writing ends", [&[]; priority], end_of(guest.run()), COMPLETED);
            check_eq!("read again", [&[]; priority], guest.read_u64(field::RAX), priority);
            check_eq!("V_TPR", [&[]; priority], guest.read_u64(VIRTUAL_INTERRUPT) & bit::TPR, priority);
            check_eq!("CR8 of the host", [&[]; priority], control::read_cr8(), before);
        }
    });
}

user_code!(halt: "sti", "hlt", "vmmcall");

/// A virtual interrupt ends HLT where that is not intercepted; where it is, HLT exits first.
#[case(feature = SvmInterrupts, spec = [apm2("Virtual Interrupts"), apm3("HLT")], needs = Needs::SVM)]
fn it_ends_hlt() {
    with_svm(|| {
        gates::fill();
        for intercepted in [true, false] {
            let mut guest = guest(halt, Waiting { interrupt_flag: false, ..TAKEN }, VECTOR);
            if !intercepted {
                guest.let_through(INTERCEPTS_1, intercept_1::HLT);
            }
            let due = if intercepted { exit::HLT } else { delivered(VECTOR) };
            check_eq!("ending", [&[]; intercepted], end_of(guest.run()), due);
            if !intercepted {
                check_eq!("pushed RIP from the start", guest.stack_word(0).wrapping_sub(start_of(halt)), 2);
            }
        }
    });
}
