//! Saving a VM and restoring it into another one.

use crate::guest::{config, exit_with_eax, hypervisor, image, with_deadline};
use iced_x86::code_asm::*;
use vmm::{
    CpuView, Device, DeviceStateError, Elapsed, Exit, ExitObserver, Flow, GuestMemory, InterruptSetup, Location,
    Region, RestoreError, SaveError, StopReason, Stopped, Vm, VmConfig, VmHandle,
    devices::{CollectedOutput, I8042, Serial, TestDevice, TestDeviceAddresses},
};

const SCRATCH: TestDeviceAddresses = TestDeviceAddresses {
    scratch_port: 0x5c0,
    nr_scratch_ports: 16,
    log_port: 0x5d0,
    scratch_mmio: 0xd000_0000,
    scratch_mmio_size: 0x1000,
};
/// How often the guest goes round.
const NR_ROUNDS: u32 = 40;
/// Memory that the guest counts in.
const COUNTER: u64 = 0x20_0000;

/// Adds up what it reads back from ports, memory-mapped registers and memory.
fn sum(a: &mut CodeAssembler) {
    let mut again = a.create_label();
    a.xor(esi, esi).unwrap();
    a.mov(ecx, NR_ROUNDS).unwrap();
    a.set_label(&mut again).unwrap();
    a.mov(eax, ecx).unwrap();
    a.mov(dx, u32::from(SCRATCH.scratch_port)).unwrap();
    a.out(dx, eax).unwrap();
    a.xor(eax, eax).unwrap();
    a.in_(eax, dx).unwrap();
    a.add(esi, eax).unwrap();
    a.mov(dword_ptr(SCRATCH.scratch_mmio), esi).unwrap();
    a.mov(ebx, dword_ptr(SCRATCH.scratch_mmio)).unwrap();
    a.inc(dword_ptr(COUNTER)).unwrap();
    a.dec(ecx).unwrap();
    a.jne(again).unwrap();
    a.mov(eax, ebx).unwrap();
    a.add(eax, dword_ptr(COUNTER)).unwrap();
    exit_with_eax(a);
}

const SUM: u32 = NR_ROUNDS * (NR_ROUNDS + 1) / 2 + NR_ROUNDS;

fn machine(setup: Option<InterruptSetup>) -> VmConfig {
    let config = config().with(TestDevice::new(SCRATCH)).with(I8042::new(0x60)).with(Serial::new(
        0x3f8,
        CollectedOutput::default(),
        100,
    ));
    match setup {
        Some(setup) => config.with_interrupts(setup),
        None => config,
    }
}

fn setups() -> impl Iterator<Item = Option<InterruptSetup>> {
    InterruptSetup::ALL.into_iter().map(Some).chain([None])
}

struct SuspendAt(u64, VmHandle);

impl ExitObserver for SuspendAt {
    fn exit(&mut self, _: u8, _: &Exit<'_>, _: &CpuView<'_>) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.suspend();
        }
    }
}

pub(crate) fn run_until(vm: &mut Vm, nr_exits: u64) -> Stopped {
    let handle = vm.handle();
    with_deadline(|| vm.run(&mut SuspendAt(nr_exits, handle)).unwrap())
}

#[test]
fn a_guest_does_not_notice_that_it_is_restored_again_and_again() {
    let (hypervisor, image) = (hypervisor(), image(32, sum));
    for (setup, elapsed) in setups().flat_map(|setup| [(setup, Elapsed::StoodStill), (setup, Elapsed::WentOn)]) {
        let mut vm = Vm::new(&hypervisor, &image, machine(setup)).unwrap();
        let mut nr_restored = 0;
        let stopped = loop {
            let stopped = run_until(&mut vm, 7);
            if stopped.reason != StopReason::Suspended {
                break stopped;
            }
            let file = vm.save(&hypervisor).unwrap();
            drop(vm);
            vm = Vm::restore(&hypervisor, &image, machine(setup), &file, elapsed).unwrap();
            nr_restored += 1;
        };
        assert_eq!(stopped.reason, StopReason::DebugExit(SUM), "{setup:?}");
        assert_eq!(nr_restored, NR_ROUNDS * 4 / 7, "{setup:?}");
    }
}

/// A section without the time that the section `platform` begins with: a number whose bytes but the last have bit 7 set.
fn without_time<'a>(name: &str, section: &'a [u8]) -> &'a [u8] {
    match section.iter().position(|byte| byte & 0x80 == 0) {
        Some(last) if name == "platform" => &section[last + 1..],
        _ => section,
    }
}

#[test]
fn what_was_restored_is_saved_as_the_same() {
    let (hypervisor, image) = (hypervisor(), image(32, sum));
    for setup in setups() {
        let mut vm = Vm::new(&hypervisor, &image, machine(setup)).unwrap();
        assert_eq!(run_until(&mut vm, 11).reason, StopReason::Suspended);
        let first = vm.save(&hypervisor).unwrap();
        let mut other = Vm::restore(&hypervisor, &image, machine(setup), &first, Elapsed::StoodStill).unwrap();
        let second = other.save(&hypervisor).unwrap();
        let (first, second) = (vm_state::Reader::new(&first).unwrap(), vm_state::Reader::new(&second).unwrap());
        assert!(first.names().eq(second.names()));
        for name in first.names() {
            // Clocks: of the host, and those that KVM lets count while nobody runs.
            let is_of_clocks = ["moment", "kernel", "vcpu/0"].contains(&name)
                // Our local APICs keep how far time-stamp counters are ahead of the host's.
                || name == "platform" && setup == Some(InterruptSetup::User);
            if !is_of_clocks {
                let parts = [&first, &second].map(|file| without_time(name, file.section(name).unwrap()));
                assert!(parts[0] == parts[1], "{setup:?}: {name}");
            }
        }
        assert_eq!(
            format!("{:?}", vm.cpu_state(0).unwrap().unwrap()),
            format!("{:?}", other.cpu_state(0).unwrap().unwrap())
        );
    }
}

#[test]
fn a_state_of_another_machine_is_refused() {
    let (hypervisor, image) = (hypervisor(), image(32, sum));
    let mut vm = Vm::new(&hypervisor, &image, machine(None)).unwrap();
    run_until(&mut vm, 3);
    let mut file = vm.save(&hypervisor).unwrap();
    let restore = |config, file: &[u8]| Vm::restore(&hypervisor, &image, config, file, Elapsed::default());
    let refused = |config, file: &[u8]| restore(config, file).expect_err("refused");
    let error = refused(machine(Some(InterruptSetup::Split)), &file);
    assert!(matches!(error, RestoreError::Shape { .. }), "{error}");
    let error = refused(config(), &file);
    assert!(matches!(error, RestoreError::Shape { .. }), "{error}");
    let error = refused(machine(None), &file[..file.len() - 1]);
    assert!(matches!(error, RestoreError::Format(_)), "{error}");
    let middle = file.len() / 2;
    file[middle] ^= 1;
    let error = refused(machine(None), &file);
    assert!(matches!(error, RestoreError::Format(_)), "{error}");
}

/// A device that says nothing about its state.
struct Unsaved;

impl Device for Unsaved {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: 0x700, count: 1 }]
    }

    fn read(&mut self, _: Location, _: &mut [u8]) -> Flow {
        Flow::Continue
    }

    fn write(&mut self, _: Location, _: &[u8], _: &GuestMemory) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_device_that_cannot_be_saved_is_told() {
    let hypervisor = hypervisor();
    let mut vm = Vm::new(&hypervisor, &image(32, sum), config().with(Unsaved)).unwrap();
    let error = vm.save(&hypervisor).unwrap_err();
    assert!(matches!(error, SaveError::Device { source: DeviceStateError::Unsupported, .. }), "{error}");
}
