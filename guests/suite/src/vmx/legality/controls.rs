//! Rules of the controls.

use super::super::{
    control::{entry, exit, pin, processor, secondary},
    field,
};
use super::{Facts, Failure, Given, Rule, all_bits, bases::LONG, none, not_page_bits, page_bits, rules};
use case::Text;

const EXECUTION: &str = "VM-Execution Control Fields";
const EXIT: &str = "VM-Exit Control Fields";
const ENTRY: &str = "VM-Entry Control Fields";

/// Sets bits.
macro_rules! with {
    ($bits:expr) => {
        |_, v| v | ($bits) as u64
    };
}

/// Clears bits.
macro_rules! without {
    ($bits:expr) => {
        |_, v| v & !(($bits) as u64)
    };
}

/// Bits of an area of MSRs' address that may change.
const fn area_bits(_: &Facts) -> u64 {
    0xff0
}

const fn not_area_bits(facts: &Facts) -> u64 {
    facts.beyond() | 0xf
}

/// Replaces all.
macro_rules! to {
    ($value:expr) => {
        |_, _| ($value) as u64
    };
}

rules! {
    PIN_RESERVED: Failure::Controls, EXECUTION, PIN_CONTROLS, LONG;
        bits(|f| f.pin.free() & 9, |f| f.pin.fixed());
    PROCESSOR_RESERVED: Failure::Controls, EXECUTION, PROCESSOR_CONTROLS, LONG;
        bits(|f| f.processor.free() & 0x7399_9e88, |f| f.processor.fixed());
    SECONDARY_RESERVED: Failure::Controls, EXECUTION, SECONDARY_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY) }
        bits(|f| f.secondary.free() & 0x0011_9c4c, |f| f.secondary.fixed());
    SECONDARY_INACTIVE: Failure::Controls, EXECUTION, SECONDARY_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: without!(processor::SECONDARY) }
        bits(|_| 0xffff_ffff, none);
    CR3_TARGETS: Failure::Controls, EXECUTION, CR3_TARGET_COUNT, LONG;
        legal {
            "0": to!(0),
            "1": to!(1),
            "largest": |f, _| f.misc >> 16 & 0x1ff,
        }
        illegal {
            "largest + 1": |f, _| (f.misc >> 16 & 0x1ff) + 1,
            "largest + 256": |f, _| (f.misc >> 16 & 0x1ff) + 256,
            "2^16": to!(0x1_0000),
            "2^31": to!(0x8000_0000),
            "all ones": to!(0xffff_ffff),
        };
    IO_BITMAP_A: Failure::Controls, EXECUTION, IO_BITMAP_A, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::IO_BITMAPS) }
        bits(page_bits, not_page_bits)
        legal {
            "page": |f, _| f.free_page,
        };
    IO_BITMAP_A_UNUSED: Failure::Controls, EXECUTION, IO_BITMAP_A, LONG;
        given { PROCESSOR_CONTROLS: without!(processor::IO_BITMAPS) }
        bits(all_bits, none);
    IO_BITMAP_B: Failure::Controls, EXECUTION, IO_BITMAP_B, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::IO_BITMAPS) }
        bits(page_bits, not_page_bits)
        legal {
            "page": |f, _| f.free_page,
        };
    IO_BITMAP_B_UNUSED: Failure::Controls, EXECUTION, IO_BITMAP_B, LONG;
        given { PROCESSOR_CONTROLS: without!(processor::IO_BITMAPS) }
        bits(all_bits, none);
    MSR_BITMAP: Failure::Controls, EXECUTION, MSR_BITMAP, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::MSR_BITMAPS) }
        bits(page_bits, not_page_bits)
        legal {
            "page": |f, _| f.free_page,
        };
    MSR_BITMAP_UNUSED: Failure::Controls, EXECUTION, MSR_BITMAP, LONG;
        given { PROCESSOR_CONTROLS: without!(processor::MSR_BITMAPS) }
        bits(all_bits, none);
    VIRTUAL_APIC: Failure::Controls, EXECUTION, VIRTUAL_APIC, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::TPR_SHADOW), VIRTUAL_APIC: |f, _| f.free_page }
        bits(none, not_page_bits)
        legal {
            "page": |f, _| f.free_page,
        };
    VIRTUAL_APIC_UNUSED: Failure::Controls, EXECUTION, VIRTUAL_APIC, LONG;
        given { PROCESSOR_CONTROLS: without!(processor::TPR_SHADOW) }
        bits(all_bits, none);
    TPR_THRESHOLD: Failure::Controls, EXECUTION, TPR_THRESHOLD, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::TPR_SHADOW), VIRTUAL_APIC: |f, _| f.free_page, TPR_THRESHOLD: to!(0) }
        bits(none, |_| 0xffff_ffff)
        legal {
            "0": to!(0),
        };
    TPR_THRESHOLD_UNUSED: Failure::Controls, EXECUTION, TPR_THRESHOLD, LONG;
        given { PROCESSOR_CONTROLS: without!(processor::TPR_SHADOW) }
        bits(|_| 0xffff_ffff, none);
    TPR_THRESHOLD_OF_APIC_ACCESSES: Failure::Controls, EXECUTION, TPR_THRESHOLD, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::TPR_SHADOW | processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::APIC_ACCESSES), VIRTUAL_APIC: |f, _| f.free_page, APIC_ACCESS: |f, _| f.other_vmcs, TPR_THRESHOLD: to!(0) }
        bits(|_| 0xf, |_| 0xffff_fff0);
    NMI_EXITING: Failure::Controls, EXECUTION, PIN_CONTROLS, LONG;
        legal {
            "NMI exiting alone": with!(pin::NMI),
            "both": with!(pin::NMI | pin::VIRTUAL_NMI),
            "neither": without!(pin::NMI | pin::VIRTUAL_NMI),
        }
        illegal {
            "virtual NMIs alone": |_, v| v & !(pin::NMI as u64) | pin::VIRTUAL_NMI as u64,
        };
    NMI_WINDOW: Failure::Controls, EXECUTION, PIN_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::NMI_WINDOW) }
        legal {
            "virtual NMIs": with!(pin::NMI | pin::VIRTUAL_NMI),
        }
        illegal {
            "no virtual NMIs": without!(pin::VIRTUAL_NMI),
            "NMI exiting alone": |_, v| v & !(pin::VIRTUAL_NMI as u64) | pin::NMI as u64,
        };
    APIC_ACCESS: Failure::Controls, EXECUTION, APIC_ACCESS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::APIC_ACCESSES), APIC_ACCESS: |f, _| f.free_page }
        bits(none, not_page_bits)
        legal {
            "page": |f, _| f.free_page,
        };
    APIC_ACCESS_UNUSED: Failure::Controls, EXECUTION, APIC_ACCESS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(0) }
        bits(all_bits, none);
    TPR_SHADOW_NEEDED: Failure::Controls, EXECUTION, SECONDARY_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: |_, v| v & !(processor::TPR_SHADOW as u64) | processor::SECONDARY as u64 }
        bits(none, |_| (secondary::X2APIC | secondary::APIC_REGISTERS | secondary::VIRTUAL_INTERRUPTS) as u64);
    X2APIC_WITHOUT_APIC_ACCESSES: Failure::Controls, EXECUTION, SECONDARY_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::TPR_SHADOW | processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::APIC_ACCESSES), VIRTUAL_APIC: |f, _| f.free_page, APIC_ACCESS: |f, _| f.other_vmcs, TPR_THRESHOLD: to!(0) }
        legal {
            "APIC accesses alone": |_, v| v,
        }
        illegal {
            "both": with!(secondary::X2APIC),
        };
    VIRTUAL_INTERRUPTS: Failure::Controls, EXECUTION, PIN_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::TPR_SHADOW | processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::APIC_ACCESSES), VIRTUAL_APIC: |f, _| f.free_page, APIC_ACCESS: |f, _| f.other_vmcs, TPR_THRESHOLD: to!(0), SECONDARY_CONTROLS: |_, v| v | secondary::VIRTUAL_INTERRUPTS as u64 }
        legal {
            "external-interrupt exiting": with!(pin::EXTERNAL_INTERRUPT),
        }
        illegal {
            "no external-interrupt exiting": without!(pin::EXTERNAL_INTERRUPT),
        };
    POSTED_INTERRUPTS: Failure::Controls, EXECUTION, PIN_CONTROLS, LONG;
        legal {
            "none": |_, v| v,
        }
        illegal {
            "without virtual-interrupt delivery": with!(pin::POSTED),
        };
    VPID: Failure::Controls, EXECUTION, VPID, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::VPID) }
        legal {
            "1": to!(1),
            "2": to!(2),
            "2^15": to!(0x8000),
            "all ones": to!(0xffff),
        }
        illegal {
            "0": to!(0),
        };
    VPID_UNUSED: Failure::Controls, EXECUTION, VPID, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(0) }
        legal {
            "0": to!(0),
            "1": to!(1),
        };
    EPT_MEMORY_TYPE: Failure::Controls, EXECUTION, EPT_POINTER, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::EPT), EPT_POINTER: |f, _| f.free_page | 0x1e }
        legal {
            "write-back": |_, v| v,
        }
        illegal {
            "type 1": |_, v| v & !7 | 1,
            "type 2": |_, v| v & !7 | 2,
            "type 3": |_, v| v & !7 | 3,
            "type 4": |_, v| v & !7 | 4,
            "type 5": |_, v| v & !7 | 5,
            "type 7": |_, v| v & !7 | 7,
        };
    EPT_WALK_LENGTH: Failure::Controls, EXECUTION, EPT_POINTER, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::EPT), EPT_POINTER: |f, _| f.free_page | 0x1e }
        legal {
            "four levels": |_, v| v,
        }
        illegal {
            "length - 1 is 0": |_, v| v & !0x38,
            "length - 1 is 1": |_, v| v & !0x38 | 1 << 3,
            "length - 1 is 2": |_, v| v & !0x38 | 2 << 3,
            "length - 1 is 5": |_, v| v & !0x38 | 5 << 3,
            "length - 1 is 6": |_, v| v & !0x38 | 6 << 3,
            "length - 1 is 7": |_, v| v & !0x38 | 7 << 3,
        };
    EPT_RESERVED: Failure::Controls, EXECUTION, EPT_POINTER, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::EPT), EPT_POINTER: |f, _| f.free_page | 0x1e }
        bits(|f| if f.ept >> 21 & 1 != 0 { 1 << 6 } else { 0 }, |f| f.beyond() | 0xf00 | if f.ept >> 21 & 1 != 0 { 0 } else { 1 << 6 });
    EPT_UNUSED: Failure::Controls, EXECUTION, EPT_POINTER, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(0) }
        bits(all_bits, none);
    EPT_NEEDED: Failure::Controls, EXECUTION, SECONDARY_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(0) }
        bits(none, |_| (secondary::UNRESTRICTED | secondary::PML | secondary::MODE_BASED_EXECUTE | secondary::SUB_PAGE) as u64);
    PML_ADDRESS: Failure::Controls, EXECUTION, PML_ADDRESS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::EPT | secondary::PML), EPT_POINTER: |f, _| f.free_page | 0x5e, PML_ADDRESS: |f, _| f.other_vmcs }
        bits(page_bits, not_page_bits);
    FUNCTIONS: Failure::Controls, EXECUTION, FUNCTION_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::FUNCTIONS | secondary::EPT), EPT_POINTER: |f, _| f.free_page | 0x1e, FUNCTION_CONTROLS: to!(0), EPTP_LIST: |f, _| f.free_page }
        bits(|f| f.functions, |f| !f.functions);
    EPTP_LIST: Failure::Controls, EXECUTION, EPTP_LIST, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::FUNCTIONS | secondary::EPT), EPT_POINTER: |f, _| f.free_page | 0x1e, FUNCTION_CONTROLS: to!(0), EPTP_LIST: |f, _| f.free_page, FUNCTION_CONTROLS: to!(1) }
        bits(page_bits, not_page_bits);
    EPTP_SWITCHING_NEEDS_EPT: Failure::Controls, EXECUTION, FUNCTION_CONTROLS, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::FUNCTIONS), EPTP_LIST: |f, _| f.free_page }
        legal {
            "none": to!(0),
        }
        illegal {
            "EPTP switching": to!(1),
        };
    VMREAD_BITMAP: Failure::Controls, EXECUTION, VMREAD_BITMAP, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::SHADOWING) }
        bits(page_bits, not_page_bits);
    VMWRITE_BITMAP: Failure::Controls, EXECUTION, VMWRITE_BITMAP, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::SHADOWING) }
        bits(page_bits, not_page_bits);
    EXCEPTION_INFORMATION: Failure::Controls, EXECUTION, EXCEPTION_INFORMATION, LONG;
        given { PROCESSOR_CONTROLS: with!(processor::SECONDARY), SECONDARY_CONTROLS: with!(secondary::VIRTUALIZATION_EXCEPTION | secondary::EPT), EPT_POINTER: |f, _| f.free_page | 0x1e }
        bits(page_bits, not_page_bits);
    EXIT_RESERVED: Failure::Controls, EXIT, EXIT_CONTROLS, LONG;
        bits(|f| f.exit.free() & (exit::SAVE_DEBUG | exit::ACKNOWLEDGE_INTERRUPT | exit::SAVE_PAT | exit::SAVE_EFER) as u64, |f| f.exit.fixed());
    SAVED_TIMER: Failure::Controls, EXIT, EXIT_CONTROLS, LONG;
        given { PIN_CONTROLS: without!(pin::PREEMPTION_TIMER) }
        legal {
            "not saved": |_, v| v,
        }
        illegal {
            "saved": with!(exit::SAVE_TIMER),
        };
    EXIT_MSR_STORE: Failure::Controls, EXIT, EXIT_MSR_STORE, LONG;
        given { EXIT_MSR_STORE: |f, _| f.free_page, EXIT_MSR_STORE_COUNT: to!(1) }
        bits(area_bits, not_area_bits);
    EXIT_MSR_STORE_END: Failure::Controls, EXIT, EXIT_MSR_STORE, LONG;
        given { EXIT_MSR_STORE_COUNT: to!(2) }
        legal {
            "page": |f, _| f.free_page,
        }
        illegal {
            "one entry below the end": |f, _| (1 << f.width) - 16,
            "the end": |f, _| 1 << f.width,
            "the last entry of all": to!(!0xf),
        };
    EXIT_MSR_STORE_UNUSED: Failure::Controls, EXIT, EXIT_MSR_STORE, LONG;
        given { EXIT_MSR_STORE_COUNT: to!(0) }
        bits(all_bits, none);
    EXIT_MSR_LOAD: Failure::Controls, EXIT, EXIT_MSR_LOAD, LONG;
        given { EXIT_MSR_LOAD: |f, _| f.free_page, EXIT_MSR_LOAD_COUNT: to!(1) }
        bits(area_bits, not_area_bits);
    EXIT_MSR_LOAD_END: Failure::Controls, EXIT, EXIT_MSR_LOAD, LONG;
        given { EXIT_MSR_LOAD_COUNT: to!(2) }
        legal {
            "page": |f, _| f.free_page,
        }
        illegal {
            "one entry below the end": |f, _| (1 << f.width) - 16,
            "the end": |f, _| 1 << f.width,
            "the last entry of all": to!(!0xf),
        };
    EXIT_MSR_LOAD_UNUSED: Failure::Controls, EXIT, EXIT_MSR_LOAD, LONG;
        given { EXIT_MSR_LOAD_COUNT: to!(0) }
        bits(all_bits, none);
    ENTRY_MSR_LOAD: Failure::Controls, ENTRY, ENTRY_MSR_LOAD, LONG;
        given { ENTRY_MSR_LOAD: |f, _| f.free_page, ENTRY_MSR_LOAD_COUNT: to!(1) }
        bits(area_bits, not_area_bits);
    ENTRY_MSR_LOAD_END: Failure::Controls, ENTRY, ENTRY_MSR_LOAD, LONG;
        given { ENTRY_MSR_LOAD_COUNT: to!(2) }
        legal {
            "page": |f, _| f.free_page,
        }
        illegal {
            "one entry below the end": |f, _| (1 << f.width) - 16,
            "the end": |f, _| 1 << f.width,
            "the last entry of all": to!(!0xf),
        };
    ENTRY_MSR_LOAD_UNUSED: Failure::Controls, ENTRY, ENTRY_MSR_LOAD, LONG;
        given { ENTRY_MSR_LOAD_COUNT: to!(0) }
        bits(all_bits, none);
    ENTRY_RESERVED: Failure::Controls, ENTRY, ENTRY_CONTROLS, LONG;
        bits(|f| f.entry.free() & entry::LOAD_DEBUG as u64, |f| f.entry.fixed());
    ENTRY_OUTSIDE_OF_SMM: Failure::Controls, ENTRY, ENTRY_CONTROLS, LONG;
        bits(none, |_| (entry::TO_SMM | entry::DEACTIVATE_DUAL_MONITOR) as u64);
}
