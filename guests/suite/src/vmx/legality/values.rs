//! Values that several fields are given: the nearest legal and illegal ones of what a field holds.

use super::{Change, Facts, Rule};
use case::Text;

/// The values that a rule names.
pub(crate) struct Values {
    /// The names, of the legal ones first.
    names: &'static [Text],
    legal: &'static [Change],
    illegal: &'static [Change],
}

impl Rule {
    /// It, with these values and no others.
    pub(crate) const fn with(self, values: &Values) -> Self {
        Self { names: values.names, legal: values.legal, illegal: values.illegal, ..self }
    }
}

/// Makes values of their names and changes.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident;
     legal { $($legal_name:literal: $legal:expr),* $(,)? }
     illegal { $($illegal_name:literal: $illegal:expr),+ $(,)? }) => {
        $(#[$doc])*
        pub(crate) const $name: Values = Values {
            names: &[$(Text::new($legal_name),)* $(Text::new($illegal_name)),+],
            legal: &[$($legal),*],
            illegal: &[$($illegal),+],
        };
    };
}

values! {
    /// Linear addresses at the edges of those that are canonical.
    ADDRESSES;
    legal {
        "highest of the lower half": |_, _| 0x7fff_ffff_ffff,
        "lowest of the upper half": |_, _| 0xffff_8000_0000_0000,
        "all ones": |_, _| !0,
    }
    illegal {
        "2^47": |_, _| 0x8000_0000_0000,
        "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
        "2^63": |_, _| 1 << 63,
    }
}

values! {
    /// Linear addresses that are not canonical, beside one that the host needs as it is.
    ADDRESSES_BESIDE;
    legal {
        "as it is": |_, address| address,
    }
    illegal {
        "2^47": |_, _| 0x8000_0000_0000,
        "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
        "2^63": |_, _| 1 << 63,
    }
}

/// Makes values of numbers, which are their names.
macro_rules! numbers {
    ($($legal:literal)+; $($illegal:literal)+) => {
        Values {
            names: &[$(Text::new(concat!($legal)),)+ $(Text::new(concat!($illegal))),+],
            legal: &[$(|_, _| $legal),+],
            illegal: &[$(|_, _| $illegal),+],
        }
    };
}

/// Lengths of instructions.
pub(crate) const LENGTHS: Values = numbers! {
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15;
    16 17 31 32 128 256 65536 2147483648 4294967295
};

/// Another number in byte `BYTE`.
const fn byte<const BYTE: u32, const VALUE: u64>(_: &Facts, bytes: u64) -> u64 {
    bytes & !(0xff << (8 * BYTE)) | VALUE << (8 * BYTE)
}

macro_rules! name {
    ($type:literal $byte:literal) => {
        Text::new(concat!("type ", $type, " in byte ", $byte))
    };
}

macro_rules! change {
    ($type:literal $byte:literal) => {
        byte::<$byte, $type>
    };
}

/// What `$make` makes of each type in each of the eight bytes.
macro_rules! in_each_byte {
    ($make:ident $([$($type:literal)+])+) => {
        &[$(
            $($make!($type 0),)+
            $($make!($type 1),)+
            $($make!($type 2),)+
            $($make!($type 3),)+
            $($make!($type 4),)+
            $($make!($type 5),)+
            $($make!($type 6),)+
            $($make!($type 7),)+
        )+]
    };
}

macro_rules! types {
    ($legal:tt $illegal:tt) => {
        Values {
            names: in_each_byte!(name $legal $illegal),
            legal: in_each_byte!(change $legal),
            illegal: in_each_byte!(change $illegal),
        }
    };
}

/// Memory types in the bytes of IA32_PAT.
pub(crate) const MEMORY_TYPES: Values = types!([0 1 4 5 6 7] [2 3 8 16 128 255]);
