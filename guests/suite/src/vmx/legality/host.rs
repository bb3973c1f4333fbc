//! Rules of host state.

use super::super::{
    control::{entry, exit},
    field,
};
use super::{Failure, Given, Rule, bases::LONG, none, not_canonical, rules};
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
        legal {
            "highest of the lower half": |_, _| 0x7fff_ffff_ffff,
            "lowest of the upper half": |_, _| 0xffff_8000_0000_0000,
            "all ones": |_, _| !0,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    SYSENTER_EIP: Failure::Host, REGISTERS, HOST_SYSENTER_EIP, LONG;
        bits(none, not_canonical)
        legal {
            "highest of the lower half": |_, _| 0x7fff_ffff_ffff,
            "lowest of the upper half": |_, _| 0xffff_8000_0000_0000,
            "all ones": |_, _| !0,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    PAT: Failure::Host, REGISTERS, HOST_PAT, LONG;
        given { EXIT_CONTROLS: |_, v| v | exit::LOAD_PAT as u64, HOST_PAT: |_, _| 0x0007_0406_0007_0406 }
        legal {
            "type 0 in byte 0": |_, v| v & !0xff,
            "type 1 in byte 0": |_, v| v & !0xff | 1,
            "type 4 in byte 0": |_, v| v & !0xff | 4,
            "type 5 in byte 0": |_, v| v & !0xff | 5,
            "type 6 in byte 0": |_, v| v & !0xff | 6,
            "type 7 in byte 0": |_, v| v & !0xff | 7,
            "type 0 in byte 1": |_, v| v & !(0xff << 8),
            "type 1 in byte 1": |_, v| v & !(0xff << 8) | 1 << 8,
            "type 4 in byte 1": |_, v| v & !(0xff << 8) | 4 << 8,
            "type 5 in byte 1": |_, v| v & !(0xff << 8) | 5 << 8,
            "type 6 in byte 1": |_, v| v & !(0xff << 8) | 6 << 8,
            "type 7 in byte 1": |_, v| v & !(0xff << 8) | 7 << 8,
            "type 0 in byte 2": |_, v| v & !(0xff << 16),
            "type 1 in byte 2": |_, v| v & !(0xff << 16) | 1 << 16,
            "type 4 in byte 2": |_, v| v & !(0xff << 16) | 4 << 16,
            "type 5 in byte 2": |_, v| v & !(0xff << 16) | 5 << 16,
            "type 6 in byte 2": |_, v| v & !(0xff << 16) | 6 << 16,
            "type 7 in byte 2": |_, v| v & !(0xff << 16) | 7 << 16,
            "type 0 in byte 3": |_, v| v & !(0xff << 24),
            "type 1 in byte 3": |_, v| v & !(0xff << 24) | 1 << 24,
            "type 4 in byte 3": |_, v| v & !(0xff << 24) | 4 << 24,
            "type 5 in byte 3": |_, v| v & !(0xff << 24) | 5 << 24,
            "type 6 in byte 3": |_, v| v & !(0xff << 24) | 6 << 24,
            "type 7 in byte 3": |_, v| v & !(0xff << 24) | 7 << 24,
            "type 0 in byte 4": |_, v| v & !(0xff << 32),
            "type 1 in byte 4": |_, v| v & !(0xff << 32) | 1 << 32,
            "type 4 in byte 4": |_, v| v & !(0xff << 32) | 4 << 32,
            "type 5 in byte 4": |_, v| v & !(0xff << 32) | 5 << 32,
            "type 6 in byte 4": |_, v| v & !(0xff << 32) | 6 << 32,
            "type 7 in byte 4": |_, v| v & !(0xff << 32) | 7 << 32,
            "type 0 in byte 5": |_, v| v & !(0xff << 40),
            "type 1 in byte 5": |_, v| v & !(0xff << 40) | 1 << 40,
            "type 4 in byte 5": |_, v| v & !(0xff << 40) | 4 << 40,
            "type 5 in byte 5": |_, v| v & !(0xff << 40) | 5 << 40,
            "type 6 in byte 5": |_, v| v & !(0xff << 40) | 6 << 40,
            "type 7 in byte 5": |_, v| v & !(0xff << 40) | 7 << 40,
            "type 0 in byte 6": |_, v| v & !(0xff << 48),
            "type 1 in byte 6": |_, v| v & !(0xff << 48) | 1 << 48,
            "type 4 in byte 6": |_, v| v & !(0xff << 48) | 4 << 48,
            "type 5 in byte 6": |_, v| v & !(0xff << 48) | 5 << 48,
            "type 6 in byte 6": |_, v| v & !(0xff << 48) | 6 << 48,
            "type 7 in byte 6": |_, v| v & !(0xff << 48) | 7 << 48,
            "type 0 in byte 7": |_, v| v & !(0xff << 56),
            "type 1 in byte 7": |_, v| v & !(0xff << 56) | 1 << 56,
            "type 4 in byte 7": |_, v| v & !(0xff << 56) | 4 << 56,
            "type 5 in byte 7": |_, v| v & !(0xff << 56) | 5 << 56,
            "type 6 in byte 7": |_, v| v & !(0xff << 56) | 6 << 56,
            "type 7 in byte 7": |_, v| v & !(0xff << 56) | 7 << 56,
        }
        illegal {
            "type 2 in byte 0": |_, v| v & !0xff | 2,
            "type 3 in byte 0": |_, v| v & !0xff | 3,
            "type 8 in byte 0": |_, v| v & !0xff | 8,
            "type 16 in byte 0": |_, v| v & !0xff | 16,
            "type 128 in byte 0": |_, v| v & !0xff | 128,
            "type 255 in byte 0": |_, v| v & !0xff | 255,
            "type 2 in byte 1": |_, v| v & !(0xff << 8) | 2 << 8,
            "type 3 in byte 1": |_, v| v & !(0xff << 8) | 3 << 8,
            "type 8 in byte 1": |_, v| v & !(0xff << 8) | 8 << 8,
            "type 16 in byte 1": |_, v| v & !(0xff << 8) | 16 << 8,
            "type 128 in byte 1": |_, v| v & !(0xff << 8) | 128 << 8,
            "type 255 in byte 1": |_, v| v & !(0xff << 8) | 255 << 8,
            "type 2 in byte 2": |_, v| v & !(0xff << 16) | 2 << 16,
            "type 3 in byte 2": |_, v| v & !(0xff << 16) | 3 << 16,
            "type 8 in byte 2": |_, v| v & !(0xff << 16) | 8 << 16,
            "type 16 in byte 2": |_, v| v & !(0xff << 16) | 16 << 16,
            "type 128 in byte 2": |_, v| v & !(0xff << 16) | 128 << 16,
            "type 255 in byte 2": |_, v| v & !(0xff << 16) | 255 << 16,
            "type 2 in byte 3": |_, v| v & !(0xff << 24) | 2 << 24,
            "type 3 in byte 3": |_, v| v & !(0xff << 24) | 3 << 24,
            "type 8 in byte 3": |_, v| v & !(0xff << 24) | 8 << 24,
            "type 16 in byte 3": |_, v| v & !(0xff << 24) | 16 << 24,
            "type 128 in byte 3": |_, v| v & !(0xff << 24) | 128 << 24,
            "type 255 in byte 3": |_, v| v & !(0xff << 24) | 255 << 24,
            "type 2 in byte 4": |_, v| v & !(0xff << 32) | 2 << 32,
            "type 3 in byte 4": |_, v| v & !(0xff << 32) | 3 << 32,
            "type 8 in byte 4": |_, v| v & !(0xff << 32) | 8 << 32,
            "type 16 in byte 4": |_, v| v & !(0xff << 32) | 16 << 32,
            "type 128 in byte 4": |_, v| v & !(0xff << 32) | 128 << 32,
            "type 255 in byte 4": |_, v| v & !(0xff << 32) | 255 << 32,
            "type 2 in byte 5": |_, v| v & !(0xff << 40) | 2 << 40,
            "type 3 in byte 5": |_, v| v & !(0xff << 40) | 3 << 40,
            "type 8 in byte 5": |_, v| v & !(0xff << 40) | 8 << 40,
            "type 16 in byte 5": |_, v| v & !(0xff << 40) | 16 << 40,
            "type 128 in byte 5": |_, v| v & !(0xff << 40) | 128 << 40,
            "type 255 in byte 5": |_, v| v & !(0xff << 40) | 255 << 40,
            "type 2 in byte 6": |_, v| v & !(0xff << 48) | 2 << 48,
            "type 3 in byte 6": |_, v| v & !(0xff << 48) | 3 << 48,
            "type 8 in byte 6": |_, v| v & !(0xff << 48) | 8 << 48,
            "type 16 in byte 6": |_, v| v & !(0xff << 48) | 16 << 48,
            "type 128 in byte 6": |_, v| v & !(0xff << 48) | 128 << 48,
            "type 255 in byte 6": |_, v| v & !(0xff << 48) | 255 << 48,
            "type 2 in byte 7": |_, v| v & !(0xff << 56) | 2 << 56,
            "type 3 in byte 7": |_, v| v & !(0xff << 56) | 3 << 56,
            "type 8 in byte 7": |_, v| v & !(0xff << 56) | 8 << 56,
            "type 16 in byte 7": |_, v| v & !(0xff << 56) | 16 << 56,
            "type 128 in byte 7": |_, v| v & !(0xff << 56) | 128 << 56,
            "type 255 in byte 7": |_, v| v & !(0xff << 56) | 255 << 56,
        };
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
        legal {
            "highest of the lower half": |_, _| 0x7fff_ffff_ffff,
            "lowest of the upper half": |_, _| 0xffff_8000_0000_0000,
            "all ones": |_, _| !0,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    GS_BASE: Failure::Host, SEGMENTS, HOST_GS_BASE, LONG;
        bits(none, not_canonical)
        legal {
            "highest of the lower half": |_, _| 0x7fff_ffff_ffff,
            "lowest of the upper half": |_, _| 0xffff_8000_0000_0000,
            "all ones": |_, _| !0,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    GDTR_BASE: Failure::Host, SEGMENTS, HOST_GDTR_BASE, LONG;
        bits(none, not_canonical)
        legal {
            "as it is": |_, v| v,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    IDTR_BASE: Failure::Host, SEGMENTS, HOST_IDTR_BASE, LONG;
        bits(none, not_canonical)
        legal {
            "as it is": |_, v| v,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
    TR_BASE: Failure::Host, SEGMENTS, HOST_TR_BASE, LONG;
        bits(none, not_canonical)
        legal {
            "as it is": |_, v| v,
        }
        illegal {
            "2^47": |_, _| 0x8000_0000_0000,
            "below the upper half": |_, _| 0xffff_7fff_ffff_ffff,
            "2^63": |_, _| 1 << 63,
        };
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
