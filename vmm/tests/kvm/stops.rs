//! Each way for a run to end, and what is told of it.

use crate::guest::{CODE, config, exit_with_eax, hypervisor, image, run, with_deadline};
use iced_x86::code_asm::*;
use std::{fs, sync::mpsc, thread};
use vmm::{CpuView, Exit, ExitObserver, Irqchip, NoObserver, StopReason, Vm, VmConfig, VmError, VmHandle};

#[test]
fn debug_exit_tells_its_value() {
    let stopped = run(config(), |a| {
        a.mov(eax, 0x1234_5678).unwrap();
        exit_with_eax(a);
    });
    assert_eq!(stopped.reason, StopReason::DebugExit(0x1234_5678));
    assert_eq!((stopped.vcpu, stopped.nr_exits, stopped.cpu.rax), (0, 1, 0x1234_5678));
}

#[test]
fn halt_without_an_interrupt_controller_ends_the_run() {
    let stopped = run(config(), |a| a.hlt().unwrap());
    assert_eq!(stopped.reason, StopReason::Halted);
    assert_eq!(stopped.cpu.rip, CODE + 1);
    assert_eq!((stopped.cpu.cpl, stopped.cpu.code_bits(), stopped.cpu.rbx), (0, 32, vmm::layout::START_INFO));
}

#[test]
fn triple_fault_is_a_shutdown() {
    // There is no IDT.
    let stopped = run(config(), |a| a.ud2().unwrap());
    assert_eq!(stopped.reason, StopReason::Shutdown);
}

#[test]
fn jump_to_nowhere_ends_the_run() {
    // No memory and no device: whether the fetch of all ones is an invalid opcode without an IDT or something that KVM
    // cannot emulate depends on the processor; both end the run.
    let stopped = run(config(), |a| {
        a.mov(eax, 0x9000_0000_u32).unwrap();
        a.jmp(eax).unwrap();
    });
    assert!(matches!(stopped.reason, StopReason::Shutdown | StopReason::InternalError { .. }), "{stopped}");
    if matches!(stopped.reason, StopReason::InternalError { .. }) {
        assert_eq!(stopped.cpu.rip, 0x9000_0000);
        assert!(stopped.instruction.is_empty(), "{stopped}");
    }
}

fn spin(a: &mut CodeAssembler) {
    a.cli().unwrap();
    let mut here = a.create_label();
    a.set_label(&mut here).unwrap();
    a.jmp(here).unwrap();
}

/// Says when the guest has left for the first time: from then on it is known to run.
struct FirstExit(Option<mpsc::Sender<()>>);

impl ExitObserver for FirstExit {
    fn exit(&mut self, _: u8, _: &Exit<'_>, _: &CpuView<'_>) {
        if let Some(sender) = self.0.take() {
            sender.send(()).unwrap();
        }
    }
}

fn stop_while_it_runs(config: VmConfig, program: impl FnOnce(&mut CodeAssembler)) -> vmm::Stopped {
    let image = image(32, |a| {
        a.in_(al, 0x70).unwrap();
        program(a);
    });
    let mut vm = Vm::new(&hypervisor(), &image, config).unwrap();
    let handle = vm.handle();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            receiver.recv().unwrap();
            handle.stop();
        });
        with_deadline(|| vm.run(&mut FirstExit(Some(sender))).unwrap())
    })
}

#[test]
fn spinning_guest_is_stopped_where_it_stands() {
    for _ in 0..20 {
        let stopped = stop_while_it_runs(config(), spin);
        assert_eq!(stopped.reason, StopReason::Requested);
        assert!((CODE + 2..=CODE + 3).contains(&stopped.cpu.rip), "{stopped}");
        assert!(stopped.instruction.windows(2).any(|bytes| bytes == [0xeb, 0xfe]), "{stopped}");
    }
}

/// Stops the VM from the vCPU's own thread, which is then surely not in the guest.
struct StopAtExit(VmHandle);

impl ExitObserver for StopAtExit {
    fn exit(&mut self, _: u8, _: &Exit<'_>, _: &CpuView<'_>) {
        self.0.stop();
    }
}

#[test]
fn stop_between_two_entries_of_the_guest_is_not_lost() {
    let image = image(32, |a| {
        a.in_(al, 0x70).unwrap();
        spin(a);
    });
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    let mut observer = StopAtExit(vm.handle());
    let stopped = with_deadline(|| vm.run(&mut observer).unwrap());
    assert_eq!((stopped.reason, stopped.nr_exits), (StopReason::Requested, 1));
}

#[test]
fn guest_that_only_makes_exits_is_stopped() {
    let stopped = stop_while_it_runs(config(), |a| {
        let mut here = a.create_label();
        a.set_label(&mut here).unwrap();
        a.in_(al, 0x70).unwrap();
        a.jmp(here).unwrap();
    });
    assert_eq!(stopped.reason, StopReason::Requested);
}

#[test]
fn halted_guest_is_stopped_with_each_interrupt_controller() {
    for irqchip in [Irqchip::Split, Irqchip::Kernel, Irqchip::User] {
        let config = VmConfig { irqchip, pit: irqchip == Irqchip::Kernel, ..config() };
        let stopped = stop_while_it_runs(config, |a| a.hlt().unwrap());
        assert_eq!(stopped.reason, StopReason::Requested, "{irqchip:?}");
    }
}

#[test]
fn waiting_vcpus_end_with_the_first() {
    for irqchip in [Irqchip::Split, Irqchip::Kernel, Irqchip::User] {
        let config = VmConfig { irqchip, nr_vcpus: 3, ..config() };
        let stopped = run(config, |a| {
            a.mov(eax, 7).unwrap();
            exit_with_eax(a);
        });
        assert_eq!((stopped.reason, stopped.vcpu), (StopReason::DebugExit(7), 0), "{irqchip:?}");
    }
}

/// Interrupt command register of the local APIC.
const ICR: u64 = 0xfee0_0300;
// INIT, and start-up at page 8, to all but the sender.
const INIT: u32 = 0xc_4500;
const START_UP: u32 = 0xc_4608;
const START_UP_PAGE: u64 = 0x8000;

#[test]
fn second_vcpu_starts_in_real_mode_and_can_end_the_run() {
    for irqchip in [Irqchip::Split, Irqchip::Kernel, Irqchip::User] {
        let image = image(32, |a| {
            a.mov(dword_ptr(ICR), INIT).unwrap();
            a.mov(dword_ptr(ICR), START_UP).unwrap();
            let mut here = a.create_label();
            a.set_label(&mut here).unwrap();
            a.hlt().unwrap();
            a.jmp(here).unwrap();
        });
        let mut second = CodeAssembler::new(16).unwrap();
        second.mov(eax, 9).unwrap();
        second.out(0xf4, eax).unwrap();
        second.hlt().unwrap();
        let second = second.assemble(0).unwrap();
        let config = VmConfig { irqchip, nr_vcpus: 2, ..config() };
        let mut vm = Vm::new(&hypervisor(), &image, config).unwrap();
        vm.memory().write(START_UP_PAGE, &second).unwrap();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!((&stopped.reason, stopped.vcpu), (&StopReason::DebugExit(9), 1), "{stopped}");
        assert_eq!((stopped.cpu.code_bits(), stopped.cpu.cs_base), (16, START_UP_PAGE));
        // Before or behind the OUT of two bytes.
        let at_rip = second[stopped.cpu.rip as usize..].to_vec();
        assert!(stopped.cpu.rip > 0 && stopped.instruction.starts_with(&at_rip), "{stopped}");
    }
}

#[test]
fn stop_before_the_start_holds_and_after_the_end_is_harmless() {
    let image = image(32, spin);
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    let handle = vm.handle();
    handle.stop();
    for _ in 0..2 {
        let stopped = vm.run(&mut NoObserver).unwrap();
        assert_eq!((stopped.reason, stopped.cpu.rip, stopped.nr_exits), (StopReason::Requested, CODE, 0));
    }
    handle.stop();
    drop(vm);
    handle.stop();
}

#[test]
fn shapes_that_make_no_sense_are_refused() {
    let image = image(32, |a| a.hlt().unwrap());
    let hypervisor = hypervisor();
    let refused = |config| Vm::new(&hypervisor, &image, config).unwrap_err();
    assert!(matches!(refused(VmConfig { nr_vcpus: 0, ..config() }), VmError::Shape(_)));
    assert!(matches!(refused(VmConfig { nr_vcpus: 2, ..config() }), VmError::Shape(_)));
    assert!(matches!(refused(VmConfig { nr_vcpus: 65, irqchip: Irqchip::Split, ..config() }), VmError::Shape(_)));
    assert!(matches!(refused(VmConfig { pit: true, ..config() }), VmError::Shape(_)));
    for command_line in ["a\0b".to_owned(), "x".repeat(vmm::layout::COMMAND_LINE_MAX_BYTES + 1)] {
        assert!(matches!(refused(VmConfig { command_line, ..config() }), VmError::CommandLine { .. }));
    }
}

#[test]
fn three_hundred_vms_leave_nothing_behind() {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let mappings = || fs::read_to_string("/proc/self/maps").unwrap().matches("guest-memory").count();
    let image = image(32, |a| a.hlt().unwrap());
    let hypervisor = hypervisor();
    let live: Vec<_> = (0..300).map(|_| Vm::new(&hypervisor, &image, config()).unwrap()).collect();
    assert!(mappings() >= 300);
    drop(live);
    for _ in 0..300 {
        assert_eq!(
            Vm::new(&hypervisor, &image, config()).unwrap().run(&mut NoObserver).unwrap().reason,
            StopReason::Halted
        );
    }
    // Other tests of this process have a few VMs at the same time; a leak would be hundreds.
    assert!(count("fd") < 200, "{} files", count("fd"));
    assert!(count("task") < 100, "{} threads", count("task"));
    assert!(mappings() < 100, "{} mappings", mappings());
}
