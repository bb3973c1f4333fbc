//! Dirty log and dirty ring.

use super::{Done, caps, case};
use crate::{
    Case, Trouble,
    api::{Answer, Mapping},
    check::Checks,
    machine::{Code, Irqchip, Machine, PAGE, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceDirty as DIRTY;
use iced_x86::code_asm::{al, byte_ptr};
use kvm_bindings::{
    KVM_CAP_DIRTY_LOG_RING, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_INITIALLY_SET,
    KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, KVM_DIRTY_LOG_PAGE_OFFSET, KVM_EXIT_DIRTY_RING_FULL, KVM_EXIT_IO,
    KVM_MEM_LOG_DIRTY_PAGES,
};

const LOG: &str = "KVM_GET_DIRTY_LOG (vm ioctl)";
const CLEAR: &str = "KVM_CLEAR_DIRTY_LOG (vm ioctl)";
const MANUAL: &str = "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2";
const RING: &str = "KVM_CAP_DIRTY_LOG_RING/KVM_CAP_DIRTY_LOG_RING_ACQ_REL";

const LOGGED: u64 = 0x2_0000;
const PAGES: u64 = 16;
/// Entries of the ring: the fewest that fill a page.
const RING_SIZE: u64 = 0x1_0000;

/// A VM whose slot 1 has 16 pages that are logged.
struct Logged {
    machine: Machine,
    memory: Mapping,
}

impl Logged {
    fn new(protect: u32) -> Result<Self, Trouble> {
        let machine = Machine::new(Irqchip::None)?;
        if protect != 0 {
            machine.enable(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, protect.into())?;
        }
        Self::around(machine)
    }

    fn around(machine: Machine) -> Result<Self, Trouble> {
        let memory = Mapping::anonymous((PAGES * PAGE) as usize)?;
        machine.slot(1, KVM_MEM_LOG_DIRTY_PAGES, LOGGED, PAGES * PAGE, memory.address())?;
        Ok(Self { machine, memory })
    }

    fn vcpu(&self, code: Code) -> Result<Vcpu<'_>, Trouble> {
        let vcpu = self.machine.with_code(code)?;
        vcpu.point_ds(LOGGED as u32)?;
        Ok(vcpu)
    }

    fn log(&self) -> Answer {
        self.machine.dirty(1)
    }

    fn clear(&self, first_page: u64, nr_pages: u32, bits: u64) -> Answer {
        let mut bitmap = [bits; 16];
        let mut log = ClearDirtyLog { slot: 1, nr_pages, first_page, bitmap: bitmap.as_mut_ptr() };
        self.machine.vm.request(&CLEAR_DIRTY_LOG, &mut log)
    }
}

/// Writes pages 1, 3 and 15.
fn three(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(byte_ptr(0x1000), al)?;
    a.mov(byte_ptr(0x3004), al)?;
    a.mov(byte_ptr(0xffff), al)?;
    end(a)
}
const THREE: u64 = 1 << 1 | 1 << 3 | 1 << 15;

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

fn empty_after(checks: &mut Checks, log: &Logged) -> Done {
    checks.answers("read again", 0, log.log());
    Ok(())
}

pub(crate) const CASES: &[Case] = &[
    case(
        DIRTY,
        "dirty_log_names_what_was_written",
        "The dirty log holds the pages that were written since it was read, and no other.",
        LOG,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let log = Logged::new(0)?;
            checks.answers("at first", 0, log.log());
            log.vcpu(three)?.run_to(KVM_EXIT_IO)?;
            checks.answers("written", THREE, log.log());
            empty_after(checks, &log)
        },
    ),
    case(
        DIRTY,
        "dirty_log_sees_each_new_write",
        "A page that is written again after the log was read is dirty again.",
        LOG,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let log = Logged::new(0)?;
            let vcpu = log.vcpu(three)?;
            for round in 1..=3 {
                vcpu.start()?;
                vcpu.point_ds(LOGGED as u32)?;
                // The first exit also ends the instruction that the last round left with.
                vcpu.run_to(KVM_EXIT_IO)?;
                checks.answers(format!("round {round}"), THREE, log.log());
            }
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_log_reads_are_none",
        "Pages that are only read are not dirty.",
        LOG,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let log = Logged::new(0)?;
            let vcpu = log.vcpu(|a| {
                a.mov(al, byte_ptr(0x2000))?;
                end(a)
            })?;
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.answers("log", 0, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_log_of_user_space_writes",
        "Writes of user space to the memory of a slot are not logged.",
        LOG,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let log = Logged::new(0)?;
            log.memory.write(0x1000, &[1]);
            checks.answers("log", 0, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_log_wants_a_logged_slot",
        "There is a log only of slots with KVM_MEM_LOG_DIRTY_PAGES.",
        LOG,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let log = Logged::new(0)?;
            checks.refused("not logged", &[libc::ENOENT], log.machine.dirty(0));
            checks.refused("no slot", &[libc::ENOENT], log.machine.dirty(9));
            checks.invalid("no address space", log.machine.dirty(9 << 16));
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_log_starts_clear_when_switched_on",
        "Switching the log on begins with no dirty page.",
        LOG,
        caps!(KVM_CAP_USER_MEMORY),
        |checks| {
            let log = Logged::new(0)?;
            let set = |flags| log.machine.slot(1, flags, LOGGED, PAGES * PAGE, log.memory.address());
            set(0)?;
            log.vcpu(three)?.run_to(KVM_EXIT_IO)?;
            set(KVM_MEM_LOG_DIRTY_PAGES)?;
            checks.answers("log", 0, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "manual_protect_keeps_the_log",
        "With manual protection KVM_GET_DIRTY_LOG does not clear.",
        MANUAL,
        caps!(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
        |checks| {
            let log = Logged::new(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)?;
            log.vcpu(three)?.run_to(KVM_EXIT_IO)?;
            checks.answers("written", THREE, log.log());
            checks.answers("still", THREE, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "manual_protect_clears_what_is_named",
        "KVM_CLEAR_DIRTY_LOG clears the pages whose bits are set, and no other.",
        CLEAR,
        caps!(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
        |checks| {
            let log = Logged::new(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)?;
            let vcpu = log.vcpu(three)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            log.log()?;
            checks.done("clear page 3", log.clear(0, PAGES as u32, 1 << 3));
            checks.answers("the others", THREE & !(1 << 3), log.log());
            checks.done("clear the rest", log.clear(0, PAGES as u32, u64::MAX));
            checks.answers("none", 0, log.log());
            vcpu.start()?;
            vcpu.point_ds(LOGGED as u32)?;
            vcpu.run_to(KVM_EXIT_IO)?;
            checks.answers("written again", THREE, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "clear_dirty_log_ranges",
        "The first page is a multiple of 64, and so is the number of pages unless the range ends with the slot.",
        CLEAR,
        caps!(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
        |checks| {
            let log = Logged::new(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)?;
            for (id, first, nr) in [
                ("first page 1", 1, 15),
                ("first page behind the end", 64, 64),
                ("8 of 16 pages", 0, 8),
                ("17 of 16 pages", 0, 17),
                ("64 of 16 pages", 0, 64),
            ] {
                checks.invalid(id, log.clear(first, nr, 0));
            }
            checks.done("all", log.clear(0, PAGES as u32, 0));
            Ok(())
        },
    ),
    case(
        DIRTY,
        "clear_dirty_log_without_manual_protect",
        "Slots of a VM without manual protection are still cleared by KVM_CLEAR_DIRTY_LOG on request.",
        CLEAR,
        caps!(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
        |checks| {
            let log = Logged::new(0)?;
            log.vcpu(three)?.run_to(KVM_EXIT_IO)?;
            checks.done("clear", log.clear(0, PAGES as u32, u64::MAX));
            checks.answers("none", 0, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "dirty_log_initially_set",
        "With KVM_DIRTY_LOG_INITIALLY_SET all pages are dirty when a slot is created.",
        MANUAL,
        caps!(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
        |checks| {
            let log = Logged::new(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)?;
            checks.answers("all", (1 << PAGES) - 1, log.log());
            checks.done("clear", log.clear(0, PAGES as u32, u64::MAX));
            checks.answers("none", 0, log.log());
            log.vcpu(three)?.run_to(KVM_EXIT_IO)?;
            checks.answers("written", THREE, log.log());
            Ok(())
        },
    ),
    case(
        DIRTY,
        "manual_protect_arguments",
        "KVM_DIRTY_LOG_INITIALLY_SET needs manual protection, and other flags are refused.",
        MANUAL,
        caps!(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let enable = |flags| machine.enable(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, flags);
            checks.invalid("initially set alone", enable(KVM_DIRTY_LOG_INITIALLY_SET.into()));
            checks.invalid("bit 2", enable(4));
            checks.invalid("bit 63", enable(1 << 63));
            checks.done("both", enable(3));
            checks.done("off", enable(0));
            Ok(())
        },
    ),
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
            checks.refused("too large", &[libc::E2BIG, libc::EINVAL], enable(largest * 2));
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
