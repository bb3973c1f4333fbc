//! What the models name of the runtime, which itself links into images alone: its own files where they compile for the
//! host, else the same names.

pub mod excursion;
#[path = "../../../rt/src/layout.rs"]
pub mod layout;

use case::message::outcome;

/// As `rt::Outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Outcome(pub(crate) u64);

impl Outcome {
    pub(crate) const COMPLETED: Self = Self(outcome::COMPLETED);
    pub(crate) const DE: Self = Self::exception(0, 0);
    pub(crate) const DB: Self = Self::exception(1, 0);
    pub(crate) const UD: Self = Self::exception(6, 0);
    pub(crate) const SS: Self = Self::exception(12, 0);
    pub(crate) const GP: Self = Self::exception(13, 0);

    pub(crate) const fn exception(vector: u8, error_code: u32) -> Self {
        Self(outcome::exception(vector, error_code))
    }

    pub(crate) const fn gp(error_code: u32) -> Self {
        Self::exception(13, error_code)
    }
}

/// As `rt::tables`.
pub(crate) mod tables {
    pub(crate) const GDT_LIMIT: u16 = selector::BEYOND_LIMIT - 1;
    pub(crate) const IDT_LIMIT: u16 = 4095;

    pub(crate) mod selector {
        pub(crate) const KERNEL_CODE: u16 = 0x08;
        pub(crate) const KERNEL_DATA: u16 = 0x10;
        pub(crate) const USER_DATA: u16 = 0x20 | 3;
        pub(crate) const USER_CODE: u16 = 0x28 | 3;
        pub(crate) const KERNEL_CODE_32: u16 = 0x30;
        pub(crate) const TSS: u16 = 0x38;
        pub(crate) const BEYOND_LIMIT: u16 = 0x50;
    }
}

/// As `rt::descriptors`.
pub(crate) mod descriptors {
    pub(crate) const FREE: u16 = super::tables::selector::BEYOND_LIMIT;
    pub(crate) const LIMIT: u16 = 0xfff;
    pub(crate) const LDT: u16 = 0xff0;
}

/// No memory: the tables of the arena name these functions, and no model calls them.
pub(crate) mod mmio {
    pub(crate) fn read_u32(_address: u64) -> u32 {
        there_is_no_memory()
    }

    pub(crate) fn read_u64(_address: u64) -> u64 {
        there_is_no_memory()
    }

    pub(crate) fn write_u32(_address: u64, _value: u32) {
        there_is_no_memory()
    }

    pub(crate) fn write_u64(_address: u64, _value: u64) {
        there_is_no_memory()
    }

    fn there_is_no_memory() -> ! {
        panic!("models read and write no memory")
    }
}
