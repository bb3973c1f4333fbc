//! REP, REPE and REPNE.

use super::machine::{BY_WIDTH, DF, Operands, STATUS, ZF, destination, fill, pattern, run, source, string_code};
use rt::{
    Outcome, case, check_eq, check_outcome, layout, mmio, names,
    paging::{self, ALL_RIGHTS, frame},
    user,
    vocabulary::Text,
};

string_code! {
    rep_movsb: "rep movsb";
    rep_movsw: "rep movsw";
    rep_movsd: "rep movsd";
    rep_movsq: "rep movsq";
    rep_stosb: "rep stosb";
    rep_stosw: "rep stosw";
    rep_stosd: "rep stosd";
    rep_stosq: "rep stosq";
    rep_lodsw: "rep lodsw";
    repe_cmpsb: "repe cmpsb";
    repe_cmpsq: "repe cmpsq";
    repne_cmpsb: "repne cmpsb";
    repe_scasb: "repe scasb";
    repne_scasb: "repne scasb";
    repne_scasd: "repne scasd";
    rep_movsb_address_32: ".byte 0x67", "rep movsb";
}

const RINGS: &[Text] = names!["CPL 0", "CPL 3"];

/// Eight elements; the quadwords that they make up, and in which order they are met, follow from width and direction.
const COUNT: u64 = 8;

/// REP MOVS moves RCX elements and leaves RCX 0, RSI and RDI behind the last, and the flags.
#[case(feature = StringRepeat, spec = [sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String")])]
fn rep_movs() {
    let codes = [rep_movsb, rep_movsw, rep_movsd, rep_movsq];
    for row in 0..16 {
        let (is_user, down, size) = (row >= 8, row / 4 % 2 == 1, 1_u64 << (row % 4));
        fill(source(), COUNT, 5);
        fill(destination(), COUNT + 1, 9);
        // Downwards the first element is the last of the block.
        let (offset, end) = if down { ((COUNT - 1) * size, size.wrapping_neg()) } else { (0, COUNT * size) };
        let flags = STATUS | if down { DF } else { 0 };
        let before = Operands { rax: 7, rcx: COUNT, rsi: source() + offset, rdi: destination() + offset, flags };
        let after = run(is_user, codes[row % 4], before).operands;
        let expected =
            Operands { rcx: 0, rsi: source().wrapping_add(end), rdi: destination().wrapping_add(end), ..before };
        check_eq!("RCX", [BY_WIDTH; row], after.rcx, expected.rcx);
        check_eq!("RSI", [BY_WIDTH; row], after.rsi, expected.rsi);
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, expected.rdi);
        check_eq!("flags", [BY_WIDTH; row], after.flags, expected.flags);
        let last = size - 1;
        check_eq!("last quadword moved", [BY_WIDTH; row], mmio::read_u64(destination() + last * 8), pattern(5, last));
        check_eq!("quadword behind", [BY_WIDTH; row], mmio::read_u64(destination() + size * 8), pattern(9, size));
    }
}

/// REP STOS writes RCX elements and leaves RCX 0.
#[case(feature = StringRepeat, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn rep_stos() {
    let codes = [rep_stosb, rep_stosw, rep_stosd, rep_stosq];
    const VALUE: u64 = 0x1111_1111_1111_1111;
    for row in 0..16 {
        let (is_user, down, size) = (row >= 8, row / 4 % 2 == 1, 1_u64 << (row % 4));
        fill(destination() - 8, COUNT + 2, 9);
        let (offset, end) = if down { ((COUNT - 1) * size, size.wrapping_neg()) } else { (0, COUNT * size) };
        let flags = if down { DF } else { 0 };
        let before = Operands { rax: VALUE, rcx: COUNT, rsi: 1, rdi: destination() + offset, flags };
        let after = run(is_user, codes[row % 4], before).operands;
        check_eq!("RCX", [BY_WIDTH; row], after.rcx, 0);
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, destination().wrapping_add(end));
        check_eq!("quadword before", [BY_WIDTH; row], mmio::read_u64(destination() - 8), pattern(9, 0));
        check_eq!("first quadword", [BY_WIDTH; row], mmio::read_u64(destination()), VALUE);
        check_eq!("last quadword", [BY_WIDTH; row], mmio::read_u64(destination() + (size - 1) * 8), VALUE);
        check_eq!("quadword behind", [BY_WIDTH; row], mmio::read_u64(destination() + size * 8), pattern(9, size + 1));
    }
}

/// With RCX 0 nothing is accessed, wherever RSI and RDI point, and no register and no flag changes.
#[case(feature = StringRepeat, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn count_of_zero() {
    const ROWS: &[Text] = names![
        "MOVSB, CPL 0",
        "STOSQ, CPL 0",
        "LODSW, CPL 0",
        "CMPSB, CPL 0",
        "SCASD, CPL 0",
        "MOVSB, CPL 3",
        "STOSQ, CPL 3",
        "LODSW, CPL 3",
        "CMPSB, CPL 3",
        "SCASD, CPL 3"
    ];
    let codes = [rep_movsb, rep_stosq, rep_lodsw, repe_cmpsb, repne_scasd];
    for (index, is_user) in [false, true].into_iter().enumerate() {
        for (row, code) in codes.into_iter().enumerate() {
            let row = index * codes.len() + row;
            // One address that is not mapped, one that is not canonical.
            let before =
                Operands { rax: 3, rcx: 0, rsi: layout::UNMAPPED, rdi: 0x8000_0000_0000, flags: STATUS & !ZF | DF };
            let after = run(is_user, code, before);
            check_outcome!("outcome", [ROWS; row], after.outcome(), Outcome::COMPLETED);
            check_eq!("registers unchanged", [ROWS; row], u64::from(after.operands == before), 1);
        }
    }
}

/// REPE CMPS stops behind the first difference, REPNE CMPS behind the first match: RCX, RSI and RDI tell where, ZF why.
#[case(feature = StringRepeat, spec = [sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands")])]
fn repeated_comparison() {
    const ROWS: &[Text] = names![
        "all equal, CPL 0",
        "byte 11, CPL 0",
        "quadword 1, CPL 0",
        "first match, CPL 0",
        "all equal, CPL 3",
        "byte 11, CPL 3",
        "quadword 1, CPL 3",
        "first match, CPL 3"
    ];
    for (index, is_user) in [false, true].into_iter().enumerate() {
        fill(source(), 4, 1);
        fill(destination(), 4, 1);
        // Byte 11 differs.
        mmio::write_u8(destination() + 11, 0xee);
        let equal = Operands { rax: 0, rcx: 11, rsi: source(), rdi: destination(), flags: 0 };
        let differing = Operands { rcx: 32, ..equal };
        let from_difference = Operands { rsi: source() + 11, rdi: destination() + 11, rcx: 5, ..equal };
        let quadwords = Operands { rcx: 4, ..equal };
        let table = [
            (repe_cmpsb as super::machine::Code, equal, 11, 0, ZF),
            (repe_cmpsb, differing, 12, 20, 0),
            (repe_cmpsq, quadwords, 16, 2, 0),
            (repne_cmpsb, from_difference, 2, 3, ZF),
        ];
        for (row, (code, before, bytes, rcx, zf)) in table.into_iter().enumerate() {
            let row = index * 4 + row;
            let after = run(is_user, code, before).operands;
            check_eq!("RSI", [ROWS; row], after.rsi, before.rsi + bytes);
            check_eq!("RDI", [ROWS; row], after.rdi, before.rdi + bytes);
            check_eq!("RCX", [ROWS; row], after.rcx, rcx);
            check_eq!("ZF", [ROWS; row], after.flags & ZF, zf);
        }
    }
}

/// REPNE SCAS stops behind the first match, REPE SCAS behind the first difference.
#[case(feature = StringRepeat, spec = [sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String")])]
fn repeated_scan() {
    const ROWS: &[Text] = names![
        "match, CPL 0",
        "no match, CPL 0",
        "downwards, CPL 0",
        "difference, CPL 0",
        "doublewords, CPL 0",
        "match, CPL 3",
        "no match, CPL 3",
        "downwards, CPL 3",
        "difference, CPL 3",
        "doublewords, CPL 3"
    ];
    for (index, is_user) in [false, true].into_iter().enumerate() {
        for offset in 0..4 {
            mmio::write_u64(destination() + offset * 8, 0);
        }
        mmio::write_u8(destination() + 17, 0x5a);
        let up = Operands { rax: 0x5a, rcx: 32, rsi: 0, rdi: destination(), flags: 0 };
        let down = Operands { rdi: destination() + 31, flags: DF, ..up };
        let table = [
            (repne_scasb as super::machine::Code, up, 18, 14, ZF),
            (repne_scasb, Operands { rcx: 17, ..up }, 17, 0, 0),
            (repne_scasb, down, 15_u64.wrapping_neg(), 17, ZF),
            (repe_scasb, Operands { rax: 0, ..up }, 18, 14, 0),
            (repne_scasd, Operands { rax: 0x5a00, rcx: 8, ..up }, 20, 3, ZF),
        ];
        for (row, (code, before, bytes, rcx, zf)) in table.into_iter().enumerate() {
            let row = index * 5 + row;
            let after = run(is_user, code, before).operands;
            check_eq!("RDI", [ROWS; row], after.rdi, before.rdi.wrapping_add(bytes));
            check_eq!("RCX", [ROWS; row], after.rcx, rcx);
            check_eq!("ZF", [ROWS; row], after.flags & ZF, zf);
        }
    }
}

/// REP MOVSB onto itself one byte further repeats the first byte: each element is read after the one before was written.
#[case(feature = StringRepeat, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn overlapping_move() {
    for (row, is_user) in [false, true].into_iter().enumerate() {
        fill(destination(), 9, 2);
        mmio::write_u8(destination(), 0x77);
        run(is_user, rep_movsb, Operands { rax: 0, rcx: 64, rsi: destination(), rdi: destination() + 1, flags: 0 });
        check_eq!("first quadword", [RINGS; row], mmio::read_u64(destination()), 0x7777_7777_7777_7777);
        check_eq!("last quadword", [RINGS; row], mmio::read_u64(destination() + 56), 0x7777_7777_7777_7777);
        check_eq!("byte 64", [RINGS; row], mmio::read_u8(destination() + 64), 0x77);
        check_eq!("byte 65", [RINGS; row], mmio::read_u8(destination() + 65), pattern(2, 8) >> 8 & 0xff);
        // Eight further, quadwords repeat the first quadword.
        fill(destination(), 9, 4);
        run(is_user, rep_movsq, Operands { rax: 0, rcx: 8, rsi: destination(), rdi: destination() + 8, flags: 0 });
        check_eq!("quadword 8", [RINGS; row], mmio::read_u64(destination() + 64), pattern(4, 0));
    }
}

/// Number of bytes of frames 7 and 8 that are not what was moved there.
extern "C" fn wrong_bytes(expected: u64) -> u64 {
    let mut wrong = 0;
    for offset in 0..2 * 4096 {
        wrong += u64::from(u64::from(mmio::read_u8(frame(7) + offset)) != (expected + offset) & 0xff);
    }
    wrong
}

extern "C" fn write_bytes(first: u64) -> u64 {
    for offset in 0..2 * 4096 {
        mmio::write_u8(frame(5) + offset, (first + offset) as u8);
    }
    0
}

/// REP MOVS and REP STOS of whole pages move each byte.
#[case(feature = StringRepeat, spec = sdm1("Fast-String Operation"))]
fn whole_pages() {
    for (row, (is_user, code, count)) in
        [(false, rep_movsq as super::machine::Code, 1024), (true, rep_movsb, 8192), (true, rep_movsd, 2048)]
            .into_iter()
            .enumerate()
    {
        let first = 0x11 + 0x22 * row as u64;
        let _ = user::call(write_bytes, first);
        let after = run(is_user, code, Operands { rax: 0, rcx: count, rsi: frame(5), rdi: frame(7), flags: 0 });
        check_eq!("RCX", [names!["MOVSQ at CPL 0", "MOVSB at CPL 3", "MOVSD at CPL 3"]; row], after.operands.rcx, 0);
        check_eq!(
            "wrong bytes",
            [names!["MOVSQ at CPL 0", "MOVSB at CPL 3", "MOVSD at CPL 3"]; row],
            user::call(wrong_bytes, first).unwrap_or(u64::MAX),
            0
        );
    }
}

/// A move across a page border goes to the frames that the pages are mapped to, also if an element lies on both.
#[case(feature = StringRepeat, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn move_across_a_border() {
    const PAGE: usize = 4;
    paging::map(PAGE, frame(9), ALL_RIGHTS);
    let border = paging::map(PAGE + 1, frame(7), ALL_RIGHTS);
    for (row, is_user) in [false, true].into_iter().enumerate() {
        fill(source(), 4, 6);
        fill(frame(9) + 0xfe0, 4, 0);
        fill(frame(7), 4, 0);
        fill(frame(10), 4, 8);
        run(is_user, rep_movsq, Operands { rax: 0, rcx: 4, rsi: source(), rdi: border - 12, flags: 0 });
        check_eq!("before the border", [RINGS; row], mmio::read_u64(frame(9) + 0xff4), pattern(6, 0));
        check_eq!(
            "low half on the border",
            [RINGS; row],
            mmio::read_u32(frame(9) + 0xffc),
            pattern(6, 1) & 0xffff_ffff
        );
        check_eq!("high half on the border", [RINGS; row], mmio::read_u32(frame(7)), pattern(6, 1) >> 32);
        check_eq!("behind the border", [RINGS; row], mmio::read_u64(frame(7) + 12), pattern(6, 3));
        check_eq!("next frame", [RINGS; row], mmio::read_u64(frame(10)), pattern(8, 0));
    }
}

/// REP LODS leaves the last element in the accumulator.
#[case(feature = StringRepeat, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"))]
fn rep_lods() {
    for (row, is_user) in [false, true].into_iter().enumerate() {
        mmio::write_u64(source(), 0x4444_3333_2222_1111);
        let before = Operands { rax: u64::MAX, rcx: 3, rsi: source(), rdi: 0, flags: 0 };
        let after = run(is_user, rep_lodsw, before).operands;
        check_eq!("RAX", [RINGS; row], after.rax, 0xffff_ffff_ffff_3333);
        check_eq!("RSI", [RINGS; row], after.rsi, source() + 6);
        check_eq!("RCX", [RINGS; row], after.rcx, 0);
    }
}

/// With the address-size prefix ECX counts, whatever bits 63 to 32 of RCX are.
#[case(feature = StringRepeat, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn count_with_address_size_prefix() {
    for (row, is_user) in [false, true].into_iter().enumerate() {
        fill(source(), 1, 6);
        mmio::write_u64(destination(), 0);
        let before = Operands { rax: 0, rcx: 3 | 1 << 32, rsi: source(), rdi: destination(), flags: 0 };
        let after = run(is_user, rep_movsb_address_32, before).operands;
        check_eq!("memory", [RINGS; row], mmio::read_u64(destination()), pattern(6, 0) & 0xff_ffff);
        check_eq!("ECX", [RINGS; row], after.rcx & 0xffff_ffff, 0);
        check_eq!("RDI", [RINGS; row], after.rdi, destination() + 3);
    }
}
