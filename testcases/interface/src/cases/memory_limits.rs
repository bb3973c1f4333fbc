//! Memory slots that must be refused, and limits.

use super::{
    Done, caps, case,
    memory::{REGION, SECOND, two_slots},
};
use crate::{
    Case,
    api::Mapping,
    check::Checks,
    machine::{Irqchip, Machine, PAGE},
    requests::*,
};
use case::Feature::InterfaceMemory as MEMORY_SLOTS;
use kvm_bindings::{KVM_CAP_NR_MEMSLOTS, KVM_MEM_READONLY};

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
            checks.done("the last", set(limit.wrapping_sub(1)));
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
            checks.done(
                "the last",
                machine.slot(nr.wrapping_sub(1) << 16 | 1, 0, SECOND, PAGE, machine.memory.address()),
            );
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
];
