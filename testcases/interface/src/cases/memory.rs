//! Memory slots, as guests see them.

use super::{caps, case};
use crate::{
    Case,
    api::{Answer, Mapping},
    machine::{Irqchip, MEMORY, Machine, PAGE, end},
};
use case::Feature::InterfaceMemory as MEMORY_SLOTS;
use iced_x86::code_asm::{al, ax, byte_ptr, ptr};
use kvm_bindings::{KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY};

pub(super) const REGION: &str = "KVM_SET_USER_MEMORY_REGION";

/// Where a second slot is.
pub(super) const SECOND: u64 = 0x2_0000;

/// A VM with a second slot of four pages.
pub(super) fn two_slots(flags: u32) -> Result<(Machine, Mapping), crate::Trouble> {
    let machine = Machine::new(Irqchip::None)?;
    let second = Mapping::anonymous(4 * PAGE as usize)?;
    machine.slot(1, flags, SECOND, 4 * PAGE, second.address())?;
    Ok((machine, second))
}

pub(crate) const CASES: &[Case] = &[
    case(
        MEMORY_SLOTS,
        "slot_is_seen_by_the_guest",
        "Guest accesses to a slot are accesses to the memory of user space behind it.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            second.write(5, &[0x5a]);
            let vcpu = machine.with_code(|a| {
                a.mov(al, byte_ptr(5))?;
                a.inc(al)?;
                a.mov(byte_ptr(6), al)?;
                end(a)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("AL", 0x5b_u8, vcpu.regs()?.rax as u8);
            checks.is("written", 0x5b_u8, second.u8(6));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_deleted_is_mmio",
        "A slot is deleted by passing zero for its size, and what was there is MMIO from then on.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            let vcpu = machine.with_code(|a| {
                a.mov(byte_ptr(8), al)?;
                end(a)?;
                a.mov(byte_ptr(8), al)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            checks.answers("with the slot", KVM_EXIT_IO.into(), vcpu.run());
            checks.done("deleted", machine.slot(1, 0, SECOND, 0, second.address()));
            checks.answers("without", KVM_EXIT_MMIO.into(), vcpu.run());
            checks.is("address", SECOND + 8, vcpu.mmio().address);
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_moves",
        "When changing an existing slot, it may be moved in the guest physical memory space.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            second.write(0, &[0x77]);
            checks.done("moved", machine.slot(1, 0, SECOND + MEMORY, 4 * PAGE, second.address()));
            let vcpu = machine.with_code(|a| {
                a.mov(al, byte_ptr(0))?;
                end(a)
            })?;
            vcpu.point_ds((SECOND + MEMORY) as u32)?;
            checks.answers("at the new place", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("AL", 0x77_u8, vcpu.regs()?.rax as u8);
            vcpu.start()?;
            vcpu.point_ds(SECOND as u32)?;
            checks.answers("at the old one", KVM_EXIT_MMIO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_flags_change",
        "When changing an existing slot, its flags may be modified.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            checks.done("logged", machine.slot(1, KVM_MEM_LOG_DIRTY_PAGES, SECOND, 4 * PAGE, second.address()));
            checks.answers("the log", 0, machine.dirty(1));
            checks.done("not logged", machine.slot(1, 0, SECOND, 4 * PAGE, second.address()));
            checks.refused("no log", &[libc::ENOENT], machine.dirty(1));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slots_share_memory",
        "Two slots may have the same memory of user space behind them.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            checks.done("alias", machine.slot(2, 0, SECOND + MEMORY, 4 * PAGE, second.address()));
            let vcpu = machine.with_code(|a| {
                a.mov(byte_ptr(3), 0x42)?;
                end(a)
            })?;
            vcpu.point_ds((SECOND + MEMORY) as u32)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("seen", 0x42_u8, second.u8(3));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_read_only_is_read",
        "Reads of a slot with KVM_MEM_READONLY are served by its memory.",
        REGION,
        caps!(KVM_CAP_READONLY_MEM),
        |checks| {
            let (machine, second) = two_slots(KVM_MEM_READONLY)?;
            second.write(0x10, &[0x34, 0x12]);
            let vcpu = machine.with_code(|a| {
                a.mov(ax, ptr(0x10))?;
                end(a)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            checks.answers("exit", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("AX", 0x1234_u16, vcpu.regs()?.rax as u16);
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_read_only_write_exits",
        "Writes to a slot with KVM_MEM_READONLY leave as KVM_EXIT_MMIO and do not reach its memory.",
        REGION,
        caps!(KVM_CAP_READONLY_MEM),
        |checks| {
            let (machine, second) = two_slots(KVM_MEM_READONLY)?;
            let vcpu = machine.with_code(|a| {
                a.mov(byte_ptr(0x21), 0x99_u32)?;
                end(a)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            checks.answers("exit", KVM_EXIT_MMIO.into(), vcpu.run());
            let mmio = vcpu.mmio();
            checks.is("address", SECOND + 0x21, mmio.address);
            checks.is("length", 1_u32, mmio.length);
            checks.is("write", 1_u8, mmio.is_write);
            checks.is("data", 0x99_u8, mmio.data as u8);
            checks.answers("goes on", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("memory", 0_u8, second.u8(0x21));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_added_between_runs",
        "A slot that is added where MMIO was is memory for the next access.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(byte_ptr(1), 1_u32)?;
                a.mov(byte_ptr(2), 2_u32)?;
                end(a)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            checks.answers("without", KVM_EXIT_MMIO.into(), vcpu.run());
            let second = Mapping::anonymous(PAGE as usize)?;
            machine.slot(1, 0, SECOND, PAGE, second.address())?;
            checks.answers("with", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("the first", 0_u8, second.u8(1));
            checks.is("the second", 2_u8, second.u8(2));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slots_change_under_a_running_vcpu",
        "Slots may be created and deleted while a virtual processor runs.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let second = Mapping::anonymous(PAGE as usize)?;
            // 500 turns that read and write slot 0, which nothing touches.
            let vcpu = machine.with_code(|a| {
                use iced_x86::code_asm::cx;
                let mut again = a.create_label();
                a.mov(cx, 500_u32)?;
                a.set_label(&mut again)?;
                a.inc(byte_ptr(0x2000))?;
                a.dec(cx)?;
                a.jnz(again)?;
                end(a)
            })?;
            let machine = &machine;
            let answers = std::thread::scope(|scope| {
                let changes = scope.spawn(|| -> Answer {
                    for _ in 0..3 {
                        machine.slot(1, 0, SECOND, PAGE, second.address())?;
                        machine.slot(1, 0, SECOND, 0, second.address())?;
                    }
                    Ok(0)
                });
                let run = vcpu.run();
                (run, changes.join())
            });
            checks.answers("run", KVM_EXIT_IO.into(), answers.0);
            checks.done("changes", answers.1.unwrap_or(Ok(0)));
            checks.is("counted", (500 % 256) as u8, machine.memory.u8(0x2000));
            Ok(())
        },
    ),
];
