//! INS and OUTS across page borders, and faults in the middle of them.

use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::port,
    instruction, io_bitmap, mmio, names, paging,
    tables::page_bit,
    test_device::{self, Access, port_number},
    trap::{self, TrapFrame},
    user, user_code,
    vocabulary::{
        Needs,
        image::board::{COM1_PORT, UNCLAIMED_PORT},
    },
};

/// The UART's scratch register keeps what is written to it (PC16550D, "Scratchpad Register").
const UART_SCRATCH: u16 = COM1_PORT + 7;
/// Page-fault error code of a write to a page that is not present, at CPL 0.
const WRITE: u32 = 1 << 1;
/// Page-fault error code: the page was present.
const PRESENT: u32 = 1 << 0;
/// Page-fault error code: the access came from CPL 3.
const USER: u32 = 1 << 2;

/// Maps the window's first page to a frame and leaves the second absent; returns the address between them.
fn one_page_and_a_hole() -> u64 {
    paging::map(0, paging::frame(0), paging::ALL_RIGHTS);
    paging::write_entry(paging::Level::Pt, 1, 0);
    paging::address(1)
}

/// An element of INS and OUTS may cross a page border: each part goes to its own page.
#[case(feature = PortIoString, spec = sdm2("INS/INSB/INSW/INSD—Input from Port to String"), needs = Needs::TEST_DEVICE)]
fn element_crosses_a_page_border() {
    // The frames are not neighbours, so a physically contiguous copy would go astray.
    let (below, above) = (paging::frame(2), paging::frame(0));
    paging::map(0, below, paging::ALL_RIGHTS);
    paging::map(1, above, paging::ALL_RIGHTS);
    let start = paging::address(1) - 6;
    port::write_u32(port_number(0), 0x4433_2211);
    let result = instruction!("rep insd", in("rdx") u64::from(port_number(0)),
        inout("rdi") start => _, inout("rcx") 3_u64 => _);
    check_outcome!("REP INSD", result, Outcome::COMPLETED);
    check_eq!("lower page", mmio::read_u64(below + 4096 - 8), 0x2211_4433_2211_0000_u64);
    check_eq!("upper page", mmio::read_u64(above), 0x4433_2211_4433_u64);
    check_eq!("the frame behind the lower one", mmio::read_u64(paging::frame(3)), 0);
    mmio::write_u64(above, 0x6655_8877);
    test_device::clear_log();
    let result = instruction!("outsd", in("rdx") u64::from(port_number(4)), inout("rsi") start + 4 => _);
    check_outcome!("OUTSD", result, Outcome::COMPLETED);
    check_eq!("log", test_device::read_summary(), test_device::summary(&[Access::port_out(4, 4)]));
    check_eq!("data of OUTSD", test_device::read_data(0), 0x8877_2211_u64);
}

/// INS to a page that is absent or read-only raises #PF for a write, and leaves RDI where it was.
#[case(feature = PortIoString, spec = [sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
                                       sdm3a("Interrupt 14—Page-Fault Exception (#PF)")])]
fn ins_checks_for_writing() {
    let address = one_page_and_a_hole();
    let ins = |address: u64| instruction!("insb", in("rdx") u64::from(UNCLAIMED_PORT), inout("rdi") address => _);
    check_outcome!("absent page", ins(address), Outcome::pf(WRITE));
    paging::map(1, paging::frame(1), page_bit::P | page_bit::US);
    check_outcome!("read-only page", ins(address), Outcome::pf(WRITE | PRESENT));
    check_outcome!("address that is not canonical", ins(0x8000_0000_0000), Outcome::GP);
}

/// OUTS from an absent page raises #PF for a read; from an address that is not canonical, #GP(0).
#[case(feature = PortIoString, spec = [sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"),
                                       sdm3a("Interrupt 14—Page-Fault Exception (#PF)")])]
fn outs_checks_for_reading() {
    let address = one_page_and_a_hole();
    let outs = |address: u64| instruction!("outsb", in("rdx") u64::from(UNCLAIMED_PORT), inout("rsi") address => _);
    check_outcome!("absent page", outs(address), Outcome::pf(0));
    paging::map(1, paging::frame(1), page_bit::P | page_bit::US);
    check_outcome!("read-only page", outs(address), Outcome::COMPLETED);
    check_outcome!("address that is not canonical", outs(0x8000_0000_0000), Outcome::GP);
}

user_code!(rep_ins: "mov edx, 0x5e8", "mov ecx, 16", "rep insb", "ret");
user_code!(rep_outs: "mov edx, 0x5e8", "mov ecx, 16", "mov rsi, rdi", "rep outsb", "ret");
const _: () = assert!(UNCLAIMED_PORT == 0x5e8);

/// A page fault in the middle of REP INS or REP OUTS leaves the registers between two iterations: what is left in
/// RCX, the next address in RDI or RSI.
#[case(feature = PortIoString, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"))]
fn fault_between_iterations() {
    use user::register::{RCX, RDI, RSI};
    let hole = one_page_and_a_hole();
    let _allowed = io_bitmap::allow(UNCLAIMED_PORT, 1);
    for (row, code) in [rep_ins as extern "C" fn(u64) -> u64, rep_outs].into_iter().enumerate() {
        const NAMES: &[rt::vocabulary::Text] = names!["REP INSB", "REP OUTSB"];
        let mut state = user::State::at(code as usize as u64);
        state.registers[RDI] = hole - 5;
        let exception = user::enter(&mut state);
        let pointer = if row == 0 { state.registers[RDI] } else { state.registers[RSI] };
        let access = if row == 0 { WRITE } else { 0 };
        check_outcome!("at CPL 3", [NAMES; row], exception, Outcome::pf(USER | access));
        check_eq!("CR2", [NAMES; row], exception.cr2, hole);
        check_eq!("RCX", [NAMES; row], state.registers[RCX], 11);
        check_eq!("pointer", [NAMES; row], pointer, hole);
    }
}

/// A page-fault handler that supplies the page: it maps the second page of the window.
fn supply_second_page(_: &mut TrapFrame) {
    paging::map(1, paging::frame(1), paging::ALL_RIGHTS);
}

/// REP INSB goes on after a page fault whose handler supplies the page, and leaves no byte out.
#[case(feature = PortIoString, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       needs = Needs::COM1)]
fn rep_ins_goes_on_after_a_fault() {
    port::write_u8(UART_SCRATCH, 0x7e);
    let hole = one_page_and_a_hole();
    let _handler = trap::handle(14, supply_second_page);
    let (mut rdi, mut rcx) = (hole - 5, 12_u64);
    rt::cpu::port_string::read_bytes(UART_SCRATCH, &mut rdi, &mut rcx);
    check_eq!("RDI", rdi, hole + 7);
    check_eq!("RCX", rcx, 0);
    check_eq!("below the border", mmio::read_u64(hole - 8), 0x7e7e_7e7e_7e00_0000_u64);
    check_eq!("above the border", mmio::read_u64(hole), 0x7e_7e7e_7e7e_7e7e_u64);
}

/// REP OUTS that faults on its source has written each element before the fault exactly once, and goes on with the
/// next one after the fault.
#[case(feature = PortIoString, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       needs = Needs::TEST_DEVICE)]
fn rep_outs_repeats_nothing_after_a_fault() {
    let hole = one_page_and_a_hole();
    mmio::write_u64(hole - 8, 0x0403_0201_0000_0000);
    mmio::write_u64(paging::frame(1), 0x0807_0605);
    test_device::clear_log();
    let _handler = trap::handle(14, supply_second_page);
    let (mut rsi, mut rcx) = (hole - 4, 8_u64);
    rt::cpu::port_string::write_bytes(port_number(0), &mut rsi, &mut rcx);
    check_eq!("RSI", rsi, hole + 4);
    check_eq!("RCX", rcx, 0);
    check_eq!("number of accesses", test_device::read_nr_accesses(), 8);
    for element in 0..8 {
        check_eq!("data", [&[]; element], test_device::read_data(element), element + 1);
    }
}
