//! ioeventfd.

use super::{Done, caps, case};
use crate::{
    Case, Trouble,
    api::Answer,
    check::Checks,
    machine::{Code, END, Irqchip, Machine, Vcpu, end},
    trouble::Errno,
};
use case::Feature::InterfaceEvents as EVENTS;
use iced_x86::code_asm::{al, ax, byte_ptr, dx, eax, ptr};
use kvm_bindings::{KVM_EXIT_IO, KVM_EXIT_MMIO, kvm_ioeventfd};
use std::os::fd::AsRawFd;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

const IOEVENTFD: &str = "KVM_IOEVENTFD";

const DATAMATCH: u32 = 1;
const PIO: u32 = 2;
const DEASSIGN: u32 = 4;

/// Where MMIO is, and the port that is used.
pub(super) const DEVICE: u64 = 0x2_0000;
pub(super) const PORT: u64 = 0x200;

pub(super) fn event() -> Result<EventFd, Errno> {
    EventFd::new(EFD_NONBLOCK).map_err(|_errno| Errno::last("eventfd"))
}

/// How often it was signalled since it was last read.
pub(super) fn count(event: &EventFd) -> u64 {
    event.read().unwrap_or(0)
}

fn set(machine: &Machine, event: &EventFd, addr: u64, len: u32, flags: u32, datamatch: u64) -> Answer {
    let mut argument = kvm_ioeventfd { datamatch, addr, len, fd: event.as_raw_fd(), flags, ..Default::default() };
    machine.vm.request(&crate::requests::IOEVENTFD, &mut argument)
}

/// Writes a byte, a word and a doubleword to the device, and then ends.
pub(super) fn mmio_writes(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(byte_ptr(0), al)?;
    a.mov(ptr(0), ax)?;
    a.mov(ptr(0), eax)?;
    end(a)
}

/// The same to the port.
pub(super) fn pio_writes(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(dx, PORT as u32)?;
    a.out(dx, al)?;
    a.out(dx, ax)?;
    a.out(dx, eax)?;
    end(a)
}

pub(super) fn pointed(machine: &Machine, code: Code) -> Result<Vcpu<'_>, Trouble> {
    let vcpu = machine.with_code(code)?;
    vcpu.point_ds(DEVICE as u32)?;
    Ok(vcpu)
}

/// Sizes of the accesses that leave to user space before the guest is through.
pub(super) fn left(vcpu: &Vcpu<'_>) -> Result<u64, Trouble> {
    let mut sizes = 0;
    for _ in 0..8 {
        let reason = vcpu.run()? as u32;
        match reason {
            KVM_EXIT_IO if vcpu.io().port == END => return Ok(sizes),
            KVM_EXIT_IO => sizes |= u64::from(vcpu.io().size),
            KVM_EXIT_MMIO => sizes |= u64::from(vcpu.mmio().length),
            reason => return Err(Trouble::Exit { reason, expected: KVM_EXIT_IO }),
        }
    }
    Ok(sizes)
}

/// Of the writes of 1, 2 and 4 bytes: how many signal an event of this address, length and flags, and which sizes leave.
fn writes(checks: &mut Checks, code: Code, event_at: (u64, u32, u32), signals: u64, leaves: u64) -> Done {
    let (address, length, flags) = event_at;
    let machine = Machine::new(Irqchip::None)?;
    let event = event()?;
    checks.done("assigned", set(&machine, &event, address, length, flags, 0));
    let vcpu = pointed(&machine, code)?;
    checks.is("left with sizes", leaves, left(&vcpu)?);
    checks.is("signals", signals, count(&event));
    Ok(())
}

pub(crate) const CASES: &[Case] = &[
    case(
        EVENTS,
        "ioeventfd_mmio_of_a_length",
        "A guest write of the length that was given signals the event and does not leave; others leave.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| writes(checks, mmio_writes, (DEVICE, 2, 0), 1, 5),
    ),
    case(EVENTS, "ioeventfd_pio_of_a_length", "The same by port.", IOEVENTFD, caps!(KVM_CAP_IOEVENTFD), |checks| {
        writes(checks, pio_writes, (PORT, 4, PIO), 1, 3)
    }),
    case(
        EVENTS,
        "ioeventfd_any_length_mmio",
        "With length 0 a write of any size signals the event.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD_ANY_LENGTH),
        |checks| writes(checks, mmio_writes, (DEVICE, 0, 0), 3, 0),
    ),
    case(
        EVENTS,
        "ioeventfd_any_length_pio",
        "With length 0 a write of any size to a port signals the event.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD_ANY_LENGTH),
        |checks| writes(checks, pio_writes, (PORT, 0, PIO), 3, 0),
    ),
    case(
        EVENTS,
        "ioeventfd_datamatch",
        "With KVM_IOEVENTFD_FLAG_DATAMATCH the event is signalled only if the value written is the one given.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| {
            let code: Code = |a| {
                for value in [6_u32, 7, 8] {
                    a.mov(eax, value)?;
                    a.mov(ptr(0), eax)?;
                }
                end(a)
            };
            let machine = Machine::new(Irqchip::None)?;
            let (seven, eight) = (event()?, event()?);
            checks.done("7", set(&machine, &seven, DEVICE, 4, DATAMATCH, 7));
            checks.done("8", set(&machine, &eight, DEVICE, 4, DATAMATCH, 8));
            let vcpu = pointed(&machine, code)?;
            checks.answers("6 leaves", KVM_EXIT_MMIO.into(), vcpu.run());
            checks.is("data", 6_u32, vcpu.mmio().data as u32);
            checks.answers("end", KVM_EXIT_IO.into(), vcpu.run());
            checks.is("7 signals", 1_u64, count(&seven));
            checks.is("8 signals", 1_u64, count(&eight));
            Ok(())
        },
    ),
    case(EVENTS, "ioeventfd_reads_leave", "Reads do not signal.", IOEVENTFD, caps!(KVM_CAP_IOEVENTFD), |checks| {
        let machine = Machine::new(Irqchip::None)?;
        let event = event()?;
        set(&machine, &event, DEVICE, 1, 0, 0)?;
        let vcpu = pointed(&machine, |a| {
            a.mov(al, byte_ptr(0))?;
            end(a)
        })?;
        checks.answers("exit", KVM_EXIT_MMIO.into(), vcpu.run());
        checks.is("signals", 0_u64, count(&event));
        Ok(())
    }),
    case(
        EVENTS,
        "ioeventfd_deassign",
        "An event that is deassigned is not signalled any more.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let event = event()?;
            set(&machine, &event, DEVICE, 1, 0, 0)?;
            checks.done("deassigned", set(&machine, &event, DEVICE, 1, DEASSIGN, 0));
            let vcpu = pointed(&machine, mmio_writes)?;
            checks.is("left with sizes", 7_u64, left(&vcpu)?);
            checks.is("signals", 0_u64, count(&event));
            checks.refused("again", &[libc::ENOENT], set(&machine, &event, DEVICE, 1, DEASSIGN, 0));
            Ok(())
        },
    ),
    case(
        EVENTS,
        "ioeventfd_deassign_wants_the_same",
        "Only what was assigned in the same way is deassigned.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let [event, other] = [event()?, event()?];
            set(&machine, &event, DEVICE, 4, DATAMATCH, 7)?;
            let absent: &[i32] = &[libc::ENOENT];
            checks.refused("another address", absent, set(&machine, &event, DEVICE + 4, 4, DEASSIGN | DATAMATCH, 7));
            checks.refused("another length", absent, set(&machine, &event, DEVICE, 2, DEASSIGN | DATAMATCH, 7));
            checks.refused("another value", absent, set(&machine, &event, DEVICE, 4, DEASSIGN | DATAMATCH, 8));
            checks.refused("no value", absent, set(&machine, &event, DEVICE, 4, DEASSIGN, 0));
            checks.refused("another event", absent, set(&machine, &other, DEVICE, 4, DEASSIGN | DATAMATCH, 7));
            checks.refused("a port", absent, set(&machine, &event, DEVICE, 4, DEASSIGN | DATAMATCH | PIO, 7));
            checks.done("the same", set(&machine, &event, DEVICE, 4, DEASSIGN | DATAMATCH, 7));
            Ok(())
        },
    ),
    case(
        EVENTS,
        "ioeventfd_duplicates",
        "An address with the same length and value is taken once.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let [event, other] = [event()?, event()?];
            set(&machine, &event, DEVICE, 4, 0, 0)?;
            checks.refused("another event", &[libc::EEXIST], set(&machine, &other, DEVICE, 4, 0, 0));
            checks.refused("a value of it", &[libc::EEXIST], set(&machine, &other, DEVICE, 4, DATAMATCH, 1));
            checks.done("another length", set(&machine, &other, DEVICE, 2, 0, 0));
            checks.done("another address", set(&machine, &other, DEVICE + 4, 4, 0, 0));
            checks.done("a port", set(&machine, &other, DEVICE, 4, PIO, 0));
            Ok(())
        },
    ),
    case(
        EVENTS,
        "ioeventfd_arguments",
        "Lengths are 0, 1, 2, 4 and 8; unknown flags, values without a length and ends beyond the address space are refused.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let event = event()?;
            for length in [3, 5, 7, 16] {
                checks.invalid(format!("length {length}"), set(&machine, &event, DEVICE, length, 0, 0));
            }
            checks.invalid("unknown flag", set(&machine, &event, DEVICE, 4, 1 << 5, 0));
            checks.invalid("value without a length", set(&machine, &event, DEVICE, 0, DATAMATCH, 1));
            checks.invalid("wraps around", set(&machine, &event, u64::MAX, 4, 0, 0));
            for length in [1, 2, 4, 8] {
                checks.done(
                    format!("length {length}"),
                    set(&machine, &event, DEVICE + 0x100 * u64::from(length), length, 0, 0),
                );
            }
            Ok(())
        },
    ),
    case(
        EVENTS,
        "ioeventfd_wants_an_eventfd",
        "The file must be an eventfd.",
        IOEVENTFD,
        caps!(KVM_CAP_IOEVENTFD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let with = |fd| {
                machine.vm.request(
                    &crate::requests::IOEVENTFD,
                    &mut kvm_ioeventfd { addr: DEVICE, len: 4, fd, ..Default::default() },
                )
            };
            checks.refused("no file", &[libc::EBADF], with(-1));
            checks.invalid("another file", with(machine.kvm.raw()));
            Ok(())
        },
    ),
];
