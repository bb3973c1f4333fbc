//! IRETQ and far RET in 64-bit mode: flags by level, null stacks, and data segments that become null.

use super::model::{Descriptor, returned_flags, survives_return, takes_null_stack};
use case::Text;
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    cpu::port,
    descriptors::{Descriptors, FREE},
    excursion::tables::{access, flag, segment},
    instruction, mmio, names, paging,
    tables::selector,
    user::{self, State, register},
    user_code,
};

const FLAGS: &[Text] = names![
    "CF", "PF", "AF", "ZF", "SF", "DF", "OF", "NT", "AC", "ID", "IF", "IOPL 1", "IOPL 2", "IOPL 3", "VIF", "VIP",
    "bit 3", "bit 5", "bit 15", "bit 22", "bit 63", "VM"
];
const BITS: [u64; 22] = [
    1,
    1 << 2,
    1 << 4,
    1 << 6,
    1 << 7,
    1 << 10,
    1 << 11,
    1 << 14,
    1 << 18,
    1 << 21,
    1 << 9,
    1 << 12,
    2 << 12,
    3 << 12,
    1 << 19,
    1 << 20,
    1 << 3,
    1 << 5,
    1 << 15,
    1 << 22,
    1 << 63,
    // Long mode has no virtual-8086 mode to return to: VM of the image is not loaded.
    1 << 17,
];

/// Firmware may have left the 8259s with the timer's interrupt on; where there are none nobody listens.
fn mask_8259s() {
    port::write_u8(0x21, 0xff);
    port::write_u8(0xa1, 0xff);
}

/// IRETQ at CPL 0 to CPL 0 loads every flag that exists, IF, IOPL, VIF and VIP among them.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm3("IRET")])]
fn flags_at_cpl_0() {
    mask_8259s();
    for (row, bit) in BITS.into_iter().enumerate() {
        let mut flags = 0_u64;
        let result = instruction!("mov {0}, rsp", "mov {1:e}, ss", "push {1}", "push {0}", "push {2}", "mov {1:e}, cs",
            "push {1}", "lea {1}, [rip + 2f]", "push {1}", "iretq", "2: pushfq", "pop {3}", "push 2", "popfq",
            out(reg) _, out(reg) _, in(reg) bit | 2, out(reg) flags);
        check_outcome!("IRETQ", [FLAGS; row], result, Outcome::COMPLETED);
        check_eq!("RFLAGS", [FLAGS; row], flags, returned_flags(2, bit | 2, 0));
    }
}

user_code!(undefined: "ud2");

/// IRETQ at CPL 0 to CPL 3 loads the same.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm3("IRET")])]
fn flags_to_cpl_3() {
    const RF: u64 = 1 << 16;
    mask_8259s();
    for (row, bit) in BITS.into_iter().enumerate() {
        let mut state = State::at(undefined as *const () as u64);
        state.rflags = bit | 2;
        let exception = user::enter(&mut state);
        check_outcome!("IRETQ and UD2", [FLAGS; row], exception, Outcome::UD);
        check_eq!("RFLAGS", [FLAGS; row], exception.rflags & !RF, returned_flags(2, bit | 2, 0));
    }
}

const FLAG_L: u32 = 1 << 21;

const fn code(dpl: u32, is_64_bit: bool) -> u64 {
    segment(0, 0xf_ffff, access::CODE | dpl << 5, if is_64_bit { FLAG_L | flag::G } else { flag::FLAT })
}

/// IRETQ takes a null SS for 64-bit code below CPL 3; for CPL 3 it raises #GP(0).
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3a("Exception- or Interrupt-Handler Procedures"), apm2("Long-Mode Interrupt Control Transfers")])]
fn null_stacks_of_interrupt_returns() {
    const NAMES: &[Text] =
        names!["CPL 0, 64-bit", "CPL 1, 64-bit", "CPL 2, 64-bit", "CPL 3, 64-bit", "CPL 3, compatibility"];
    let table = Descriptors::new();
    let top = user::stack_top();
    // Compatibility mode below CPL 3 is left out: AMD's manual does not tell whose mode its rule means.
    for (row, (outer, is_64_bit)) in
        [(0_u16, true), (1, true), (2, true), (3, true), (3, false)].into_iter().enumerate()
    {
        table.set(FREE, code(outer.into(), is_64_bit));
        let result: Result<(), Exception> = instruction!(
            "push {0}", "push {1}", "push 2", "push {2}", "lea {3}, [rip + 2f]", "push {3}", "iretq", "2: ud2",
            in(reg) u64::from(outer), in(reg) top, in(reg) u64::from(FREE | outer), out(reg) _);
        let expected = if takes_null_stack(outer as u8, is_64_bit) { Outcome::UD } else { Outcome::GP };
        check_outcome!("IRETQ", [NAMES; row], result, expected);
        if let Err(exception) = result
            && exception.vector == 6
        {
            check_eq!("SS", [NAMES; row], exception.ss, outer);
            check_eq!("CS", [NAMES; row], exception.cs, FREE | outer);
            check_eq!("RSP", [NAMES; row], exception.rsp, top);
        }
    }
}

user_code!(store: "mov word ptr [rdi], es", "mov word ptr [rdi + 8], ds", "mov word ptr [rdi + 16], fs",
           "mov word ptr [rdi + 24], gs", "ud2");

const DATA_NAMES: &[Text] = names![
    "data, DPL 0",
    "data, DPL 1",
    "data, DPL 2",
    "data, DPL 3",
    "read-only, DPL 0",
    "read-only, DPL 3",
    "code, DPL 0",
    "code, DPL 3",
    "conforming, DPL 0",
    "conforming, DPL 3"
];
const DATA_ROWS: [(u8, u8); 10] =
    [(0x13, 0), (0x13, 1), (0x13, 2), (0x13, 3), (0x11, 0), (0x11, 3), (0x1b, 0), (0x1b, 3), (0x1f, 0), (0x1f, 3)];

fn load_all(value: u16) -> Result<(), Exception> {
    instruction!("mov es, {0:x}", "mov ds, {0:x}", "mov fs, {0:x}", "mov gs, {0:x}", in(reg) value)
}

fn check_data_segments(leave: impl Fn(u64)) {
    let table = Descriptors::new();
    let at = paging::frame(0);
    for (row, (kind, dpl)) in DATA_ROWS.into_iter().enumerate() {
        let d = Descriptor { kind, dpl, present: true };
        table.set(FREE, segment(0, 0xf_ffff, d.access(), flag::FLAT));
        check_outcome!("loads at CPL 0", [DATA_NAMES; row], load_all(FREE), Outcome::COMPLETED);
        for offset in [0, 8, 16, 24] {
            mmio::write_u64(at + offset, 0xffff);
        }
        leave(at);
        let expected = if survives_return(d, 3) { FREE } else { 0 };
        check_eq!("ES", [DATA_NAMES; row], mmio::read_u16(at), expected);
        check_eq!("DS", [DATA_NAMES; row], mmio::read_u16(at + 8), expected);
        check_eq!("FS", [DATA_NAMES; row], mmio::read_u16(at + 16), expected);
        check_eq!("GS", [DATA_NAMES; row], mmio::read_u16(at + 24), expected);
    }
    let _ = load_all(0);
}

/// IRETQ to CPL 3 leaves null in each data segment register that holds a segment which CPL 3 could not load.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn data_segments_behind_an_interrupt_return() {
    check_data_segments(|at| {
        let mut state = State::at(store as *const () as u64);
        state.registers[register::RDI] = at;
        let _ = user::enter(&mut state);
    });
}

/// Far RET to CPL 3 does the same.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn data_segments_behind_a_far_return() {
    check_data_segments(|at| {
        let _: Result<(), Exception> = instruction!("push {0}", "push {1}", "push {2}", "push {3}", "retfq",
            in(reg) u64::from(selector::USER_DATA), in(reg) user::stack_top(), in(reg) u64::from(selector::USER_CODE),
            in(reg) store as *const () as u64, in("rdi") at);
    });
}
