//! Capabilities against behaviour, limits, and what does not exist.

use super::{caps, case};
use crate::{
    Case,
    api::Mapping,
    machine::{Irqchip, Machine, PAGE},
    requests::*,
};
use case::Feature::InterfaceCapabilities as CAPABILITIES;
use kvm_bindings::{
    KVM_CAP_CHECK_EXTENSION_VM, KVM_CAP_COALESCED_MMIO, KVM_CAP_IRQCHIP, KVM_CAP_MAX_VCPU_ID, KVM_CAP_MAX_VCPUS,
    KVM_CAP_NR_VCPUS, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_USER_MEMORY, KVM_CAP_X86_DISABLE_EXITS, kvm_enable_cap,
};

const CHECK: &str = "KVM_CHECK_EXTENSION";

/// No capability has this number.
const NO_CAPABILITY: u32 = 0x7fff_0000;

pub(crate) const CASES: &[Case] = &[
    case(
        CAPABILITIES,
        "api_version",
        "The version of the interface is 12.",
        "KVM_GET_API_VERSION",
        caps!(),
        |checks| {
            checks.answers("version", 12, Machine::empty()?.kvm.order(GET_API_VERSION, 0));
            Ok(())
        },
    ),
    case(CAPABILITIES, "unknown_extension", "An extension that there is not answers 0.", CHECK, caps!(), |checks| {
        let machine = Machine::empty()?;
        for number in [NO_CAPABILITY, 0x1_0000, 0xffff] {
            checks.answers(format!("system, {number:#x}"), 0, machine.kvm.order(CHECK_EXTENSION, number.into()));
            checks.answers(format!("VM, {number:#x}"), 0, machine.vm.order(CHECK_EXTENSION, number.into()));
        }
        Ok(())
    }),
    case(
        CAPABILITIES,
        "extensions_of_a_vm",
        "With KVM_CAP_CHECK_EXTENSION_VM a VM answers for itself; what every x86 KVM has, both have.",
        CHECK,
        caps!(KVM_CAP_CHECK_EXTENSION_VM),
        |checks| {
            let machine = Machine::empty()?;
            for (name, number) in [
                ("KVM_CAP_USER_MEMORY", KVM_CAP_USER_MEMORY),
                ("KVM_CAP_IRQCHIP", KVM_CAP_IRQCHIP),
                ("KVM_CAP_CHECK_EXTENSION_VM", KVM_CAP_CHECK_EXTENSION_VM),
            ] {
                checks.answers(format!("system, {name}"), 1, machine.kvm.order(CHECK_EXTENSION, number.into()));
                checks.answers(format!("VM, {name}"), 1, machine.vm.order(CHECK_EXTENSION, number.into()));
            }
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "unknown_requests",
        "What is no request of a file is refused with ENOTTY, or EINVAL.",
        "General description",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let errors: &[i32] = &[libc::ENOTTY, libc::EINVAL];
            for (id, file) in [("system", &machine.kvm), ("VM", &machine.vm), ("processor", &vcpu.handle)] {
                checks.refused(id, errors, file.order(NONE, 0));
            }
            checks.refused("KVM_RUN of a VM", errors, machine.vm.order(RUN, 0));
            checks.refused("KVM_CREATE_VM of a processor", errors, vcpu.handle.order(CREATE_VM, 0));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "orders_take_no_argument",
        "KVM_GET_API_VERSION, KVM_GET_VCPU_MMAP_SIZE and KVM_RUN take no argument.",
        "KVM_RUN",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("KVM_GET_API_VERSION", machine.kvm.order(GET_API_VERSION, 1));
            checks.invalid("KVM_GET_VCPU_MMAP_SIZE", machine.kvm.order(GET_VCPU_MMAP_SIZE, 1));
            checks.invalid("KVM_RUN", machine.vcpu(0)?.handle.order(RUN, 1));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "vm_types",
        "A VM of a type that there is not is refused.",
        "KVM_CREATE_VM",
        caps!(),
        |checks| {
            let machine = Machine::empty()?;
            checks.invalid("type 99", machine.kvm.create(CREATE_VM, 99).map(|_vm| 0));
            checks.done("type 0", machine.kvm.create(CREATE_VM, 0).map(|_vm| 0));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "vm_types_are_told",
        "KVM_CAP_VM_TYPES is a mask of the types that can be created.",
        "KVM_CAP_VM_TYPES",
        caps!(KVM_CAP_VM_TYPES),
        |checks| {
            let machine = Machine::empty()?;
            let types = machine.kvm.order(CHECK_EXTENSION, kvm_bindings::KVM_CAP_VM_TYPES.into())?;
            checks.is("the default", 1_u64, types & 1);
            for number in 1..6 {
                let created = machine.kvm.create(CREATE_VM, number).is_ok();
                checks.is(format!("type {number}"), types >> number & 1 == 1, created);
            }
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "vcpu_ids",
        "The id of a processor is below what KVM_CAP_MAX_VCPU_ID tells, and each has its own.",
        "KVM_CREATE_VCPU",
        caps!(KVM_CAP_MAX_VCPU_ID),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let limit = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID.into())?;
            let _first = machine.vcpu(0)?;
            let create = |id| machine.vm.create(CREATE_VCPU, id).map(|_vcpu| 0);
            checks.refused("twice", &[libc::EEXIST], create(0));
            checks.invalid("the limit", create(limit));
            checks.invalid("2^32 - 1", create(u32::MAX.into()));
            checks.done("the last", create(limit.wrapping_sub(1)));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "vcpu_numbers",
        "The recommended number of processors is at most the largest, and that at most the largest id.",
        "KVM_CREATE_VCPU",
        caps!(KVM_CAP_MAX_VCPUS),
        |checks| {
            let machine = Machine::empty()?;
            let of = |number: u32| machine.kvm.order(CHECK_EXTENSION, number.into());
            let (recommended, largest, ids) = (of(KVM_CAP_NR_VCPUS)?, of(KVM_CAP_MAX_VCPUS)?, of(KVM_CAP_MAX_VCPU_ID)?);
            checks.within("recommended", 1, largest, recommended);
            checks.within("largest", 1, ids, largest);
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "vcpu_page_size",
        "What a processor shares is at least kvm_run, and the page of coalesced I/O lies in it.",
        "KVM_GET_VCPU_MMAP_SIZE",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let size = machine.kvm.order(GET_VCPU_MMAP_SIZE, 0)?;
            checks.is("whole pages", 0_u64, size % PAGE);
            let coalesced = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO.into())?;
            checks.within(
                "size",
                ((coalesced + 1) * PAGE).max(size_of::<kvm_bindings::kvm_run>() as u64),
                1 << 20,
                size,
            );
            let vcpu = machine.vcpu(0)?;
            checks.done("mapped", Mapping::of(&vcpu.handle, 0, size as usize).map(|_page| 0));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "enable_cap_arguments",
        "A capability that cannot be enabled is refused, and so are flags.",
        "KVM_ENABLE_CAP",
        caps!(KVM_CAP_ENABLE_CAP_VM),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("unknown", machine.enable(NO_CAPABILITY, 0));
            checks.invalid("one without a switch", machine.enable(KVM_CAP_USER_MEMORY, 0));
            let mut flags =
                kvm_enable_cap { cap: KVM_CAP_SPLIT_IRQCHIP, flags: 1, args: [24, 0, 0, 0], ..Default::default() };
            checks.invalid("flags", machine.vm.request(&ENABLE_CAP, &mut flags));
            let vcpu = machine.vcpu(0)?;
            let mut unknown = kvm_enable_cap { cap: NO_CAPABILITY, ..Default::default() };
            checks.invalid("of a processor", vcpu.handle.request(&ENABLE_CAP, &mut unknown));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "split_irqchip_pins",
        "A split interrupt controller has as many reserved routes as an I/O APIC could have pins, and no more than there are.",
        "KVM_CAP_SPLIT_IRQCHIP",
        caps!(KVM_CAP_SPLIT_IRQCHIP),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("2^32 - 1", machine.enable(KVM_CAP_SPLIT_IRQCHIP, u32::MAX.into()));
            checks.done("24", machine.enable(KVM_CAP_SPLIT_IRQCHIP, 24));
            checks.refused("again", &[libc::EEXIST], machine.enable(KVM_CAP_SPLIT_IRQCHIP, 24));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "disable_exits",
        "The exits that KVM_CAP_X86_DISABLE_EXITS tells can be disabled before there are processors, and no others.",
        "KVM_CAP_X86_DISABLE_EXITS",
        caps!(KVM_CAP_X86_DISABLE_EXITS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let offered = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS.into())?;
            checks.invalid("bit 31", machine.enable(KVM_CAP_X86_DISABLE_EXITS, 1 << 31));
            checks.done("what is offered", machine.enable(KVM_CAP_X86_DISABLE_EXITS, offered));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "statistics",
        "KVM_GET_STATS_FD gives a file of statistics of a VM and of a processor.",
        "KVM_GET_STATS_FD",
        caps!(KVM_CAP_BINARY_STATS_FD),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.done("VM", machine.vm.create(GET_STATS_FD, 0).map(|_file| 0));
            checks.done("processor", vcpu.handle.create(GET_STATS_FD, 0).map(|_file| 0));
            checks.refused("system", &[libc::ENOTTY, libc::EINVAL], machine.kvm.create(GET_STATS_FD, 0).map(|_file| 0));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "capabilities_of_requests",
        "A request whose capability is offered is none that does not exist, and one whose capability is not offered is.",
        CHECK,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let rows = [
                ("KVM_CAP_XSAVE", kvm_bindings::KVM_CAP_XSAVE, vcpu.handle.get(&GET_XSAVE).map(|_value| 0)),
                ("KVM_CAP_XCRS", kvm_bindings::KVM_CAP_XCRS, vcpu.handle.get(&GET_XCRS).map(|_value| 0)),
                ("KVM_CAP_SREGS2", kvm_bindings::KVM_CAP_SREGS2, vcpu.handle.get(&GET_SREGS2).map(|_value| 0)),
                ("KVM_CAP_DEBUGREGS", kvm_bindings::KVM_CAP_DEBUGREGS, vcpu.handle.get(&GET_DEBUGREGS).map(|_value| 0)),
                (
                    "KVM_CAP_VCPU_EVENTS",
                    kvm_bindings::KVM_CAP_VCPU_EVENTS,
                    vcpu.handle.get(&GET_VCPU_EVENTS).map(|_value| 0),
                ),
                (
                    "KVM_CAP_ADJUST_CLOCK",
                    kvm_bindings::KVM_CAP_ADJUST_CLOCK,
                    machine.vm.get(&GET_CLOCK).map(|_value| 0),
                ),
                ("KVM_CAP_MP_STATE", kvm_bindings::KVM_CAP_MP_STATE, vcpu.handle.get(&GET_MP_STATE).map(|_value| 0)),
                ("KVM_CAP_GET_TSC_KHZ", kvm_bindings::KVM_CAP_GET_TSC_KHZ, vcpu.handle.order(GET_TSC_KHZ, 0)),
            ];
            for (name, number, answer) in rows {
                if machine.kvm.order(CHECK_EXTENSION, number.into())? == 0 {
                    checks.refused(name, &[libc::ENOTTY, libc::EINVAL], answer);
                } else {
                    checks.done(name, answer);
                }
            }
            Ok(())
        },
    ),
];
