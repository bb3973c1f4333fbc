//! What only some processors offer: filter and threshold of PAUSE, decode assists, LBR virtualization, clean bits.

use super::{end_of, ending::COMPLETED, start_of, with_svm};
use rt::{
    case, check_eq,
    layout::UNMAPPED,
    svm::{
        Guest,
        field::{self, INTERCEPTS_1, exit, intercept_1},
    },
    user_code,
    vocabulary::Needs,
};

const PAUSE: u64 = exit::INTR + intercept_1::PAUSE as u64;
const PAUSE_LENGTH: u64 = 2;

user_code!(pauses: "pause", "pause", "pause", "pause", "pause", "pause", "pause", "pause", "vmmcall");

/// The filter counts PAUSEs down, and the one that finds it below zero exits; a filter of 0 counts none.
#[case(feature = SvmIntercepts, spec = apm2("Pause Intercept Filtering"), needs = Needs::SVM | Needs::SVM_PAUSE_FILTER)]
fn filter_of_pause() {
    with_svm(|| {
        for count in 0..=8_u16 {
            let mut guest = Guest::new(pauses);
            guest.intercept(INTERCEPTS_1, intercept_1::PAUSE);
            guest.write_u16(field::PAUSE_FILTER_COUNT, count);
            let ran = guest.run();
            let rip = ran.as_ref().map_or(0, |exit| exit.rip);
            let ending = end_of(ran);
            check_eq!("ending", [&[]; count], ending, if count < 8 { PAUSE } else { COMPLETED });
            if ending == PAUSE {
                check_eq!("RIP from the start", [&[]; count], rip - start_of(pauses), u64::from(count) * PAUSE_LENGTH);
            }
        }
    });
}

/// With a threshold that is never exceeded the filter works as without; the count in the VMCB stays.
#[case(feature = SvmIntercepts, spec = apm2("Pause Intercept Filtering"),
       needs = Needs::SVM | Needs::SVM_PAUSE_FILTER | Needs::SVM_PAUSE_THRESHOLD)]
fn threshold_of_pause() {
    with_svm(|| {
        for count in 1..=8_u16 {
            let mut guest = Guest::new(pauses);
            guest.intercept(INTERCEPTS_1, intercept_1::PAUSE);
            guest.write_u16(field::PAUSE_FILTER_COUNT, count);
            guest.write_u16(field::PAUSE_FILTER_THRESHOLD, u16::MAX);
            check_eq!("ending", [&[]; count], end_of(guest.run()), if count < 8 { PAUSE } else { COMPLETED });
            check_eq!("threshold", [&[]; count], guest.read_u16(field::PAUSE_FILTER_THRESHOLD), u16::MAX);
        }
    });
}

user_code!(load: "mov rax, [rdi]", "vmmcall");

/// Decode assists: the bytes of the instruction that raised an intercepted page fault.
#[case(feature = SvmExceptions, spec = apm2("Decode Assists"), needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS)]
fn bytes_of_the_instruction() {
    with_svm(|| {
        let mut guest = Guest::new(load);
        guest.registers.rdi = UNMAPPED;
        check_eq!("ending", end_of(guest.run()), exit::EXCEPTION + 14);
        let count = u64::from(guest.read_u8(field::NR_BYTES) & 15);
        check_eq!("at least the instruction's", u64::from(count >= 3), 1);
        for index in 0..count {
            let due = rt::mmio::read_u8(start_of(load) + index);
            check_eq!("byte", [&[]; index], guest.read_u8(field::INSTRUCTION_BYTES + index), due);
        }
    });
}

user_code!(invalidate: "invlpg [rdi]", "vmmcall");

/// Decode assists: EXITINFO1 of INVLPG is the address.
#[case(feature = SvmIntercepts, spec = apm2("Decode Assists"), needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS)]
fn address_of_invlpg() {
    with_svm(|| {
        for address in [0, 0x1234_5678, UNMAPPED, 0xffff_8000_0000_0000] {
            let mut guest = Guest::new(invalidate);
            guest.intercept(INTERCEPTS_1, intercept_1::INVLPG);
            guest.registers.rdi = address;
            let ran = guest.run();
            let information = ran.as_ref().map_or(!address, |exit| exit.info_1);
            check_eq!("ending", [&[]; address], end_of(ran), exit::INTR + u64::from(intercept_1::INVLPG));
            check_eq!("EXITINFO1", [&[]; address], information, address);
        }
    });
}

user_code!(end: "vmmcall");

/// Clean bits of a VMCB that the processor has not seen at its address do not count: all of it is loaded where they are clear, and
/// where nothing was changed they change nothing.
#[case(feature = SvmState, spec = apm2("VMCB State Caching"), needs = Needs::SVM)]
fn clean_bits_of_what_is_unchanged() {
    with_svm(|| {
        let mut guest = Guest::new(end);
        check_eq!("first run", end_of(guest.run()), COMPLETED);
        for bit in 0..32_u64 {
            guest.write_u32(field::CLEAN, if bit < 12 { 1 << bit } else { 0 });
            check_eq!("ending", [&[]; bit], end_of(guest.run()), COMPLETED);
            check_eq!("RIP", [&[]; bit], guest.read_u64(field::RIP), start_of(end));
        }
    });
}
