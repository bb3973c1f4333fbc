//! Rules of guest control registers, debug registers and MSRs, descriptor-table registers, RIP and RFLAGS.

use super::super::{control::entry, field};
use super::{
    Failure, Given, Rule,
    bases::{COMPATIBILITY, LONG, PROTECTED, REAL, UNPAGED, UNRESTRICTED, VIRTUAL_8086},
    none, not_canonical, rules,
};
use case::Text;

const REGISTERS: &str = "Checks on Guest Control Registers, Debug Registers, and MSRs";
const TABLES: &str = "Checks on Guest Descriptor-Table Registers";
const FLOW: &str = "Checks on Guest RIP, RFLAGS, and SSP";
const PG: u64 = 1 << 31;

rules! {
    CR0: Failure::Guest(0), REGISTERS, GUEST_CR0, LONG;
        bits(|f| f.cr0.free() & 0x7ffd_ffde, |f| f.cr0.must | !f.cr0.may);
    CR0_UNRESTRICTED: Failure::Guest(0), REGISTERS, GUEST_CR0, UNRESTRICTED;
        bits(|_| 0x5_000e, |f| f.cr0.must & !(PG | 1) | !f.cr0.may);
    CR0_PAGING_NEEDS_PROTECTION: Failure::Guest(0), REGISTERS, GUEST_CR0, UNPAGED;
        legal {
            "neither": |_, v| v & !1,
            "protection": |_, v| v,
        }
        illegal {
            "paging alone": |_, v| v & !1 | PG,
        };
    CR0_PAGING_OF_LONG_MODE: Failure::Guest(0), REGISTERS, GUEST_CR0, UNRESTRICTED;
        legal {
            "paging": |_, v| v,
        }
        illegal {
            "no paging": |_, v| v & !PG,
            "neither": |_, v| v & !(PG | 1),
        };
    CR4: Failure::Guest(0), REGISTERS, GUEST_CR4, LONG;
        bits(|f| f.cr4.free() & !(1 << 5 | 1 << 12 | 1 << 13 | 1 << 23 | 1 << 32), |f| f.cr4.must | !f.cr4.may);
    CR4_PAE_OF_LONG_MODE: Failure::Guest(0), REGISTERS, GUEST_CR4, LONG;
        legal {
            "PAE": |_, v| v,
        }
        illegal {
            "no PAE": |_, v| v & !(1 << 5),
        };
    CR4_PCIDE: Failure::Guest(0), REGISTERS, GUEST_CR4, PROTECTED;
        legal {
            "clear": |_, v| v,
        }
        illegal {
            "set outside of IA-32e mode": |_, v| v | 1 << 17,
        };
    DEBUGCTL: Failure::Guest(0), REGISTERS, GUEST_DEBUGCTL, LONG;
        bits(|_| 3, |_| !0xffff | 0x38);
    DEBUGCTL_UNUSED: Failure::Guest(0), REGISTERS, GUEST_DEBUGCTL, LONG;
        given { ENTRY_CONTROLS: |_, v| v & !(entry::LOAD_DEBUG as u64) }
        bits(|_| !0, none);
    CR3: Failure::Guest(0), REGISTERS, GUEST_CR3, LONG;
        bits(|_| 0xfff_f018, |f| f.beyond());
    CR3_OF_PROTECTED_MODE: Failure::Guest(0), REGISTERS, GUEST_CR3, PROTECTED;
        bits(|_| 0xffff_f018, |f| f.beyond());
    DR7: Failure::Guest(0), REGISTERS, GUEST_DR7, LONG;
        bits(|_| 0xbff, |_| !0 << 32);
    DR7_UNUSED: Failure::Guest(0), REGISTERS, GUEST_DR7, LONG;
        given { ENTRY_CONTROLS: |_, v| v & !(entry::LOAD_DEBUG as u64) }
        bits(|_| !0, none);
    SYSENTER_ESP: Failure::Guest(0), REGISTERS, GUEST_SYSENTER_ESP, LONG;
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
    SYSENTER_EIP: Failure::Guest(0), REGISTERS, GUEST_SYSENTER_EIP, LONG;
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
    PAT: Failure::Guest(0), REGISTERS, GUEST_PAT, LONG;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_PAT as u64, GUEST_PAT: |_, _| 0x0007_0406_0007_0406 }
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
    PAT_UNUSED: Failure::Guest(0), REGISTERS, GUEST_PAT, LONG;
        given { ENTRY_CONTROLS: |_, v| v & !(entry::LOAD_PAT as u64) }
        bits(|_| !0, none);
    EFER_RESERVED: Failure::Guest(0), REGISTERS, GUEST_EFER, LONG;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_EFER as u64, GUEST_EFER: |f, _| 0x500 | f.efer & 0x800 }
        bits(|f| f.efer & 0x801, |f| !f.efer);
    EFER_LONG_MODE: Failure::Guest(0), REGISTERS, GUEST_EFER, LONG;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_EFER as u64, GUEST_EFER: |f, _| 0x500 | f.efer & 0x800 }
        legal {
            "LME and LMA": |_, v| v,
        }
        illegal {
            "LME alone": |_, v| v & !0x400,
            "LMA alone": |_, v| v & !0x100,
            "neither": |_, v| v & !0x500,
        };
    EFER_PROTECTED_MODE: Failure::Guest(0), REGISTERS, GUEST_EFER, PROTECTED;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_EFER as u64, GUEST_EFER: |_, _| 0 }
        legal {
            "neither": |_, _| 0,
        }
        illegal {
            "LME alone": |_, v| v | 0x100,
            "LMA alone": |_, v| v | 0x400,
            "LME and LMA": |_, v| v | 0x500,
        };
    EFER_WITHOUT_PAGING: Failure::Guest(0), REGISTERS, GUEST_EFER, UNPAGED;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_EFER as u64, GUEST_EFER: |_, _| 0 }
        legal {
            "neither": |_, _| 0,
            "LME alone": |_, v| v | 0x100,
        }
        illegal {
            "LMA alone": |_, v| v | 0x400,
            "LME and LMA": |_, v| v | 0x500,
        };
    EFER_UNUSED: Failure::Guest(0), REGISTERS, GUEST_EFER, LONG;
        given { ENTRY_CONTROLS: |_, v| v & !(entry::LOAD_EFER as u64) }
        bits(|_| !0, none);
    PERFORMANCE: Failure::Guest(0), REGISTERS, GUEST_PERF_GLOBAL_CTRL, LONG;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_PERFORMANCE as u64, GUEST_PERF_GLOBAL_CTRL: |_, _| 0 }
        bits(none, |_| 0xfff0_0000 | 0xffff_0000 << 32);
    BOUNDS: Failure::Guest(0), REGISTERS, GUEST_BNDCFGS, LONG;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_BOUNDS as u64, GUEST_BNDCFGS: |_, _| 0 }
        bits(|_| 0xf003, |_| 0xffc | !0 << 47);
    GDTR_BASE: Failure::Guest(0), TABLES, GUEST_GDTR_BASE, LONG;
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
    GDTR_LIMIT: Failure::Guest(0), TABLES, GUEST_GDTR_LIMIT, LONG;
        bits(|_| 0xffff, |_| 0xffff_0000);
    IDTR_BASE: Failure::Guest(0), TABLES, GUEST_IDTR_BASE, LONG;
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
    IDTR_LIMIT: Failure::Guest(0), TABLES, GUEST_IDTR_LIMIT, LONG;
        bits(|_| 0xffff, |_| 0xffff_0000);
    RIP_OF_64_BIT_CODE: Failure::Guest(0), FLOW, GUEST_RIP, LONG;
        bits(|_| 0x7fff_fff0_0000, |_| !0 << 48)
        legal {
            "all ones": |_, _| !0,
            "lowest of the upper half": |_, _| 0xffff_8000_0000_0000,
        };
    RIP_OF_COMPATIBILITY_MODE: Failure::Guest(0), FLOW, GUEST_RIP, COMPATIBILITY;
        bits(|_| 0xf000, |_| !0 << 32);
    RIP_OF_PROTECTED_MODE: Failure::Guest(0), FLOW, GUEST_RIP, PROTECTED;
        bits(|_| 0xf000, |_| !0 << 32);
    RIP_OF_REAL_MODE: Failure::Guest(0), FLOW, GUEST_RIP, REAL;
        bits(|_| 0xf000, |_| !0 << 32);
    RFLAGS_RESERVED: Failure::Guest(0), FLOW, GUEST_RFLAGS, LONG;
        bits(|_| 0x25_4ed5, |_| !0x3f_7fd5);
    RFLAGS_VM_OF_IA_32E_MODE: Failure::Guest(0), FLOW, GUEST_RFLAGS, LONG;
        legal {
            "clear": |_, v| v,
        }
        illegal {
            "set": |_, v| v | 1 << 17,
        };
    RFLAGS_VM_OF_REAL_MODE: Failure::Guest(0), FLOW, GUEST_RFLAGS, REAL;
        legal {
            "clear": |_, v| v,
        }
        illegal {
            "set": |_, v| v | 1 << 17,
        };
    RFLAGS_OF_VIRTUAL_8086_MODE: Failure::Guest(0), FLOW, GUEST_RFLAGS, VIRTUAL_8086;
        bits(|_| 0x7ed5, |_| !0x3f_7fd5);
    RFLAGS_IF_OF_AN_EXTERNAL_INTERRUPT: Failure::Guest(0), FLOW, GUEST_RFLAGS, LONG;
        given { ENTRY_INTERRUPTION: |_, _| 1 << 31 | 0x20 }
        legal {
            "set": |_, v| v | 0x200,
        }
        illegal {
            "clear": |_, v| v & !0x200,
        };
}
