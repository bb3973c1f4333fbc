//! virtio devices behind both transports, as a guest finds them.

use crate::guest::{config, exit_with_eax, run};
use iced_x86::code_asm::*;
use vmm::{
    InterruptSetup, StopReason,
    devices::{PciHost, VirtioMmio},
    layout::pci,
};

/// Where a device with memory-mapped registers stands.
const MMIO: u64 = 0xf900_0000;

fn entropy() -> Box<::virtio::devices::Entropy> {
    Box::new(::virtio::devices::Entropy::new(std::io::repeat(0x5a)))
}

/// Reads a doubleword of the first function in `slot` by the ports.
fn read_config(a: &mut CodeAssembler, slot: u32, register: u32) {
    a.mov(edx, u32::from(pci::CONFIG_ADDRESS)).unwrap();
    a.mov(eax, 1 << 31 | slot << 11 | register).unwrap();
    a.out(dx, eax).unwrap();
    a.add(edx, 4).unwrap();
    a.in_(eax, dx).unwrap();
}

#[test]
fn memory_mapped_registers_answer() {
    for (register, expected) in [(0, 0x7472_6976), (4, 2), (8, 4)] {
        let stopped = run(config().with(VirtioMmio::new(MMIO, 5, entropy())), |a| {
            a.mov(eax, dword_ptr(MMIO + register)).unwrap();
            exit_with_eax(a);
        });
        assert_eq!(stopped.reason, StopReason::DebugExit(expected));
    }
}

#[test]
fn functions_are_found_by_ports_and_by_memory() {
    let with_host = || config().with(PciHost::new().with(None, entropy()));
    for (slot, expected) in [(0, 0x0008_1b36), (1, 0x1044_1af4), (2, u32::MAX)] {
        let stopped = run(with_host(), |a| {
            read_config(a, slot, 0);
            exit_with_eax(a);
        });
        assert_eq!(stopped.reason, StopReason::DebugExit(expected), "slot {slot}, by ports");
        let stopped = run(with_host(), |a| {
            a.mov(eax, dword_ptr(pci::MAPPED_CONFIG + (u64::from(slot) << 15))).unwrap();
            exit_with_eax(a);
        });
        assert_eq!(stopped.reason, StopReason::DebugExit(expected), "slot {slot}, by memory");
    }
}

#[test]
fn a_base_address_register_leads_to_the_device() {
    let at = pci::MEMORY_WINDOW + 0x10_0000;
    let stopped = run(config().with(PciHost::new().with(None, entropy())), |a| {
        let config = pci::MAPPED_CONFIG + (1 << 15);
        a.mov(dword_ptr(config + 0x10), at as u32).unwrap();
        a.mov(dword_ptr(config + 4), 2).unwrap();
        // The size of the first queue, with the width of its field.
        a.movzx(eax, word_ptr(at + 0x18)).unwrap();
        exit_with_eax(a);
    });
    assert_eq!(stopped.reason, StopReason::DebugExit(256));
}

#[test]
fn an_interrupt_without_a_controller_ends_the_run_and_no_more() {
    // A queue that lies outside of memory: the device asks for a reset, and wants to say so by its line.
    let start = |a: &mut CodeAssembler| {
        for (register, value) in
            [(0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11), (0x38, 16), (0x84, 1), (0x44, 1), (0x70, 15)]
        {
            a.mov(dword_ptr(MMIO + register), value).unwrap();
        }
        a.mov(eax, dword_ptr(MMIO + 0x70)).unwrap();
        exit_with_eax(a);
    };
    let stopped = run(config().with(VirtioMmio::new(MMIO, 5, entropy())), start);
    assert!(
        matches!(&stopped.reason, StopReason::DeviceStopped(why) if why.contains("an interrupt line needs")),
        "{stopped}"
    );
    for setup in InterruptSetup::ALL {
        let stopped = run(config().with_interrupts(setup).with(VirtioMmio::new(MMIO, 5, entropy())), start);
        assert_eq!(stopped.reason, StopReason::DebugExit(15 | 64), "{setup:?}");
    }
}
