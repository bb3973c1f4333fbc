//! Memory of a VM beyond plain slots: guest_memfd, attributes, faults that user space is told, and pre-faulting.

use super::{caps, case, memory::SECOND};
use crate::{
    Case,
    api::{Answer, Mapping},
    machine::{Irqchip, MEMORY, Machine, PAGE, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceMemory as MEMORY_SLOTS;
use iced_x86::code_asm::{al, byte_ptr};
use kvm_bindings::{
    KVM_CAP_MEMORY_ATTRIBUTES, KVM_EXIT_IO, KVM_EXIT_MEMORY_FAULT, KVM_MEM_LOG_DIRTY_PAGES, kvm_create_guest_memfd,
    kvm_memory_attributes, kvm_pre_fault_memory, kvm_userspace_memory_region2,
};

const REGION2: &str = "KVM_SET_USER_MEMORY_REGION2";
const ATTRIBUTES: &str = "KVM_SET_MEMORY_ATTRIBUTES";

pub(crate) const CASES: &[Case] = &[
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
    case(
        MEMORY_SLOTS,
        "memory_fault_is_told",
        "A page fault that KVM cannot resolve ends KVM_RUN with EFAULT, and KVM_EXIT_MEMORY_FAULT tells where.",
        "KVM_CAP_MEMORY_FAULT_INFO",
        caps!(KVM_CAP_MEMORY_FAULT_INFO),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            // Nothing is ever mapped there: Linux keeps the lowest addresses free.
            machine.slot(1, 0, SECOND, PAGE, PAGE)?;
            let vcpu = machine.with_code(|a| {
                a.mov(al, byte_ptr(0x10))?;
                end(a)
            })?;
            vcpu.point_ds(SECOND as u32)?;
            checks.refused("KVM_RUN", &[libc::EFAULT], vcpu.run());
            checks.is("exit reason", KVM_EXIT_MEMORY_FAULT, vcpu.exit_reason());
            if vcpu.exit_reason() != KVM_EXIT_MEMORY_FAULT {
                return Ok(());
            }
            let (flags, address, size) = vcpu.memory_fault();
            checks.is("flags", 0_u64, flags);
            checks.within("address", SECOND, SECOND + PAGE - 1, address);
            checks.within("size", 1, PAGE, size);
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "memory_attributes_are_set",
        "The attributes that KVM_CAP_MEMORY_ATTRIBUTES tells are set for pages, and no others.",
        ATTRIBUTES,
        caps!(KVM_CAP_MEMORY_ATTRIBUTES),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let offered = machine.vm.order(CHECK_EXTENSION, KVM_CAP_MEMORY_ATTRIBUTES.into())?;
            let set = |attributes| set_attributes(&machine, SECOND, PAGE, attributes, 0);
            checks.done("none", set(0));
            for bit in 0..64 {
                if offered >> bit & 1 == 1 {
                    checks.done(format!("bit {bit}"), set(1 << bit));
                } else {
                    checks.invalid(format!("bit {bit}"), set(1 << bit));
                }
            }
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "memory_attributes_arguments",
        "Attributes are of whole pages that do not wrap around, without flags.",
        ATTRIBUTES,
        caps!(KVM_CAP_MEMORY_ATTRIBUTES),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("no page", set_attributes(&machine, SECOND, 0, 0, 0));
            checks.invalid("address misaligned", set_attributes(&machine, SECOND + 1, PAGE, 0, 0));
            checks.invalid("size misaligned", set_attributes(&machine, SECOND, PAGE + 1, 0, 0));
            checks.invalid("wraps", set_attributes(&machine, u64::MAX - PAGE + 1, 2 * PAGE, 0, 0));
            checks.invalid("flags", set_attributes(&machine, SECOND, PAGE, 0, 1));
            checks.done("a page", set_attributes(&machine, SECOND, PAGE, 0, 0));
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "pre_fault_populates_a_range",
        "KVM_PRE_FAULT_MEMORY goes through a range, and moves its start and size past what is done.",
        "KVM_PRE_FAULT_MEMORY",
        caps!(KVM_CAP_PRE_FAULT_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            let mut range = kvm_pre_fault_memory { gpa: 0, size: 2 * PAGE, ..Default::default() };
            // It may be ended by a signal before it is through, so it is asked for until it is.
            for _page in 0..2 {
                if range.size != 0 {
                    vcpu.handle.request(&PRE_FAULT_MEMORY, &mut range)?;
                }
            }
            checks.is("left", 0_u64, range.size);
            checks.is("at", 2 * PAGE, range.gpa);
            checks.answers("runs", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        MEMORY_SLOTS,
        "pre_fault_arguments",
        "KVM_PRE_FAULT_MEMORY refuses ranges that are not of whole pages with EINVAL, and those outside of slots with ENOENT.",
        "KVM_PRE_FAULT_MEMORY",
        caps!(KVM_CAP_PRE_FAULT_MEMORY),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(end)?;
            checks.invalid("no page", pre_fault(&vcpu, 0, 0, 0));
            checks.invalid("address misaligned", pre_fault(&vcpu, 1, PAGE, 0));
            checks.invalid("size misaligned", pre_fault(&vcpu, 0, PAGE + 1, 0));
            checks.invalid("wraps", pre_fault(&vcpu, u64::MAX - PAGE + 1, 2 * PAGE, 0));
            checks.invalid("flags", pre_fault(&vcpu, 0, PAGE, 1));
            checks.refused("outside", &[libc::ENOENT], pre_fault(&vcpu, SECOND, PAGE, 0));
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

fn set_attributes(machine: &Machine, address: u64, size: u64, attributes: u64, flags: u64) -> Answer {
    machine.vm.request(&SET_MEMORY_ATTRIBUTES, &mut kvm_memory_attributes { address, size, attributes, flags })
}

fn pre_fault(vcpu: &Vcpu<'_>, gpa: u64, size: u64, flags: u64) -> Answer {
    vcpu.handle.request(&PRE_FAULT_MEMORY, &mut kvm_pre_fault_memory { gpa, size, flags, ..Default::default() })
}
