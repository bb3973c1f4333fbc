//! What clocks do between saving and restoring.

use crate::{
    guest::{config, exit_with_eax, hypervisor, image},
    save::run_until,
};
use iced_x86::code_asm::*;
use std::{
    thread,
    time::{Duration, Instant},
};
use vmm::{
    Elapsed, InterruptSetup, StopReason, Vm, VmConfig,
    devices::{TestDevice, TestDeviceAddresses},
};

/// Registers of the local APIC, by address, and what is written there.
const SPURIOUS: u64 = 0xfee0_00f0;
const ENABLED: u32 = 0x1ff;
const LVT_TIMER: u64 = 0xfee0_0320;
const MASKED: u32 = 1 << 16;
const INITIAL_COUNT: u64 = 0xfee0_0380;
const CURRENT_COUNT: u64 = 0xfee0_0390;
const DIVIDE: u64 = 0xfee0_03e0;
const BY_1: u32 = 0b1011;
/// Four seconds: KVM's local APICs count nanoseconds.
const COUNT: u32 = 4_000_000_000;
/// How long nobody has the machine.
const PAUSE: Duration = Duration::from_millis(200);
/// Where the guest exits between starting and reading the timer.
const TEST: TestDeviceAddresses = TestDeviceAddresses {
    scratch_port: 0x5c0,
    nr_scratch_ports: 16,
    log_port: 0x5d0,
    scratch_mmio: 0xd000_0000,
    scratch_mmio_size: 0x1000,
};

fn machine(setup: InterruptSetup) -> VmConfig {
    config().with(TestDevice::new(TEST)).with_interrupts(setup)
}

/// Starts a timer, exits, and tells what is left of the count.
fn count(a: &mut CodeAssembler) {
    for (register, value) in [(SPURIOUS, ENABLED), (DIVIDE, BY_1), (LVT_TIMER, MASKED), (INITIAL_COUNT, COUNT)] {
        a.mov(dword_ptr(register), value as i32).unwrap();
    }
    a.mov(dx, u32::from(TEST.scratch_port)).unwrap();
    a.out(dx, eax).unwrap();
    a.mov(eax, dword_ptr(CURRENT_COUNT)).unwrap();
    exit_with_eax(a);
}

#[test]
fn the_timer_of_a_local_apic_goes_on_or_stands_still_with_the_other_clocks() {
    let (hypervisor, image) = (hypervisor(), image(32, count));
    for setup in [InterruptSetup::Kernel, InterruptSetup::Split] {
        for elapsed in [Elapsed::WentOn, Elapsed::StoodStill] {
            let begin = Instant::now();
            let mut vm = Vm::new(&hypervisor, &image, machine(setup)).unwrap();
            assert_eq!(run_until(&mut vm, 1).reason, StopReason::Suspended);
            let file = vm.save(&hypervisor).unwrap();
            drop(vm);
            thread::sleep(PAUSE);
            let mut vm = Vm::restore(&hypervisor, &image, machine(setup), &file, elapsed).unwrap();
            let StopReason::DebugExit(left) = run_until(&mut vm, u64::MAX).reason else { panic!("it tells nothing") };
            let counted = Duration::from_nanos((COUNT - left).into());
            let all = begin.elapsed();
            match elapsed {
                Elapsed::WentOn => assert!(counted >= PAUSE && counted <= all, "{setup:?}: {counted:?} of {all:?}"),
                Elapsed::StoodStill => assert!(counted + PAUSE <= all, "{setup:?}: {counted:?} of {all:?}"),
            }
        }
    }
}
