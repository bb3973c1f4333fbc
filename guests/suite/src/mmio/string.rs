//! String instructions on a device: one access an element, in order.

use rt::{
    Outcome, case, check_eq, check_outcome, instruction, mmio, names, paging,
    test_device::{self, Access, page_address},
    user, user_code,
    vocabulary::{Needs, Text},
};

const AT: u64 = 0x400;

/// Checks that the log holds exactly these accesses.
macro_rules! check_log {
    ($names:expr, $row:expr, $accesses:expr) => {{
        let accesses = $accesses;
        check_eq!("number of accesses", [$names; $row], test_device::read_nr_accesses(), accesses.len());
        for (index, access) in accesses.into_iter().enumerate() {
            check_eq!("access", [$names; $row], test_device::read_access(index as u32).0, access.0);
        }
    }};
}

/// REP STOS is one write an element, upwards or downwards.
#[case(feature = MmioString, spec = sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String"), needs = Needs::TEST_DEVICE)]
fn rep_stos() {
    const NAMES: &[Text] = names!["STOSB", "STOSW", "STOSD", "STOSQ", "STOSB, DF", "STOSQ, DF"];
    macro_rules! row {
        ($row:literal, $set:literal, $instruction:literal, $size:literal, $step:literal) => {{
            test_device::clear_log();
            let (mut rdi, mut rcx) = (page_address(AT), 3_u64);
            let result = instruction!($set, $instruction, "cld", inout("rdi") rdi, inout("rcx") rcx,
                in("rax") 0x1122_3344_5566_7788_u64);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            let place = |step: i64| AT.wrapping_add_signed(step);
            let places = [AT, place($step), place($step + $step)];
            check_log!(NAMES, $row, places.map(|at| Access::write(at, $size)));
            check_eq!("RDI", [NAMES; $row], rdi, page_address(place($step + $step + $step)));
            check_eq!("RCX", [NAMES; $row], rcx, 0);
            check_eq!("data", [NAMES; $row], test_device::read_data(2), 0x1122_3344_5566_7788_u64 << (64 - $size * 8) >> (64 - $size * 8));
        }};
    }
    row!(0, "cld", "rep stosb", 1, 1);
    row!(1, "cld", "rep stosw", 2, 2);
    row!(2, "cld", "rep stosd", 4, 4);
    row!(3, "cld", "rep stosq", 8, 8);
    row!(4, "std", "rep stosb", 1, -1);
    row!(5, "std", "rep stosq", 8, -8);
}

/// LODS is one read of its operand's size.
#[case(feature = MmioString, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"), needs = Needs::TEST_DEVICE)]
fn lods() {
    const NAMES: &[Text] = names!["LODSB", "LODSW", "LODSD", "LODSQ", "LODSD, DF", "REP LODSW"];
    mmio::write_u64(page_address(AT), 0x8877_6655_4433_2211);
    mmio::write_u64(page_address(AT + 8), 0);
    macro_rules! row {
        ($row:literal, $instruction:literal, $size:literal, $step:literal, $expected:expr) => {{
            test_device::clear_log();
            let (mut rsi, mut rax) = (page_address(AT), u64::MAX);
            let result = instruction!($instruction, "cld", inout("rsi") rsi, inout("rax") rax, inout("rcx") 2_u64 => _);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("RAX", [NAMES; $row], rax, $expected as u64);
            check_eq!("RSI", [NAMES; $row], rsi, page_address(AT).wrapping_add_signed($step));
            check_eq!("first access", [NAMES; $row], test_device::read_access(0).0, Access::read(AT, $size).0);
        }};
    }
    row!(0, "lodsb", 1, 1, 0xffff_ffff_ffff_ff11_u64);
    row!(1, "lodsw", 2, 2, 0xffff_ffff_ffff_2211_u64);
    row!(2, "lodsd", 4, 4, 0x4433_2211);
    row!(3, "lodsq", 8, 8, 0x8877_6655_4433_2211_u64);
    row!(4, "std; lodsd", 4, -4, 0x4433_2211);
    row!(5, "rep lodsw", 2, 4, 0xffff_ffff_ffff_4433_u64);
}

/// REP MOVS between memory and a device, either way, is one access to the device an element.
#[case(feature = MmioString, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"),
       needs = Needs::TEST_DEVICE)]
fn rep_movs_between_memory_and_device() {
    const NAMES: &[Text] =
        names!["MOVSB out", "MOVSW out", "MOVSD out", "MOVSQ out", "MOVSB in", "MOVSD in", "MOVSQ in"];
    const DATA: [u64; 3] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x1716_1514_1312_1110];
    let buffer = paging::frame(0);
    macro_rules! row {
        ($row:literal, $instruction:literal, $size:literal) => {{
            let out = $row < 4;
            let (source, target) = if out { (buffer, page_address(AT)) } else { (page_address(AT), buffer) };
            for (index, value) in DATA.into_iter().enumerate() {
                mmio::write_u64(source + index as u64 * 8, value);
                mmio::write_u64(target + index as u64 * 8, 0);
            }
            test_device::clear_log();
            let (mut rsi, mut rdi) = (source, target);
            let result = instruction!($instruction, inout("rsi") rsi, inout("rdi") rdi, inout("rcx") 3_u64 => _);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            let access = |element: u64| {
                let at = AT + element * $size;
                if out { Access::write(at, $size) } else { Access::read(at, $size) }
            };
            check_log!(NAMES, $row, [access(0), access(1), access(2)]);
            check_eq!("last element", [NAMES; $row], test_device::read_data(2),
                DATA[2 * $size / 8] >> (2 * $size % 8 * 8) & u64::MAX >> (64 - $size * 8));
            check_eq!("first eight bytes at the target", [NAMES; $row], mmio::read_u64(target),
                if $size < 3 { DATA[0] & (1 << (3 * $size * 8)) - 1 } else { DATA[0] });
            check_eq!("RSI", [NAMES; $row], rsi, source + 3 * $size);
            check_eq!("RDI", [NAMES; $row], rdi, target + 3 * $size);
        }};
    }
    row!(0, "rep movsb", 1);
    row!(1, "rep movsw", 2);
    row!(2, "rep movsd", 4);
    row!(3, "rep movsq", 8);
    row!(4, "rep movsb", 1);
    row!(5, "rep movsd", 4);
    row!(6, "rep movsq", 8);
}

/// REP MOVS from a device to itself reads and writes in turn, so an overlapping copy repeats what it has written.
#[case(feature = MmioString, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"),
       needs = Needs::TEST_DEVICE)]
fn movs_inside_a_device() {
    mmio::write_u64(page_address(AT), 0x44_33_22_11);
    test_device::clear_log();
    let result = instruction!("rep movsb", inout("rsi") page_address(AT) => _, inout("rdi") page_address(AT + 1) => _,
        inout("rcx") 3_u64 => _);
    check_outcome!("REP MOVSB", result, Outcome::COMPLETED);
    check_log!(
        &[],
        0,
        [
            Access::read(AT, 1),
            Access::write(AT + 1, 1),
            Access::read(AT + 1, 1),
            Access::write(AT + 2, 1),
            Access::read(AT + 2, 1),
            Access::write(AT + 3, 1)
        ]
    );
    check_eq!("result", mmio::read_u64(page_address(AT)), 0x1111_1111);
}

/// REPNE SCAS and REPE CMPS on a device stop behind the element that ends them, and read no further.
#[case(feature = MmioString, spec = [sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String"),
       sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands")], needs = Needs::TEST_DEVICE)]
fn scans_stop_in_time() {
    let buffer = paging::frame(0);
    mmio::write_u64(page_address(AT), 0x8877_6655_4433_2211);
    mmio::write_u64(buffer, 0x0077_6655_0033_2211);
    test_device::clear_log();
    let (mut rdi, mut rcx) = (page_address(AT), 8_u64);
    let result = instruction!("repne scasb", inout("rdi") rdi, inout("rcx") rcx, in("rax") 0x44_u64);
    check_outcome!("REPNE SCASB", result, Outcome::COMPLETED);
    check_eq!("RDI after SCASB", rdi, page_address(AT + 4));
    check_eq!("RCX after SCASB", rcx, 4);
    check_log!(names!["SCASB"], 0, [0, 1, 2, 3].map(|index| Access::read(AT + index, 1)));
    test_device::clear_log();
    let (mut rsi, mut rdi, mut rcx) = (buffer, page_address(AT), 4_u64);
    let result = instruction!("repe cmpsw", inout("rsi") rsi, inout("rdi") rdi, inout("rcx") rcx);
    check_outcome!("REPE CMPSW", result, Outcome::COMPLETED);
    check_eq!("RSI after CMPSW", rsi, buffer + 4);
    check_eq!("RDI after CMPSW", rdi, page_address(AT + 4));
    check_eq!("RCX after CMPSW", rcx, 2);
    check_log!(names!["CMPSW"], 0, [0, 2].map(|offset| Access::read(AT + offset, 2)));
}

user_code!(rep_movsb: "mov rsi, rdi", "mov edi, 0xd0000400", "mov ecx, 16", "rep movsb", "ret");
const _: () = assert!(page_address(AT) == 0xd000_0400);

/// A page fault on the source of REP MOVS to a device comes between two elements: what came before was written exactly
/// once, and the registers tell where to go on.
#[case(feature = MmioString, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       needs = Needs::TEST_DEVICE)]
fn fault_between_elements() {
    use user::register::{RCX, RDI, RSI};
    paging::map(0, paging::frame(0), paging::ALL_RIGHTS);
    paging::write_entry(paging::Level::Pt, 1, 0);
    let hole = paging::address(1);
    mmio::write_u64(hole - 8, 0x0807_0605_0403_0201);
    test_device::clear_log();
    let mut state = user::State::at(rep_movsb as *const () as u64);
    state.registers[RDI] = hole - 5;
    let exception = user::enter(&mut state);
    check_outcome!("REP MOVSB", exception, Outcome::pf(0b100));
    check_eq!("CR2", exception.cr2, hole);
    check_eq!("RCX", state.registers[RCX], 11);
    check_eq!("RSI", state.registers[RSI], hole);
    check_eq!("RDI", state.registers[RDI], page_address(AT + 5));
    check_log!(&[], 0, [0, 1, 2, 3, 4].map(|index| Access::write(AT + index, 1)));
    check_eq!("data of the last write", test_device::read_data(4), 8);
}

/// A count of zero makes REP STOS and REP MOVS leave a device alone.
#[case(feature = MmioString, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       needs = Needs::TEST_DEVICE)]
fn count_of_zero() {
    test_device::clear_log();
    let (mut rsi, mut rdi) = (page_address(AT), page_address(AT + 8));
    let result = instruction!("rep stosb", "rep movsq", "rep lodsd", inout("rsi") rsi, inout("rdi") rdi,
        in("rcx") 0_u64, inout("rax") 0_u64 => _);
    check_outcome!("all three", result, Outcome::COMPLETED);
    check_eq!("RSI", rsi, page_address(AT));
    check_eq!("RDI", rdi, page_address(AT + 8));
    check_eq!("number of accesses", test_device::read_nr_accesses(), 0);
}
