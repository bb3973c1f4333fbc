//! Memory slots.

use super::{Done, caps, case};
use crate::{
    Case,
    api::{Answer, Mapping},
    check::Checks,
    machine::{Irqchip, MEMORY, Machine, PAGE, end},
    requests::*,
};
use case::Feature::InterfaceMemory as MEMORY_SLOTS;
use iced_x86::code_asm::{al, ax, byte_ptr, ptr};
use kvm_bindings::{
    KVM_CAP_NR_MEMSLOTS, KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, kvm_create_guest_memfd,
    kvm_userspace_memory_region2,
};

const REGION: &str = "KVM_SET_USER_MEMORY_REGION";
const REGION2: &str = "KVM_SET_USER_MEMORY_REGION2";

/// Where a second slot is.
const SECOND: u64 = 0x2_0000;

/// A VM with a second slot of four pages.
fn two_slots(flags: u32) -> Result<(Machine, Mapping), crate::Trouble> {
    let machine = Machine::new(Irqchip::None)?;
    let second = Mapping::anonymous(4 * PAGE as usize)?;
    machine.slot(1, flags, SECOND, 4 * PAGE, second.address())?;
    Ok((machine, second))
}

/// A slot that must be refused beside one of 64 KiB at 0.
fn refuse(
    checks: &mut Checks,
    id: &str,
    errors: &'static [i32],
    slot: u32,
    flags: u32,
    address: u64,
    size: u64,
) -> Done {
    let machine = Machine::new(Irqchip::None)?;
    let memory = Mapping::anonymous(4 * PAGE as usize)?;
    checks.refused(id, errors, machine.slot(slot, flags, address, size, memory.address()));
    // It is as it was: the slot can be set in a right way.
    checks.done("a right one is taken", machine.slot(1, 0, SECOND, PAGE, memory.address()));
    Ok(())
}

const EINVAL: &[i32] = &[libc::EINVAL];

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
        "slot_deleted_twice",
        "A slot that does not exist cannot be deleted.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            checks.done("deleted", machine.slot(1, 0, SECOND, 0, second.address()));
            checks.invalid("again", machine.slot(1, 0, SECOND, 0, second.address()));
            checks.invalid("one that never was", machine.slot(7, 0, SECOND, 0, second.address()));
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
        "slot_cannot_be_resized",
        "When changing an existing slot, it may not be resized.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            checks.invalid("smaller", machine.slot(1, 0, SECOND, PAGE, second.address()));
            checks.invalid("larger", machine.slot(1, 0, SECOND, 5 * PAGE, second.address()));
            checks.done("the same", machine.slot(1, 0, SECOND, 4 * PAGE, second.address()));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_keeps_its_memory",
        "The memory behind an existing slot cannot be changed to another.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            let other = Mapping::anonymous(4 * PAGE as usize)?;
            checks.invalid("another memory", machine.slot(1, 0, SECOND, 4 * PAGE, other.address()));
            checks.done("its own", machine.slot(1, 0, SECOND, 4 * PAGE, second.address()));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_keeps_read_only",
        "The flag KVM_MEM_READONLY of an existing slot cannot be changed.",
        REGION,
        caps!(KVM_CAP_READONLY_MEM),
        |checks| {
            let (machine, second) = two_slots(0)?;
            checks.invalid("set", machine.slot(1, KVM_MEM_READONLY, SECOND, 4 * PAGE, second.address()));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slots_overlap",
        "Slots may not overlap in guest physical address space.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, _second) = two_slots(0)?;
            let third = Mapping::anonymous(0x40 * PAGE as usize)?;
            let places = [
                ("first page", SECOND, 1),
                ("last page", SECOND + 3 * PAGE, 1),
                ("across the start", SECOND - PAGE, 2),
                ("across the end", SECOND + 3 * PAGE, 2),
                ("around", SECOND - PAGE, 8),
                ("all", 0, 0x40),
            ];
            for (id, address, nr_pages) in places {
                checks.refused(id, &[libc::EEXIST], machine.slot(2, 0, address, nr_pages * PAGE, third.address()));
            }
            checks.done("before", machine.slot(2, 0, SECOND - PAGE, PAGE, third.address()));
            checks.done("behind", machine.slot(3, 0, SECOND + 4 * PAGE, PAGE, third.address()));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_moved_onto_another",
        "A slot may not be moved onto another.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let (machine, second) = two_slots(0)?;
            checks.refused("onto slot 0", &[libc::EEXIST], machine.slot(1, 0, 0, 4 * PAGE, second.address()));
            checks.done("where it is", machine.slot(1, 0, SECOND, 4 * PAGE, second.address()));
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
        "slot_address_misaligned",
        "A slot begins at a page.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| refuse(checks, "address", EINVAL, 1, 0, SECOND + 0x800, PAGE),
    ),
    case(
        MEMORY_SLOTS,
        "slot_size_misaligned",
        "The size of a slot is a number of pages.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| refuse(checks, "size", EINVAL, 1, 0, SECOND, PAGE + 1),
    ),
    case(
        MEMORY_SLOTS,
        "slot_memory_misaligned",
        "The memory behind a slot begins at a page.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("memory", machine.slot(1, 0, SECOND, PAGE, machine.memory.address() + 1));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_memory_of_the_kernel",
        "The memory behind a slot must be of user space.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("upper half", machine.slot(1, 0, SECOND, PAGE, 0xffff_8000_0000_0000));
            checks.invalid("across the end", machine.slot(1, 0, SECOND, 2 * PAGE, u64::MAX - PAGE + 1));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_wraps_around",
        "A slot may not go beyond the end of the address space.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| refuse(checks, "wraps", EINVAL, 1, 0, u64::MAX - PAGE + 1, 2 * PAGE),
    ),
    case(
        MEMORY_SLOTS,
        "slot_too_large",
        "A slot has fewer than 2^31 pages.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| refuse(checks, "2^31 pages", EINVAL, 1, 0, 1 << 40, 1 << 43),
    ),
    case(
        MEMORY_SLOTS,
        "slot_flags_unknown",
        "Only the flags that are defined may be set.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            for bit in [3, 4, 15, 31] {
                checks.invalid(format!("bit {bit}"), machine.slot(1, 1 << bit, SECOND, PAGE, machine.memory.address()));
            }
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_number_limit",
        "Slots are numbered below what KVM_CAP_NR_MEMSLOTS tells.",
        REGION,
        caps!(KVM_CAP_NR_MEMSLOTS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let limit = machine.vm.order(CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS.into())? as u32;
            let set = |slot| machine.slot(slot, 0, SECOND, PAGE, machine.memory.address());
            checks.invalid("the limit", set(limit));
            checks.invalid("65535", set(0xffff));
            checks.done("the last", set(limit - 1));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_address_space_limit",
        "Bits 16 to 31 of a slot select an address space that there must be.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let nr = machine.vm.order(CHECK_EXTENSION, kvm_bindings::KVM_CAP_MULTI_ADDRESS_SPACE.into())?.max(1) as u32;
            checks.invalid("one too many", machine.slot(nr << 16 | 1, 0, SECOND, PAGE, machine.memory.address()));
            checks.done("the last", machine.slot((nr - 1) << 16 | 1, 0, SECOND, PAGE, machine.memory.address()));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "slot_of_many_pages",
        "A slot of many pages is taken and deleted, whether or not there is memory for all of it.",
        REGION,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let huge = Mapping::anonymous(1 << 30)?;
            checks.done("1 GiB", machine.slot(1, 0, 1 << 32, 1 << 30, huge.address()));
            checks.done("deleted", machine.slot(1, 0, 1 << 32, 0, huge.address()));
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
    case(
        MEMORY_SLOTS,
        "region2_is_a_region",
        "KVM_SET_USER_MEMORY_REGION2 does what KVM_SET_USER_MEMORY_REGION does.",
        REGION2,
        caps!(KVM_CAP_USER_MEMORY2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let memory = Mapping::anonymous(PAGE as usize)?;
            checks.done("set", machine.vm.request(&SET_USER_MEMORY_REGION2, &mut region2(&memory)));
            let vcpu = machine.with_code(|a| {
                a.mov(byte_ptr(4), 0x55_u32)?;
                end(a)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            checks.answers("exit", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("memory", 0x55_u8, memory.u8(4));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "region2_refuses_memfd",
        "The flag KVM_MEM_GUEST_MEMFD wants a guest_memfd, and a VM whose type allows it.",
        REGION2,
        caps!(KVM_CAP_USER_MEMORY2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let memory = Mapping::anonymous(PAGE as usize)?;
            let mut region = kvm_userspace_memory_region2 {
                flags: kvm_bindings::KVM_MEM_GUEST_MEMFD,
                guest_memfd: u32::MAX,
                ..region2(&memory)
            };
            checks.refused(
                "no file",
                &[libc::EBADF, libc::EINVAL],
                machine.vm.request(&SET_USER_MEMORY_REGION2, &mut region),
            );
            region.guest_memfd = machine.kvm.raw() as u32;
            checks.invalid("another file", machine.vm.request(&SET_USER_MEMORY_REGION2, &mut region));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "guest_memfd_is_created",
        "KVM_CREATE_GUEST_MEMFD creates an anonymous file of the size that is asked for.",
        "KVM_CREATE_GUEST_MEMFD",
        caps!(KVM_CAP_GUEST_MEMFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let create = |size, flags| {
                machine
                    .vm
                    .create_with(&CREATE_GUEST_MEMFD, &mut kvm_create_guest_memfd { size, flags, ..Default::default() })
                    .map(|file| file.raw() as u64)
            };
            checks.done("a page", create(PAGE, 0));
            checks.invalid("no page", create(0, 0));
            checks.invalid("half a page", create(PAGE / 2, 0));
            checks.invalid("unknown flag", create(PAGE, 1 << 63));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "guest_memfd_slot_is_bound",
        "A guest_memfd is bound to a range of guest physical addresses, within its size.",
        REGION2,
        caps!(KVM_CAP_GUEST_MEMFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let memory = Mapping::anonymous(4 * PAGE as usize)?;
            let file = machine.vm.create_with(
                &CREATE_GUEST_MEMFD,
                &mut kvm_create_guest_memfd { size: 2 * PAGE, ..Default::default() },
            )?;
            let region = kvm_userspace_memory_region2 {
                flags: kvm_bindings::KVM_MEM_GUEST_MEMFD,
                guest_memfd: file.raw() as u32,
                ..region2(&memory)
            };
            let set =
                |mut region: kvm_userspace_memory_region2| machine.vm.request(&SET_USER_MEMORY_REGION2, &mut region);
            checks.invalid(
                "beyond its end",
                set(kvm_userspace_memory_region2 { guest_memfd_offset: 2 * PAGE, ..region }),
            );
            checks.invalid("offset misaligned", set(kvm_userspace_memory_region2 { guest_memfd_offset: 1, ..region }));
            checks.invalid(
                "with a dirty log",
                set(kvm_userspace_memory_region2 { flags: region.flags | KVM_MEM_LOG_DIRTY_PAGES, ..region }),
            );
            checks.done("within", set(region));
            checks.invalid("changed", set(kvm_userspace_memory_region2 { guest_phys_addr: SECOND + MEMORY, ..region }));
            checks.done("deleted", set(kvm_userspace_memory_region2 { memory_size: 0, ..region }));
            Ok(())
        },
    ),
];

fn region2(memory: &Mapping) -> kvm_userspace_memory_region2 {
    kvm_userspace_memory_region2 {
        slot: 1,
        guest_phys_addr: SECOND,
        memory_size: PAGE,
        userspace_addr: memory.address(),
        ..Default::default()
    }
}
