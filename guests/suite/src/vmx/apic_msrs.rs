//! "Virtualize x2APIC mode": RDMSR and WRMSR of 800H to 8FFH.

use super::{
    apic_model::Priorities,
    apic_page::{bit, deliver, offset, set_bit, shadow, status},
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq, mmio,
    user::register::{RAX, RCX, RDX},
    user_code,
    vmx::{
        Guest, Page,
        control::{interruption, processor, secondary},
        field, reason,
    },
    vocabulary::Needs,
};

user_code!(read: "rdmsr", "vmcall");
user_code!(write: "wrmsr", "nop", "vmcall");

/// RFLAGS with IF.
const ENABLED: u64 = 1 << 9 | 2;
/// The first MSR.
const FIRST: u64 = 0x800;
const EOI: u64 = FIRST + 0xb;
const SELF_IPI: u64 = FIRST + 0x3f;
/// #GP(0).
const PROTECTION: u32 = interruption::VALID | interruption::HAS_ERROR_CODE | interruption::HARDWARE_EXCEPTION | 13;

/// Lets L2 use an MSR, with MSR bitmaps that exit for none.
fn prepare(guest: &mut Guest, number: u64, value: u64) {
    Page::MsrBitmap.fill(0);
    guest.activate(secondary::X2APIC);
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MSR_BITMAPS.into());
    let _ = guest.set(field::MSR_BITMAP, Page::MsrBitmap.address());
    guest.registers[RCX] = number;
    guest.registers[RAX] = value & 0xffff_ffff;
    guest.registers[RDX] = value >> 32;
}

/// With APIC-register virtualization RDMSR reads 64 bits of the virtual-APIC page, whatever the register.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing MSR-Based APIC Accesses"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW
       | Needs::VMX_X2APIC | Needs::VMX_MSR_MAPS | Needs::VMX_APIC_REGISTERS)]
fn msrs_of_the_page_are_read() {
    with_guest(read, |guest| {
        for number in 0..256_u64 {
            shadow(guest);
            let value = 0x0123_4567_89ab_cdef_u64.rotate_left(number as u32) ^ number << 40;
            mmio::write_u64(Page::VirtualApic.address() + number * 16, value);
            prepare(guest, FIRST + number, 0);
            guest.activate(secondary::APIC_REGISTERS);
            let exit = run(guest);
            let seen = guest.registers[RDX] << 32 | guest.registers[RAX];
            guest.reset();
            check_eq!("exit reason", [&[]; number], exit.reason, reason::VMCALL);
            check_eq!("value", [&[]; number], seen, value);
        }
    });
}

/// The bit of an MSR in the bitmaps comes before the virtual-APIC page.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing MSR-Based APIC Accesses"), sdm3c("MSR-Bitmap Address")], needs = Needs::INTEL | Needs::VMX
       | Needs::VMX_TPR_SHADOW | Needs::VMX_X2APIC | Needs::VMX_MSR_MAPS | Needs::VMX_APIC_REGISTERS)]
fn msrs_of_the_page_exit_by_the_bitmaps() {
    with_guest(read, |guest| {
        for number in (0..256_u64).step_by(5) {
            guest.start_at(read);
            shadow(guest);
            prepare(guest, FIRST + number, 0);
            guest.activate(secondary::APIC_REGISTERS);
            let _ = rt::vmx::page::set_msr((FIRST + number) as u32, true, true);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of a read", [&[]; number], exit.reason, reason::RDMSR);
            check_eq!("RIP from the start", [&[]; number], exit.rip.wrapping_sub(guest.start()), 0);
        }
    });
}

/// WRMSR of EOI ends the interrupt in service, and exits by the EOI-exit bitmaps; a value that is not 0 raises #GP.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing MSR-Based APIC Accesses"), sdm3c("EOI Virtualization")], needs = Needs::INTEL | Needs::VMX
       | Needs::VMX_TPR_SHADOW | Needs::VMX_X2APIC | Needs::VMX_MSR_MAPS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn msr_of_eoi() {
    const SERVICED: Priorities = Priorities { requested: 0, serviced: 0x72, task: 0 };
    with_guest(write, |guest| {
        gates::fill();
        for (row, exits) in [false, true].into_iter().enumerate() {
            deliver(guest, SERVICED);
            set_bit(offset::ISR, 0x35);
            prepare(guest, EOI, 0);
            if exits {
                let _ = guest.set(field::EOI_EXIT_1, 1 << (0x72 - 64));
            }
            let exit = run(guest);
            let status = status(guest);
            guest.reset();
            check_eq!(
                "exit reason",
                [&[]; row],
                exit.reason,
                if exits { reason::VIRTUALIZED_EOI } else { reason::VMCALL }
            );
            check_eq!("status", [&[]; row], status, 0x3500);
            check_eq!("in service", [&[]; row], bit(offset::ISR, 0x72), false);
            if exits {
                check_eq!("exit qualification", [&[]; row], exit.qualification, 0x72);
                check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), 2);
            }
        }
        for bit_number in 0..64 {
            deliver(guest, SERVICED);
            prepare(guest, EOI, 1 << bit_number);
            let exit = run(guest);
            let status = status(guest);
            guest.reset();
            check_eq!("exit reason of a reserved bit", [&[]; bit_number], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [&[]; bit_number], exit.interruption, PROTECTION);
            check_eq!("status behind a reserved bit", [&[]; bit_number], status, SERVICED.status());
        }
    });
}

/// WRMSR of SELF IPI is delivered behind the instruction for every vector of class 1 and above, and exits behind it for class 0; reserved bits raise #GP.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing MSR-Based APIC Accesses"), sdm3c("Self-IPI Virtualization")], needs = Needs::INTEL | Needs::VMX
       | Needs::VMX_TPR_SHADOW | Needs::VMX_X2APIC | Needs::VMX_MSR_MAPS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn msr_of_self_ipi() {
    const IDLE: Priorities = Priorities { requested: 0, serviced: 0, task: 0 };
    with_guest(write, |guest| {
        gates::fill();
        for vector in 0..=255_u8 {
            gates::attach(guest);
            deliver(guest, IDLE);
            prepare(guest, SELF_IPI, vector.into());
            let _ = guest.set(field::GUEST_RFLAGS, ENABLED);
            let exit = run(guest);
            let (ended, pushed) = (ending(&exit), stack_word(guest, 0).wrapping_sub(guest.start()));
            guest.reset();
            if vector >= 16 {
                check_eq!("ending", [&[]; vector], ended, DELIVERED + u64::from(vector));
                check_eq!("pushed RIP from the start", [&[]; vector], pushed, 2);
            } else {
                check_eq!("ending", [&[]; vector], ended, reason::APIC_WRITE);
                check_eq!("exit qualification", [&[]; vector], exit.qualification, 0x3f0);
                check_eq!("RIP from the start", [&[]; vector], exit.rip.wrapping_sub(guest.start()), 2);
            }
        }
        for bit_number in 8..64 {
            deliver(guest, IDLE);
            prepare(guest, SELF_IPI, 1 << bit_number | 0x41);
            let exit = run(guest);
            let status = status(guest);
            guest.reset();
            check_eq!("exit reason of a reserved bit", [&[]; bit_number], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [&[]; bit_number], exit.interruption, PROTECTION);
            check_eq!("status behind a reserved bit", [&[]; bit_number], status, 0);
        }
    });
}
