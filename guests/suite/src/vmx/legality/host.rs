//! Rules of host state.

use super::super::{
    control::{entry, exit},
    field,
};
use super::{
    Failure, Given, Rule,
    bases::LONG,
    none, not_canonical, rules,
    values::{ADDRESSES, ADDRESSES_BESIDE, MEMORY_TYPES},
};
use case::Text;

const REGISTERS: &str = "Checks on Host Control Registers, MSRs, and SSP";
const SEGMENTS: &str = "Checks on Host Segment and Descriptor-Table Registers";
const SIZE: &str = "Checks Related to Address-Space Size";

rules! {
    CR0: Failure::Host, REGISTERS, HOST_CR0, LONG;
        bits(|f| f.cr0.free() & 0x5_000e, |f| f.cr0.must | !f.cr0.may);
    CR4: Failure::Host, REGISTERS, HOST_CR4, LONG;
        bits(|f| f.cr4.free() & 0x78f, |f| f.cr4.must | !f.cr4.may);
    CR3: Failure::Host, REGISTERS, HOST_CR3, LONG;
        bits(|_| 0x18, |f| f.beyond());
    SYSENTER_ESP: Failure::Host, REGISTERS, HOST_SYSENTER_ESP, LONG;
        bits(none, not_canonical)
        values(ADDRESSES);
    SYSENTER_EIP: Failure::Host, REGISTERS, HOST_SYSENTER_EIP, LONG;
        bits(none, not_canonical)
        values(ADDRESSES);
    PAT: Failure::Host, REGISTERS, HOST_PAT, LONG;
        given { EXIT_CONTROLS: |_, v| v | exit::LOAD_PAT as u64, HOST_PAT: |_, _| 0x0007_0406_0007_0406 }
        values(MEMORY_TYPES);
    PAT_UNUSED: Failure::Host, REGISTERS, HOST_PAT, LONG;
        given { EXIT_CONTROLS: |_, v| v & !(exit::LOAD_PAT as u64) }
        bits(|_| !0, none);
    EFER_RESERVED: Failure::Host, REGISTERS, HOST_EFER, LONG;
        given { EXIT_CONTROLS: |_, v| v | exit::LOAD_EFER as u64, HOST_EFER: |f, _| 0x500 | f.efer & 0x800 }
        bits(|f| f.efer & 1, |f| !f.efer);
    EFER_LONG_MODE: Failure::Host, REGISTERS, HOST_EFER, LONG;
        given { EXIT_CONTROLS: |_, v| v | exit::LOAD_EFER as u64, HOST_EFER: |f, _| 0x500 | f.efer & 0x800 }
        legal {
            "LME and LMA": |_, v| v,
        }
        illegal {
            "LME alone": |_, v| v & !0x400,
            "LMA alone": |_, v| v & !0x100,
            "neither": |_, v| v & !0x500,
        };
    EFER_UNUSED: Failure::Host, REGISTERS, HOST_EFER, LONG;
        given { EXIT_CONTROLS: |_, v| v & !(exit::LOAD_EFER as u64) }
        bits(|_| !0, none);
    ES_SELECTOR: Failure::Host, SEGMENTS, HOST_ES, LONG;
        bits(none, |_| 7)
        legal {
            "null": |_, _| 0,
            "data": |_, _| 0x10,
        };
    CS_SELECTOR: Failure::Host, SEGMENTS, HOST_CS, LONG;
        bits(none, |_| 7)
        legal {
            "code": |_, v| v,
        };
    SS_SELECTOR: Failure::Host, SEGMENTS, HOST_SS, LONG;
        bits(none, |_| 7)
        legal {
            "null": |_, _| 0,
            "data": |_, _| 0x10,
        };
    DS_SELECTOR: Failure::Host, SEGMENTS, HOST_DS, LONG;
        bits(none, |_| 7)
        legal {
            "null": |_, _| 0,
            "data": |_, _| 0x10,
        };
    FS_SELECTOR: Failure::Host, SEGMENTS, HOST_FS, LONG;
        bits(none, |_| 7)
        legal {
            "null": |_, _| 0,
            "data": |_, _| 0x10,
        };
    GS_SELECTOR: Failure::Host, SEGMENTS, HOST_GS, LONG;
        bits(none, |_| 7)
        legal {
            "null": |_, _| 0,
            "data": |_, _| 0x10,
        };
    TR_SELECTOR: Failure::Host, SEGMENTS, HOST_TR, LONG;
        bits(none, |_| 7)
        legal {
            "TSS": |_, v| v,
        };
    CS_NULL: Failure::Host, SEGMENTS, HOST_CS, LONG;
        illegal {
            "null": |_, _| 0,
        };
    TR_NULL: Failure::Host, SEGMENTS, HOST_TR, LONG;
        illegal {
            "null": |_, _| 0,
        };
    FS_BASE: Failure::Host, SEGMENTS, HOST_FS_BASE, LONG;
        bits(none, not_canonical)
        values(ADDRESSES);
    GS_BASE: Failure::Host, SEGMENTS, HOST_GS_BASE, LONG;
        bits(none, not_canonical)
        values(ADDRESSES);
    GDTR_BASE: Failure::Host, SEGMENTS, HOST_GDTR_BASE, LONG;
        bits(none, not_canonical)
        values(ADDRESSES_BESIDE);
    IDTR_BASE: Failure::Host, SEGMENTS, HOST_IDTR_BASE, LONG;
        bits(none, not_canonical)
        values(ADDRESSES_BESIDE);
    TR_BASE: Failure::Host, SEGMENTS, HOST_TR_BASE, LONG;
        bits(none, not_canonical)
        values(ADDRESSES_BESIDE);
    RIP: Failure::Host, SIZE, HOST_RIP, LONG;
        bits(none, not_canonical)
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    PAE: Failure::Host, SIZE, HOST_CR4, LONG;
        legal {
            "PAE": |_, v| v,
        }
        illegal {
            "no PAE": |_, v| v & !(1 << 5),
        };
    HOST_SIZE: Failure::ControlsOrHost, SIZE, EXIT_CONTROLS, LONG;
        legal {
            "64-bit host": |_, v| v,
        }
        illegal {
            "32-bit host": |_, v| v & !(exit::HOST_64_BIT as u64),
        };
    HOST_SIZE_OF_32_BIT_GUEST: Failure::ControlsOrHost, SIZE, EXIT_CONTROLS, LONG;
        given { ENTRY_CONTROLS: |_, v| v & !(entry::GUEST_64_BIT as u64) }
        illegal {
            "32-bit host": |_, v| v & !(exit::HOST_64_BIT as u64),
        };
}
