//! What leaves the guest, and what the devices, the observer and the caller get of it.

use crate::guest::{CODE, MEMORY, config, exit_with_eax, hypervisor, image, run};
use iced_x86::code_asm::*;
use std::sync::{Arc, Mutex};
use vmm::{
    CpuView, Exit, ExitObserver, Flow, NoObserver, StopReason, Vm,
    devices::{CollectedOutput, Doorbell, I8042, Serial, TestDevice, TestDeviceAddresses},
};

const SCRATCH: u16 = 0x5c0;
const PAGE: u32 = 0xd000_0000;
const DEVICE: TestDeviceAddresses = TestDeviceAddresses {
    scratch_port: SCRATCH,
    nr_scratch_ports: 16,
    log_port: 0x5d0,
    scratch_mmio: PAGE as u64,
    scratch_mmio_size: 0x1000,
};

/// Keeps what it is told, as text, and checks that the registers can be read.
#[derive(Default)]
struct Recorder(Vec<String>);

impl ExitObserver for Recorder {
    fn exit(&mut self, _: u8, exit: &Exit<'_>, cpu: &CpuView<'_>) {
        let registers = cpu.registers().unwrap();
        assert!((CODE..CODE + 0x1000).contains(&registers.rip), "{:#x}", registers.rip);
        assert!(!cpu.instruction(&registers).is_empty());
        self.0.push(format!("{exit:x?}"));
    }
}

fn record(program: impl FnOnce(&mut CodeAssembler)) -> (Vec<String>, StopReason) {
    let config = config().with(TestDevice::new(DEVICE));
    let mut vm = Vm::new(&hypervisor(), &image(32, program), config).unwrap();
    let mut recorder = Recorder::default();
    let stopped = vm.run(&mut recorder).unwrap();
    assert_eq!(stopped.nr_exits, recorder.0.len() as u64);
    (recorder.0, stopped.reason)
}

#[test]
fn port_accesses_have_their_size_and_value() {
    let (exits, reason) = record(|a| {
        a.mov(dx, u32::from(SCRATCH)).unwrap();
        a.mov(eax, 0x4433_2211).unwrap();
        a.out(dx, eax).unwrap();
        a.add(edx, 4).unwrap();
        a.out(dx, ax).unwrap();
        a.add(edx, 2).unwrap();
        a.out(dx, al).unwrap();
        a.sub(edx, 3).unwrap();
        a.in_(eax, dx).unwrap();
        exit_with_eax(a);
    });
    assert_eq!(reason, StopReason::DebugExit(0x1122_1144));
    let expected = [
        "PioOut { port: 5c0, size: 4, count: 1, data: [11, 22, 33, 44] }",
        "PioOut { port: 5c4, size: 2, count: 1, data: [11, 22] }",
        "PioOut { port: 5c6, size: 1, count: 1, data: [11] }",
        "PioIn { port: 5c3, size: 4, count: 1, data: [44, 11, 22, 11] }",
        "PioOut { port: f4, size: 4, count: 1, data: [44, 11, 22, 11] }",
    ];
    assert_eq!(exits, expected);
}

#[test]
fn memory_mapped_accesses_have_their_width() {
    let (exits, reason) = record(|a| {
        a.mov(ebx, PAGE).unwrap();
        a.mov(eax, 0x4433_2211).unwrap();
        a.mov(dword_ptr(ebx), eax).unwrap();
        a.mov(word_ptr(ebx + 4), ax).unwrap();
        a.mov(byte_ptr(ebx + 7), al).unwrap();
        a.mov(eax, dword_ptr(ebx + 4)).unwrap();
        a.mov(cl, byte_ptr(ebx + 1)).unwrap();
        a.mov(al, cl).unwrap();
        exit_with_eax(a);
    });
    assert_eq!(reason, StopReason::DebugExit(0x1100_2222));
    let expected = [
        "MmioWrite { address: d0000000, data: [11, 22, 33, 44] }",
        "MmioWrite { address: d0000004, data: [11, 22] }",
        "MmioWrite { address: d0000007, data: [11] }",
        "MmioRead { address: d0000004, data: [11, 22, 0, 11] }",
        "MmioRead { address: d0000001, data: [22] }",
    ];
    assert_eq!(exits[..5], expected);
}

#[test]
fn string_output_is_one_access_for_each_element() {
    let output = CollectedOutput::default();
    let config = config().with(Serial::new(0x3f8, output.clone(), 100));
    let stopped = run(config, |a| {
        a.mov(dword_ptr(0x20_0000), u32::from_le_bytes(*b"hell")).unwrap();
        a.mov(byte_ptr(0x20_0004), u32::from(b'o')).unwrap();
        a.mov(esi, 0x20_0000).unwrap();
        a.mov(ecx, 5).unwrap();
        a.mov(dx, 0x3f8_u32).unwrap();
        a.rep().outsb().unwrap();
        a.mov(eax, ecx).unwrap();
        exit_with_eax(a);
    });
    assert_eq!(stopped.reason, StopReason::DebugExit(0));
    assert_eq!(output.take(), b"hello");
}

#[test]
fn unclaimed_reads_are_all_ones_and_writes_are_dropped() {
    let stopped = run(config(), |a| {
        a.mov(dx, 0x5e8_u32).unwrap();
        a.out(dx, eax).unwrap();
        a.in_(eax, dx).unwrap();
        a.mov(ebx, 0xd800_0000_u32).unwrap();
        a.mov(dword_ptr(ebx), eax).unwrap();
        a.and(eax, dword_ptr(ebx)).unwrap();
        exit_with_eax(a);
    });
    assert_eq!(stopped.reason, StopReason::DebugExit(u32::MAX));
}

#[test]
fn doorbell_sees_guest_memory_and_can_end_the_run() {
    let rings = Arc::new(Mutex::new(Vec::new()));
    let seen = rings.clone();
    let config = config().with(Doorbell::new(0x5f0, move |memory, value| {
        let mut rings = rings.lock().unwrap();
        rings.push((value, memory.read_u32(0x20_0000).unwrap()));
        if value == 2 { Flow::Stop(StopReason::DeviceStopped("enough".into())) } else { Flow::Continue }
    }));
    let stopped = run(config, |a| {
        let mut again = a.create_label();
        a.mov(dx, 0x5f0_u32).unwrap();
        a.xor(eax, eax).unwrap();
        a.set_label(&mut again).unwrap();
        a.mov(dword_ptr(0x20_0000), eax).unwrap();
        a.inc(eax).unwrap();
        a.out(dx, eax).unwrap();
        a.jmp(again).unwrap();
    });
    assert_eq!(stopped.reason, StopReason::DeviceStopped("enough".into()));
    assert_eq!(*seen.lock().unwrap(), [(1, 0), (2, 1)]);
}

#[test]
fn reset_by_the_keyboard_controller_ends_the_run() {
    let stopped = run(config().with(I8042::new(0x60)), |a| {
        a.mov(al, 0xfe).unwrap();
        a.out(0x64, al).unwrap();
        a.ud2().unwrap();
    });
    assert_eq!(stopped.reason, StopReason::Reset);
}

#[test]
fn serial_flood_ends_the_run_and_keeps_no_more_than_allowed() {
    let output = CollectedOutput::default();
    let config = config().with(Serial::new(0x3f8, output.clone(), 1000));
    let stopped = run(config, |a| {
        let mut again = a.create_label();
        a.mov(dx, 0x3f8_u32).unwrap();
        a.set_label(&mut again).unwrap();
        a.out(dx, al).unwrap();
        a.jmp(again).unwrap();
    });
    let StopReason::DeviceStopped(reason) = stopped.reason else { panic!("{stopped}") };
    assert!(reason.contains("1000 bytes"), "{reason}");
    assert_eq!(output.take().len(), 1000);
}

#[test]
fn run_can_go_on_after_a_device_stopped_it() {
    let image = image(32, |a| {
        a.mov(eax, 1).unwrap();
        exit_with_eax(a);
        a.mov(eax, 2).unwrap();
        exit_with_eax(a);
    });
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    for value in [1, 2] {
        assert_eq!(vm.run(&mut NoObserver).unwrap().reason, StopReason::DebugExit(value));
    }
}

#[test]
fn statistics_count_exits_of_this_vm() {
    let image = image(32, |a| {
        for _ in 0..10 {
            a.in_(al, 0x70).unwrap();
        }
        exit_with_eax(a);
    });
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    assert_eq!(vm.run(&mut NoObserver).unwrap().nr_exits, 11);
    let statistics = vm.statistics();
    // Kernels before 5.14 have none.
    let exits = statistics.iter().find(|(name, _)| name == "exits");
    assert!(statistics.is_empty() || exits.is_some_and(|(_, count)| *count >= 11), "{statistics:?}");
    assert_eq!(vm.memory().size_bytes(), MEMORY);
}
