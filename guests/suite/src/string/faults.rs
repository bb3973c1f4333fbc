//! Faults inside of repeated string instructions.

use super::machine::{
    Code, DF, Operands, PROLOGUE, Run, STATUS, fill, pattern, run, run_state, source, string_code, user_state,
};
use rt::{
    Outcome, case, check_eq, check_outcome, mmio, names,
    paging::{self, ALL_RIGHTS, frame},
    tables::page_bit::{P, US},
    vocabulary::Text,
};

string_code! {
    movsb: "rep movsb";
    movsd: "rep movsd";
    movsq: "rep movsq";
    stosb: "rep stosb";
    stosq: "rep stosq";
    lodsb: "rep lodsb";
    cmpsb: "repe cmpsb";
    scasb: "repne scasb";
}

const RINGS: &[Text] = names!["CPL 0", "CPL 3"];

/// A page that may be accessed, and behind it one that the case decides on.
const PAGE: usize = 8;

/// Maps [`PAGE`] to frame 5 and the page behind it, and before it, with these rights to frames 6 and 7; the border.
fn map(bits: u64) -> u64 {
    paging::map(PAGE - 1, frame(7), bits);
    paging::map(PAGE, frame(5), ALL_RIGHTS);
    paging::map(PAGE + 1, frame(6), bits)
}

fn cr2_page(run: &Run) -> u64 {
    run.exception.map_or(0, |exception| exception.cr2 & !0xfff)
}

fn rip_offset(run: &Run, code: Code) -> u64 {
    run.exception.map_or(0, |exception| exception.rip.wrapping_sub(code as usize as u64))
}

/// Bits of the error code: write, and CPL 3.
const fn code_bits(is_write: bool, is_user: bool) -> u32 {
    (is_write as u32) << 1 | (is_user as u32) << 2
}

/// REP MOVS that runs into an absent page, as destination or source, stops there: RCX, RSI and RDI tell the elements
/// that were moved, RIP the instruction, CR2 the page.
#[case(feature = StringFaults, spec = [sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       sdm1("Fast-String Operation")])]
fn fault_after_some_elements() {
    let border = map(0);
    // Code, size of an element, elements before the border, whether the destination faults.
    let table: [(Code, u64, u64, bool); 6] = [
        (movsb, 1, 5, true),
        (movsb, 1, 5, false),
        (movsd, 4, 3, true),
        (movsq, 8, 2, false),
        (movsb, 1, 0, true),
        (movsb, 1, 100, true),
    ];
    for (index, is_user) in [false, true].into_iter().enumerate() {
        for (row, (code, size, elements, is_write)) in table.into_iter().enumerate() {
            let row = index * 6 + row;
            fill(source(), 13, 3);
            fill(frame(5) + 0xf80, 16, 4);
            let (inside, other) = (border - size * elements, source());
            let (rsi, rdi) = if is_write { (other, inside) } else { (inside, other) };
            let before = Operands { rax: 0, rcx: 200, rsi, rdi, flags: STATUS };
            let run = run(is_user, code, before);
            macro_rules! row_names {
                () => {
                    names![
                        "bytes to, CPL 0",
                        "bytes from, CPL 0",
                        "doublewords to, CPL 0",
                        "quadwords from, CPL 0",
                        "at the first, CPL 0",
                        "100 bytes to, CPL 0",
                        "bytes to, CPL 3",
                        "bytes from, CPL 3",
                        "doublewords to, CPL 3",
                        "quadwords from, CPL 3",
                        "at the first, CPL 3",
                        "100 bytes to, CPL 3",
                    ]
                };
            }
            check_outcome!("exception", [row_names!(); row], run.outcome(), Outcome::pf(code_bits(is_write, is_user)));
            check_eq!("page of CR2", [row_names!(); row], cr2_page(&run), border);
            check_eq!("RIP", [row_names!(); row], rip_offset(&run, code), PROLOGUE);
            check_eq!("RCX", [row_names!(); row], run.operands.rcx, 200 - elements);
            check_eq!("RSI", [row_names!(); row], run.operands.rsi, rsi + size * elements);
            check_eq!("RDI", [row_names!(); row], run.operands.rdi, rdi + size * elements);
            check_eq!("flags", [row_names!(); row], run.operands.flags, STATUS);
            if elements > 0 {
                // The last byte before the fault has been moved.
                check_eq!(
                    "last byte moved",
                    [row_names!(); row],
                    mmio::read_u8(rdi + size * elements - 1),
                    mmio::read_u8(rsi + size * elements - 1)
                );
            }
        }
    }
}

/// With DF set, REP MOVS stops at an absent page below.
#[case(feature = StringFaults, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn fault_downwards() {
    map(0);
    let start = paging::address(PAGE);
    for (row, is_user) in [false, true].into_iter().enumerate() {
        fill(source(), 8, 3);
        let before = Operands { rax: 0, rcx: 20, rsi: source() + 31, rdi: start + 6, flags: DF };
        let run = run(is_user, movsb, before);
        check_outcome!("exception", [RINGS; row], run.outcome(), Outcome::pf(code_bits(true, is_user)));
        check_eq!("page of CR2", [RINGS; row], cr2_page(&run), start - 0x1000);
        check_eq!("RCX", [RINGS; row], run.operands.rcx, 20 - 7);
        check_eq!("RSI", [RINGS; row], run.operands.rsi, source() + 31 - 7);
        check_eq!("RDI", [RINGS; row], run.operands.rdi, start - 1);
        check_eq!("DF", [RINGS; row], run.operands.flags & DF, DF);
        check_eq!("first byte of the page", [RINGS; row], mmio::read_u8(frame(5)), mmio::read_u8(source() + 25));
    }
}

/// An element that lies on the border is not written in part.
///
/// The manual admits effects of a part only for x87 and SSE operands larger than a quadword.
#[case(feature = StringFaults, spec = [sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       sdm3a("Guaranteed Atomic Operations")])]
fn element_on_the_border() {
    const ROWS: &[Text] = names!["MOVSQ, CPL 0", "STOSQ, CPL 0", "MOVSQ, CPL 3", "STOSQ, CPL 3"];
    let border = map(0);
    for (index, is_user) in [false, true].into_iter().enumerate() {
        for (row, code) in [movsq as Code, stosq].into_iter().enumerate() {
            let row = index * 2 + row;
            fill(source(), 4, 3);
            fill(frame(5) + 0xfe0, 4, 4);
            let before = Operands { rax: pattern(3, 0), rcx: 4, rsi: source(), rdi: border - 20, flags: 0 };
            let run = run(is_user, code, before);
            check_outcome!("exception", [ROWS; row], run.outcome(), Outcome::pf(code_bits(true, is_user)));
            check_eq!("RCX", [ROWS; row], run.operands.rcx, 2);
            check_eq!("RDI", [ROWS; row], run.operands.rdi, border - 4);
            check_eq!("before the border", [ROWS; row], mmio::read_u32(frame(5) + 0xffc), pattern(4, 3) >> 32);
        }
    }
}

/// REP STOS into a read-only page stops at it, with P and W in the error code.
#[case(feature = StringFaults, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn store_into_a_read_only_page() {
    let border = map(P | US);
    for (row, is_user) in [false, true].into_iter().enumerate() {
        fill(frame(6), 1, 4);
        let run = run(is_user, stosb, Operands { rax: 0x5a, rcx: 20, rsi: 0, rdi: border - 4, flags: 0 });
        check_outcome!("exception", [RINGS; row], run.outcome(), Outcome::pf(1 | code_bits(true, is_user)));
        check_eq!("RCX", [RINGS; row], run.operands.rcx, 16);
        check_eq!("RDI", [RINGS; row], run.operands.rdi, border);
        check_eq!("before the border", [RINGS; row], mmio::read_u32(frame(5) + 0xffc), 0x5a5a_5a5a);
        check_eq!("behind the border", [RINGS; row], mmio::read_u64(frame(6)), pattern(4, 0));
    }
}

/// LODS, CMPS and SCAS stop at an absent page, too, with the registers of the elements before.
#[case(feature = StringFaults, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn fault_while_reading() {
    let border = map(0);
    for (index, is_user) in [false, true].into_iter().enumerate() {
        for (row, code) in [lodsb as Code, cmpsb, scasb].into_iter().enumerate() {
            let row = index * 3 + row;
            fill(frame(5) + 0xff8, 1, 4);
            fill(source(), 1, 4);
            // SCAS looks for a byte that is not there; CMPS compares what is equal, RDI running into the page.
            let (rsi, rdi) = if row % 3 == 0 { (border - 8, 0) } else { (source(), border - 8) };
            let run = run(is_user, code, Operands { rax: 0xff, rcx: 30, rsi, rdi, flags: 0 });
            macro_rules! row_names {
                () => {
                    names![
                        "LODSB, CPL 0",
                        "CMPSB, CPL 0",
                        "SCASB, CPL 0",
                        "LODSB, CPL 3",
                        "CMPSB, CPL 3",
                        "SCASB, CPL 3"
                    ]
                };
            }
            check_outcome!("exception", [row_names!(); row], run.outcome(), Outcome::pf(code_bits(false, is_user)));
            check_eq!("RCX", [row_names!(); row], run.operands.rcx, 22);
            let moved = if row % 3 == 0 { run.operands.rsi } else { run.operands.rdi };
            check_eq!("RSI or RDI", [row_names!(); row], moved, border);
            check_eq!("RIP", [row_names!(); row], rip_offset(&run, code), PROLOGUE);
        }
    }
}

/// After the page is made present, the instruction goes on where it stopped, and moves every element once.
#[case(feature = StringFaults, spec = [sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       sdm3a("Program or Task Restart")])]
fn restart_after_a_fault() {
    let border = map(0);
    fill(source(), 4, 3);
    fill(frame(6), 4, 0);
    let before = Operands { rax: 0, rcx: 32, rsi: source(), rdi: border - 8, flags: 0 };
    let mut state = user_state(movsb, before);
    let first = run_state(&mut state);
    check_outcome!("with the page absent", first.outcome(), Outcome::pf(code_bits(true, true)));
    check_eq!("RCX", first.operands.rcx, 24);
    paging::map(PAGE + 1, frame(6), ALL_RIGHTS);
    // Changed behind the instruction's back: it must not move these again.
    fill(source(), 1, 7);
    let second = run_state(&mut state);
    check_outcome!("with the page present", second.outcome(), Outcome::COMPLETED);
    check_eq!("RCX at the end", second.operands.rcx, 0);
    check_eq!("RDI at the end", second.operands.rdi, border + 24);
    check_eq!("before the border", mmio::read_u64(frame(5) + 0xff8), pattern(3, 0));
    check_eq!("behind the border", mmio::read_u64(frame(6)), pattern(3, 1));
    check_eq!("last quadword", mmio::read_u64(frame(6) + 16), pattern(3, 3));
}

/// An address that is not canonical, as source or destination, raises #GP(0) and leaves the registers.
#[case(feature = StringFaults, spec = [sdm1("Canonical Addressing"),
       sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String")])]
fn non_canonical_address() {
    const ROWS: &[Text] = names![
        "source, CPL 0",
        "destination, CPL 0",
        "STOSB, CPL 0",
        "source, CPL 3",
        "destination, CPL 3",
        "STOSB, CPL 3"
    ];
    const NON_CANONICAL: u64 = 0x8000_0000_0000;
    for (index, is_user) in [false, true].into_iter().enumerate() {
        let table =
            [(movsb as Code, NON_CANONICAL, source()), (movsb, source(), NON_CANONICAL), (stosb, 0, NON_CANONICAL)];
        for (row, (code, rsi, rdi)) in table.into_iter().enumerate() {
            let row = index * 3 + row;
            let before = Operands { rax: 0, rcx: 4, rsi, rdi, flags: 0 };
            let run = run(is_user, code, before);
            check_outcome!("exception", [ROWS; row], run.outcome(), Outcome::GP);
            check_eq!("RCX", [ROWS; row], run.operands.rcx, 4);
            check_eq!("RDI", [ROWS; row], run.operands.rdi, rdi);
        }
    }
}
