//! Rules of guest non-register state, and of PDPTEs.

use super::super::{
    control::{pin, processor, secondary},
    field,
};
use super::{
    Failure, Given, Rule,
    bases::{LONG, PAE_WITH_EPT},
    none, rules,
};
use case::Text;

const SECTION: &str = "Checks on Guest Non-Register State";
const PDPTES: &str = "Checks on Guest Page-Directory-Pointer-Table Entries";
const VALID: u64 = 1 << 31;
/// The qualification of PDPTEs, and that of the link pointer.
const PDPTE: u64 = 2;
const LINK: u64 = 4;

rules! {
    ACTIVITY: Failure::Guest(0), SECTION, GUEST_ACTIVITY, LONG;
        bits(none, |_| 0xffff_fffc)
        legal {
            "active": |_, _| 0,
            "HLT": |_, _| 1,
        }
        illegal {
            "4": |_, _| 4,
            "5": |_, _| 5,
            "all ones": |_, _| 0xffff_ffff,
        };
    HLT_AT_CPL_3: Failure::Guest(0), SECTION, GUEST_ACTIVITY, LONG;
        given { GUEST_CS: |_, v| v | 3, GUEST_SS: |_, v| v | 3, GUEST_SS_RIGHTS: |_, v| v | 3 << 5, GUEST_CS_RIGHTS: |_, v| v | 3 << 5 }
        legal {
            "active": |_, _| 0,
        }
        illegal {
            "HLT": |_, _| 1,
        };
    ACTIVITY_WITH_BLOCKING_BY_STI: Failure::Guest(0), SECTION, GUEST_ACTIVITY, LONG;
        given { GUEST_RFLAGS: |_, v| v | 0x200, GUEST_INTERRUPTIBILITY: |_, _| 1 }
        legal {
            "active": |_, _| 0,
        }
        illegal {
            "HLT": |_, _| 1,
            "shutdown": |_, _| 2,
            "wait-for-SIPI": |_, _| 3,
        };
    ACTIVITY_WITH_BLOCKING_BY_MOV_SS: Failure::Guest(0), SECTION, GUEST_ACTIVITY, LONG;
        given { GUEST_INTERRUPTIBILITY: |_, _| 2 }
        legal {
            "active": |_, _| 0,
        }
        illegal {
            "HLT": |_, _| 1,
            "shutdown": |_, _| 2,
            "wait-for-SIPI": |_, _| 3,
        };
    EVENTS_IN_HLT: Failure::Guest(0), SECTION, ENTRY_INTERRUPTION, LONG;
        given { GUEST_ACTIVITY: |_, _| 1, GUEST_RFLAGS: |_, v| v | 0x200, ENTRY_LENGTH: |_, _| 1 }
        legal {
            "none": |_, _| 0,
            "external interrupt": |_, _| VALID | 0x20,
            "NMI": |_, _| VALID | 2 << 8 | 2,
            "#DB": |_, _| VALID | 3 << 8 | 1,
            "#MC": |_, _| VALID | 3 << 8 | 18,
        }
        illegal {
            "#DE": |_, _| VALID | 3 << 8,
            "#UD": |_, _| VALID | 3 << 8 | 6,
            "#GP": |_, _| VALID | 1 << 11 | 3 << 8 | 13,
            "#PF": |_, _| VALID | 1 << 11 | 3 << 8 | 14,
            "software interrupt": |_, _| VALID | 4 << 8 | 32,
            "privileged software exception": |_, _| VALID | 5 << 8 | 1,
            "software exception": |_, _| VALID | 6 << 8 | 3,
        };
    EVENTS_IN_SHUTDOWN: Failure::Guest(0), SECTION, ENTRY_INTERRUPTION, LONG;
        given { GUEST_ACTIVITY: |_, _| 2, GUEST_RFLAGS: |_, v| v | 0x200, ENTRY_LENGTH: |_, _| 1 }
        legal {
            "NMI": |_, _| VALID | 2 << 8 | 2,
            "#MC": |_, _| VALID | 3 << 8 | 18,
        }
        illegal {
            "external interrupt": |_, _| VALID | 0x20,
            "#DB": |_, _| VALID | 3 << 8 | 1,
            "#DE": |_, _| VALID | 3 << 8,
            "#UD": |_, _| VALID | 3 << 8 | 6,
            "#GP": |_, _| VALID | 1 << 11 | 3 << 8 | 13,
            "software interrupt": |_, _| VALID | 4 << 8 | 32,
            "privileged software exception": |_, _| VALID | 5 << 8 | 1,
            "software exception": |_, _| VALID | 6 << 8 | 3,
        };
    EVENTS_IN_WAIT_FOR_SIPI: Failure::Guest(0), SECTION, ENTRY_INTERRUPTION, LONG;
        given { GUEST_ACTIVITY: |_, _| 3, GUEST_RFLAGS: |_, v| v | 0x200, ENTRY_LENGTH: |_, _| 1 }
        illegal {
            "external interrupt": |_, _| VALID | 0x20,
            "NMI": |_, _| VALID | 2 << 8 | 2,
            "#DB": |_, _| VALID | 3 << 8 | 1,
            "#MC": |_, _| VALID | 3 << 8 | 18,
            "#UD": |_, _| VALID | 3 << 8 | 6,
            "software interrupt": |_, _| VALID | 4 << 8 | 32,
            "software exception": |_, _| VALID | 6 << 8 | 3,
        };
    INTERRUPTIBILITY_RESERVED: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        bits(|_| 1 << 3 | 1 << 1, |_| 0xffff_ffe0);
    BLOCKING_BY_STI_AND_MOV_SS: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        given { GUEST_RFLAGS: |_, v| v | 0x200 }
        legal {
            "STI": |_, _| 1,
            "MOV SS": |_, _| 2,
            "neither": |_, _| 0,
        }
        illegal {
            "both": |_, _| 3,
        };
    BLOCKING_BY_STI_WITHOUT_IF: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        legal {
            "none": |_, _| 0,
        }
        illegal {
            "blocking by STI": |_, _| 1,
        };
    BLOCKING_BY_SMI: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        legal {
            "none": |_, _| 0,
        }
        illegal {
            "blocking by SMI outside of SMM": |_, _| 4,
        };
    EXTERNAL_INTERRUPT_WHILE_BLOCKED: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        given { GUEST_RFLAGS: |_, v| v | 0x200, ENTRY_INTERRUPTION: |_, _| VALID | 0x20 }
        legal {
            "none": |_, _| 0,
            "NMI": |_, _| 8,
        }
        illegal {
            "STI": |_, _| 1,
            "MOV SS": |_, _| 2,
        };
    NMI_WHILE_BLOCKED_BY_MOV_SS: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 2 << 8 | 2 }
        legal {
            "none": |_, _| 0,
        }
        illegal {
            "MOV SS": |_, _| 2,
        };
    VIRTUAL_NMI_WHILE_BLOCKED: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        given { PIN_CONTROLS: |_, v| v | (pin::NMI | pin::VIRTUAL_NMI) as u64, ENTRY_INTERRUPTION: |_, _| VALID | 2 << 8 | 2 }
        legal {
            "none": |_, _| 0,
        }
        illegal {
            "NMI": |_, _| 8,
        };
    ENCLAVE_INTERRUPTION: Failure::Guest(0), SECTION, GUEST_INTERRUPTIBILITY, LONG;
        legal {
            "none": |_, _| 0,
        }
        illegal {
            "with blocking by MOV SS": |_, _| 1 << 4 | 2,
        };
    PENDING_DEBUG_RESERVED: Failure::Guest(0), SECTION, GUEST_PENDING_DEBUG, LONG;
        bits(|_| 0x500f, |_| 0xa7f0 | !0x1_ffff);
    PENDING_BS_WITH_TF: Failure::Guest(0), SECTION, GUEST_PENDING_DEBUG, LONG;
        given { GUEST_INTERRUPTIBILITY: |_, _| 2, GUEST_RFLAGS: |_, v| v | 0x100 }
        legal {
            "BS": |_, _| 1 << 14,
        }
        illegal {
            "no BS": |_, _| 0,
        };
    PENDING_BS_WITHOUT_TF: Failure::Guest(0), SECTION, GUEST_PENDING_DEBUG, LONG;
        given { GUEST_INTERRUPTIBILITY: |_, _| 2 }
        legal {
            "no BS": |_, _| 0,
        }
        illegal {
            "BS": |_, _| 1 << 14,
        };
    PENDING_BS_WITH_BTF: Failure::Guest(0), SECTION, GUEST_PENDING_DEBUG, LONG;
        given { GUEST_INTERRUPTIBILITY: |_, _| 2, GUEST_RFLAGS: |_, v| v | 0x100, GUEST_DEBUGCTL: |_, _| 2 }
        legal {
            "no BS": |_, _| 0,
        }
        illegal {
            "BS": |_, _| 1 << 14,
        };
    PENDING_BS_IN_HLT: Failure::Guest(0), SECTION, GUEST_PENDING_DEBUG, LONG;
        given { GUEST_ACTIVITY: |_, _| 1, GUEST_RFLAGS: |_, v| v | 0x100 }
        illegal {
            "no BS": |_, _| 0,
        };
    PENDING_BS_AFTER_STI: Failure::Guest(0), SECTION, GUEST_PENDING_DEBUG, LONG;
        given { GUEST_INTERRUPTIBILITY: |_, _| 1, GUEST_RFLAGS: |_, v| v | 0x300 }
        legal {
            "BS": |_, _| 1 << 14,
        }
        illegal {
            "no BS": |_, _| 0,
        };
    LINK_POINTER_ALIGNMENT: Failure::Guest(LINK), SECTION, VMCS_LINK, LONG;
        given { VMCS_LINK: |f, _| f.other_vmcs }
        bits(none, |f| 0xfff | f.beyond())
        legal {
            "another VMCS": |_, v| v,
            "none": |_, _| !0,
        };
    LINK_POINTER_REVISION: Failure::Guest(LINK), SECTION, VMCS_LINK, LONG;
        legal {
            "another VMCS": |f, _| f.other_vmcs,
        }
        illegal {
            "a page without revision": |f, _| f.free_page,
            "a shadow VMCS": |f, _| f.shadow_vmcs,
        };
    LINK_POINTER_WITH_SHADOWING: Failure::Guest(LINK), SECTION, VMCS_LINK, LONG;
        given { PROCESSOR_CONTROLS: |_, v| v | processor::SECONDARY as u64, SECONDARY_CONTROLS: |_, v| v | secondary::SHADOWING as u64 }
        legal {
            "a shadow VMCS": |f, _| f.shadow_vmcs,
            "none": |_, _| !0,
        }
        illegal {
            "an ordinary VMCS": |f, _| f.other_vmcs,
            "a page without revision": |f, _| f.free_page,
        };
    LINK_POINTER_TO_CURRENT_VMCS: Failure::Guest(LINK), SECTION, VMCS_LINK, LONG;
        illegal {
            "the current VMCS": |f, _| f.current_vmcs,
        };
    PDPTE_0: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE0, PAE_WITH_EPT;
        bits(|_| 0xe18 | 0xfff_f000, |f| 0x1e6 | f.beyond());
    PDPTE_0_NOT_PRESENT: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE0, PAE_WITH_EPT;
        given { GUEST_PDPTE0: |_, _| 0 }
        bits(|_| !1, none);
    PDPTE_1: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE1, PAE_WITH_EPT;
        bits(|_| 0xe18 | 0xfff_f000, |f| 0x1e6 | f.beyond());
    PDPTE_1_NOT_PRESENT: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE1, PAE_WITH_EPT;
        given { GUEST_PDPTE1: |_, _| 0 }
        bits(|_| !1, none);
    PDPTE_2: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE2, PAE_WITH_EPT;
        bits(|_| 0xe18 | 0xfff_f000, |f| 0x1e6 | f.beyond());
    PDPTE_2_NOT_PRESENT: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE2, PAE_WITH_EPT;
        given { GUEST_PDPTE2: |_, _| 0 }
        bits(|_| !1, none);
    PDPTE_3: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE3, PAE_WITH_EPT;
        given { GUEST_PDPTE3: |_, _| 0x4001 }
        bits(|_| 0xe18 | 0xfff_f000, |f| 0x1e6 | f.beyond());
    PDPTE_3_NOT_PRESENT: Failure::Guest(PDPTE), PDPTES, GUEST_PDPTE3, PAE_WITH_EPT;
        given { GUEST_PDPTE3: |_, _| 0 }
        bits(|_| !1, none);
}
