//! What the encoding of a field tells. It compiles for the host too.
//!
//! Source: SDM vol. 3C, "VMREAD, VMWRITE, and Encodings of VMCS Fields".

/// Width of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 16 bits.
    Bits16,
    /// 64 bits, with a high half of its own.
    Bits64,
    /// 32 bits.
    Bits32,
    /// 64 bits in 64-bit mode, else 32.
    Natural,
}

/// What a field is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Controls of execution, entries and exits.
    Control,
    /// Information of the last exit: read-only, unless the processor can write all fields.
    ReadOnly,
    /// Guest state.
    Guest,
    /// Host state.
    Host,
}

/// Width of the field with this encoding.
pub const fn width(encoding: u32) -> Width {
    match encoding >> 13 & 3 {
        0 => Width::Bits16,
        1 => Width::Bits64,
        2 => Width::Bits32,
        _ => Width::Natural,
    }
}

/// Kind of the field with this encoding.
pub const fn kind(encoding: u32) -> Kind {
    match encoding >> 10 & 3 {
        0 => Kind::Control,
        1 => Kind::ReadOnly,
        2 => Kind::Guest,
        _ => Kind::Host,
    }
}

/// Index of the field with this encoding among those of its width and kind.
pub const fn index(encoding: u32) -> u32 {
    encoding >> 1 & 0x1ff
}

/// The encoding of the high half of a field of 64 bits.
pub const fn high_half(encoding: u32) -> u32 {
    encoding | 1
}

/// Bits that a field of 64-bit mode keeps.
pub const fn mask(encoding: u32) -> u64 {
    match width(encoding) {
        Width::Bits16 => 0xffff,
        Width::Bits32 => 0xffff_ffff,
        Width::Bits64 | Width::Natural => u64::MAX,
    }
}

/// Parts of a guest segment: distance of the encoding from that of ES, in the order ES, CS, SS, DS, FS, GS, LDTR, TR.
pub mod segment {
    macro_rules! registers {
        ($($name:ident = $distance:literal;)*) => {
            $(#[doc = stringify!($name)] pub const $name: u32 = $distance;)*
        };
    }

    registers! { ES = 0; CS = 2; SS = 4; DS = 6; FS = 8; GS = 10; LDTR = 12; TR = 14; }
}
