//! Exits of IN, OUT, INS and OUTS by every form, with what EXITINFO1 and EXITINFO2 tell.

use super::{
    end_of,
    port_information::{Access, OF_ALL, OF_STRINGS},
    start_of, with_svm,
};
use rt::{
    case, check_eq, paging,
    svm::{
        Guest,
        field::{INTERCEPTS_1, exit, intercept_1},
        set_port,
    },
    user_code,
    vocabulary::Needs,
};

struct Row {
    code: extern "C" fn(u64) -> u64,
    length: u64,
    access: Access,
}

const PORT: u16 = 0xf000;
const IMMEDIATE: u16 = 0xe0;

macro_rules! rows {
    ($table:ident; $($function:ident $assembly:literal: $length:literal, $port:expr, $size:literal, $is_in:literal, $is_string:literal,
      $repeats:literal, $bits:literal;)*) => {
        $(user_code!($function: $assembly, "vmmcall");)*
        static $table: &[Row] = &[$(Row {
            code: $function,
            length: $length,
            access: Access {
                port: $port, size: $size, is_in: $is_in, is_string: $is_string, repeats: $repeats, address_bits: $bits,
            },
        }),*];
    };
}

// Length, port, size, whether it reads, is a string instruction, repeats; address size.
rows! { PLAIN;
    in_b "in al, dx": 1, PORT, 1, true, false, false, 64;
    in_w "in ax, dx": 2, PORT, 2, true, false, false, 64;
    in_d "in eax, dx": 1, PORT, 4, true, false, false, 64;
    out_b "out dx, al": 1, PORT, 1, false, false, false, 64;
    out_w "out dx, ax": 2, PORT, 2, false, false, false, 64;
    out_d "out dx, eax": 1, PORT, 4, false, false, false, 64;
    in_ib "in al, 0xe0": 2, IMMEDIATE, 1, true, false, false, 64;
    in_iw "in ax, 0xe0": 3, IMMEDIATE, 2, true, false, false, 64;
    in_id "in eax, 0xe0": 2, IMMEDIATE, 4, true, false, false, 64;
    out_ib "out 0xe0, al": 2, IMMEDIATE, 1, false, false, false, 64;
    out_iw "out 0xe0, ax": 3, IMMEDIATE, 2, false, false, false, 64;
    out_id "out 0xe0, eax": 2, IMMEDIATE, 4, false, false, false, 64;
}

rows! { STRINGS;
    ins_b "insb": 1, PORT, 1, true, true, false, 64;
    ins_w "insw": 2, PORT, 2, true, true, false, 64;
    ins_d "insd": 1, PORT, 4, true, true, false, 64;
    outs_b "outsb": 1, PORT, 1, false, true, false, 64;
    outs_w "outsw": 2, PORT, 2, false, true, false, 64;
    outs_d "outsd": 1, PORT, 4, false, true, false, 64;
    rep_ins_b "rep insb": 2, PORT, 1, true, true, true, 64;
    rep_ins_w "rep insw": 3, PORT, 2, true, true, true, 64;
    rep_ins_d "rep insd": 2, PORT, 4, true, true, true, 64;
    rep_outs_b "rep outsb": 2, PORT, 1, false, true, true, 64;
    rep_outs_w "rep outsw": 3, PORT, 2, false, true, true, 64;
    rep_outs_d "rep outsd": 2, PORT, 4, false, true, true, 64;
    short_ins ".byte 0x67, 0x6c": 2, PORT, 1, true, true, false, 32;
    short_outs ".byte 0x67, 0x6e": 2, PORT, 1, false, true, false, 32;
    short_rep_ins ".byte 0x67, 0xf3, 0x6c": 3, PORT, 1, true, true, true, 32;
    short_rep_outs ".byte 0x67, 0xf3, 0x6e": 3, PORT, 1, false, true, true, 32;
}

/// Each row exits, with its form told, and has changed no register.
fn walk(rows: &[Row], judged: u64) {
    with_svm(|| {
        for port in [PORT, IMMEDIATE] {
            set_port(port, true);
        }
        for (row, form) in rows.iter().enumerate() {
            let mut guest = Guest::new(form.code);
            guest.intercept(INTERCEPTS_1, intercept_1::IOIO);
            guest.registers.rdx = PORT.into();
            guest.registers.rcx = 3;
            guest.registers.rsi = paging::frame(2);
            guest.registers.rdi = paging::frame(3);
            let before = guest.registers;
            let ran = guest.run();
            let (first, second, rip) = ran.as_ref().map_or((0, 0, 0), |exit| (exit.info_1, exit.info_2, exit.rip));
            check_eq!("ending", [&[]; row], end_of(ran), exit::IOIO);
            check_eq!("EXITINFO1", [&[]; row], first & judged, form.access.information() & judged);
            check_eq!("EXITINFO2 from the start", [&[]; row], second.wrapping_sub(start_of(form.code)), form.length);
            check_eq!("RIP", [&[]; row], rip, start_of(form.code));
            check_eq!("registers are kept", [&[]; row], u64::from(guest.registers == before), 1);
        }
        for port in [PORT, IMMEDIATE] {
            set_port(port, false);
        }
    });
}

/// IN and OUT of every size, with the port in DX and in the instruction.
#[case(feature = SvmPorts, spec = [apm2("IOIO Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn every_form_of_in_and_out() {
    walk(PLAIN, OF_ALL);
}

/// INS and OUTS of every size, with and without repeat prefix and address-size prefix.
#[case(feature = SvmPorts, spec = [apm2("IOIO Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn every_form_of_ins_and_outs() {
    walk(STRINGS, OF_ALL | OF_STRINGS);
}
