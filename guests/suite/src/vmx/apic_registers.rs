//! APIC-register virtualization: which accesses the virtual-APIC page answers, and APIC-write exits.

use super::{
    apic_model::{self, Answer, Controls},
    apic_page::{map, offset, register, set_register, shadow},
    exit_slots::{Code, run},
    with_guest,
};
use rt::{
    case, check_eq, mmio,
    user::register::{RAX, RDI},
    user_code,
    vmx::{
        Guest, Page,
        control::{pin, secondary},
        field, reason,
    },
    vocabulary::Needs,
};

user_code!(read: "mov eax, [rdi]", "vmcall");
user_code!(write: "mov [rdi], eax", "vmcall");
user_code!(read_byte: "mov al, [rdi]", "vmcall");
user_code!(read_word: "mov ax, [rdi]", "vmcall");
user_code!(read_quadword: "mov rax, [rdi]", "vmcall");
user_code!(write_byte: "mov [rdi], al", "vmcall");
user_code!(write_word: "mov [rdi], ax", "vmcall");
user_code!(write_quadword: "mov [rdi], rax", "vmcall");

/// Bit 12 of the exit qualification of an APIC-access exit: a write.
const WRITE: u64 = 1 << 12;

/// Uses the virtual-APIC page by these controls; every register holds its own mark. Returns the address of the APIC-access page.
fn prepare(guest: &mut Guest, controls: Controls) -> u64 {
    shadow(guest);
    for register in 0..256 {
        mmio::write_u64(Page::VirtualApic.address() + register * 16, mark(register * 16));
    }
    let address = map(guest);
    if controls.registers {
        guest.activate(secondary::APIC_REGISTERS);
    }
    if controls.interrupts {
        guest.activate(secondary::VIRTUAL_INTERRUPTS);
        let _ = guest.set_bits(field::PIN_CONTROLS, pin::EXTERNAL_INTERRUPT.into());
        let _ = guest.set(field::GUEST_INTERRUPT_STATUS, 0);
    }
    address
}

/// What stands in a register. TPR and PPR hold 0, so that priorities are known: entries compute the latter.
fn mark(offset: u64) -> u64 {
    if matches!(offset, offset::TPR | offset::PPR) { 0 } else { 0x0123_4567_8000_0000 | offset << 8 | offset >> 4 }
}

/// Reads every register with these controls.
fn read_each(controls: Controls) {
    with_guest(read, |guest| {
        for number in 0..256_u64 {
            let at = number * 16;
            guest.registers[RDI] = prepare(guest, controls) + at;
            let exit = run(guest);
            let value = guest.registers[RAX];
            let due = apic_model::read(controls, at, 4) == Answer::Virtual;
            guest.reset();
            if due {
                check_eq!("exit reason", [&[]; number], exit.reason, reason::VMCALL);
                check_eq!("value", [&[]; number], value, mark(at) & 0xffff_ffff);
            } else {
                check_eq!("exit reason", [&[]; number], exit.reason, reason::APIC_ACCESS);
                check_eq!("exit qualification", [&[]; number], exit.qualification, at);
                check_eq!("value", [&[]; number], value, 0);
            }
        }
    });
}

/// Writes every register with these controls.
fn write_each(controls: Controls) {
    // No interrupt command that the processor sends by itself, and a task priority of 0.
    const VALUE: u32 = 0x8765_4308;
    with_guest(write, |guest| {
        for number in 0..256_u64 {
            let at = number * 16;
            guest.registers[RDI] = prepare(guest, controls) + at;
            guest.registers[RAX] = VALUE.into();
            let exit = run(guest);
            let (rip, left) = (exit.rip.wrapping_sub(guest.start()), register(at));
            let pending = exit.interruption >> 31;
            guest.reset();
            match apic_model::write(controls, at, 4, VALUE) {
                Answer::Virtual => {
                    check_eq!("exit reason", [&[]; number], exit.reason, reason::VMCALL);
                    let due = match at {
                        offset::TPR => VALUE & 0xff,
                        0x310 => VALUE & 0xff00_0000,
                        offset::EOI => 0,
                        _ => VALUE,
                    };
                    check_eq!("register", [&[]; number], left, due);
                }
                Answer::WriteExit => {
                    check_eq!("exit reason", [&[]; number], exit.reason, reason::APIC_WRITE);
                    check_eq!("exit qualification", [&[]; number], exit.qualification, at);
                    check_eq!("RIP from the start", [&[]; number], rip, 2);
                    check_eq!("register", [&[]; number], left, VALUE);
                    check_eq!("an event is told", [&[]; number], pending, 0);
                }
                Answer::AccessExit => {
                    check_eq!("exit reason", [&[]; number], exit.reason, reason::APIC_ACCESS);
                    check_eq!("exit qualification", [&[]; number], exit.qualification, at | WRITE);
                    check_eq!("RIP from the start", [&[]; number], rip, 0);
                    check_eq!("register", [&[]; number], left, mark(at) & 0xffff_ffff);
                }
            }
        }
    });
}

const REGISTERS: Controls = Controls { registers: true, interrupts: false };
const INTERRUPTS: Controls = Controls { registers: false, interrupts: true };
const BOTH: Controls = Controls { registers: true, interrupts: true };

/// With APIC-register virtualization reads of the manual's registers are answered by the virtual-APIC page; all others exit.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing Reads from the APIC-Access Page"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_APIC_REGISTERS)]
fn registers_that_are_read() {
    read_each(REGISTERS);
}

/// With virtual-interrupt delivery alone only reads of the TPR are answered.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing Reads from the APIC-Access Page"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn registers_that_are_read_with_virtual_interrupts() {
    read_each(INTERRUPTS);
}

/// With APIC-register virtualization writes of the manual's registers go to the virtual-APIC page and exit behind the instruction, but those
/// of the TPR and of the high half of the ICR, which lose their reserved bytes.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing Writes to the APIC-Access Page"), sdm3c("APIC-Write VM Exits")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_APIC_REGISTERS)]
fn registers_that_are_written() {
    write_each(REGISTERS);
}

/// With virtual-interrupt delivery alone only TPR, EOI and the low half of the ICR can be written; a command that is no self-IPI exits.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing Writes to the APIC-Access Page"), sdm3c("APIC-Write Emulation")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn registers_that_are_written_with_virtual_interrupts() {
    write_each(INTERRUPTS);
}

/// With both controls every register of APIC-register virtualization can be written, and EOI does not exit.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing Writes to the APIC-Access Page"), sdm3c("APIC-Write Emulation")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_APIC_REGISTERS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn registers_that_are_written_with_both() {
    write_each(BOTH);
}

const READS: [(Code, u64); 4] = [(read_byte, 1), (read_word, 2), (read, 4), (read_quadword, 8)];
const WRITES: [(Code, u64); 4] = [(write_byte, 1), (write_word, 2), (write, 4), (write_quadword, 8)];

/// A read of any size is answered while it stays in the four bytes of a register. The row is size and offset.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing Reads from the APIC-Access Page"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_APIC_REGISTERS)]
fn sizes_of_reads() {
    with_guest(read, |guest| {
        for (code, size) in READS {
            for at in 0xd0..=0xe0_u64 {
                let row = size << 12 | at;
                guest.start_at(code);
                guest.registers[RDI] = prepare(guest, REGISTERS) + at;
                let exit = run(guest);
                let value = guest.registers[RAX];
                guest.reset();
                if apic_model::read(REGISTERS, at, size) == Answer::Virtual {
                    check_eq!("exit reason", [&[]; row], exit.reason, reason::VMCALL);
                    let due = mark(at & !15) >> ((at & 15) * 8) & (u64::MAX >> (64 - size * 8));
                    check_eq!("value", [&[]; row], value, due);
                } else {
                    check_eq!("exit reason", [&[]; row], exit.reason, reason::APIC_ACCESS);
                    check_eq!("exit qualification", [&[]; row], exit.qualification, at);
                }
            }
        }
    });
}

/// A write of any size goes to the virtual-APIC page while it stays in the four bytes of a register. The row is size and offset.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing Writes to the APIC-Access Page"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_APIC_REGISTERS)]
fn sizes_of_writes() {
    const VALUE: u64 = 0xa1b2_c3d4_e5f6_0718;
    with_guest(write, |guest| {
        for (code, size) in WRITES {
            for at in 0xd0..=0xe0_u64 {
                let row = size << 12 | at;
                guest.start_at(code);
                guest.registers[RDI] = prepare(guest, REGISTERS) + at;
                guest.registers[RAX] = VALUE;
                let exit = run(guest);
                let left = mmio::read_u64(Page::VirtualApic.address() + (at & !15));
                guest.reset();
                let before = mark(at & !15);
                let (shift, mask) = ((at & 15) * 8 % 64, u64::MAX >> (64 - size * 8));
                if apic_model::write(REGISTERS, at, size, 0) == Answer::WriteExit {
                    check_eq!("exit reason", [&[]; row], exit.reason, reason::APIC_WRITE);
                    // Whether an offset inside of the register is told is left open.
                    check_eq!("register of the qualification", [&[]; row], exit.qualification & !15, at & !15);
                    let due = before & !(mask << shift) | (VALUE & mask) << shift;
                    check_eq!("register", [&[]; row], left, due);
                } else {
                    check_eq!("exit reason", [&[]; row], exit.reason, reason::APIC_ACCESS);
                    check_eq!("exit qualification", [&[]; row], exit.qualification, at | WRITE);
                    check_eq!("register", [&[]; row], left, before);
                }
            }
        }
    });
}

/// Without APIC-register virtualization a read-only register of it is not answered, whatever the virtual-APIC page holds.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing Reads from the APIC-Access Page"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS)]
fn registers_without_virtualization() {
    with_guest(read, |guest| {
        for number in 0..256_u64 {
            guest.registers[RDI] = prepare(guest, Controls { registers: false, interrupts: false }) + number * 16;
            set_register(offset::TPR, 0x77);
            let exit = run(guest);
            guest.reset();
            let due = if number * 16 == offset::TPR { reason::VMCALL } else { reason::APIC_ACCESS };
            check_eq!("exit reason", [&[]; number], exit.reason, due);
        }
    });
}
