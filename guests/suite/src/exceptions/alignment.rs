//! Alignment checks: CR0.AM, EFLAGS.AC, CPL, size, distance and kind of access.

use super::{
    alignment_model::{Enabled, NR_OFFSETS, Seen, columns},
    alignment_rows::ROWS_32,
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    case, check_eq,
    cpu::control::{self, cr0},
    names,
    vocabulary::Text,
};

/// AC.
const ALIGNMENT_CHECK: u64 = 1 << 18;

const NAMES: &[Text] = names![
    "load of 1",
    "load of 2",
    "load of 4",
    "load of 8",
    "store of 2",
    "store of 4",
    "store of 8",
    "ADD to 4",
    "XCHG with 4",
    "LOCK XADD with 8",
    "MOVSD",
    "CMPSW",
    "STOSQ",
    "PUSH from 8",
    "POP to 8",
    "MOVZX of 2",
    "TEST of 4",
    "BT of 4",
    "IMUL of 4",
    "MOVSXD of 4"
];

/// Instructions at [RDI] or [RBX], and the size of what they access there.
const ROWS: [(&[u8], u64); 20] = [
    (&[0x8a, 0x07], 1),
    (&[0x66, 0x8b, 0x07], 2),
    (&[0x8b, 0x07], 4),
    (&[0x48, 0x8b, 0x07], 8),
    (&[0x66, 0x89, 0x07], 2),
    (&[0x89, 0x07], 4),
    (&[0x48, 0x89, 0x07], 8),
    (&[0x01, 0x07], 4),
    (&[0x87, 0x07], 4),
    (&[0xf0, 0x48, 0x0f, 0xc1, 0x07], 8),
    // The other operand of these stays aligned.
    (&[0xa5], 4),
    (&[0x66, 0xa7], 2),
    (&[0x48, 0xab], 8),
    (&[0xff, 0x37], 8),
    (&[0x8f, 0x07], 8),
    (&[0x0f, 0xb7, 0x07], 2),
    (&[0xf7, 0x07, 1, 0, 0, 0], 4),
    (&[0x0f, 0xba, 0x27, 1], 4),
    (&[0x0f, 0xaf, 0x07], 4),
    (&[0x48, 0x63, 0x07], 4),
];

fn walk(enabled: Enabled) {
    let (set, clear) = if enabled.mask { (cr0::AM, 0) } else { (0, cr0::AM) };
    let Ok(_mask) = control::With::cr0(set, clear) else {
        rt::skip!("CR0.AM cannot be written");
        return;
    };
    let machine = Machine::new(if enabled.is_user { Mode::Long3 } else { Mode::Long0 });
    let flags = if enabled.flag { ALIGNMENT_CHECK } else { 0 };
    for (row, (bytes, size)) in ROWS.into_iter().enumerate() {
        let mut seen = Seen::NOTHING;
        for offset in 0..NR_OFFSETS {
            let address = Some(machine.data() + 0x40 + offset);
            let end = machine.run(bytes, Start { flags, address, ..Start::PLAIN });
            seen.take(offset, end.outcome.0, end.ip);
        }
        let [checked, other] = columns(enabled, size, seen);
        check_eq!("distances that raise #AC(0)", [NAMES; row], checked.0, checked.1);
        check_eq!("distances that raise something else", [NAMES; row], other.0, other.1);
    }
}

/// With CR0.AM and EFLAGS.AC set at CPL 3, an access that is not aligned to its size raises #AC(0).
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn every_size_and_kind() {
    walk(Enabled { mask: true, flag: true, is_user: true });
}

/// With EFLAGS.AC clear nothing raises #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn flag_clear() {
    walk(Enabled { mask: true, flag: false, is_user: true });
}

/// With CR0.AM clear nothing raises #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn mask_clear() {
    walk(Enabled { mask: false, flag: true, is_user: true });
}

/// At CPL 0 nothing raises #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn supervisor_accesses() {
    walk(Enabled { mask: true, flag: true, is_user: false });
}

const NAMES_32: &[Text] = names![
    "load of 1",
    "load of 2",
    "load of 4",
    "store of 2",
    "store of 4",
    "ADD to 4",
    "XCHG with 4",
    "LOCK XADD with 4",
    "MOVSD",
    "CMPSW",
    "STOSD",
    "MOVZX of 2",
    "TEST of 4",
    "BT of 4",
    "IMUL of 4",
    "PUSH from 4",
    "POP to 4"
];

fn walk_32(mode: Mode, mask: bool) {
    let (set, clear) = if mask { (cr0::AM, 0) } else { (0, cr0::AM) };
    let Ok(_mask) = control::With::cr0(set, clear) else {
        rt::skip!("CR0.AM cannot be written");
        return;
    };
    let machine = Machine::new(mode);
    let enabled = Enabled { mask, flag: true, is_user: mode.is_user() };
    for (row, (bytes, size)) in ROWS_32.into_iter().enumerate() {
        let mut seen = Seen::NOTHING;
        for offset in 0..NR_OFFSETS {
            let address = Some(machine.data() + 0x40 + offset);
            let end = machine.run(bytes, Start { flags: ALIGNMENT_CHECK, address, ..Start::PLAIN });
            seen.take(offset, end.outcome.0, end.ip);
        }
        let [checked, other] = columns(enabled, size, seen);
        check_eq!("distances in 32-bit code that raise #AC(0)", [NAMES_32; row], checked.0, checked.1);
        check_eq!("distances in 32-bit code that raise something else", [NAMES_32; row], other.0, other.1);
    }
}

/// In compatibility mode at CPL 3, an access that is not aligned to its size raises #AC(0).
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn alignment_in_compatibility_mode() {
    walk_32(Mode::Compatible3, true);
}

/// In compatibility mode with CR0.AM clear, nothing raises #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn alignment_in_compatibility_mode_mask_clear() {
    walk_32(Mode::Compatible3, false);
}

/// In compatibility mode at CPL 0, nothing raises #AC.
#[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
       apm2("#AC—Alignment-Check Exception (Vector 17)")],
       time = 2)]
fn alignment_in_compatibility_mode_at_cpl_0() {
    walk_32(Mode::Compatible0, true);
}
