//! SMIs that strike while L2 runs or waits to.

use super::{end_of, ending::COMPLETED, start_of, with_svm};
use rt::{
    case, check, check_eq,
    local_apic::{LocalApic, register::icr},
    mmio,
    svm::{
        Guest, clear_global_interrupts,
        field::{INTERCEPTS_1, intercept_1},
    },
    user_code,
    vocabulary::Needs,
};

user_code!(end: "nop", "vmmcall");

/// Where SMM starts after reset: SMBASE and 8000H.
const HANDLER: u64 = 0x3_8000;
/// Behind the handler: how many SMIs it has seen.
const COUNT: u64 = 0x3_8100;
const SMI: u64 = 0x62;

/// The handler, in the 16-bit code of SMM with CS at SMBASE: it counts, and leaves by RSM.
const CODE: [u8; 8] = [
    // INC BYTE PTR CS:[8100H]
    0x2e, 0xfe, 0x06, 0x00, 0x81, // RSM
    0x0f, 0xaa, // HLT
    0xf4,
];

/// Puts a handler where SMM starts, and calls `body` with what counts its runs.
fn with_handler(body: impl FnOnce(fn() -> u8)) {
    let former: [u8; CODE.len()] = core::array::from_fn(|index| mmio::read_u8(HANDLER + index as u64));
    for (index, byte) in CODE.into_iter().enumerate() {
        mmio::write_u8(HANDLER + index as u64, byte);
    }
    mmio::write_u8(COUNT, 0);
    body(|| mmio::read_u8(COUNT));
    for (index, byte) in former.into_iter().enumerate() {
        mmio::write_u8(HANDLER + index as u64, byte);
    }
}

fn send(apic: &LocalApic) {
    apic.send(apic.id(), icr::SMI | icr::ASSERT);
}

/// An SMI that is intercepted exits, stays pending while GIF is clear, and comes behind STGI.
#[case(feature = SvmInterrupts, spec = [apm2("SMI Intercept"), apm2("Global Interrupt Flag, STGI and CLGI Instructions")],
       needs = Needs::SVM | Needs::LOCAL_APIC | Needs::SMI, irqchip = LocalApic)]
fn intercepted_smi() {
    with_svm(|| {
        let apic = LocalApic::enabled();
        with_handler(|count| {
            for turn in 0..2_u8 {
                let mut guest = Guest::new(end);
                guest.intercept(INTERCEPTS_1, intercept_1::SMI);
                let _ = clear_global_interrupts();
                send(&apic);
                check_eq!("while GIF is clear", [&[]; turn], count(), turn);
                let ran = guest.run();
                let rip = ran.as_ref().map_or(0, |exit| exit.rip);
                check_eq!("ending", [&[]; turn], end_of(ran), SMI);
                check_eq!("RIP", [&[]; turn], rip, start_of(end));
                check_eq!("behind STGI", [&[]; turn], count(), turn + 1);
            }
        });
    });
}

/// One that is not intercepted is taken in L2, which goes on as if nothing had been.
#[case(feature = SvmInterrupts, spec = [apm2("SMI Intercept"), apm2("System-Management Mode and SVM")],
       needs = Needs::SVM | Needs::LOCAL_APIC | Needs::SMI, irqchip = LocalApic)]
fn smi_without_intercept() {
    with_svm(|| {
        let apic = LocalApic::enabled();
        with_handler(|count| {
            let mut guest = Guest::new(end);
            guest.registers.r15 = 0x1234;
            let _ = clear_global_interrupts();
            send(&apic);
            check_eq!("ending", end_of(guest.run()), COMPLETED);
            check_eq!("R15", guest.registers.r15, 0x1234);
            check!("it was taken", count() == 1);
        });
    });
}
