//! Guests that wait in HLT: what that costs, what is left of it after a run, and what is left of a VM.

use crate::{
    guest::{CODE, DEBUG_EXIT, config, hypervisor, image, with_deadline},
    interrupts::{EXT_INT, LVT_LINT0, apic_on, waiting, write_tables},
};
use iced_x86::code_asm::*;
use std::{
    fs,
    time::{Duration, Instant},
};
use vmm::{CpuView, Exit, ExitObserver, Image, InterruptSetup, NoObserver, StopReason, Vm, VmConfig, VmHandle};

const VECTOR: u32 = 0x40;
/// INIT, and start-up at page 8, to all but the sender.
const INIT: u32 = 0xc_4500;
const START_UP: u32 = 0xc_4608;
const START_UP_PAGE: u64 = 0x8000;
const ICR: u64 = 0xfee0_0300;
const X2APIC_ICR: u32 = 0x830;

/// Notes the processor time at the end of the guest.
struct AtTheEnd(VmHandle, Duration);

impl ExitObserver for AtTheEnd {
    fn exit(&mut self, _: u8, exit: &Exit<'_>, _: &CpuView<'_>) {
        if matches!(exit, Exit::PioOut { port: DEBUG_EXIT, .. }) {
            self.1 = self.0.processor_time();
        }
    }
}

#[test]
fn waiting_for_a_timer_costs_no_processor_time_in_each_set_up() {
    const NR: u32 = 6;
    // The slowest rate of the PIT, by the 8259s.
    let guest = waiting(
        NR,
        |a| {
            apic_on(a);
            a.mov(dword_ptr(LVT_LINT0), EXT_INT).unwrap();
            let pics = [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0x21, 0xfe)];
            for (port, value) in pics.into_iter().chain([(0x43, 0x34), (0x40, 0), (0x40, 0)]) {
                a.mov(al, value).unwrap();
                a.out(port, al).unwrap();
            }
        },
        |_| {},
    );
    for setup in InterruptSetup::ALL {
        let mut vm = Vm::new(&hypervisor(), &guest, config().with_interrupts(setup)).unwrap();
        write_tables(&vm);
        let mut observer = AtTheEnd(vm.handle(), Duration::MAX);
        let start = Instant::now();
        let stopped = with_deadline(|| vm.run(&mut observer).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{setup:?}: {stopped}");
        // Five periods of 55 ms at least, of which a guest that is polled would use all.
        assert!(start.elapsed().as_millis() >= 5 * 54, "{setup:?}: {:?}", start.elapsed());
        assert!(observer.1.as_millis() < 100, "{setup:?}: {:?}", observer.1);
        assert!(stopped.nr_exits < 40 + 10 * u64::from(NR), "{setup:?}: {stopped}");
    }
}

/// Waits for one interrupt and leaves with 1; with 99 if it goes on without. It has started another vCPU before.
fn waiter() -> Image {
    image(32, |a| {
        let mut handler = CodeAssembler::new(32).unwrap();
        handler.mov(eax, 1).unwrap();
        handler.out(i32::from(DEBUG_EXIT), eax).unwrap();
        let handler = handler.assemble(CODE + 5).unwrap();
        // A jump of five bytes over the handler.
        a.db(&[0xe9]).unwrap();
        a.db(&(handler.len() as u32).to_le_bytes()).unwrap();
        a.db(&handler).unwrap();
        a.mov(esp, 0x20_0000).unwrap();
        a.lgdt(ptr(0x4000)).unwrap();
        a.lidt(ptr(0x4008)).unwrap();
        apic_on(a);
        a.mov(dword_ptr(ICR), INIT).unwrap();
        a.mov(dword_ptr(ICR), START_UP).unwrap();
        a.sti().unwrap();
        a.hlt().unwrap();
        a.mov(eax, 99).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
    })
}

/// Ends the run a while after it was started, and interrupts the first vCPU a while after that.
fn ender() -> Vec<u8> {
    let mut a = CodeAssembler::new(16).unwrap();
    let wait = |a: &mut CodeAssembler| {
        let mut here = a.create_label();
        a.mov(cx, 4000).unwrap();
        a.set_label(&mut here).unwrap();
        // An exit, for as long as it takes.
        a.in_(al, 0x80).unwrap();
        a.loop_(here).unwrap();
    };
    a.mov(ecx, 0x1b).unwrap();
    a.rdmsr().unwrap();
    a.or(eax, 1 << 10).unwrap();
    a.wrmsr().unwrap();
    wait(&mut a);
    a.mov(eax, 5).unwrap();
    a.out(i32::from(DEBUG_EXIT), eax).unwrap();
    wait(&mut a);
    a.mov(ecx, X2APIC_ICR).unwrap();
    a.xor(edx, edx).unwrap();
    a.mov(eax, 1 << 14 | VECTOR).unwrap();
    a.wrmsr().unwrap();
    let mut here = a.create_label();
    a.set_label(&mut here).unwrap();
    a.hlt().unwrap();
    a.jmp(here).unwrap();
    a.assemble(0).unwrap()
}

#[test]
fn guest_that_waits_when_a_run_ends_waits_on_in_the_next() {
    for setup in InterruptSetup::ALL {
        let config = VmConfig { nr_vcpus: 2, ..config() }.with_interrupts(setup);
        let mut vm = Vm::new(&hypervisor(), &waiter(), config).unwrap();
        write_tables(&vm);
        vm.memory().write(START_UP_PAGE, &ender()).unwrap();
        let ends = [(); 2].map(|()| with_deadline(|| vm.run(&mut NoObserver).unwrap()).reason);
        assert_eq!(ends, [StopReason::DebugExit(5), StopReason::DebugExit(1)], "{setup:?}");
    }
}

#[test]
fn vms_of_each_set_up_leave_nothing_behind() {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let guest = image(32, |a| {
        a.mov(eax, 7).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
    });
    let hypervisor = hypervisor();
    for round in 0..150 {
        let setup = InterruptSetup::ALL[round % 3];
        let config = VmConfig { acpi: true, nr_vcpus: 2, ..config() }
            .with_interrupts(setup)
            .with(vmm::devices::Signals::new(0x5b0));
        let reason = Vm::new(&hypervisor, &guest, config).unwrap().run(&mut NoObserver).unwrap().reason;
        assert_eq!(reason, StopReason::DebugExit(7), "{setup:?}");
    }
    // Other tests of this process have many vCPUs at the same time; a leak would be hundreds.
    assert!(count("fd") < 250, "{} files", count("fd"));
    assert!(count("task") < 150, "{} threads", count("task"));
}
