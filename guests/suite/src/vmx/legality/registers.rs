//! Rules of guest control registers, debug registers and MSRs, descriptor-table registers, RIP and RFLAGS.

use super::super::{control::entry, field};
use super::{
    Failure, Given, Rule,
    bases::{COMPATIBILITY, LONG, PROTECTED, REAL, UNPAGED, UNRESTRICTED, VIRTUAL_8086},
    none, not_canonical, rules,
    values::{ADDRESSES, MEMORY_TYPES},
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
        values(ADDRESSES);
    SYSENTER_EIP: Failure::Guest(0), REGISTERS, GUEST_SYSENTER_EIP, LONG;
        bits(none, not_canonical)
        values(ADDRESSES);
    PAT: Failure::Guest(0), REGISTERS, GUEST_PAT, LONG;
        given { ENTRY_CONTROLS: |_, v| v | entry::LOAD_PAT as u64, GUEST_PAT: |_, _| 0x0007_0406_0007_0406 }
        values(MEMORY_TYPES);
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
        values(ADDRESSES);
    GDTR_LIMIT: Failure::Guest(0), TABLES, GUEST_GDTR_LIMIT, LONG;
        bits(|_| 0xffff, |_| 0xffff_0000);
    IDTR_BASE: Failure::Guest(0), TABLES, GUEST_IDTR_BASE, LONG;
        bits(none, not_canonical)
        values(ADDRESSES);
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
