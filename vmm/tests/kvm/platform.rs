//! Devices that this VMM emulates, as guests use them.

use crate::{
    guest::{config, hypervisor, image, with_deadline},
    interrupts::{EXT_INT, LVT_LINT0, apic_eoi, apic_on, waiting, write_tables},
};
use iced_x86::code_asm::*;
use vmm::{Chipset, Irqchip, NoObserver, StopReason, Vm, VmConfig, VmError};

/// Registers of the local APIC.
const LVT_TIMER: u64 = 0xfee0_0320;
const INITIAL_COUNT: u64 = 0xfee0_0380;
const DIVIDE: u64 = 0xfee0_03e0;

/// Ticks to wait for.
const NR: u32 = 20;

/// Programs the 8259s for vectors from 20H on, with only the PIT's line unmasked and an automatic end of interrupt, and
/// the PIT for a thousand periods a second.
fn pit_ticks(a: &mut CodeAssembler) {
    let pics = [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0x21, 0xfe)];
    let pit = [(0x43, 0x34), (0x40, 1193 & 0xff), (0x40, 1193 >> 8)];
    // LINT0 takes the 8259s' interrupts: after reset it does not.
    apic_on(a);
    a.mov(dword_ptr(LVT_LINT0), EXT_INT).unwrap();
    for (port, value) in pics.into_iter().chain(pit) {
        a.mov(al, value).unwrap();
        a.out(port, al).unwrap();
    }
}

#[test]
fn pit_wakes_a_guest_in_each_set_up() {
    let ours = Chipset { interrupt_controllers: true, pit: true, hpet: false, ..Chipset::default() };
    let set_ups = [
        VmConfig { irqchip: Irqchip::Split, chipset: ours, ..config() },
        VmConfig { irqchip: Irqchip::User, chipset: ours, ..config() },
        VmConfig { irqchip: Irqchip::Kernel, chipset: Chipset { interrupt_controllers: false, ..ours }, ..config() },
        // KVM's own, which the others are measured by.
        VmConfig { irqchip: Irqchip::Kernel, pit: true, ..config() },
    ];
    for config in set_ups {
        let told = (config.irqchip, config.chipset);
        let mut vm = Vm::new(&hypervisor(), &waiting(NR, pit_ticks, |_| {}), config).unwrap();
        write_tables(&vm);
        let start = std::time::Instant::now();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{told:?}: {stopped}");
        // No tick comes early: 20 of them, of which the first may be of a period that had begun.
        assert!(start.elapsed().as_millis() >= u128::from(NR) - 1, "{told:?}: {:?}", start.elapsed());
    }
}

/// Entry 2 of the I/O APIC, where the PIT leads, for vector 40H at processor 0, and the PIT for the slowest of periods.
fn io_apic_ticks(a: &mut CodeAssembler, level: bool) {
    apic_on(a);
    let low = 0x40 | u32::from(level) << 15;
    for (index, value) in [(0x15, 0), (0x14, low)] {
        a.mov(dword_ptr(0xfec0_0000_u64), index).unwrap();
        a.mov(dword_ptr(0xfec0_0010_u64), value).unwrap();
    }
    let count = if level { 0 } else { 1193_u32 };
    for (port, value) in [(0x43, 0x34), (0x40, count & 0xff), (0x40, count >> 8)] {
        a.mov(al, value).unwrap();
        a.out(port, al).unwrap();
    }
}

#[test]
fn io_apic_sends_edges_and_levels_again_after_their_end() {
    // The output is high nearly always, and asks again as soon as an interrupt has ended: twenty would be a second if each
    // were a period, and never come if their end were not told.
    let irqchips = [Irqchip::Split, Irqchip::User];
    for (irqchip, level) in irqchips.into_iter().flat_map(|irqchip| [(irqchip, false), (irqchip, true)]) {
        let chipset = Chipset { interrupt_controllers: true, pit: true, hpet: false, ..Chipset::default() };
        let config = VmConfig { irqchip, chipset, ..config() };
        let mut vm = Vm::new(&hypervisor(), &waiting(NR, |a| io_apic_ticks(a, level), apic_eoi), config).unwrap();
        write_tables(&vm);
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{irqchip:?}, level {level}: {stopped}");
    }
}

/// Timer 0 of the HPET, periodic, a thousand times a second, at entry 20 of the I/O APIC for vector 40H.
fn hpet_ticks(a: &mut CodeAssembler) {
    apic_on(a);
    let period = 100_000_u32;
    let io_apic = |index: u32| [(0xfec0_0000_u64, index)];
    let write = |value: u32| [(0xfec0_0010_u64, value)];
    // Route, 32 bits, because the high half of the comparator is all ones, value to be set, periodic, interrupt enabled.
    let timer = 20 << 9 | 1 << 8 | 1 << 6 | 1 << 3 | 1 << 2;
    let hpet = [(0xfed0_0100, timer), (0xfed0_0108, period), (0xfed0_0108, period), (0xfed0_0010, 1)];
    let entry = [io_apic(0x10 + 2 * 20 + 1), write(0), io_apic(0x10 + 2 * 20), write(0x40)];
    for (address, value) in entry.into_iter().flatten().chain(hpet) {
        a.mov(dword_ptr(address), value).unwrap();
    }
}

#[test]
fn hpet_wakes_a_guest_in_each_set_up() {
    for (irqchip, interrupt_controllers) in [(Irqchip::Split, true), (Irqchip::User, true), (Irqchip::Kernel, false)] {
        let chipset = Chipset { interrupt_controllers, hpet: true, ..Chipset::default() };
        let config = VmConfig { irqchip, chipset, acpi: true, ..config() };
        let mut vm = Vm::new(&hypervisor(), &waiting(NR, hpet_ticks, apic_eoi), config).unwrap();
        write_tables(&vm);
        let start = std::time::Instant::now();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{irqchip:?}: {stopped}");
        assert!(start.elapsed().as_millis() >= u128::from(NR) - 1, "{irqchip:?}: {:?}", start.elapsed());
    }
}

#[test]
fn timer_of_each_local_apic_wakes_a_guest() {
    for irqchip in [Irqchip::Split, Irqchip::Kernel, Irqchip::User] {
        // A million periods of the clock of a gigahertz: a thousand times a second. Periodic, vector 40H.
        let prepare = |a: &mut CodeAssembler| {
            apic_on(a);
            for (register, value) in [(DIVIDE, 0xb), (LVT_TIMER, 1 << 17 | 0x40), (INITIAL_COUNT, 1_000_000_u32)] {
                a.mov(dword_ptr(register), value).unwrap();
            }
        };
        let config = VmConfig { irqchip, ..config() };
        let mut vm = Vm::new(&hypervisor(), &waiting(NR, prepare, apic_eoi), config).unwrap();
        write_tables(&vm);
        let start = std::time::Instant::now();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{irqchip:?}: {stopped}");
        assert!(start.elapsed().as_millis() >= u128::from(NR) - 1, "{irqchip:?}: {:?}", start.elapsed());
    }
}

#[test]
fn guest_that_waits_for_a_timer_is_stopped() {
    // Every interrupt is masked.
    let image = image(32, |a| {
        a.in_(al, 0x80).unwrap();
        a.hlt().unwrap();
    });
    let chipset = Chipset { interrupt_controllers: true, pit: true, hpet: false, ..Chipset::default() };
    let mut vm = Vm::new(&hypervisor(), &image, VmConfig { irqchip: Irqchip::Split, chipset, ..config() }).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let handle = vm.handle();
    let stopped = with_deadline(|| {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                receiver.recv().unwrap();
                handle.stop();
            });
            vm.run(&mut crate::interrupts::Ready(sender)).unwrap()
        })
    });
    assert_eq!(stopped.reason, StopReason::Requested);
}

#[test]
fn chipsets_that_make_no_sense_are_refused() {
    let image = image(32, |a| a.hlt().unwrap());
    let hypervisor = hypervisor();
    let refused = |config| matches!(Vm::new(&hypervisor, &image, config), Err(VmError::Shape(_)));
    let (controllers, pit) =
        (Chipset { interrupt_controllers: true, ..Chipset::default() }, Chipset { pit: true, ..Chipset::default() });
    for irqchip in [Irqchip::None, Irqchip::Kernel] {
        assert!(refused(VmConfig { irqchip, chipset: controllers, ..config() }), "{irqchip:?}");
    }
    assert!(refused(VmConfig { irqchip: Irqchip::Split, chipset: pit, ..config() }));
    assert!(refused(VmConfig { irqchip: Irqchip::Kernel, pit: true, chipset: pit, ..config() }));
}
