//! KVM_RUN: immediate exit, signals, synchronised registers and interrupts of user space.

use super::{caps, case};
use crate::{
    Case,
    machine::{CODE, Irqchip, Machine, end},
    requests::*,
    signals::{Pending, pending_signal},
};
use case::Feature::InterfaceExits as EXITS;
use iced_x86::code_asm::{al, bx, ptr};
use kvm_bindings::{
    KVM_CAP_SYNC_REGS, KVM_EXIT_IO, KVM_SYNC_X86_EVENTS, KVM_SYNC_X86_REGS, KVM_SYNC_X86_SREGS, kvm_regs, kvm_run,
    kvm_sregs, kvm_sync_regs,
};
use std::mem::offset_of;

const RUN_PAGE: &str = "The kvm_run structure";
const RUN_TITLE: &str = "KVM_RUN";

const VALID: usize = offset_of!(kvm_run, kvm_valid_regs);
const DIRTY: usize = offset_of!(kvm_run, kvm_dirty_regs);
const SYNC: usize = offset_of!(kvm_run, s);

const fn sync(register: usize) -> usize {
    SYNC + offset_of!(kvm_sync_regs, regs) + register
}

pub(crate) const CASES: &[Case] = &[
    case(
        EXITS,
        "immediate_exit_runs_nothing",
        "With immediate_exit KVM_RUN ends with EINTR at once, and no instruction is executed.",
        RUN_PAGE,
        caps!(KVM_CAP_IMMEDIATE_EXIT),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            vcpu.set_immediate_exit(true);
            checks.refused("run", &[libc::EINTR], vcpu.run());
            checks.is("RIP", CODE, vcpu.regs()?.rip);
            vcpu.set_immediate_exit(false);
            checks.answers("without", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        EXITS,
        "immediate_exit_completes_io",
        "KVM_RUN with immediate_exit completes the I/O that it left with, and nothing more.",
        RUN_PAGE,
        caps!(KVM_CAP_IMMEDIATE_EXIT),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.in_(al, 0x60_u32)?;
                a.mov(bx, 1_u32)
            })?;
            vcpu.run_to(KVM_EXIT_IO)?;
            vcpu.page.write(vcpu.io().offset, &[0x7e]);
            vcpu.set_immediate_exit(true);
            checks.refused("run", &[libc::EINTR], vcpu.run());
            let regs = vcpu.regs()?;
            checks.is("AL", 0x7e_u8, regs.rax as u8);
            checks.is("RIP", CODE + 2, regs.rip);
            checks.is("BX", 0_u16, regs.rbx as u16);
            Ok(())
        },
    ),
    case(
        EXITS,
        "signal_ends_run",
        "A signal that is not masked ends KVM_RUN with EINTR.",
        RUN_TITLE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            let _pending = Pending::raise()?;
            let mut mask = SignalMask { length: 8, signals: 0 };
            checks.done("mask", vcpu.handle.request(&SET_SIGNAL_MASK, &mut mask));
            checks.refused("run", &[libc::EINTR], vcpu.run());
            checks.is("RIP", CODE, vcpu.regs()?.rip);
            Ok(())
        },
    ),
    case(
        EXITS,
        "signal_mask_blocks",
        "A signal that the mask of KVM_SET_SIGNAL_MASK holds does not end KVM_RUN.",
        "KVM_SET_SIGNAL_MASK",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            let _pending = Pending::raise()?;
            let mut mask = SignalMask { length: 8, signals: 1 << (pending_signal() - 1) };
            checks.done("mask", vcpu.handle.request(&SET_SIGNAL_MASK, &mut mask));
            checks.answers("run", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        EXITS,
        "signal_blocked_by_the_thread",
        "A signal that the thread blocks does not end KVM_RUN where no mask is set.",
        RUN_TITLE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            let _pending = Pending::raise()?;
            checks.answers("run", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        EXITS,
        "signal_mask_length",
        "The length of a signal mask is that of the kernel's set.",
        "KVM_SET_SIGNAL_MASK",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            for length in [0, 4, 16] {
                let mut mask = SignalMask { length, signals: 0 };
                checks.invalid(format!("{length}"), vcpu.handle.request(&SET_SIGNAL_MASK, &mut mask));
            }
            Ok(())
        },
    ),
    case(
        EXITS,
        "sync_regs_are_stored",
        "The registers that kvm_valid_regs names stand in kvm_run after each exit.",
        "KVM_CAP_SYNC_REGS",
        caps!(KVM_CAP_SYNC_REGS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(bx, 0x4321_u32)?;
                end(a)
            })?;
            vcpu.page.write(VALID, &u64::from(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS).to_le_bytes());
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("RBX", 0x4321_u64, vcpu.page.u64(sync(offset_of!(kvm_regs, rbx))));
            let cr0 = vcpu.page.u64(SYNC + offset_of!(kvm_sync_regs, sregs) + offset_of!(kvm_sregs, cr0));
            checks.is("CR0", vcpu.handle.get(&GET_SREGS)?.cr0, cr0);
            Ok(())
        },
    ),
    case(
        EXITS,
        "sync_regs_are_not_stored_unasked",
        "Registers that kvm_valid_regs does not name are not stored.",
        "KVM_CAP_SYNC_REGS",
        caps!(KVM_CAP_SYNC_REGS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(bx, 0x4321_u32)?;
                end(a)
            })?;
            vcpu.page.write(sync(offset_of!(kvm_regs, rbx)), &7_u64.to_le_bytes());
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("RBX", 7_u64, vcpu.page.u64(sync(offset_of!(kvm_regs, rbx))));
            Ok(())
        },
    ),
    case(
        EXITS,
        "sync_regs_are_taken",
        "The registers that kvm_dirty_regs names are taken from kvm_run by KVM_RUN.",
        "KVM_CAP_SYNC_REGS",
        caps!(KVM_CAP_SYNC_REGS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(ptr(0x2000), bx)?;
                end(a)
            })?;
            let put = |offset, value: u64| vcpu.page.write(sync(offset), &value.to_le_bytes());
            put(offset_of!(kvm_regs, rip), CODE);
            put(offset_of!(kvm_regs, rflags), 2);
            put(offset_of!(kvm_regs, rbx), 0x7654);
            vcpu.page.write(DIRTY, &u64::from(KVM_SYNC_X86_REGS).to_le_bytes());
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("stored", 0x7654_u16, machine.memory.u16(0x2000));
            checks.is("not dirty any more", 0_u64, vcpu.page.u64(DIRTY));
            Ok(())
        },
    ),
    case(
        EXITS,
        "sync_regs_unknown_bits",
        "Unknown bits in kvm_valid_regs or kvm_dirty_regs are refused.",
        "KVM_CAP_SYNC_REGS",
        caps!(KVM_CAP_SYNC_REGS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let known = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_SYNC_REGS.into())?;
            checks.is("capability", u64::from(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS), known & 7);
            for (id, offset) in [("valid", VALID), ("dirty", DIRTY)] {
                for bit in [3, 31, 63] {
                    let vcpu = Machine::new(Irqchip::None)?;
                    let vcpu = vcpu.with_code(end)?;
                    vcpu.page.write(offset, &(1_u64 << bit).to_le_bytes());
                    checks.invalid(format!("{id}, bit {bit}"), vcpu.run());
                }
            }
            Ok(())
        },
    ),
    case(
        EXITS,
        "interrupt_needs_no_irqchip",
        "KVM_INTERRUPT is refused where the interrupt controller is in the kernel.",
        "KVM_INTERRUPT",
        caps!(KVM_CAP_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::Full)?;
            let vcpu = machine.vcpu(0)?;
            let mut interrupt = kvm_bindings::kvm_interrupt { irq: 0x40 };
            checks.refused("in the kernel", &[libc::ENXIO], vcpu.handle.request(&INTERRUPT, &mut interrupt));
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.done("in user space", vcpu.handle.request(&INTERRUPT, &mut interrupt));
            let machine = Machine::new(Irqchip::None)?;
            interrupt.irq = 256;
            checks.invalid("vector 256", machine.vcpu(0)?.handle.request(&INTERRUPT, &mut interrupt));
            Ok(())
        },
    ),
    case(
        EXITS,
        "interrupt_queued_twice",
        "KVM_INTERRUPT answers EEXIST if an interrupt is already enqueued.",
        "KVM_INTERRUPT",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let mut interrupt = kvm_bindings::kvm_interrupt { irq: 0x40 };
            checks.done("first", vcpu.handle.request(&INTERRUPT, &mut interrupt));
            checks.refused("second", &[libc::EEXIST], vcpu.handle.request(&INTERRUPT, &mut interrupt));
            Ok(())
        },
    ),
    case(
        EXITS,
        "interrupt_is_delivered",
        "KVM_INTERRUPT queues a vector, which the guest takes.",
        "KVM_INTERRUPT",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            // Vector 40H leads to the code's start; what runs first lies elsewhere.
            machine.memory.write(0x40 * 4, &[0x00, 0x10, 0x00, 0x00]);
            machine.memory.write(0x4000, &[0xf4]);
            let vcpu = machine.with_code(|a| {
                a.mov(bx, 0x99_u32)?;
                end(a)
            })?;
            let mut regs = kvm_regs { rip: 0x4000, rflags: 0x202, rsp: 0x8000, ..Default::default() };
            vcpu.handle.request(&SET_REGS, &mut regs)?;
            vcpu.handle.request(&INTERRUPT, &mut kvm_bindings::kvm_interrupt { irq: 0x40 })?;
            checks.answers("exit", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("BX", 0x99_u16, vcpu.regs()?.rbx as u16);
            checks.is("return address", 0x4000_u16, machine.memory.u16(0x7ffa));
            Ok(())
        },
    ),
    case(
        EXITS,
        "regs_do_not_change_in_a_run_of_another",
        "Two processors have registers of their own.",
        RUN_TITLE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let first = machine.with_code(|a| {
                a.inc(bx)?;
                end(a)
            })?;
            let second = machine.vcpu(1)?;
            second.start()?;
            second.run_to(KVM_EXIT_IO)?;
            checks.is("first", 0_u64, first.regs()?.rbx);
            checks.is("second", 1_u64, second.regs()?.rbx);
            Ok(())
        },
    ),
];
