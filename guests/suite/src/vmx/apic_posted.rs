//! Posted interrupts: the notification vector, and the requests that it takes into the virtual-APIC page.

use super::{
    apic_model::Priorities,
    apic_page::{bit, deliver, offset, status},
    events_gates::{self as gates, DELIVERED, ending},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq,
    local_apic::LocalApic,
    mmio, user_code,
    vmx::{
        Guest, Page,
        control::{exit, interruption, pin},
        field, reason,
    },
    vocabulary::Needs,
};

user_code!(nops: "nop", "nop", "vmcall");

/// RFLAGS with IF.
const ENABLED: u64 = 1 << 9 | 2;
/// The notification vector.
const NOTIFICATION: u8 = 0xe3;
/// Offset of the word whose bit 0 tells of outstanding notifications (bit 256 of the descriptor).
const OUTSTANDING: u64 = 32;

/// Lets L2 process posted interrupts, with these requests and one notification outstanding.
fn prepare(guest: &mut Guest, requests: &[u8]) {
    let waiting = Priorities { requested: 0, serviced: 0, task: 0 };
    gates::attach(guest);
    deliver(guest, waiting);
    Page::PostedDescriptor.fill(0);
    for &vector in requests {
        Page::PostedDescriptor.set_bit(vector.into(), true);
    }
    mmio::write_u64(Page::PostedDescriptor.address() + OUTSTANDING, 1);
    let _ = guest.set_bits(field::PIN_CONTROLS, pin::POSTED.into());
    let _ = guest.set_bits(field::EXIT_CONTROLS, exit::ACKNOWLEDGE_INTERRUPT.into());
    let _ = guest.set(field::POSTED_VECTOR, NOTIFICATION.into());
    let _ = guest.set(field::POSTED_DESCRIPTOR, Page::PostedDescriptor.address());
}

/// The notification vector does not exit: its interrupt is ended, the requests move to the virtual IRR, and the notification is outstanding no more.
#[case(feature = VmxApic, spec = sdm3c("Posted-Interrupt Processing"), irqchip = LocalApic, needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC
       | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS | Needs::VMX_POSTED)]
fn posted_interrupts_are_taken() {
    let apic = LocalApic::enabled();
    with_guest(nops, |guest| {
        gates::fill();
        for vector in 16..=255_u8 {
            let is_enabled = vector % 2 == 0;
            prepare(guest, &[vector, 16]);
            let _ = guest.set(field::GUEST_RFLAGS, if is_enabled { ENABLED } else { 2 });
            apic.send_to_self(NOTIFICATION);
            let exit = run(guest);
            let (ended, status) = (ending(&exit), status(guest));
            guest.reset();
            let due = if is_enabled { DELIVERED + u64::from(vector) } else { reason::VMCALL.into() };
            check_eq!("ending", [&[]; vector], ended, due);
            let other = u64::from(if vector == 16 { 0 } else { 16_u8 });
            let due = if is_enabled { u64::from(vector) << 8 | other } else { vector.into() };
            check_eq!("status", [&[]; vector], status, due);
            check_eq!("virtual request", [&[]; vector], bit(offset::IRR, vector), !is_enabled);
            for word in 0..5_u64 {
                let row = word << 8 | u64::from(vector);
                check_eq!("descriptor", [&[]; row], mmio::read_u64(Page::PostedDescriptor.address() + word * 8), 0);
            }
            check_eq!("notification waits", [&[]; vector], apic.is_requested(NOTIFICATION), false);
            check_eq!("notification in service", [&[]; vector], apic.is_in_service(NOTIFICATION), false);
        }
    });
}

/// Another vector exits, acknowledged, and leaves the descriptor alone.
#[case(feature = VmxApic, spec = sdm3c("Posted-Interrupt Processing"), irqchip = LocalApic, needs = Needs::INTEL | Needs::VMX | Needs::LOCAL_APIC
       | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS | Needs::VMX_POSTED)]
fn interrupts_that_are_not_posted_exit() {
    let apic = LocalApic::enabled();
    with_guest(nops, |guest| {
        for vector in [0x20_u8, 0x41, NOTIFICATION - 1, NOTIFICATION + 1, 0xfe] {
            prepare(guest, &[0x55]);
            apic.send_to_self(vector);
            let exit = run(guest);
            guest.reset();
            apic.end_interrupt();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::EXTERNAL_INTERRUPT);
            let due = u64::from(interruption::VALID | interruption::EXTERNAL) | u64::from(vector);
            check_eq!("interruption information", [&[]; vector], exit.interruption, due);
            let left = mmio::read_u64(Page::PostedDescriptor.address() + OUTSTANDING);
            check_eq!("notification outstanding", [&[]; vector], left, 1);
        }
    });
}
