//! Legal states other than that of 64-bit mode, as changes of it.

use super::super::{
    control::{entry, processor, secondary},
    field::{self, segment},
};
use super::{Change, Given};

const fn to(field: u32, change: Change) -> Given {
    Given { field, change }
}

/// A guest in 64-bit mode.
pub(crate) const LONG: &[Given] = &[];

const PAE: u64 = 1 << 5;
const PG: u64 = 1 << 31;
const PE: u64 = 1 << 0;
/// RFLAGS.VM.
pub(crate) const VM: u64 = 1 << 17;

/// Protected mode with 32-bit paging.
pub(crate) const PROTECTED: &[Given] = &[
    to(field::ENTRY_CONTROLS, |_, v| v & !(entry::GUEST_64_BIT as u64)),
    to(field::GUEST_CR4, |_, v| v & !PAE & !(1 << 17)),
    to(field::GUEST_CS_RIGHTS, |_, _| 0xc09b),
];

/// Compatibility mode.
pub(crate) const COMPATIBILITY: &[Given] = &[to(field::GUEST_CS_RIGHTS, |_, _| 0xc09b)];

/// Protected mode with PAE paging and EPT, so that the PDPTEs are fields.
pub(crate) const PAE_WITH_EPT: &[Given] = &[
    to(field::PROCESSOR_CONTROLS, |_, v| v | processor::SECONDARY as u64),
    to(field::SECONDARY_CONTROLS, |_, v| v | secondary::EPT as u64),
    to(field::EPT_POINTER, |f, _| f.free_page | 0x1e),
    to(field::ENTRY_CONTROLS, |_, v| v & !(entry::GUEST_64_BIT as u64)),
    to(field::GUEST_CR4, |_, v| v & !(1 << 17)),
    to(field::GUEST_CS_RIGHTS, |_, _| 0xc09b),
    to(field::GUEST_PDPTE0, |_, _| 0x1001),
    to(field::GUEST_PDPTE1, |_, _| 0x2001),
    to(field::GUEST_PDPTE2, |_, _| 0x3001),
    to(field::GUEST_PDPTE3, |_, _| 0),
];

/// An unrestricted guest in 64-bit mode.
pub(crate) const UNRESTRICTED: &[Given] = &[
    to(field::PROCESSOR_CONTROLS, |_, v| v | processor::SECONDARY as u64),
    to(field::SECONDARY_CONTROLS, |_, v| v | (secondary::EPT | secondary::UNRESTRICTED) as u64),
    to(field::EPT_POINTER, |f, _| f.free_page | 0x1e),
];

/// An unrestricted guest in protected mode without paging.
pub(crate) const UNPAGED: &[Given] = &[
    to(field::PROCESSOR_CONTROLS, |_, v| v | processor::SECONDARY as u64),
    to(field::SECONDARY_CONTROLS, |_, v| v | (secondary::EPT | secondary::UNRESTRICTED) as u64),
    to(field::EPT_POINTER, |f, _| f.free_page | 0x1e),
    to(field::ENTRY_CONTROLS, |_, v| v & !(entry::GUEST_64_BIT as u64)),
    to(field::GUEST_CR0, |_, v| v & !PG),
    to(field::GUEST_CR4, |_, v| v & !PAE & !(1 << 17)),
    to(field::GUEST_CS_RIGHTS, |_, _| 0xc09b),
];

/// An unrestricted guest in real mode.
pub(crate) const REAL: &[Given] = &[
    to(field::PROCESSOR_CONTROLS, |_, v| v | processor::SECONDARY as u64),
    to(field::SECONDARY_CONTROLS, |_, v| v | (secondary::EPT | secondary::UNRESTRICTED) as u64),
    to(field::EPT_POINTER, |f, _| f.free_page | 0x1e),
    to(field::ENTRY_CONTROLS, |_, v| v & !(entry::GUEST_64_BIT as u64)),
    to(field::GUEST_CR0, |_, v| v & !(PG | PE)),
    to(field::GUEST_CR4, |_, v| v & !PAE & !(1 << 17)),
    to(field::GUEST_CS_RIGHTS, |_, _| 0x93),
    to(field::GUEST_CS_LIMIT, |_, _| 0xffff),
];

/// Virtual-8086 mode.
pub(crate) const VIRTUAL_8086: &[Given] = &[
    to(field::ENTRY_CONTROLS, |_, v| v & !(entry::GUEST_64_BIT as u64)),
    to(field::GUEST_CR4, |_, v| v & !PAE & !(1 << 17)),
    to(field::GUEST_RFLAGS, |_, v| v | VM),
    to(field::GUEST_RIP, |_, _| 0x100),
    to(field::GUEST_ES + segment::ES, |_, _| 0x1000),
    to(field::GUEST_ES + segment::CS, |_, _| 0x1000),
    to(field::GUEST_ES + segment::SS, |_, _| 0x1000),
    to(field::GUEST_ES + segment::DS, |_, _| 0x1000),
    to(field::GUEST_ES + segment::FS, |_, _| 0x1000),
    to(field::GUEST_ES + segment::GS, |_, _| 0x1000),
    to(field::GUEST_ES_BASE + segment::ES, |_, _| 0x1_0000),
    to(field::GUEST_ES_BASE + segment::CS, |_, _| 0x1_0000),
    to(field::GUEST_ES_BASE + segment::SS, |_, _| 0x1_0000),
    to(field::GUEST_ES_BASE + segment::DS, |_, _| 0x1_0000),
    to(field::GUEST_ES_BASE + segment::FS, |_, _| 0x1_0000),
    to(field::GUEST_ES_BASE + segment::GS, |_, _| 0x1_0000),
    to(field::GUEST_ES_LIMIT + segment::ES, |_, _| 0xffff),
    to(field::GUEST_ES_LIMIT + segment::CS, |_, _| 0xffff),
    to(field::GUEST_ES_LIMIT + segment::SS, |_, _| 0xffff),
    to(field::GUEST_ES_LIMIT + segment::DS, |_, _| 0xffff),
    to(field::GUEST_ES_LIMIT + segment::FS, |_, _| 0xffff),
    to(field::GUEST_ES_LIMIT + segment::GS, |_, _| 0xffff),
    to(field::GUEST_ES_RIGHTS + segment::ES, |_, _| 0xf3),
    to(field::GUEST_ES_RIGHTS + segment::CS, |_, _| 0xf3),
    to(field::GUEST_ES_RIGHTS + segment::SS, |_, _| 0xf3),
    to(field::GUEST_ES_RIGHTS + segment::DS, |_, _| 0xf3),
    to(field::GUEST_ES_RIGHTS + segment::FS, |_, _| 0xf3),
    to(field::GUEST_ES_RIGHTS + segment::GS, |_, _| 0xf3),
];
