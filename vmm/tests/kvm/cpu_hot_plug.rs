//! Processors that come and go, as a guest without an operating system sees them.

use crate::guest::{config, exit_with_eax, hypervisor, image, with_deadline};
use iced_x86::code_asm::*;
use std::sync::{Arc, Mutex};
use vmm::{
    CpuView, DirtyMethod, DirtyTracking, Elapsed, Exit, ExitObserver, Image, InterruptSetup, NoObserver,
    OccupancyError, RestoreError, SpareError, SpareEvent, SpareVcpus, StopReason, Vm, VmConfig, VmError, VmHandle,
    layout::pc,
};

/// Interrupt command register of the local APIC, and its high half.
const ICR: u64 = 0xfee0_0300;
const ICR_HIGH: u64 = 0xfee0_0310;
/// INIT and start-up at [`START_UP_PAGE`], to one processor; the same to all but the sender.
const TO_ONE: [u32; 2] = [0x4500, 0x4608];
const TO_OTHERS: [u32; 2] = [0xc_4500, 0xc_4608];
const START_UP_PAGE: u64 = 0x8000;
/// How often a processor that was started came to count itself.
const COUNT: u64 = 0x9800;
/// How often the guest has sent INIT and start-up to one that is not there.
const DONE: u64 = 0x9808;
/// Which processor comes.
const INDEX: u8 = 2;

/// What such a processor runs, in real mode: it counts itself and waits for ever.
fn counts_itself() -> Vec<u8> {
    let mut a = CodeAssembler::new(16).unwrap();
    a.xor(cx, cx).unwrap();
    a.mov(ds, cx).unwrap();
    a.lock().inc(dword_ptr(COUNT as u32)).unwrap();
    let mut here = a.create_label();
    a.set_label(&mut here).unwrap();
    a.hlt().unwrap();
    a.jmp(here).unwrap();
    a.assemble(0).unwrap()
}

fn write_8(a: &mut CodeAssembler, offset: u16, value: u32) {
    a.mov(edx, u32::from(pc::CPU_HOT_PLUG + offset)).unwrap();
    a.mov(eax, value).unwrap();
    a.out(dx, al).unwrap();
}

fn write_32(a: &mut CodeAssembler, offset: u16, value: u32) {
    a.mov(edx, u32::from(pc::CPU_HOT_PLUG + offset)).unwrap();
    a.mov(eax, value).unwrap();
    a.out(dx, eax).unwrap();
}

fn selects(a: &mut CodeAssembler, index: u32) {
    write_32(a, 0, index);
}

/// Reads the flags of the selected processor.
fn flags(a: &mut CodeAssembler) {
    a.mov(edx, u32::from(pc::CPU_HOT_PLUG + 4)).unwrap();
    a.xor(eax, eax).unwrap();
    a.in_(al, dx).unwrap();
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

/// Waits until the flags of the selected processor have this value.
fn wait_for_flags(a: &mut CodeAssembler, value: u32) {
    let mut again = a.create_label();
    a.set_label(&mut again).unwrap();
    flags(a);
    a.cmp(eax, value).unwrap();
    a.jne(again).unwrap();
}

/// Sends INIT and start-up to the processor that comes, and waits until it was counted so often.
fn start(a: &mut CodeAssembler, count: u32) {
    a.mov(dword_ptr(ICR_HIGH), u32::from(INDEX) << 24).unwrap();
    for command in TO_ONE {
        a.mov(dword_ptr(ICR), command).unwrap();
    }
    let mut again = a.create_label();
    a.set_label(&mut again).unwrap();
    a.pause().unwrap();
    a.cmp(dword_ptr(COUNT), count).unwrap();
    a.jb(again).unwrap();
}

type Told = Arc<Mutex<Vec<SpareEvent>>>;

fn with_spare(config: VmConfig, nr_max: u8) -> (VmConfig, Told) {
    let told = Told::default();
    let teller = told.clone();
    let spare = SpareVcpus::new(nr_max, move |event| teller.lock().unwrap().push(event));
    (VmConfig { spare_vcpus: Some(spare), ..config }, told)
}

fn vm(image: &Image, setup: InterruptSetup) -> (Vm, Told) {
    let (config, told) = with_spare(config().with_interrupts(setup), 4);
    let vm = Vm::new(&hypervisor(), image, config).unwrap();
    vm.memory().write(START_UP_PAGE, &counts_itself()).unwrap();
    (vm, told)
}

/// It finds the processor by the registers, starts it, and ejects it when it is asked to; twice.
fn finds_starts_and_ejects() -> Image {
    image(32, |a| {
        // An INIT for all does not reach who is not there.
        for command in TO_OTHERS {
            a.mov(dword_ptr(ICR), command).unwrap();
        }
        selects(a, 3);
        flags(a);
        expect(a, 0, 0x10);
        a.mov(dword_ptr(DONE), 1).unwrap();
        for turn in 1..=2 {
            selects(a, INDEX.into());
            wait_for_flags(a, 0b11);
            // The event comes when the registers tell all of it.
            let mut again = a.create_label();
            a.set_label(&mut again).unwrap();
            a.mov(edx, u32::from(pc::GENERAL_EVENTS)).unwrap();
            a.in_(eax, dx).unwrap();
            a.test(eax, 0b100).unwrap();
            a.jz(again).unwrap();
            // The next one that there is something to tell of is this one, wherever one begins.
            selects(a, 0);
            write_8(a, 5, 0);
            a.mov(edx, u32::from(pc::CPU_HOT_PLUG + 8)).unwrap();
            a.in_(eax, dx).unwrap();
            expect(a, INDEX.into(), 0x12);
            write_8(a, 4, 0b10);
            flags(a);
            expect(a, 0b01, 0x13);
            a.mov(eax, dword_ptr(COUNT)).unwrap();
            expect(a, turn - 1, 0x14);
            start(a, turn);
            // It was asked to go.
            wait_for_flags(a, 0b101);
            write_8(a, 4, 0b100);
            write_8(a, 4, 0b1000);
            flags(a);
            expect(a, 0, 0x15);
            // Whoever is gone hears of nothing, and comes back without.
            a.mov(dword_ptr(ICR_HIGH), u32::from(INDEX) << 24).unwrap();
            for command in TO_ONE {
                a.mov(dword_ptr(ICR), command).unwrap();
            }
            a.mov(dword_ptr(DONE), turn + 1).unwrap();
        }
        a.mov(eax, dword_ptr(COUNT)).unwrap();
        expect(a, 2, 0x16);
        a.mov(eax, 0x77).unwrap();
        exit_with_eax(a);
    })
}

#[test]
fn a_processor_comes_is_started_goes_and_comes_back() {
    let image = finds_starts_and_ejects();
    for setup in InterruptSetup::ALL {
        let (mut vm, told) = vm(&image, setup);
        let (handle, memory) = (vm.handle(), vm.memory().clone());
        let stopped = with_deadline(|| {
            std::thread::scope(|scope| {
                let run = scope.spawn(|| vm.run(&mut NoObserver).unwrap());
                // Also ended by a guest that did not find what it expected.
                let wait = |is_so: &dyn Fn() -> bool| {
                    while !is_so() && !run.is_finished() {
                        std::thread::yield_now();
                    }
                };
                for turn in 1..=2 {
                    wait(&|| memory.read_u32(DONE).is_ok_and(|done| done >= turn));
                    if run.is_finished() {
                        break;
                    }
                    handle.plug_vcpu(INDEX).unwrap();
                    wait(&|| memory.read_u32(COUNT).is_ok_and(|count| count >= turn));
                    if turn == 1 {
                        assert!(handle.has_spare_vcpu(INDEX));
                        assert!(handle.vcpu_threads().iter().any(|(index, _)| *index == INDEX) || run.is_finished());
                    }
                    handle.request_vcpu_removal(INDEX).unwrap();
                }
                run.join().unwrap()
            })
        });
        assert_eq!(stopped.reason, StopReason::DebugExit(0x77), "{setup:?}: {stopped}");
        assert_eq!(*told.lock().unwrap(), [SpareEvent::Ejected { index: INDEX }; 2], "{setup:?}");
        assert!(!handle.has_spare_vcpu(INDEX));
    }
}

#[test]
fn a_processor_ejects_itself_and_the_guest_goes_on() {
    let ejects_itself = || {
        let mut a = CodeAssembler::new(16).unwrap();
        a.mov(dx, u32::from(pc::CPU_HOT_PLUG + 4)).unwrap();
        a.mov(al, 8).unwrap();
        a.out(dx, al).unwrap();
        // It does not get here.
        a.xor(cx, cx).unwrap();
        a.mov(ds, cx).unwrap();
        let mut here = a.create_label();
        a.set_label(&mut here).unwrap();
        a.lock().inc(dword_ptr(COUNT as u32)).unwrap();
        a.jmp(here).unwrap();
        a.assemble(0).unwrap()
    };
    let image = image(32, |a| {
        selects(a, INDEX.into());
        a.mov(dword_ptr(ICR_HIGH), u32::from(INDEX) << 24).unwrap();
        for command in TO_ONE {
            a.mov(dword_ptr(ICR), command).unwrap();
        }
        wait_for_flags(a, 0);
        a.mov(eax, dword_ptr(COUNT)).unwrap();
        exit_with_eax(a);
    });
    for setup in InterruptSetup::ALL {
        let (mut vm, told) = vm(&image, setup);
        vm.memory().write(START_UP_PAGE, &ejects_itself()).unwrap();
        vm.handle().plug_vcpu(INDEX).unwrap();
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(0), "{setup:?}: {stopped}");
        assert_eq!(*told.lock().unwrap(), [SpareEvent::Ejected { index: INDEX }]);
    }
}

/// Suspends the run at one of its exits.
struct SuspendAt(u32, VmHandle);

impl ExitObserver for SuspendAt {
    fn exit(&mut self, _: u8, _: &Exit<'_>, _: &CpuView<'_>) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.suspend();
        }
    }
}

#[test]
fn a_machine_with_a_processor_that_came_is_restored_again_and_again() {
    let image = image(32, |a| {
        selects(a, INDEX.into());
        flags(a);
        expect(a, 0b11, 0x10);
        write_8(a, 4, 0b10);
        for turn in 1..=2 {
            start(a, turn);
            flags(a);
            expect(a, 0b01, 0x11);
        }
        write_8(a, 4, 0b1000);
        flags(a);
        expect(a, 0, 0x12);
        // Who is gone stays away.
        for command in TO_ONE {
            a.mov(dword_ptr(ICR), command).unwrap();
        }
        flags(a);
        a.mov(eax, dword_ptr(COUNT)).unwrap();
        expect(a, 2, 0x13);
        a.mov(eax, 0x77).unwrap();
        exit_with_eax(a);
    });
    let hypervisor = hypervisor();
    for (setup, elapsed) in
        InterruptSetup::ALL.into_iter().flat_map(|setup| [(setup, Elapsed::StoodStill), (setup, Elapsed::WentOn)])
    {
        let (mut vm, mut told) = vm(&image, setup);
        vm.handle().plug_vcpu(INDEX).unwrap();
        let (mut nr_restored, mut is_gone) = (0, false);
        let stopped = loop {
            let handle = vm.handle();
            let stopped = with_deadline(|| vm.run(&mut SuspendAt(2, handle)).unwrap());
            is_gone |= !told.lock().unwrap().is_empty();
            if stopped.reason != StopReason::Suspended {
                break stopped;
            }
            assert_eq!(vm.handle().has_spare_vcpu(INDEX), !is_gone, "{setup:?}");
            let file = vm.save(&hypervisor).unwrap();
            drop(vm);
            let config;
            (config, told) = with_spare(self::config().with_interrupts(setup), 4);
            vm = Vm::restore(&hypervisor, &image, config, &file, elapsed).unwrap();
            assert_eq!(vm.handle().has_spare_vcpu(INDEX), !is_gone, "{setup:?}");
            nr_restored += 1;
        };
        assert_eq!(stopped.reason, StopReason::DebugExit(0x77), "{setup:?} {elapsed:?}: {stopped}");
        assert!(is_gone && nr_restored >= 4, "{setup:?}: {nr_restored}");
    }
}

#[test]
fn a_state_with_places_for_other_processors_is_refused() {
    let image = image(32, |a| a.hlt().unwrap());
    let (mut vm, _) = vm(&image, InterruptSetup::Split);
    vm.handle().plug_vcpu(INDEX).unwrap();
    let file = vm.save(&hypervisor()).unwrap();
    let refused = |config| Vm::restore(&hypervisor(), &image, config, &file, Elapsed::default()).unwrap_err();
    let error = refused(with_spare(config().with_interrupts(InterruptSetup::Split), 3).0);
    assert!(matches!(error, RestoreError::Shape { .. }), "{error}");
    let error = refused(config().with_interrupts(InterruptSetup::Split));
    assert!(matches!(error, RestoreError::Shape { .. }), "{error}");
}

#[test]
fn what_cannot_come_or_go_is_named() {
    let (vm, _) = vm(&image(32, |a| a.hlt().unwrap()), InterruptSetup::Split);
    let handle = vm.handle();
    let of = |result: Result<(), SpareError>| match result {
        Err(SpareError::Occupancy(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(of(handle.plug_vcpu(4)), OccupancyError::TooMany { index: 4, nr_max: 4 });
    assert_eq!(of(handle.plug_vcpu(0)), OccupancyError::Present { index: 0 });
    assert_eq!(of(handle.request_vcpu_removal(0)), OccupancyError::Fixed { index: 0 });
    assert_eq!(of(handle.request_vcpu_removal(1)), OccupancyError::Absent { index: 1 });
    handle.plug_vcpu(1).unwrap();
    assert_eq!(of(handle.plug_vcpu(1)), OccupancyError::Present { index: 1 });
    handle.request_vcpu_removal(1).unwrap();
    assert_eq!(of(handle.request_vcpu_removal(1)), OccupancyError::Pending { index: 1 });
    assert!(handle.has_spare_vcpu(1), "it is there until the guest gives it back");
    drop(vm);
    assert!(matches!(handle.plug_vcpu(2), Err(SpareError::None)));
}

#[test]
fn machines_that_could_not_tell_the_guest_are_refused() {
    let image = image(32, |a| a.hlt().unwrap());
    let refused = |config: VmConfig, nr_max| match Vm::new(&hypervisor(), &image, with_spare(config, nr_max).0) {
        Err(VmError::Shape(why)) => why,
        other => panic!("{other:?}"),
    };
    let pc = || config().with_interrupts(InterruptSetup::Split);
    assert!(refused(config(), 2).contains("local APICs"));
    assert!(refused(VmConfig { irqchip: vmm::Irqchip::Split, ..config() }, 2).contains("fixed hardware"));
    let rings = VmConfig { tracking: DirtyTracking::OnDemand(DirtyMethod::Ring), ..pc() };
    assert!(refused(rings, 2).contains("rings"));
    assert!(refused(pc(), 1).contains("no vCPUs left"));
    assert!(refused(pc(), 65).contains("at most 64"));
}
