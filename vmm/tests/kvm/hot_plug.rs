//! Functions that come and go, as a guest without an operating system sees them.

use crate::guest::{config, exit_with_eax, hypervisor, image, with_deadline};
use iced_x86::code_asm::*;
use pci::Slot;
use std::sync::{Arc, Mutex};
use vmm::{
    InterruptSetup, NoObserver, StopReason, Vm,
    devices::{HotPlugError, PciHost},
    layout::{pc, pci as layout},
};

fn slot() -> Slot {
    Slot::new(5).unwrap()
}

fn entropy() -> Box<::virtio::devices::Entropy> {
    Box::new(::virtio::devices::Entropy::new(std::io::repeat(0x5a)))
}

/// Ends with `code` unless EAX has this value.
fn expect(a: &mut CodeAssembler, value: u32, code: u32) {
    let mut good = a.create_label();
    a.cmp(eax, value).unwrap();
    a.je(good).unwrap();
    a.mov(eax, code).unwrap();
    exit_with_eax(a);
    a.set_label(&mut good).unwrap();
    a.nop().unwrap();
}

fn read(a: &mut CodeAssembler, port: u16) {
    a.mov(edx, u32::from(port)).unwrap();
    a.in_(eax, dx).unwrap();
}

fn read_identity(a: &mut CodeAssembler) {
    a.mov(eax, dword_ptr(layout::MAPPED_CONFIG + (5 << 15))).unwrap();
}

#[test]
fn a_guest_is_told_of_a_function_and_ejects_it() {
    for setup in InterruptSetup::ALL {
        let ejected = Arc::new(Mutex::new(Vec::new()));
        let told = ejected.clone();
        let (host, slots) = PciHost::new().with_hot_plug(move |slot| told.lock().unwrap().push(slot));
        assert!(matches!(slots.plug(slot(), entropy()), Err(HotPlugError::NoBus)));
        let program = |a: &mut CodeAssembler| {
            for (offset, value) in [(0, 1 << 5), (0, 0), (4, 1 << 5), (12, 1 << 5)] {
                read(a, layout::HOT_PLUG + offset);
                expect(a, value, 0x10 + u32::from(offset));
            }
            read(a, pc::GENERAL_EVENTS);
            expect(a, 1 << 1, 2);
            read_identity(a);
            expect(a, 0x1044_1af4, 3);
            a.mov(edx, u32::from(layout::HOT_PLUG) + 8).unwrap();
            a.mov(eax, 1 << 5).unwrap();
            a.out(dx, eax).unwrap();
            read_identity(a);
            expect(a, u32::MAX, 4);
            a.mov(eax, 0x77).unwrap();
            exit_with_eax(a);
        };
        let mut vm = Vm::new(&hypervisor(), &image(32, program), config().with_interrupts(setup).with(host)).unwrap();
        assert!(matches!(slots.request_removal(slot()), Err(HotPlugError::Removal(_))));
        slots.plug(slot(), entropy()).unwrap();
        assert!(matches!(slots.plug(slot(), entropy()), Err(HotPlugError::Place(_))));
        slots.request_removal(slot()).unwrap();
        assert_eq!(slots.config(slot(), 0), 0x1044_1af4);
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(0x77), "{setup:?}: {stopped}");
        assert_eq!((&ejected.lock().unwrap()[..], slots.config(slot(), 0)), (&[slot()][..], u32::MAX));
    }
}

#[test]
fn without_acpi_nobody_could_be_told() {
    let (host, slots) = PciHost::new().with_hot_plug(|_| ());
    let vm =
        Vm::new(&hypervisor(), &image(32, |a| a.hlt().unwrap()), config().with(host.with(Some(slot()), entropy())));
    let _vm = vm.unwrap();
    assert!(matches!(slots.request_removal(slot()), Err(HotPlugError::NoEvents)));
}
