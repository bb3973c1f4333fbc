//! Events that an entry injects: which are legal, what they push, and what their failing leads to. It compiles for the host too.
//!
//! Source: SDM vol. 3C, "VM-Entry Control Fields", "Event Injection"; SDM vol. 3A, "Interrupt 8—Double Fault Exception (#DF)".

/// Types of events.
pub(crate) mod kind {
    pub(crate) const EXTERNAL: u8 = 0;
    pub(crate) const NMI: u8 = 2;
    pub(crate) const HARDWARE: u8 = 3;
    pub(crate) const SOFTWARE: u8 = 4;
    pub(crate) const PRIVILEGED: u8 = 5;
    pub(crate) const SOFTWARE_EXCEPTION: u8 = 6;
    pub(crate) const OTHER: u8 = 7;
}

const VALID: u32 = 1 << 31;
const HAS_ERROR_CODE: u32 = 1 << 11;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: u8,
    pub(crate) vector: u8,
    pub(crate) has_error_code: bool,
}

/// What the processor offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    pub(crate) monitor_trap: bool,
    pub(crate) zero_length: bool,
    /// Any hardware exception may come with an error code (IA32_VMX_BASIC bit 56).
    pub(crate) any_error_code: bool,
}

/// Whether an exception pushes an error code; `None` for one that only some processors have.
pub(crate) const fn pushes_error_code(vector: u8) -> Option<bool> {
    match vector {
        8 | 10..=14 | 17 => Some(true),
        21 => None,
        _ => Some(false),
    }
}

impl Event {
    /// One without error code, but that of an exception that has one.
    pub(crate) const fn of(kind: u8, vector: u8) -> Self {
        let has_error_code = kind == kind::HARDWARE && matches!(pushes_error_code(vector), Some(true));
        Self { kind, vector, has_error_code }
    }

    /// The interruption information of it.
    pub(crate) const fn word(&self) -> u32 {
        VALID | (self.kind as u32) << 8 | self.vector as u32 | if self.has_error_code { HAS_ERROR_CODE } else { 0 }
    }

    /// Whether an entry in protected mode may inject it; `None` where that depends on what is not asked.
    pub(crate) const fn is_legal(&self, offered: Offered) -> Option<bool> {
        match self.kind {
            1 => Some(false),
            kind::OTHER => Some(offered.monitor_trap && self.vector == 0 && !self.has_error_code),
            kind::NMI => Some(self.vector == 2 && !self.has_error_code),
            kind::HARDWARE => match (self.vector, pushes_error_code(self.vector)) {
                (32.., _) => Some(false),
                (_, None) => None,
                (_, Some(_)) if offered.any_error_code => Some(true),
                (_, Some(pushes)) => Some(pushes == self.has_error_code),
            },
            _ => Some(!self.has_error_code),
        }
    }

    /// Whether it is an instruction's, so that the instruction's length counts.
    pub(crate) const fn has_length(&self) -> bool {
        matches!(self.kind, kind::SOFTWARE | kind::PRIVILEGED | kind::SOFTWARE_EXCEPTION)
    }

    /// Whether an instruction of this length may be injected.
    pub(crate) const fn is_legal_length(&self, length: u32, offered: Offered) -> bool {
        !self.has_length() || matches!(length, 1..=15) || length == 0 && offered.zero_length
    }

    /// The bit EXT of an error code that its delivery raises.
    pub(crate) const fn external(&self) -> u32 {
        !matches!(self.kind, kind::SOFTWARE | kind::SOFTWARE_EXCEPTION) as u32
    }

    /// What a second exception in its delivery leads to.
    pub(crate) const fn second(&self, vector: u8) -> Second {
        let is_contributory = matches!(vector, 0 | 10..=13);
        match (self.kind, self.vector) {
            (kind::HARDWARE, 8) if is_contributory || vector == 14 => Second::TripleFault,
            (kind::HARDWARE, 0 | 10..=13) if is_contributory => Second::DoubleFault,
            (kind::HARDWARE, 14) if is_contributory || vector == 14 => Second::DoubleFault,
            _ => Second::Itself,
        }
    }
}

/// What becomes of a second exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    /// It is raised itself.
    Itself,
    DoubleFault,
    TripleFault,
}

/// Bits of the field that are reserved.
pub(crate) const RESERVED: u32 = 0x7fff_f000;
