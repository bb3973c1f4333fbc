//! From 64-bit mode to 16 and 32-bit compatibility mode by IRETQ and RETFQ, and back by IRETD, far RET and far JMP.

use super::{
    compatibility_model::{Arrived, Size, Way, arrived},
    reporting::{report, sites},
};
use case::Text;
use rt::{
    Exception, Outcome, case,
    descriptors::{Descriptors, FREE},
    excursion::{
        Code,
        tables::{access, segment},
    },
    machine_code, mmio, names, paging,
    tables::selector,
    user::{self, State},
    user_code,
};

user_code!(iretq: "iretq");
user_code!(retfq: ".byte 0x48, 0xcb");
// Bytes that are the same in every mode: PUSH of EAX by its default size, then UD2.
user_code!(landing: ".byte 0x50, 0x0f, 0x0b");

machine_code! {
    /// PUSH and UD2.
    32 pub(super) COMPATIBLE_LANDING = "push eax", "ud2";
    32 COMPATIBLE_IRETD = "iretd";
    32 COMPATIBLE_RETF = "retf";
    32 COMPATIBLE_JUMP = ".byte 0xff, 0x2c, 0x24";
    16 COMPATIBLE_IRETD_16 = "iretd";
    16 COMPATIBLE_RETF_16 = ".byte 0x66, 0xcb";
    16 COMPATIBLE_JUMP_16 = ".byte 0x67, 0x66, 0xff, 0x2c, 0x24";
}

/// A 16-bit code segment, whose base is the code in it.
const CODE_16: u16 = FREE | 3;
/// Images of RFLAGS: none, CF, DF, all that CPL 3 may change but TF, and VM.
const IMAGES: [u64; 5] = [2, 3, 0x402, 0x24_0cd7, 0x2_0002];

pub(super) fn address_of(function: extern "C" fn(u64) -> u64) -> u64 {
    function as *const () as usize as u64
}

fn table(code: &Code) -> Descriptors {
    let table = Descriptors::new();
    table.set(CODE_16 & !3, segment(code.address() as u32, 0xffff, access::CODE | access::DPL_3, 0));
    table
}

pub(super) fn seen(exception: &Exception) -> Arrived {
    Arrived {
        outcome: Outcome::from(*exception).0,
        rip: exception.rip,
        cs: exception.cs.into(),
        ss: exception.ss.into(),
        rsp: exception.rsp,
        rflags: exception.rflags,
    }
}

pub(super) fn stack() -> u64 {
    paging::frame(0) + 0x800
}

/// Goes from 64-bit mode to `cs`.
fn check_out(cs: u16, size: Size) {
    let _table = table(&COMPATIBLE_LANDING);
    let target = match size {
        Size::Bits16 => 0,
        Size::Bits32 => COMPATIBLE_LANDING.address(),
        Size::Bits64 => address_of(landing),
    };
    for (row, image) in IMAGES.into_iter().enumerate() {
        for (way, code) in [(Way::Iretq, iretq as extern "C" fn(u64) -> u64), (Way::Retfq, retfq)] {
            let mut state = State::at(address_of(code));
            state.registers[user::register::RSP] = stack();
            let above = stack() + 0x100;
            let words = [target, cs.into(), image, above, selector::USER_DATA.into()];
            for (index, word) in (0..).zip(words) {
                mmio::write_u64(stack() + index * 8, word);
            }
            let exception = user::enter(&mut state);
            let start = if way == Way::Iretq { above } else { stack() };
            let columns = seen(&exception).beside(arrived(way, size, target, cs, selector::USER_DATA, start, image));
            if way == Way::Iretq {
                let sites = sites![&[]; Outcome "IRETQ, PUSH and UD2", Hex "RIP of IRETQ", Hex "CS of IRETQ",
                    Hex "SS of IRETQ", Hex "RSP of IRETQ", Hex "RFLAGS of IRETQ"];
                report(sites, row, columns);
            } else {
                let sites = sites![&[]; Outcome "RETFQ, PUSH and UD2", Hex "RIP of RETFQ", Hex "CS of RETFQ",
                    Hex "SS of RETFQ", Hex "RSP of RETFQ", Hex "RFLAGS of RETFQ"];
                report(sites, row, columns);
            }
        }
    }
}

/// Goes from code of compatibility mode to `cs`.
fn check_back(is_16_bit: bool, cs: u16, size: Size) {
    const NAMES: &[Text] = names!["IRETD", "IRETD with all flags", "far RET", "far JMP", "IRETD with VM"];
    let rows: [(Way, u64, &Code); 5] = if is_16_bit {
        [
            (Way::Iretd, 2, &COMPATIBLE_IRETD_16),
            (Way::Iretd, IMAGES[3], &COMPATIBLE_IRETD_16),
            (Way::Retf, 2, &COMPATIBLE_RETF_16),
            (Way::Jump, 2, &COMPATIBLE_JUMP_16),
            (Way::Iretd, IMAGES[4], &COMPATIBLE_IRETD_16),
        ]
    } else {
        [
            (Way::Iretd, 2, &COMPATIBLE_IRETD),
            (Way::Iretd, IMAGES[3], &COMPATIBLE_IRETD),
            (Way::Retf, 2, &COMPATIBLE_RETF),
            (Way::Jump, 2, &COMPATIBLE_JUMP),
            (Way::Iretd, IMAGES[4], &COMPATIBLE_IRETD),
        ]
    };
    let target = if size == Size::Bits64 { address_of(landing) } else { COMPATIBLE_LANDING.address() };
    for (row, (way, image, code)) in rows.into_iter().enumerate() {
        let _table = table(code);
        let mut state = State::at(if is_16_bit { 0 } else { code.address() });
        state.cs = if is_16_bit { CODE_16 } else { selector::USER_CODE_32 };
        state.registers[user::register::RSP] = stack();
        for (index, word) in (0..).zip([target, cs.into(), image]) {
            mmio::write_u32(stack() + index * 4, word as u32);
        }
        // Where virtual-8086 mode would go on: UD2, so that a subject that enters it comes back.
        let astray = (u64::from(cs) << 4) + (target & 0xffff);
        let previous = mmio::read_u16(astray);
        mmio::write_u16(astray, 0x0b0f);
        let exception = user::enter(&mut state);
        mmio::write_u16(astray, previous);
        let columns = seen(&exception).beside(arrived(way, size, target, cs, selector::USER_DATA, stack(), image));
        let sites = sites![NAMES; Outcome "PUSH and UD2", Hex "RIP", Hex "CS", Hex "SS", Hex "RSP", Hex "RFLAGS"];
        report(sites, row, columns);
    }
}

/// IRETQ and RETFQ at CPL 3 stay in 64-bit mode with a code segment whose L is set.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure"), apm3("IRET")])]
fn returns_from_64_bit_mode_to_64_bit_mode() {
    check_out(selector::USER_CODE, Size::Bits64);
}

/// IRETQ and RETFQ at CPL 3 lead to 32-bit compatibility mode with a code segment whose D is set.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure"), apm3("IRET")])]
fn returns_from_64_bit_mode_to_32_bit_mode() {
    check_out(selector::USER_CODE_32, Size::Bits32);
}

/// IRETQ and RETFQ at CPL 3 lead to 16-bit compatibility mode with a code segment whose L and D are clear, and its base.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure"), apm3("IRET")])]
fn returns_from_64_bit_mode_to_16_bit_mode() {
    check_out(CODE_16, Size::Bits16);
}

/// IRETD, far RET and far JMP of 32-bit compatibility mode lead to 64-bit mode; IRETD pops no stack there.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure"), sdm2("JMP—Jump")])]
fn returns_from_32_bit_mode_to_64_bit_mode() {
    check_back(false, selector::USER_CODE, Size::Bits64);
}

/// IRETD, far RET and far JMP of 16-bit compatibility mode, with operands of 32 bits, lead to 64-bit mode.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure"), sdm2("JMP—Jump")])]
fn returns_from_16_bit_mode_to_64_bit_mode() {
    check_back(true, selector::USER_CODE, Size::Bits64);
}

/// IRETD, far RET and far JMP of 16-bit compatibility mode lead to 32-bit compatibility mode.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure"), sdm2("JMP—Jump")])]
fn returns_from_16_bit_mode_to_32_bit_mode() {
    check_back(true, selector::USER_CODE_32, Size::Bits32);
}
