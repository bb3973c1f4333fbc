//! Interrupts from outside into a guest that waits in HLT, by each way there is; and events out of it.

use crate::guest::{CODE, DEBUG_EXIT, config, hypervisor, image, run, with_deadline};
use iced_x86::code_asm::*;
use std::{sync::mpsc, thread};
use vmm::{
    CpuView, Exit, ExitObserver, InterruptSetup, Irqchip, NoObserver, StopReason, Vm, VmConfig,
    interrupts::{InterruptError, InterruptLine, IoEventAddress, IoEventMatch, MsiMessage},
};

/// Where the tables lie, written from outside.
const GDT: u64 = 0x5000;
pub(crate) const IDT: u64 = 0x6000;
/// What LGDT and LIDT take.
const POINTERS: u64 = 0x4000;
const STACK: u32 = 0x20_0000;
/// Port that the guest reads right before it halts; no device has it.
const READY: u32 = 0x80;
/// Counted up by the handler.
const COUNT: u64 = 0x7000;
/// Where the handler goes on: the address of the wait.
const AGAIN: u64 = 0x7004;
/// Where the handler is: at the start of the code.
pub(crate) const HANDLER: u64 = CODE + 5;

/// Spurious-interrupt vector register of the local APIC, and its value: switched on, vector FFH.
const SVR: u64 = 0xfee0_00f0;
const APIC_ON: u32 = 0x1ff;
const EOI: u64 = 0xfee0_00b0;
/// Entry of its pin LINT0, and the delivery mode for 8259s.
pub(crate) const LVT_LINT0: u64 = 0xfee0_0350;
pub(crate) const EXT_INT: u32 = 0x700;
const VECTOR: u8 = 0x40;

/// A guest that waits for `nr` interrupts of any vector and then leaves with their number.
pub(crate) fn waiting(
    nr: u32,
    prepare: impl FnOnce(&mut CodeAssembler),
    end: impl FnOnce(&mut CodeAssembler),
) -> vmm::Image {
    image(32, |a| {
        let mut start = a.create_label();
        // Of five bytes, whatever the distance.
        a.db(&[0xe9]).unwrap();
        let mut handler = CodeAssembler::new(32).unwrap();
        handler.inc(dword_ptr(COUNT)).unwrap();
        end(&mut handler);
        // Not every KVM can emulate IRET in protected mode: the frame is dropped instead.
        handler.mov(esp, STACK).unwrap();
        handler.jmp(dword_ptr(AGAIN)).unwrap();
        let handler = handler.assemble(HANDLER).unwrap();
        a.db(&(handler.len() as u32).to_le_bytes()).unwrap();
        a.db(&handler).unwrap();
        a.set_label(&mut start).unwrap();
        a.mov(esp, STACK).unwrap();
        a.lgdt(ptr(POINTERS)).unwrap();
        a.lidt(ptr(POINTERS + 8)).unwrap();
        prepare(a);
        let mut again = a.create_label();
        let mut done = a.create_label();
        let mut note = a.create_label();
        // It leaves its address on the stack.
        a.call(note).unwrap();
        a.set_label(&mut again).unwrap();
        a.in_(al, READY as i32).unwrap();
        a.cli().unwrap();
        a.cmp(dword_ptr(COUNT), nr).unwrap();
        a.jae(done).unwrap();
        a.sti().unwrap();
        a.hlt().unwrap();
        a.jmp(again).unwrap();
        a.set_label(&mut done).unwrap();
        a.mov(eax, dword_ptr(COUNT)).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
        a.set_label(&mut note).unwrap();
        a.pop(dword_ptr(AGAIN)).unwrap();
        a.jmp(again).unwrap();
    })
}

pub(crate) fn apic_on(a: &mut CodeAssembler) {
    a.mov(dword_ptr(SVR), APIC_ON).unwrap();
}

pub(crate) fn apic_eoi(a: &mut CodeAssembler) {
    a.mov(dword_ptr(EOI), 0).unwrap();
}

/// Writes the tables: each vector leads to the handler.
pub(crate) fn write_tables(vm: &Vm) {
    let memory = vm.memory();
    let put = |address, value: u64| memory.write(address, &value.to_le_bytes()).unwrap();
    // Flat code and data, at the selectors of the PVH entry.
    put(GDT + 8, 0x00cf_9b00_0000_ffff);
    put(GDT + 16, 0x00cf_9300_0000_ffff);
    for vector in 0..256 {
        // A 32-bit interrupt gate.
        put(IDT + 8 * vector, HANDLER & 0xffff | 8 << 16 | 0x8e00 << 32 | (HANDLER >> 16) << 48);
    }
    put(POINTERS, 0x17 | GDT << 16);
    put(POINTERS + 8, 0x7ff | IDT << 16);
}

/// Says when the guest is about to halt.
pub(crate) struct Ready(pub(crate) mpsc::Sender<()>);

impl ExitObserver for Ready {
    fn exit(&mut self, _: u8, exit: &Exit<'_>, _: &CpuView<'_>) {
        if matches!(exit, Exit::PioIn { port, .. } if u32::from(*port) == READY) {
            // Nobody listens any more when all has been sent.
            let _ = self.0.send(());
        }
    }
}

const NR: u32 = 20;

fn deliver_to(vm: &mut Vm, mut send: impl FnMut() + Send) {
    write_tables(vm);
    let (sender, receiver) = mpsc::channel();
    let stopped = with_deadline(|| {
        thread::scope(|scope| {
            scope.spawn(move || {
                for () in receiver.iter().take(NR as usize) {
                    send();
                }
            });
            vm.run(&mut Ready(sender)).unwrap()
        })
    });
    assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{stopped}");
}

const WITH_APICS: [Irqchip; 3] = [Irqchip::Split, Irqchip::Kernel, Irqchip::User];

/// A VM with a guest that waits.
fn vm(irqchip: Irqchip) -> Vm {
    Vm::new(&hypervisor(), &waiting(NR, apic_on, apic_eoi), VmConfig { irqchip, ..config() }).unwrap()
}

#[test]
fn message_reaches_a_guest_that_halts() {
    for irqchip in WITH_APICS {
        let mut vm = vm(irqchip);
        let interrupts = vm.interrupts().clone();
        deliver_to(&mut vm, || assert!(interrupts.signal_msi(MsiMessage::fixed(0, VECTOR)).unwrap()));
    }
}

#[test]
fn message_by_irqfd_reaches_a_guest_that_halts() {
    for irqchip in WITH_APICS {
        let mut vm = vm(irqchip);
        let interrupts = vm.interrupts().clone();
        // One more, to see that it leads elsewhere and that its end changes nothing.
        let other = interrupts.msi_irqfd(MsiMessage::fixed(7, VECTOR + 1)).unwrap();
        let irqfd = interrupts.msi_irqfd(MsiMessage::fixed(0, VECTOR)).unwrap();
        other.signal().unwrap();
        drop(other);
        deliver_to(&mut vm, || irqfd.signal().unwrap());
    }
}

#[test]
fn wire_sends_its_message_on_the_rising_edge_alone() {
    let mut vm = vm(Irqchip::Split);
    let line = vm.interrupts().message_line(MsiMessage::fixed(0, VECTOR));
    deliver_to(&mut vm, || {
        line.set(true).unwrap();
        line.set(true).unwrap();
        line.set(false).unwrap();
    });
}

/// Programs the 8259s for vectors from 20H on, with only line 5 unmasked, and an automatic end of interrupt, and the local
/// APIC to take them from there: after reset it does not.
fn pics_on(a: &mut CodeAssembler) {
    apic_on(a);
    a.mov(dword_ptr(LVT_LINT0), EXT_INT).unwrap();
    for (port, value) in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0x21, 0xdf)] {
        a.mov(al, value).unwrap();
        a.out(port, al).unwrap();
    }
}

#[test]
fn line_reaches_a_guest_that_halts_in_each_set_up() {
    for (setup, by_irqfd) in InterruptSetup::ALL.into_iter().flat_map(|setup| [(setup, false), (setup, true)]) {
        let config = config().with_interrupts(setup);
        let mut vm = Vm::new(&hypervisor(), &waiting(NR, pics_on, |_| {}), config).unwrap();
        let interrupts = vm.interrupts().clone();
        let line: Box<dyn InterruptLine> = match by_irqfd {
            true => Box::new(interrupts.line_irqfd(5).unwrap()),
            false => Box::new(interrupts.line(5)),
        };
        deliver_to(&mut vm, || line.pulse().unwrap());
    }
}

#[test]
fn message_to_an_apic_that_is_off_is_not_taken() {
    for irqchip in WITH_APICS {
        let vm = vm(irqchip);
        assert!(!vm.interrupts().signal_msi(MsiMessage::fixed(0, VECTOR)).unwrap(), "{irqchip:?}");
        assert!(!vm.interrupts().signal_msi(MsiMessage::fixed(9, VECTOR)).unwrap(), "{irqchip:?}");
    }
}

#[test]
fn ways_that_the_shape_lacks_are_refused() {
    let none = vm(Irqchip::None);
    let interrupts = none.interrupts();
    let refused = |result: Result<(), InterruptError>| matches!(result, Err(InterruptError::NoController { .. }));
    assert!(refused(interrupts.signal_msi(MsiMessage::default()).map(drop)));
    assert!(refused(interrupts.msi_irqfd(MsiMessage::default()).map(drop)));
    let split = vm(Irqchip::Split);
    assert!(refused(split.interrupts().line(5).set(true)));
    assert!(refused(split.interrupts().line_irqfd(5).map(drop)));
    let user = vm(Irqchip::User);
    assert!(refused(user.interrupts().line(5).set(true)));
}

#[test]
fn routes_do_not_run_out_when_they_are_given_back() {
    let vm = vm(Irqchip::Split);
    for _ in 0..2000 {
        vm.interrupts().msi_irqfd(MsiMessage::fixed(0, VECTOR)).unwrap();
    }
}

#[test]
fn ways_into_a_vm_outlive_it_harmlessly() {
    let vm = vm(Irqchip::Split);
    let (interrupts, irqfd) = (vm.interrupts().clone(), vm.interrupts().msi_irqfd(MsiMessage::fixed(0, 64)).unwrap());
    let event = vm.ioeventfd(IoEventAddress::Port(0x5c0), IoEventMatch::Any).unwrap();
    drop(vm);
    irqfd.signal().unwrap();
    assert!(!interrupts.signal_msi(MsiMessage::fixed(0, VECTOR)).unwrap_or(false));
    drop((irqfd, event));
}

#[test]
fn writes_with_an_event_are_no_exits() {
    let image = image(32, |a| {
        a.mov(edx, 0x5c0).unwrap();
        for value in [7, 8, 7] {
            a.mov(eax, value).unwrap();
            a.out(dx, eax).unwrap();
        }
        a.mov(ebx, 0xd000_0000_u32).unwrap();
        a.mov(word_ptr(ebx), ax).unwrap();
        a.mov(byte_ptr(ebx), al).unwrap();
        a.out(i32::from(DEBUG_EXIT), eax).unwrap();
    });
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    let matching = vm.ioeventfd(IoEventAddress::Port(0x5c0), IoEventMatch::U32(7)).unwrap();
    let any = vm.ioeventfd(IoEventAddress::Memory(0xd000_0000), IoEventMatch::Any).unwrap();
    let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
    assert_eq!((stopped.reason, stopped.nr_exits), (StopReason::DebugExit(7), 2));
    assert_eq!((matching.event().read().unwrap(), any.event().read().unwrap()), (2, 2));
    let again = vm.ioeventfd(IoEventAddress::Memory(0xd000_0000), IoEventMatch::Any);
    assert!(matches!(again, Err(InterruptError::Kvm { request: "KVM_IOEVENTFD", .. })), "{again:?}");
    drop(any);
    vm.ioeventfd(IoEventAddress::Memory(0xd000_0000), IoEventMatch::Any).unwrap();
}

#[test]
fn start_info_leads_to_the_acpi_tables_of_who_asks() {
    for acpi in [false, true] {
        let stopped = run(VmConfig { acpi, irqchip: Irqchip::Kernel, ..config() }, |a| {
            a.mov(eax, dword_ptr(ebx + 32)).unwrap();
            a.out(i32::from(DEBUG_EXIT), eax).unwrap();
        });
        assert_eq!(stopped.reason, StopReason::DebugExit(if acpi { 0xf_0010 } else { 0 }));
    }
}
