//! Virtual GIF: STGI and CLGI of L2 without an exit.

use super::{
    end_of,
    ending::{COMPLETED, delivered},
    start_of,
    virtual_interrupt_model::Waiting,
    virtual_interrupts::{Code, TAKEN, VECTOR, guest},
    with_svm,
};
use rt::{
    case, check_eq, names,
    svm::{
        field::{INTERCEPTS_2, VIRTUAL_INTERRUPT, exit, intercept_2, virtual_interrupt as bit},
        gates,
    },
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "nop", "vmmcall");
user_code!(set: "stgi", "nop", "nop", "vmmcall");
user_code!(clear: "clgi", "nop", "nop", "vmmcall");
user_code!(clear_and_set: "clgi", "stgi", "nop", "nop", "vmmcall");
user_code!(clear_and_allow: "clgi", "sti", "nop", "nop", "vmmcall");
user_code!(allow_and_set: "sti", "nop", "stgi", "nop", "nop", "vmmcall");

/// V_GIF holds virtual interrupts, whatever RFLAGS.IF is; with virtual GIF disabled the bit does not count.
#[case(feature = SvmInterrupts, spec = apm2("Virtual GIF"), needs = Needs::SVM | Needs::SVM_VIRTUAL_GIF)]
fn it_holds_virtual_interrupts() {
    with_svm(|| {
        gates::fill();
        for row in 0..12_u8 {
            let virtual_gif = match row >> 2 {
                0 => None,
                1 => Some(false),
                _ => Some(true),
            };
            let waiting = Waiting { requested: row & 1 != 0, interrupt_flag: row & 2 != 0, virtual_gif, ..TAKEN };
            let mut guest = guest(end, waiting, VECTOR);
            let due = if waiting.is_taken() { delivered(VECTOR) } else { COMPLETED };
            check_eq!("ending", [&[]; row], end_of(guest.run()), due);
            let left = guest.read_u64(VIRTUAL_INTERRUPT);
            check_eq!("V_GIF", [&[]; row], left & bit::GIF, u64::from(virtual_gif.unwrap_or(false)) * bit::GIF);
            check_eq!(
                "V_GIF_ENABLE",
                [&[]; row],
                left & bit::GIF_ENABLE,
                u64::from(virtual_gif.is_some()) * bit::GIF_ENABLE
            );
        }
    });
}

/// STGI and CLGI of L2 change V_GIF, and nothing else; what waits comes behind STGI.
#[case(feature = SvmInterrupts, spec = apm2("Virtual GIF"), needs = Needs::SVM | Needs::SVM_VIRTUAL_GIF)]
fn stgi_and_clgi_change_it() {
    const NAMES: &[Text] = names!["STGI", "CLGI", "CLGI, STGI", "CLGI, STI", "STI, STGI"];
    // Code, V_GIF and IF at first, V_GIF at the end, and where the interrupt comes if one waits.
    let rows: [(Code, bool, bool, bool, Option<u64>); 5] = [
        (set, false, true, true, Some(3)),
        (clear, true, false, false, None),
        (clear_and_set, true, false, true, None),
        (clear_and_allow, true, false, false, None),
        (allow_and_set, false, false, true, Some(5)),
    ];
    with_svm(|| {
        gates::fill();
        for requested in [false, true] {
            for (row, (code, gif, interrupt_flag, after, comes)) in rows.into_iter().enumerate() {
                let waiting = Waiting { requested, interrupt_flag, virtual_gif: Some(gif), ..TAKEN };
                let mut guest = guest(code, waiting, VECTOR);
                let comes = if requested { comes } else { None };
                let ending = end_of(guest.run());
                check_eq!("ending", [NAMES; row], ending, if comes.is_some() { delivered(VECTOR) } else { COMPLETED });
                let left = guest.read_u64(VIRTUAL_INTERRUPT) & bit::GIF;
                check_eq!("V_GIF", [NAMES; row], left, u64::from(after) * bit::GIF);
                if let (Some(offset), true) = (comes, ending == delivered(VECTOR)) {
                    check_eq!("pushed RIP from the start", [NAMES; row], guest.stack_word(0) - start_of(code), offset);
                }
            }
        }
    });
}

/// Their intercepts exit all the same, and leave V_GIF.
#[case(feature = SvmInterrupts, spec = [apm2("Virtual GIF"), apm2("Instruction Intercepts")], needs = Needs::SVM | Needs::SVM_VIRTUAL_GIF)]
fn intercepts_come_first() {
    let rows: [(Code, u32, bool); 2] = [(set, intercept_2::STGI, false), (clear, intercept_2::CLGI, true)];
    with_svm(|| {
        for (row, (code, number, gif)) in rows.into_iter().enumerate() {
            let waiting = Waiting { requested: false, virtual_gif: Some(gif), ..TAKEN };
            let mut guest = guest(code, waiting, VECTOR);
            guest.intercept(INTERCEPTS_2, number);
            check_eq!("ending", [&[]; row], end_of(guest.run()), exit::VMRUN + u64::from(number));
            check_eq!("V_GIF", [&[]; row], guest.read_u64(VIRTUAL_INTERRUPT) & bit::GIF, u64::from(gif) * bit::GIF);
        }
    });
}
