//! Many vCPUs: each is started, has its own local APIC, and stops with the others.

use crate::guest::{config, hypervisor, image, with_deadline};
use iced_x86::code_asm::*;
use std::thread;
use vmm::{Image, Irqchip, NoObserver, StopReason, Vm, VmConfig, devices::Signals};

/// Interrupt command register of the local APIC.
const ICR: u64 = 0xfee0_0300;
// INIT, and start-up at page 8, to all but the sender.
const INIT: u32 = 0xc_4500;
const START_UP: u32 = 0xc_4608;
const START_UP_PAGE: u64 = 0x8000;
/// A byte for each APIC id, which its vCPU counts up.
const SEEN: u64 = 0x9000;
/// How many have done so; in the page of [`SEEN`], for real mode.
const COUNT: u64 = 0x9800;

const IA32_APIC_BASE: u32 = 0x1b;
/// EXTD: x2APIC mode, in which the local APIC is within the reach of real mode.
const APIC_BASE_EXTD: u32 = 1 << 10;
const X2APIC_ID: u32 = 0x802;

/// What the others run, in real mode: each counts up the byte of its APIC id, then `end`.
fn other(end: impl FnOnce(&mut CodeAssembler)) -> Vec<u8> {
    let mut a = CodeAssembler::new(16).unwrap();
    a.mov(ecx, IA32_APIC_BASE).unwrap();
    a.rdmsr().unwrap();
    a.or(eax, APIC_BASE_EXTD).unwrap();
    a.wrmsr().unwrap();
    a.mov(ecx, X2APIC_ID).unwrap();
    a.rdmsr().unwrap();
    a.mov(ebx, eax).unwrap();
    a.add(ebx, SEEN as u32).unwrap();
    a.xor(cx, cx).unwrap();
    a.mov(ds, cx).unwrap();
    a.lock().inc(byte_ptr(ebx)).unwrap();
    a.lock().inc(dword_ptr(COUNT as u32)).unwrap();
    end(&mut a);
    a.assemble(0).unwrap()
}

/// What the first runs: it starts all others and, when they are counted, leaves by the debug exit.
fn first(nr_others: u32) -> Image {
    image(32, |a| {
        a.mov(dword_ptr(ICR), INIT).unwrap();
        a.mov(dword_ptr(ICR), START_UP).unwrap();
        let mut again = a.create_label();
        a.set_label(&mut again).unwrap();
        a.pause().unwrap();
        a.mov(eax, dword_ptr(COUNT)).unwrap();
        a.cmp(eax, nr_others).unwrap();
        a.jb(again).unwrap();
        a.out(0xf4, eax).unwrap();
    })
}

fn halt(a: &mut CodeAssembler) {
    let mut here = a.create_label();
    a.set_label(&mut here).unwrap();
    a.hlt().unwrap();
    a.jmp(here).unwrap();
}

fn spin(a: &mut CodeAssembler) {
    let mut here = a.create_label();
    a.set_label(&mut here).unwrap();
    a.jmp(here).unwrap();
}

#[test]
fn every_vcpu_starts_once_and_has_an_apic_id_of_its_own() {
    for (irqchip, nr_vcpus) in [(Irqchip::Split, 64), (Irqchip::Kernel, 8), (Irqchip::User, 64)] {
        let config = VmConfig { irqchip, nr_vcpus, ..config() };
        let mut vm = Vm::new(&hypervisor(), &first(u32::from(nr_vcpus) - 1), config).unwrap();
        vm.memory().write(START_UP_PAGE, &other(halt)).unwrap();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!((&stopped.reason, stopped.vcpu), (&StopReason::DebugExit(u32::from(nr_vcpus) - 1), 0), "{stopped}");
        let mut seen = [0; 256];
        vm.memory().read(SEEN, &mut seen).unwrap();
        let expected: Vec<u8> = (0..256).map(|id| u8::from((1..i32::from(nr_vcpus)).contains(&id))).collect();
        assert_eq!(seen[..], expected, "{irqchip:?}");
    }
}

#[test]
fn sixty_four_vcpus_that_spin_are_stopped_together() {
    let nr_vcpus = 64;
    let image = first(u32::MAX);
    let config = VmConfig { irqchip: Irqchip::Split, nr_vcpus, ..config() };
    let mut vm = Vm::new(&hypervisor(), &image, config).unwrap();
    vm.memory().write(START_UP_PAGE, &other(spin)).unwrap();
    let (handle, memory) = (vm.handle(), vm.memory().clone());
    let stopped = with_deadline(|| {
        thread::scope(|scope| {
            scope.spawn(move || {
                while memory.read_u32(COUNT) != Ok(u32::from(nr_vcpus) - 1) {
                    thread::yield_now();
                }
                handle.stop();
            });
            vm.run(&mut NoObserver).unwrap()
        })
    });
    assert_eq!(stopped.reason, StopReason::Requested);
}

/// The longest time that the second processor was kept from its loop, in ticks of the time-stamp counter.
const LONGEST: u64 = 0x9810;

/// What the second processor runs, in real mode: it counts itself, and then notes the longest time between two turns.
fn notes_the_longest_turn() -> Vec<u8> {
    let mut a = CodeAssembler::new(16).unwrap();
    a.xor(cx, cx).unwrap();
    a.mov(ds, cx).unwrap();
    a.lock().inc(dword_ptr(COUNT as u32)).unwrap();
    a.rdtsc().unwrap();
    let mut turn = a.create_label();
    a.set_label(&mut turn).unwrap();
    a.mov(ebx, eax).unwrap();
    a.rdtsc().unwrap();
    a.mov(ecx, eax).unwrap();
    a.sub(ecx, ebx).unwrap();
    a.cmp(ecx, dword_ptr(LONGEST as u32)).unwrap();
    a.jbe(turn).unwrap();
    a.mov(dword_ptr(LONGEST as u32), ecx).unwrap();
    a.jmp(turn).unwrap();
    a.assemble(0).unwrap()
}

/// A host that takes processors away only makes it longer. No counter is slower than 1 GHz.
#[test]
fn pause_keeps_the_other_processor_out_of_the_guest_too() {
    const SIGNALS: u16 = 0x5b0;
    const COMMANDS: u32 = SIGNALS as u32 - 16;
    const PAUSE: u32 = 1;
    const MICROS: u32 = 50_000;
    let image = image(32, |a| {
        a.mov(dword_ptr(ICR), INIT).unwrap();
        a.mov(dword_ptr(ICR), START_UP).unwrap();
        let mut again = a.create_label();
        a.set_label(&mut again).unwrap();
        a.pause().unwrap();
        a.cmp(dword_ptr(COUNT), 1).unwrap();
        a.jb(again).unwrap();
        for (offset, value) in [(0, MICROS), (4, PAUSE)] {
            a.mov(edx, COMMANDS + offset).unwrap();
            a.mov(eax, value).unwrap();
            a.out(dx, eax).unwrap();
        }
        // The other one needs a turn to note it.
        let mut look = a.create_label();
        a.mov(ecx, 10_000_u32).unwrap();
        a.set_label(&mut look).unwrap();
        a.mov(eax, dword_ptr(LONGEST)).unwrap();
        a.cmp(eax, MICROS * 800).unwrap();
        let mut end = a.create_label();
        a.jae(end).unwrap();
        a.dec(ecx).unwrap();
        a.jnz(look).unwrap();
        a.set_label(&mut end).unwrap();
        a.out(0xf4, eax).unwrap();
    });
    for irqchip in [Irqchip::Split, Irqchip::User] {
        let config = VmConfig { irqchip, nr_vcpus: 2, ..config() }.with(Signals::new(SIGNALS));
        let mut vm = Vm::new(&hypervisor(), &image, config).unwrap();
        vm.memory().write(START_UP_PAGE, &notes_the_longest_turn()).unwrap();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert!(matches!(stopped.reason, StopReason::DebugExit(longest) if longest >= MICROS * 800), "{stopped}");
    }
}
