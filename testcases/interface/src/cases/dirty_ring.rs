//! The dirty ring.

use super::{
    caps, case,
    dirty::{LOGGED, Logged, PAGES, three},
};
use crate::{
    Case, Trouble,
    api::Mapping,
    machine::{Machine, PAGE, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceDirty as DIRTY;
use iced_x86::code_asm::{al, byte_ptr};
use kvm_bindings::{
    KVM_CAP_DIRTY_LOG_RING, KVM_DIRTY_LOG_PAGE_OFFSET, KVM_EXIT_DIRTY_RING_FULL, KVM_EXIT_IO, KVM_MEM_LOG_DIRTY_PAGES,
};

const RING: &str = "KVM_CAP_DIRTY_LOG_RING/KVM_CAP_DIRTY_LOG_RING_ACQ_REL";

/// Entries of the ring: the fewest that fill a page.
const RING_SIZE: u64 = 0x1_0000;

/// A VM with a dirty ring.
fn ringed() -> Result<(Logged, u64), Trouble> {
    let machine = Machine::empty()?;
    let largest = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING.into())?;
    let size = RING_SIZE.min(largest);
    machine.enable(KVM_CAP_DIRTY_LOG_RING, size)?;
    machine.slot(0, 0, 0, crate::machine::MEMORY, machine.memory.address())?;
    machine.vm.order(SET_TSS_ADDR, 0xfffb_d000)?;
    Ok((Logged::around(machine)?, size))
}

fn ring_of(vcpu: &Vcpu<'_>, size: u64) -> Result<Mapping, Trouble> {
    Ok(Mapping::of(&vcpu.handle, (KVM_DIRTY_LOG_PAGE_OFFSET * PAGE as u32) as usize, size as usize)?)
}

/// Flags, slot and page of an entry.
fn entry(ring: &Mapping, index: usize) -> (u32, u32, u64) {
    (ring.u32(index * 16), ring.u32(index * 16 + 4), ring.u64(index * 16 + 8))
}

pub(crate) const CASES: &[Case] = &[
    case(
        DIRTY,
        "dirty_ring_collects",
        "Each page that is written enters the ring once, in the order of the writes.",
        RING,
        caps!(KVM_CAP_DIRTY_LOG_RING),
        |checks| {
            let (log, size) = ringed()?;
            let vcpu = log.vcpu(three)?;
            let ring = ring_of(&vcpu, size)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            for (index, page) in [(0, 1), (1, 3), (2, 15)] {
                let (flags, slot, offset) = entry(&ring, index);
                checks.is(format!("flags {index}"), 1_u32, flags);
                checks.is(format!("slot {index}"), 1_u32, slot);
                checks.is(format!("page {index}"), page as u64, offset);
            }
            checks.is("no fourth", 0_u32, entry(&ring, 3).0);
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_ring_resets",
        "KVM_RESET_DIRTY_RINGS answers how many harvested entries it took back, and their pages enter the ring again.",
        RING,
        caps!(KVM_CAP_DIRTY_LOG_RING),
        |checks| {
            let (log, size) = ringed()?;
            let vcpu = log.vcpu(three)?;
            let ring = ring_of(&vcpu, size)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.answers("none harvested", 0, log.machine.vm.order(RESET_DIRTY_RINGS, 0));
            for index in 0..2 {
                ring.write(index * 16, &2_u32.to_le_bytes());
            }
            checks.answers("two", 2, log.machine.vm.order(RESET_DIRTY_RINGS, 0));
            checks.is("the first", 0_u32, entry(&ring, 0).0);
            checks.is("the third", 1_u32, entry(&ring, 2).0);
            vcpu.start()?;
            vcpu.point_ds(LOGGED as u32)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.is("again", 1_u64, entry(&ring, 3).2);
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_ring_full_exits",
        "A ring that is full ends KVM_RUN with KVM_EXIT_DIRTY_RING_FULL, at the next entry at the latest.",
        RING,
        caps!(KVM_CAP_DIRTY_LOG_RING),
        |checks| {
            // Of 1024 entries KVM keeps up to 576 free: 1000 pages are more than it lets in, and fewer than overflow it.
            const PAGES: u64 = 1000;
            const SIZE: u64 = 1024 * 16;
            const START: u64 = 0x10_0000;
            let machine = Machine::empty()?;
            machine.enable(KVM_CAP_DIRTY_LOG_RING, SIZE)?;
            machine.slot(0, 0, 0, crate::machine::MEMORY, machine.memory.address())?;
            machine.vm.order(SET_TSS_ADDR, 0xfffb_d000)?;
            let memory = Mapping::anonymous((PAGES * PAGE) as usize)?;
            machine.slot(1, KVM_MEM_LOG_DIRTY_PAGES, START, PAGES * PAGE, memory.address())?;
            let vcpu = machine.with_code(|a| {
                use iced_x86::code_asm::{bx, cx, esi};
                let mut again = a.create_label();
                let mut wait = a.create_label();
                a.mov(cx, PAGES as u32)?;
                a.mov(esi, START as u32)?;
                a.set_label(&mut again)?;
                a.mov(byte_ptr(esi), al)?;
                a.add(esi, PAGE as i32)?;
                // A KVM that interprets real mode looks at the ring between batches of instructions, in which no more pages
                // may be written than the ring keeps free.
                a.mov(bx, 6_u32)?;
                a.set_label(&mut wait)?;
                a.dec(bx)?;
                a.jnz(wait)?;
                a.dec(cx)?;
                a.jnz(again)?;
                let mut through = a.create_label();
                a.set_label(&mut through)?;
                end(a)?;
                a.jmp(through)
            })?;
            // DS is as large as in what is called unreal mode.
            vcpu.change_sregs(|sregs| {
                sregs.ds.limit = u32::MAX;
                sregs.ds.g = 1;
            })?;
            let ring = ring_of(&vcpu, SIZE)?;
            let first = vcpu.run()?;
            let full = u64::from(KVM_EXIT_DIRTY_RING_FULL);
            checks.answers("full", full, if first == full { Ok(first) } else { vcpu.run() });
            checks.answers("still full", full, vcpu.run());
            let harvest = || {
                let dirty = (0..1024).filter(|&index| entry(&ring, index).0 == 1);
                dirty.map(|index| ring.write(index * 16, &2_u32.to_le_bytes())).count() as u64
            };
            let harvested = harvest();
            checks.answers("reset", harvested, machine.vm.order(RESET_DIRTY_RINGS, 0));
            checks.answers("end", KVM_EXIT_IO.into(), vcpu.run());
            // A page may be told again, if the write that filled the ring is carried out anew.
            checks.within("all pages", PAGES, 2 * PAGES, harvested + harvest());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_ring_replaces_the_log",
        "With a ring KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG are refused.",
        RING,
        caps!(KVM_CAP_DIRTY_LOG_RING),
        |checks| {
            let (log, _size) = ringed()?;
            checks.refused("get", &[libc::ENXIO], log.log());
            checks.refused("clear", &[libc::ENXIO], log.clear(0, PAGES as u32, 0));
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_ring_size",
        "The size of the ring is a power of two of at least a page and at most what the capability tells, and is set once.",
        RING,
        caps!(KVM_CAP_DIRTY_LOG_RING),
        |checks| {
            let machine = Machine::empty()?;
            let largest = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING.into())?;
            let enable = |size| machine.enable(KVM_CAP_DIRTY_LOG_RING, size);
            checks.invalid("no size", enable(0));
            checks.invalid("half a page", enable(PAGE / 2));
            checks.invalid("three pages", enable(3 * PAGE));
            checks.refused("too large", &[libc::E2BIG, libc::EINVAL], enable(largest.wrapping_mul(2)));
            checks.done("a right one", enable(RING_SIZE.min(largest)));
            checks.invalid("again", enable(RING_SIZE.min(largest)));
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_ring_before_vcpus",
        "The ring is enabled before the first virtual processor is created.",
        RING,
        caps!(KVM_CAP_DIRTY_LOG_RING),
        |checks| {
            let machine = Machine::empty()?;
            let _vcpu = machine.vcpu(0)?;
            checks.invalid("behind it", machine.enable(KVM_CAP_DIRTY_LOG_RING, RING_SIZE));
            Ok(())
        },
    ),
];
