//! virtio devices behind both transports, as a guest finds them.

use crate::{
    guest::{config, exit_with_eax, hypervisor, run, with_deadline},
    interrupts::{HANDLER, IDT, apic_eoi, apic_on, waiting, write_tables},
};
use iced_x86::code_asm::*;
use vmm::{
    InterruptSetup, Irqchip, NoObserver, Notifications, StopReason, Vm, VmConfig,
    devices::{PciHost, VirtioMmio},
    layout::pci,
};

/// Where a device with memory-mapped registers stands.
const MMIO: u64 = 0xf900_0000;

pub(crate) fn entropy() -> Box<::virtio::devices::Entropy> {
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

/// Configuration space of the first function behind the bridge, and where its registers are placed.
pub(crate) const CONFIG: u64 = pci::MAPPED_CONFIG + (1 << 15);
pub(crate) const BAR: u64 = pci::MEMORY_WINDOW + 0x10_0000;
/// Offsets behind that: notifications, and the vector of the queue in MSI-X's table.
pub(crate) const NOTIFY: u64 = 0x3000;
pub(crate) const VECTOR: u64 = 0x4010;
/// MSI-X's message control.
pub(crate) const MESSAGE_CONTROL: u64 = 0x9a;
/// Rings of four descriptors, and a buffer.
const DESCRIPTORS: u64 = 0x1_0000;
pub(crate) const AVAILABLE: u64 = 0x1_1000;
const USED: u64 = 0x1_2000;
const BUFFER: u64 = 0x1_3000;

/// Lets the function decode memory at `at`.
pub(crate) fn place(a: &mut CodeAssembler, at: u64) {
    for (register, value) in [(4, 0), (0x10, at as u32), (0x14, 0), (4, 6)] {
        a.mov(dword_ptr(CONFIG + register), value).unwrap();
    }
}

/// Where a queue of four descriptors lies.
#[derive(Clone, Copy)]
pub(crate) struct Queue {
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
}

/// Starts the device with these queues, from the first on.
pub(crate) fn start_queues(a: &mut CodeAssembler, at: u64, queues: &[Queue]) {
    let half = |a: &mut CodeAssembler, register, value: u32| a.mov(word_ptr(at + register), value).unwrap();
    for status in [0, 1, 3] {
        a.mov(byte_ptr(at + 0x14), status).unwrap();
    }
    // VIRTIO_F_VERSION_1.
    for (register, value) in [(8, 1), (12, 1)] {
        a.mov(dword_ptr(at + register), value).unwrap();
    }
    a.mov(byte_ptr(at + 0x14), 11).unwrap();
    for (index, queue) in (0..).zip(queues) {
        half(a, 0x16, index);
        half(a, 0x18, 4);
        for (register, area) in [(0x20, queue.descriptors), (0x28, queue.available), (0x30, queue.used)] {
            a.mov(dword_ptr(at + register), area as u32).unwrap();
        }
        half(a, 0x1a, 1);
        half(a, 0x1c, 1);
    }
    a.mov(byte_ptr(at + 0x14), 15).unwrap();
}

/// Starts the device with its queue, and with a buffer of four bytes in descriptor 0 that is not made available yet.
pub(crate) fn start(a: &mut CodeAssembler, at: u64) {
    start_queues(a, at, &[Queue { descriptors: DESCRIPTORS, available: AVAILABLE, used: USED }]);
    for (offset, value) in [(0, BUFFER as u32), (8, 4), (12, 2)] {
        a.mov(dword_ptr(DESCRIPTORS + offset), value).unwrap();
    }
}

#[test]
fn a_device_that_moves_takes_its_notifications_along() {
    let nr_exits = [Notifications::Exits, Notifications::Events].map(|notifications| {
        let config = config().with(PciHost::new().with(None, entropy()));
        let stopped = run(VmConfig { notifications, ..config }, |a| {
            let moved = BAR + 0x10_0000;
            place(a, BAR);
            start(a, BAR);
            place(a, moved);
            // No interrupt is wanted.
            a.mov(dword_ptr(AVAILABLE), 1 << 16 | 1).unwrap();
            a.mov(word_ptr(moved + NOTIFY), 0).unwrap();
            let mut wait = a.create_label();
            a.set_label(&mut wait).unwrap();
            a.cmp(word_ptr(USED + 2), 0).unwrap();
            a.je(wait).unwrap();
            a.mov(eax, dword_ptr(BUFFER)).unwrap();
            exit_with_eax(a);
        });
        assert_eq!(stopped.reason, StopReason::DebugExit(0x5a5a_5a5a), "{notifications:?}");
        stopped.nr_exits
    });
    assert_eq!(nr_exits[0], nr_exits[1] + 1, "the notification is the only exit less");
}

/// Counted up by the second vector's handler, which goes on as the first one's, and where it is.
const SECOND: u64 = 0x7008;
const SECOND_HANDLER: u64 = 0x8000;

/// Messages go by an irqfd once they have come often; those of another vector then go there.
#[test]
fn a_vector_that_changes_in_between_is_the_one_that_comes() {
    const NR: u32 = 48;
    for irqchip in [Irqchip::Kernel, Irqchip::Split, Irqchip::User] {
        for notifications in [Notifications::Exits, Notifications::Events] {
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
                // From the 32nd on it is 41H.
                a.mov(eax, dword_ptr(0x7000_u64)).unwrap();
                a.shr(eax, 5).unwrap();
                a.add(eax, 0x40).unwrap();
                a.mov(dword_ptr(BAR + VECTOR + 8), eax).unwrap();
                apic_eoi(a);
                a.inc(word_ptr(AVAILABLE + 2)).unwrap();
                a.mov(word_ptr(BAR + NOTIFY), 0).unwrap();
            };
            let config = config().with(PciHost::new().with(None, entropy()));
            let config = VmConfig { irqchip, notifications, ..config };
            let mut vm = Vm::new(&hypervisor(), &waiting(NR, prepare, handle), config).unwrap();
            write_tables(&vm);
            let mut second = CodeAssembler::new(32).unwrap();
            second.inc(dword_ptr(SECOND)).unwrap();
            second.jmp(HANDLER).unwrap();
            vm.memory().write(SECOND_HANDLER, &second.assemble(SECOND_HANDLER).unwrap()).unwrap();
            let gate = SECOND_HANDLER & 0xffff | 8 << 16 | 0x8e00 << 32;
            vm.memory().write(IDT + 8 * 0x41, &gate.to_le_bytes()).unwrap();
            let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
            let what = format!("{irqchip:?}, {notifications:?}: {stopped}");
            assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{what}");
            let mut nr_second = [0; 4];
            vm.memory().read(SECOND, &mut nr_second).unwrap();
            assert_eq!(u32::from_le_bytes(nr_second), NR - 32, "{what}");
        }
    }
}
