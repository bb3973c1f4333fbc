//! What an exception during the delivery of another leads to: the second exception, or a double fault.
//!
//! Sources: SDM vol. 3A, "Interrupt 8—Double Fault Exception (#DF)", "Interrupt and Exception Classes" and "Conditions for
//! Generating a Double Fault"; APM vol. 2, "#DF—Double-Fault Exception (Vector 8)". The tests of the suite compile this
//! for the host.

use case::{Text, message::outcome};

/// The classes of the manuals' table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Benign,
    Contributory,
    PageFault,
}

/// The class of a vector that is no software interrupt.
pub(crate) const fn class(vector: u8) -> Class {
    match vector {
        0 | 10..=13 => Class::Contributory,
        14 => Class::PageFault,
        _ => Class::Benign,
    }
}

/// Whether these two in a row are a double fault.
pub(crate) const fn is_double_fault(first: Class, second: Class) -> bool {
    match (first, second) {
        (Class::Benign, _) | (_, Class::Benign) => false,
        (Class::Contributory, second) => matches!(second, Class::Contributory),
        (Class::PageFault, _) => true,
    }
}

/// An instruction that raises a first event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) vector: u8,
    /// RDX.
    pub(crate) rdx: u16,
    /// Whether it uses the address that nothing maps.
    pub(crate) is_unmapped: bool,
    /// Whether it is INT n or INT3, which is benign whatever its vector.
    pub(crate) is_software: bool,
}

const fn first(name: &'static str, bytes: &'static [u8], vector: u8) -> First {
    First { name, bytes, vector, rdx: 0, is_unmapped: false, is_software: false }
}

/// A selector that no table has a segment for.
const NO_SEGMENT: u16 = 0x1f8;
pub(crate) const DIVIDE: First = first("#DE", &[0xf7, 0xf2], 0);
pub(crate) const INVALID: First = first("#UD", &[0x0f, 0x0b, 0x90], 6);
pub(crate) const PROTECTION: First = First { rdx: NO_SEGMENT, ..first("#GP", &[0x8e, 0xda], 13) };
pub(crate) const PAGE_FAULT: First = First { is_unmapped: true, ..first("#PF", &[0x8b, 0x07], 14) };
/// The runtime's segment that is not present.
const LONG_NOT_PRESENT: u16 = 0x48;
/// That of the excursions' cases.
pub(crate) const ARENA_NOT_PRESENT: u16 = 0x60;

/// First events at CPL 3.
pub(crate) const USER: [First; 7] = [
    DIVIDE,
    INVALID,
    PROTECTION,
    PAGE_FAULT,
    First { is_software: true, ..first("INT3", &[0xcc], 3) },
    First { is_software: true, ..first("INT 4", &[0xcd, 4], 4) },
    First { is_software: true, ..first("INT 80H", &[0xcd, 0x80], 0x80) },
];

pub(crate) const NOT_PRESENT: First = First { rdx: LONG_NOT_PRESENT, ..first("#NP", &[0x8e, 0xda], 11) };
pub(crate) const STACK: First = First { rdx: LONG_NOT_PRESENT, ..first("#SS", &[0x8e, 0xd2], 12) };

/// First events at CPL 0 of long mode.
pub(crate) const SUPERVISOR: [First; 6] = [DIVIDE, INVALID, PROTECTION, PAGE_FAULT, NOT_PRESENT, STACK];

/// First events at CPL 0 of protected mode.
pub(crate) const PROTECTED: [First; 4] = [
    DIVIDE,
    PROTECTION,
    First { rdx: ARENA_NOT_PRESENT, ..first("#NP", &[0x8e, 0xda], 11) },
    First { rdx: ARENA_NOT_PRESENT, ..first("#SS", &[0x8e, 0xd2], 12) },
];

/// Software interrupts and #UD at CPL 0 of protected mode.
pub(crate) const PROTECTED_BENIGN: [First; 3] = [
    INVALID,
    First { is_software: true, ..first("INT3", &[0xcc], 3) },
    First { is_software: true, ..first("INT 32", &[0xcd, 0x20], 32) },
];

/// The names of first events.
pub(crate) const fn names<const N: usize>(rows: &[First; N]) -> [Text; N] {
    let mut names = [Text::new(""); N];
    let mut index = 0;
    while index < N {
        names[index] = Text::new(rows[index].name);
        index += 1;
    }
    names
}

/// What is wrong with the first event's way to its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The gate is not present: #NP of the gate.
    GateNotPresent,
    /// The gate has a type that no exception takes: #GP of the gate.
    GateType,
    /// The gate's selector is null: #GP(0).
    NullSegment,
    /// The gate's selector, this one, is of no code segment that can be used: #GP of the selector.
    WrongSegment(u16),
    /// The gate's code segment, this one, is not present: #NP of the selector.
    SegmentNotPresent(u16),
    /// The interrupt stack is not canonical: #SS(0).
    StackNotCanonical,
    /// The interrupt stack is not mapped: #PF of a write at CPL 0.
    StackNotMapped,
}

/// Error-code bits: the event was external to the program; the index is one of the IDT.
const EXT: u32 = 1;
const IDT: u32 = 2;

/// The second exception, as vector and error code without EXT.
pub(crate) const fn second(first: &First, obstacle: Obstacle) -> (u8, u32) {
    let of_gate = (first.vector as u32) << 3 | IDT;
    match obstacle {
        Obstacle::GateNotPresent => (11, of_gate),
        Obstacle::GateType => (13, of_gate),
        Obstacle::NullSegment => (13, 0),
        Obstacle::WrongSegment(selector) => (13, selector as u32),
        Obstacle::SegmentNotPresent(selector) => (11, selector as u32),
        Obstacle::StackNotCanonical => (12, 0),
        Obstacle::StackNotMapped => (14, 2),
    }
}

/// Whether an obstacle on the way to the handler of the first event, and `third` on the way to that of #DF, shut the processor
/// down: the two are a double fault, and the third exception is contributory or a page fault, as all of them are.
pub(crate) const fn is_shutdown(event: &First, obstacle: Obstacle, third: Obstacle) -> bool {
    const DOUBLE: First = first("#DF", &[], 8);
    let class_of_event = if event.is_software { Class::Benign } else { class(event.vector) };
    is_double_fault(class_of_event, class(second(event, obstacle).0))
        && !matches!(class(second(&DOUBLE, third).0), Class::Benign)
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) outcome: u64,
    pub(crate) ip: u64,
}

/// The columns, actual and expected: outcome, and the saved instruction pointer but of a double fault, whose is not
/// defined. EXT of the error code counts for software interrupts, where it is clear; on an earlier exception the vendors
/// differ. A page fault has no such bit.
pub(crate) const fn columns(first: &First, obstacle: Obstacle, seen: &Observed) -> [Option<(u64, u64)>; 2] {
    let (vector, code) = second(first, obstacle);
    let first_class = if first.is_software { Class::Benign } else { class(first.vector) };
    if is_double_fault(first_class, class(vector)) {
        return [Some((seen.outcome, outcome::exception(8, 0))), None];
    }
    let ignored = if first.is_software || vector == 14 { 0 } else { EXT as u64 };
    [Some((seen.outcome & !ignored, outcome::exception(vector, code))), Some((seen.ip, 0))]
}
