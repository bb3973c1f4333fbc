//! The dirty log.

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
    KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_INITIALLY_SET, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, KVM_EXIT_IO,
    KVM_MEM_LOG_DIRTY_PAGES,
};

const LOG: &str = "KVM_GET_DIRTY_LOG (vm ioctl)";
const CLEAR: &str = "KVM_CLEAR_DIRTY_LOG (vm ioctl)";
const MANUAL: &str = "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2";

pub(super) const LOGGED: u64 = 0x2_0000;
pub(super) const PAGES: u64 = 16;

/// A VM whose slot 1 has 16 pages that are logged.
pub(super) struct Logged {
    pub(super) machine: Machine,
    pub(super) memory: Mapping,
}

impl Logged {
    fn new(protect: u32) -> Result<Self, Trouble> {
        let machine = Machine::new(Irqchip::None)?;
        if protect != 0 {
            machine.enable(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, protect.into())?;
        }
        Self::around(machine)
    }

    pub(super) fn around(machine: Machine) -> Result<Self, Trouble> {
        let memory = Mapping::anonymous((PAGES * PAGE) as usize)?;
        machine.slot(1, KVM_MEM_LOG_DIRTY_PAGES, LOGGED, PAGES * PAGE, memory.address())?;
        Ok(Self { machine, memory })
    }

    pub(super) fn vcpu(&self, code: Code) -> Result<Vcpu<'_>, Trouble> {
        let vcpu = self.machine.with_code(code)?;
        vcpu.point_ds(LOGGED as u32)?;
        Ok(vcpu)
    }

    pub(super) fn log(&self) -> Answer {
        self.machine.dirty(1)
    }

    pub(super) fn clear(&self, first_page: u64, nr_pages: u32, bits: u64) -> Answer {
        let mut bitmap = [bits; 16];
        let mut log = ClearDirtyLog { slot: 1, nr_pages, first_page, bitmap: bitmap.as_mut_ptr() };
        self.machine.vm.request(&CLEAR_DIRTY_LOG, &mut log)
    }
}

/// Writes pages 1, 3 and 15.
pub(super) fn three(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(byte_ptr(0x1000), al)?;
    a.mov(byte_ptr(0x3004), al)?;
    a.mov(byte_ptr(0xffff), al)?;
    end(a)
}
pub(super) const THREE: u64 = 1 << 1 | 1 << 3 | 1 << 15;

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
];
