//! Opcodes that 64-bit mode does not know.

use rt::{
    Exception, Outcome, case, check_eq, check_outcome, instruction, mmio, names, paging::frame, user, user::State,
    vocabulary::Text,
};

/// Opcodes that are instructions in other modes only, each with what it needs to be a whole instruction there.
const NOT_IN_64_BIT_MODE: [[u8; 7]; 20] = [
    [0x06, 0, 0, 0, 0, 0, 0],
    [0x07, 0, 0, 0, 0, 0, 0],
    [0x0e, 0, 0, 0, 0, 0, 0],
    [0x16, 0, 0, 0, 0, 0, 0],
    [0x17, 0, 0, 0, 0, 0, 0],
    [0x1e, 0, 0, 0, 0, 0, 0],
    [0x1f, 0, 0, 0, 0, 0, 0],
    [0x27, 0, 0, 0, 0, 0, 0],
    [0x2f, 0, 0, 0, 0, 0, 0],
    [0x37, 0, 0, 0, 0, 0, 0],
    [0x3f, 0, 0, 0, 0, 0, 0],
    [0x60, 0, 0, 0, 0, 0, 0],
    [0x61, 0, 0, 0, 0, 0, 0],
    [0x82, 0xc0, 0, 0, 0, 0, 0],
    [0x9a, 0, 0, 0, 0, 8, 0],
    [0xce, 0, 0, 0, 0, 0, 0],
    [0xd4, 10, 0, 0, 0, 0, 0],
    [0xd6, 0, 0, 0, 0, 0, 0],
    [0xea, 0, 0, 0, 0, 8, 0],
    [0x0f, 0xff, 0xc0, 0, 0, 0, 0],
];

/// Puts the bytes into frame 0, with UD2 behind them, and returns its address.
fn place(bytes: &[u8]) -> u64 {
    let mut address = frame(0);
    for &byte in bytes {
        mmio::write_u8(address, byte);
        address += 1;
    }
    mmio::write_u8(address, 0x0f);
    mmio::write_u8(address + 1, 0x0b);
    frame(0)
}

macro_rules! opcode_names {
    () => {
        names![
            "PUSH ES", "POP ES", "PUSH CS", "PUSH SS", "POP SS", "PUSH DS", "POP DS", "DAA", "DAS", "AAA", "AAS",
            "PUSHA", "POPA", "82H", "far CALL", "INTO", "AAM", "SALC", "far JMP", "UD0",
        ]
    };
}

/// Opcodes of other modes raise #UD in 64-bit mode at CPL 3, at their own RIP.
#[case(feature = ExceptionVectors, spec = sdm2("One, Two, and Three-Byte Opcode Maps"))]
fn opcodes_of_other_modes_at_cpl_3() {
    for (row, bytes) in NOT_IN_64_BIT_MODE.into_iter().enumerate() {
        let at = place(&bytes);
        let exception = user::enter(&mut State::at(at));
        check_outcome!("exception", [opcode_names!(); row], exception, Outcome::UD);
        check_eq!("saved RIP", [opcode_names!(); row], exception.rip, at);
    }
}

/// Opcodes of other modes raise #UD in 64-bit mode at CPL 0, at their own RIP.
#[case(feature = ExceptionVectors, spec = sdm2("One, Two, and Three-Byte Opcode Maps"))]
fn opcodes_of_other_modes_at_cpl_0() {
    for (row, bytes) in NOT_IN_64_BIT_MODE.into_iter().enumerate() {
        let at = place(&bytes);
        let result: Result<(), Exception> = instruction!("call {}", in(reg) at, clobber_abi("C"));
        check_outcome!("exception", [opcode_names!(); row], result, Outcome::UD);
        check_eq!("saved RIP", [opcode_names!(); row], result.map_or_else(|exception| exception.rip, |()| 0), at);
    }
}

/// LOCK before an instruction or operand that does not take it raises #UD.
#[case(feature = ExceptionVectors, spec = sdm2("LOCK—Assert LOCK# Signal Prefix"))]
fn lock_prefix() {
    const ROWS: &[Text] = names![
        "ADD to memory",
        "MOV to memory",
        "ADD to register",
        "CMP",
        "ADD from memory",
        "NOP",
        "BT",
        "BTS, then UD2",
        "XCHG",
        "PUSH",
        "NOT"
    ];
    // ADD [RAX], ECX; MOV [RAX], ECX; ADD EAX, ECX; CMP [RAX], ECX; ADD ECX, [RAX]; NOP; BT [RAX], ECX;
    // BTS [RAX], ECX; XCHG [RAX], ECX; PUSH RAX; NOT [RAX].
    let table: [([u8; 4], Outcome); 11] = [
        ([0xf0, 0x01, 0x08, 0xcc], Outcome::BP),
        ([0xf0, 0x89, 0x08, 0xcc], Outcome::UD),
        ([0xf0, 0x01, 0xc8, 0xcc], Outcome::UD),
        ([0xf0, 0x39, 0x08, 0xcc], Outcome::UD),
        ([0xf0, 0x03, 0x08, 0xcc], Outcome::UD),
        ([0xf0, 0x90, 0xcc, 0xcc], Outcome::UD),
        ([0xf0, 0x0f, 0xa3, 0x08], Outcome::UD),
        ([0xf0, 0x0f, 0xab, 0x08], Outcome::UD),
        ([0xf0, 0x87, 0x08, 0xcc], Outcome::BP),
        ([0xf0, 0x50, 0xcc, 0xcc], Outcome::UD),
        ([0xf0, 0xf7, 0x10, 0xcc], Outcome::BP),
    ];
    for (row, (bytes, expected)) in table.into_iter().enumerate() {
        let mut state = State::at(place(&bytes));
        state.registers[user::register::RAX] = frame(1);
        let exception = user::enter(&mut state);
        check_outcome!("exception", [ROWS; row], exception, expected);
        // BTS is lockable: its #UD is that of the UD2 behind it.
        let offset = match row {
            7 => 4,
            _ if expected == Outcome::BP => 4,
            _ => 0,
        };
        check_eq!("saved RIP", [ROWS; row], exception.rip - frame(0), offset);
    }
}
