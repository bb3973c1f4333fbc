//! Coalesced I/O.

use super::{
    caps, case,
    events::{DEVICE, PORT, left, mmio_writes, pio_writes, pointed},
};
use crate::{
    Case, Trouble,
    api::{Answer, Mapping},
    machine::{Irqchip, Machine, PAGE, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceEvents as EVENTS;
use iced_x86::code_asm::{al, byte_ptr, eax, ptr};
use kvm_bindings::{
    KVM_CAP_COALESCED_MMIO, KVM_EXIT_IO, KVM_EXIT_MMIO, kvm_coalesced_mmio_zone, kvm_coalesced_mmio_zone__bindgen_ty_1,
};

const COALESCED: &str = "KVM_(UN)REGISTER_COALESCED_MMIO";

fn zone(addr: u64, size: u32, is_pio: bool) -> kvm_coalesced_mmio_zone {
    kvm_coalesced_mmio_zone {
        addr,
        size,
        __bindgen_anon_1: kvm_coalesced_mmio_zone__bindgen_ty_1 { pio: is_pio.into() },
    }
}

fn register(machine: &Machine, addr: u64, size: u32, is_pio: bool) -> Answer {
    machine.vm.request(&REGISTER_COALESCED_MMIO, &mut zone(addr, size, is_pio))
}

/// The ring of coalesced accesses, which all processors of a VM share.
fn ring(machine: &Machine, vcpu: &Vcpu<'_>) -> Result<Mapping, Trouble> {
    let page = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO.into())?;
    Ok(Mapping::of(&vcpu.handle, (page * PAGE) as usize, PAGE as usize)?)
}

/// Address, length, whether it is of a port, and data of an entry.
fn access(ring: &Mapping, index: usize) -> (u64, u32, u32, u64) {
    let at = 8 + index * 24;
    (ring.u64(at), ring.u32(at + 8), ring.u32(at + 12), ring.u64(at + 16))
}

/// Entries of the ring.
const ENTRIES: u64 = (PAGE - 8) / 24;

pub(crate) const CASES: &[Case] = &[
    case(
        EVENTS,
        "coalesced_mmio_does_not_leave",
        "Writes to a coalesced zone are put into the ring and do not leave.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_MMIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.done("registered", register(&machine, DEVICE, PAGE as u32, false));
            let vcpu = pointed(&machine, |a| {
                a.mov(eax, 0x1234_5678_u32)?;
                a.mov(byte_ptr(4), al)?;
                a.mov(ptr(8), eax)?;
                end(a)
            })?;
            let ring = ring(&machine, &vcpu)?;
            checks.is("left with sizes", 0_u64, left(&vcpu)?);
            checks.is("first", 0_u32, ring.u32(0));
            checks.is("last", 2_u32, ring.u32(4));
            for (index, address, length, data) in [(0, DEVICE + 4, 1_u32, 0x78_u64), (1, DEVICE + 8, 4, 0x1234_5678)] {
                let (seen_address, seen_length, pio, seen_data) = access(&ring, index);
                checks.is(format!("address {index}"), address, seen_address);
                checks.is(format!("length {index}"), length, seen_length);
                checks.is(format!("of a port {index}"), 0_u32, pio);
                checks.is(format!("data {index}"), data, seen_data & (u64::MAX >> (64 - 8 * length)));
            }
            Ok(())
        },
    ),
    case(
        EVENTS,
        "coalesced_mmio_reads_leave",
        "Reads of a coalesced zone leave.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_MMIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            register(&machine, DEVICE, PAGE as u32, false)?;
            let vcpu = pointed(&machine, |a| {
                a.mov(al, byte_ptr(0))?;
                end(a)
            })?;
            checks.answers("exit", KVM_EXIT_MMIO.into(), vcpu.run());
            checks.is("write", 0_u8, vcpu.mmio().is_write);
            Ok(())
        },
    ),
    case(
        EVENTS,
        "coalesced_mmio_within_its_zone",
        "Writes that are not wholly inside of a coalesced zone leave.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_MMIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            register(&machine, DEVICE + 0x10, 0x10, false)?;
            let vcpu = pointed(&machine, |a| {
                a.mov(byte_ptr(0xf), al)?;
                a.mov(byte_ptr(0x20), al)?;
                a.mov(byte_ptr(0x1f), al)?;
                end(a)
            })?;
            checks.answers("before", KVM_EXIT_MMIO.into(), vcpu.run());
            checks.answers("behind", KVM_EXIT_MMIO.into(), vcpu.run());
            checks.is("address", DEVICE + 0x20, vcpu.mmio().address);
            checks.answers("inside", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        EVENTS,
        "coalesced_ring_overflow_leaves",
        "When the ring is full, a write leaves, and none is lost.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_MMIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            register(&machine, DEVICE, PAGE as u32, false)?;
            let vcpu = pointed(&machine, |a| {
                use iced_x86::code_asm::cx;
                let mut again = a.create_label();
                a.mov(cx, 400_u32)?;
                a.set_label(&mut again)?;
                a.mov(ptr(0), cx)?;
                a.dec(cx)?;
                a.jnz(again)?;
                end(a)
            })?;
            let ring = ring(&machine, &vcpu)?;
            checks.answers("full", KVM_EXIT_MMIO.into(), vcpu.run());
            let in_ring = u64::from(ring.u32(4));
            // One entry stays free, by which a full ring differs from an empty one.
            checks.is("entries", ENTRIES - 1, in_ring);
            checks.is("the one that left", 400 - in_ring, vcpu.mmio().data & 0xffff);
            // Emptied: the rest goes in again.
            ring.write(0, &ring.bytes::<4>(4));
            checks.is("left with sizes", left_of_rest(&vcpu, &ring)?, 0_u64);
            Ok(())
        },
    ),
    case(
        EVENTS,
        "coalesced_mmio_unregistered",
        "A zone that is unregistered leaves again.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_MMIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            register(&machine, DEVICE, PAGE as u32, false)?;
            checks.done(
                "unregistered",
                machine.vm.request(&UNREGISTER_COALESCED_MMIO, &mut zone(DEVICE, PAGE as u32, false)),
            );
            let vcpu = pointed(&machine, mmio_writes)?;
            checks.is("left with sizes", 7_u64, left(&vcpu)?);
            Ok(())
        },
    ),
    case(
        EVENTS,
        "coalesced_pio_does_not_leave",
        "Writes to a coalesced port are put into the ring and marked as such.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_PIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.done("registered", register(&machine, PORT, 4, true));
            let vcpu = machine.with_code(pio_writes)?;
            let ring = ring(&machine, &vcpu)?;
            checks.is("left with sizes", 0_u64, left(&vcpu)?);
            checks.is("last", 3_u32, ring.u32(4));
            let (address, length, pio, _data) = access(&ring, 2);
            checks.is("address", PORT, address);
            checks.is("length", 4_u32, length);
            checks.is("of a port", 1_u32, pio);
            Ok(())
        },
    ),
    case(
        EVENTS,
        "coalesced_zone_kind",
        "A zone is of memory or of ports, by 0 or 1.",
        COALESCED,
        caps!(KVM_CAP_COALESCED_PIO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let with = |pio| {
                let mut zone = kvm_coalesced_mmio_zone {
                    addr: PORT,
                    size: 4,
                    __bindgen_anon_1: kvm_coalesced_mmio_zone__bindgen_ty_1 { pio },
                };
                machine.vm.request(&REGISTER_COALESCED_MMIO, &mut zone)
            };
            checks.invalid("2", with(2));
            checks.done("1", with(1));
            Ok(())
        },
    ),
];

/// Goes on to the end of the guest; the ring is emptied whenever it is full.
fn left_of_rest(vcpu: &Vcpu<'_>, ring: &Mapping) -> Result<u64, Trouble> {
    for _ in 0..8 {
        if vcpu.run()? == u64::from(KVM_EXIT_IO) {
            return Ok(0);
        }
        ring.write(0, &ring.bytes::<4>(4));
    }
    Ok(1)
}
