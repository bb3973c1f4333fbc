//! State that VMRUN and #VMEXIT switch.

use super::with_svm;
use rt::{
    case, check, check_eq,
    cpu::{control, msr},
    names,
    svm::{
        Guest,
        field::{self, exit},
        is_end, stack_top,
    },
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(swap: "xchg rax, rbx", "not rcx", "not rdx", "not rsi", "not rdi", "not rbp", "not r8", "not r9", "not r10",
           "not r11", "not r12", "not r13", "not r14", "not r15", "push r15", "stc", "vmmcall");

/// General registers come from the host and go back to it; RAX, RSP, RIP and RFLAGS are the VMCB's.
#[case(feature = SvmState, spec = apm2("Basic Operation"), needs = Needs::SVM)]
fn registers_of_the_guest() {
    const BASE: u64 = 0x1111_2222_3333_4400;
    const CF: u64 = 1;
    with_svm(|| {
        let mut guest = Guest::new(swap);
        let all = &mut guest.registers;
        let fields = [
            &mut all.rcx,
            &mut all.rdx,
            &mut all.rsi,
            &mut all.rdi,
            &mut all.rbp,
            &mut all.r8,
            &mut all.r9,
            &mut all.r10,
            &mut all.r11,
            &mut all.r12,
            &mut all.r13,
            &mut all.r14,
            &mut all.r15,
        ];
        for (number, field) in fields.into_iter().enumerate() {
            *field = BASE + number as u64;
        }
        all.rbx = !BASE;
        guest.write_u64(field::RAX, BASE ^ 0xff);
        check!("it ends", guest.run().as_ref().is_ok_and(is_end));
        let all = guest.registers;
        check_eq!("RBX", all.rbx, BASE ^ 0xff);
        check_eq!("RAX", guest.read_u64(field::RAX), !BASE);
        let seen = [
            all.rcx, all.rdx, all.rsi, all.rdi, all.rbp, all.r8, all.r9, all.r10, all.r11, all.r12, all.r13, all.r14,
            all.r15,
        ];
        for (number, value) in seen.into_iter().enumerate() {
            check_eq!("register", [&[]; number], value, !(BASE + number as u64));
        }
        check_eq!("RSP", guest.read_u64(field::RSP), stack_top() - 8);
        check_eq!("RFLAGS.CF", guest.read_u64(field::RFLAGS) & CF, CF);
        check_eq!("CPL", u64::from(guest.read_u32(field::CPL & !3) >> 24), 0);
    });
}

user_code!(change_all: "mov rax, cr0", "xor rax, 0x40000", "mov cr0, rax", "mov rax, cr4", "xor rax, 4", "mov cr4, rax",
           "mov rax, 0x77665500", "mov cr2, rax", "mov eax, 0x401", "mov dr7, rax", "vmmcall");

/// Control registers that L2 changes are in the VMCB behind the exit, and the host has its own again.
#[case(feature = SvmState, spec = [apm2("VMRUN"), apm2("#VMEXIT")], needs = Needs::SVM)]
fn control_registers_are_each_ones_own() {
    const AM: u64 = 1 << 18;
    const TSD: u64 = 1 << 2;
    with_svm(|| {
        let before = [
            control::read_cr0(),
            control::read_cr3(),
            control::read_cr4(),
            msr::read(msr::number::IA32_EFER).unwrap_or(0),
        ];
        let mut guest = Guest::new(change_all);
        check!("it ends", guest.run().as_ref().is_ok_and(is_end));
        check_eq!("CR0 of L2", guest.read_u64(field::CR0), before[0] ^ AM);
        check_eq!("CR4 of L2", guest.read_u64(field::CR4), before[2] ^ TSD);
        check_eq!("CR2 of L2", guest.read_u64(field::CR2), 0x7766_5500);
        check_eq!("DR7 of L2", guest.read_u64(field::DR7) & 1, 1);
        let after = [
            control::read_cr0(),
            control::read_cr3(),
            control::read_cr4(),
            msr::read(msr::number::IA32_EFER).unwrap_or(0),
        ];
        const NAMES: &[Text] = names!["CR0", "CR3", "CR4", "EFER"];
        for (row, (before, after)) in before.into_iter().zip(after).enumerate() {
            check_eq!("of the host", [NAMES; row], after, before);
        }
    });
}

user_code!(read_tsc: "rdtsc", "shl rdx, 32", "or rax, rdx", "vmmcall");

/// The TSC of L2 is the host's and TSC_OFFSET.
#[case(feature = SvmState, spec = apm2("TSC Offset"), needs = Needs::SVM)]
fn time_stamp_counter_is_offset() {
    const OFFSETS: [u64; 3] = [0, 1 << 50, (1_u64 << 50).wrapping_neg()];
    const NAMES: &[Text] = names!["0", "2^50", "-2^50"];
    with_svm(|| {
        for (row, offset) in OFFSETS.into_iter().enumerate() {
            let mut guest = Guest::new(read_tsc);
            guest.write_u64(field::TSC_OFFSET, offset);
            let before = rt::clock::now();
            let ended = guest.run().as_ref().is_ok_and(is_end);
            let after = rt::clock::now();
            let own = guest.read_u64(field::RAX).wrapping_sub(offset);
            check!("it ends", [NAMES; row], ended);
            check!("between two readings of the host", [NAMES; row], (before..=after).contains(&own));
        }
    });
}

user_code!(triple: "int3", "vmmcall");

/// An L2 whose exceptions cannot be delivered shuts down, which exits and leaves the host running.
#[case(feature = SvmIntercepts, spec = apm2("Shutdown Intercept"), needs = Needs::SVM)]
fn shutdown_of_the_guest_exits() {
    with_svm(|| {
        let mut guest = Guest::new(triple);
        // It has no IDT.
        guest.write_u32(field::EXCEPTIONS, 0);
        check_eq!("exit code", guest.run().map_or(0xffff_fffe, |exit| exit.code), exit::SHUTDOWN);
        check!("the next guest runs", Guest::new(read_tsc).run().as_ref().is_ok_and(is_end));
    });
}
