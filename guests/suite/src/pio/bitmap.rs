//! The I/O permission bitmap in the TSS.

use rt::{
    Outcome, case, check_outcome, io_bitmap, names, paging, user, user_code,
    vocabulary::{Text, image::board::SCRATCH_PORT},
};

// The port is in RDI's low half, a buffer's address in its upper half.
user_code!(in_al: "mov edx, edi", "in al, dx", "ret");
user_code!(in_ax: "mov edx, edi", "in ax, dx", "ret");
user_code!(in_eax: "mov edx, edi", "in eax, dx", "ret");
user_code!(out_al: "mov edx, edi", "mov eax, 0", "out dx, al", "ret");
user_code!(ins: "mov edx, edi", "shr rdi, 32", "mov ecx, 2", "rep insb", "ret");
user_code!(outs: "mov edx, edi", "shr rdi, 32", "mov rsi, rdi", "mov ecx, 2", "rep outsw", "ret");

/// A port in the middle of a byte of the bitmap; nothing or the test device is there.
const PORT: u16 = SCRATCH_PORT + 4;

fn read_u8(port: u16) -> Outcome {
    user::call(in_al, u64::from(port)).into()
}

const fn allowed_if(condition: bool) -> Outcome {
    if condition { Outcome::COMPLETED } else { Outcome::GP }
}

/// A clear bit allows its own port at CPL 3 and no other; it is read at every access.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Permission Bit Map"))]
fn bit_allows_its_port() {
    const ROWS: &[Text] = names!["the one below", "the port", "the one above", "eight above"];
    {
        let _allowed = io_bitmap::allow(PORT, 1);
        for (row, port) in [PORT - 1, PORT, PORT + 1, PORT + 8].into_iter().enumerate() {
            check_outcome!("one bit is clear", [ROWS; row], read_u8(port), allowed_if(port == PORT));
        }
        check_outcome!("OUT to the port", user::call(out_al, u64::from(PORT)), Outcome::COMPLETED);
    }
    check_outcome!("the bit is set again", read_u8(PORT), Outcome::GP);
}

/// A wide access needs the bits of all its ports clear, in one byte of the bitmap or in two.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Permission Bit Map"))]
fn wide_access_needs_every_bit() {
    const ROWS: &[Text] = names![
        "16 bits, offset 0",
        "16 bits, offset 1",
        "16 bits, offset 7",
        "32 bits, offset 0",
        "32 bits, offset 3",
        "32 bits, offset 5",
        "32 bits, offset 7"
    ];
    let table: [(extern "C" fn(u64) -> u64, u16, u16); 7] =
        [(in_ax, 2, 0), (in_ax, 2, 1), (in_ax, 2, 7), (in_eax, 4, 0), (in_eax, 4, 3), (in_eax, 4, 5), (in_eax, 4, 7)];
    for (row, (code, size, offset)) in table.into_iter().enumerate() {
        let port = SCRATCH_PORT + offset;
        let access = || user::call(code, u64::from(port));
        {
            let _all = io_bitmap::allow(port, size);
            check_outcome!("all bits are clear", [ROWS; row], access(), Outcome::COMPLETED);
        }
        {
            let _all_but_first = io_bitmap::allow(port + 1, size - 1);
            check_outcome!("the first bit is set", [ROWS; row], access(), Outcome::GP);
        }
        let _all_but_last = io_bitmap::allow(port, size - 1);
        check_outcome!("the last bit is set", [ROWS; row], access(), Outcome::GP);
    }
}

/// INS and OUTS obey the bitmap as IN and OUT do.
#[case(feature = PortIoPrivilege,
       spec = [sdm1("I/O Permission Bit Map"), sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
               sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port")])]
fn string_instructions_obey() {
    let argument = paging::frame(0) << 32 | u64::from(PORT);
    let _first = io_bitmap::allow(PORT, 1);
    check_outcome!("REP INSB, allowed", user::call(ins, argument), Outcome::COMPLETED);
    check_outcome!("REP INSB, next port", user::call(ins, argument + 1), Outcome::GP);
    check_outcome!("REP OUTSW, half allowed", user::call(outs, argument), Outcome::GP);
    let _second = io_bitmap::allow(PORT + 1, 1);
    check_outcome!("REP OUTSW, allowed", user::call(outs, argument), Outcome::COMPLETED);
}

/// A base address of the bitmap beyond the limit of the TSS denies every port.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Permission Bit Map"))]
fn base_beyond_the_limit_denies() {
    let _allowed = io_bitmap::allow(PORT, 1);
    check_outcome!("base within the limit", read_u8(PORT), Outcome::COMPLETED);
    for (row, base) in [0xdfff_u16, 0xffff].into_iter().enumerate() {
        let _moved = io_bitmap::move_to(base);
        check_outcome!("base beyond the limit", [names!["DFFFH", "FFFFH"]; row], read_u8(PORT), Outcome::GP);
    }
}

/// Ports that the bitmap does not reach within the limit of the TSS are denied.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Permission Bit Map"))]
fn ports_beyond_the_limit_are_denied() {
    {
        let _moved = io_bitmap::move_to_limit(PORT, 1);
        check_outcome!("the byte is the last but one", read_u8(PORT), Outcome::COMPLETED);
    }
    let _moved = io_bitmap::move_to_limit(PORT, -1);
    check_outcome!("the byte is beyond the limit", read_u8(PORT), Outcome::GP);
}

/// The processor reads two bytes of the bitmap at every access, so the byte behind a port's own must be within the
/// limit of the TSS too.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Permission Bit Map"))]
fn byte_behind_must_be_within_the_limit() {
    let _moved = io_bitmap::move_to_limit(PORT, 0);
    check_outcome!("the byte is the last", read_u8(PORT), Outcome::GP);
}

/// The last port has a bit of its own, and a wider access there also needs bits of the byte behind the bitmap.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Permission Bit Map"))]
fn last_port() {
    check_outcome!("denied", read_u8(0xffff), Outcome::GP);
    let _allowed = io_bitmap::allow(0xffff, 1);
    check_outcome!("allowed", read_u8(0xffff), Outcome::COMPLETED);
    check_outcome!("16 bits, which reach the final byte of ones", user::call(in_ax, 0xffff), Outcome::GP);
}
