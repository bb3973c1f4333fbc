//! Devices on PCI in a VM that is saved and restored while they work.

use crate::{
    guest::{config, hypervisor},
    interrupts::{apic_eoi, apic_on, waiting, write_tables},
    save::run_until,
    virtio::{AVAILABLE, BAR, CONFIG, MESSAGE_CONTROL, NOTIFY, VECTOR, entropy, place, start},
};
use iced_x86::code_asm::*;
use vmm::{Elapsed, Irqchip, Notifications, RestoreError, StopReason, Vm, VmConfig, devices::PciHost};

/// How many interrupts the guest waits for; from the sixteenth on they go by an irqfd.
const NR: u32 = 40;
/// A port that nobody claims.
const NOWHERE: u32 = 0x80;

/// A guest that gives the device a buffer for each interrupt, and ends once all came.
fn guest() -> vmm::Image {
    let prepare = |a: &mut CodeAssembler| {
        apic_on(a);
        place(a, BAR);
        for (offset, value) in [(0, 0xfee0_0000_u32), (4, 0), (8, 0x40), (12, 0)] {
            a.mov(dword_ptr(BAR + VECTOR + offset), value).unwrap();
        }
        a.mov(word_ptr(CONFIG + MESSAGE_CONTROL), 0x8000_u32).unwrap();
        start(a, BAR);
        a.mov(dword_ptr(AVAILABLE), 1 << 16).unwrap();
        a.mov(word_ptr(BAR + NOTIFY), 0).unwrap();
    };
    let handle = |a: &mut CodeAssembler| {
        apic_eoi(a);
        a.inc(word_ptr(AVAILABLE + 2)).unwrap();
        a.mov(word_ptr(BAR + NOTIFY), 0).unwrap();
        // An exit behind the notification, which may be on its way still.
        a.mov(edx, NOWHERE).unwrap();
        a.out(dx, al).unwrap();
    };
    waiting(NR, prepare, handle)
}

fn machine(irqchip: Irqchip, notifications: Notifications) -> VmConfig {
    VmConfig { irqchip, notifications, ..config().with(PciHost::new().with(None, entropy())) }
}

#[test]
fn no_notification_and_no_interrupt_is_lost_when_a_vm_is_restored() {
    let (hypervisor, image) = (hypervisor(), guest());
    for irqchip in [Irqchip::Kernel, Irqchip::Split, Irqchip::User] {
        for notifications in [Notifications::Exits, Notifications::Events] {
            let mut vm = Vm::new(&hypervisor, &image, machine(irqchip, notifications)).unwrap();
            write_tables(&vm);
            let mut nr_restored = 0;
            let stopped = loop {
                let stopped = run_until(&mut vm, 5);
                if stopped.reason != StopReason::Suspended {
                    break stopped;
                }
                let file = vm.save(&hypervisor).unwrap();
                drop(vm);
                let config = machine(irqchip, notifications);
                vm = Vm::restore(&hypervisor, &image, config, &file, Elapsed::WentOn).unwrap();
                nr_restored += 1;
            };
            assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{irqchip:?}, {notifications:?}: {stopped}");
            assert!(nr_restored >= NR / 5, "{irqchip:?}, {notifications:?}: {nr_restored}");
        }
    }
}

#[test]
fn a_bus_with_other_devices_is_refused() {
    let (hypervisor, image) = (hypervisor(), guest());
    let of = |host| VmConfig { irqchip: Irqchip::Split, ..config().with(host) };
    let mut vm = Vm::new(&hypervisor, &image, of(PciHost::new().with(None, entropy()))).unwrap();
    let file = vm.save(&hypervisor).unwrap();
    let slot = ::pci::Slot::new(5);
    let disk = || {
        let disk = ::virtio::disk::MemoryDisk::new(vec![0; 512], false);
        Box::new(::virtio::devices::Block::new(Box::new(disk), "disk", 1))
    };
    for host in [PciHost::new(), PciHost::new().with(slot, entropy()), PciHost::new().with(None, disk())] {
        let error = Vm::restore(&hypervisor, &image, of(host), &file, Elapsed::default()).expect_err("another bus");
        assert!(matches!(error, RestoreError::Device { .. }), "{error}");
    }
}
