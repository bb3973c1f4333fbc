//! Bits of the controls, and of other fields. It compiles for the host too.
//!
//! Source: SDM vol. 3C, "Virtual Machine Control Structures".

#![expect(missing_docs, reason = "the manual's own names")]

/// Pin-based VM-execution controls.
pub mod pin {
    pub const EXTERNAL_INTERRUPT: u32 = 1 << 0;
    pub const NMI: u32 = 1 << 3;
    pub const VIRTUAL_NMI: u32 = 1 << 5;
    pub const PREEMPTION_TIMER: u32 = 1 << 6;
    pub const POSTED: u32 = 1 << 7;
    /// Bits that are 1 unless a capability MSR says that they may be 0.
    pub const DEFAULT_1: u32 = 0x16;
}

/// Primary processor-based VM-execution controls.
pub mod processor {
    pub const INTERRUPT_WINDOW: u32 = 1 << 2;
    pub const TSC_OFFSETTING: u32 = 1 << 3;
    pub const HLT: u32 = 1 << 7;
    pub const INVLPG: u32 = 1 << 9;
    pub const MWAIT: u32 = 1 << 10;
    pub const RDPMC: u32 = 1 << 11;
    pub const RDTSC: u32 = 1 << 12;
    pub const CR3_LOAD: u32 = 1 << 15;
    pub const CR3_STORE: u32 = 1 << 16;
    pub const TERTIARY: u32 = 1 << 17;
    pub const CR8_LOAD: u32 = 1 << 19;
    pub const CR8_STORE: u32 = 1 << 20;
    pub const TPR_SHADOW: u32 = 1 << 21;
    pub const NMI_WINDOW: u32 = 1 << 22;
    pub const MOV_DR: u32 = 1 << 23;
    pub const UNCONDITIONAL_IO: u32 = 1 << 24;
    pub const IO_BITMAPS: u32 = 1 << 25;
    pub const MONITOR_TRAP: u32 = 1 << 27;
    pub const MSR_BITMAPS: u32 = 1 << 28;
    pub const MONITOR: u32 = 1 << 29;
    pub const PAUSE: u32 = 1 << 30;
    pub const SECONDARY: u32 = 1 << 31;
    pub const DEFAULT_1: u32 = 0x0401_e172;
}

/// Secondary processor-based VM-execution controls.
pub mod secondary {
    pub const APIC_ACCESSES: u32 = 1 << 0;
    pub const EPT: u32 = 1 << 1;
    pub const DESCRIPTOR_TABLE: u32 = 1 << 2;
    pub const RDTSCP: u32 = 1 << 3;
    pub const X2APIC: u32 = 1 << 4;
    pub const VPID: u32 = 1 << 5;
    pub const WBINVD: u32 = 1 << 6;
    pub const UNRESTRICTED: u32 = 1 << 7;
    pub const APIC_REGISTERS: u32 = 1 << 8;
    pub const VIRTUAL_INTERRUPTS: u32 = 1 << 9;
    pub const PAUSE_LOOP: u32 = 1 << 10;
    pub const RDRAND: u32 = 1 << 11;
    pub const INVPCID: u32 = 1 << 12;
    pub const FUNCTIONS: u32 = 1 << 13;
    pub const SHADOWING: u32 = 1 << 14;
    pub const ENCLS: u32 = 1 << 15;
    pub const RDSEED: u32 = 1 << 16;
    pub const PML: u32 = 1 << 17;
    pub const VIRTUALIZATION_EXCEPTION: u32 = 1 << 18;
    pub const XSAVES: u32 = 1 << 20;
    pub const MODE_BASED_EXECUTE: u32 = 1 << 22;
    pub const SUB_PAGE: u32 = 1 << 23;
    pub const TSC_SCALING: u32 = 1 << 25;
    pub const USER_WAIT: u32 = 1 << 26;
    pub const PCONFIG: u32 = 1 << 27;
    pub const BUS_LOCK: u32 = 1 << 30;
}

/// Primary VM-exit controls.
pub mod exit {
    pub const SAVE_DEBUG: u32 = 1 << 2;
    pub const HOST_64_BIT: u32 = 1 << 9;
    pub const LOAD_PERFORMANCE: u32 = 1 << 12;
    pub const ACKNOWLEDGE_INTERRUPT: u32 = 1 << 15;
    pub const SAVE_PAT: u32 = 1 << 18;
    pub const LOAD_PAT: u32 = 1 << 19;
    pub const SAVE_EFER: u32 = 1 << 20;
    pub const LOAD_EFER: u32 = 1 << 21;
    pub const SAVE_TIMER: u32 = 1 << 22;
    pub const CLEAR_BOUNDS: u32 = 1 << 23;
    pub const LOAD_CET: u32 = 1 << 28;
    pub const LOAD_PKRS: u32 = 1 << 29;
    pub const DEFAULT_1: u32 = 0x0003_6dff;
}

/// VM-entry controls.
pub mod entry {
    pub const LOAD_DEBUG: u32 = 1 << 2;
    pub const GUEST_64_BIT: u32 = 1 << 9;
    pub const TO_SMM: u32 = 1 << 10;
    pub const DEACTIVATE_DUAL_MONITOR: u32 = 1 << 11;
    pub const LOAD_PERFORMANCE: u32 = 1 << 13;
    pub const LOAD_PAT: u32 = 1 << 14;
    pub const LOAD_EFER: u32 = 1 << 15;
    pub const LOAD_BOUNDS: u32 = 1 << 16;
    pub const LOAD_CET: u32 = 1 << 20;
    pub const LOAD_PKRS: u32 = 1 << 22;
    pub const DEFAULT_1: u32 = 0x0000_11ff;
}

/// Access rights of a guest segment.
pub mod rights {
    /// 64-bit code, present, DPL 0, accessed.
    pub const CODE_64: u32 = 0xa09b;
    /// Data that may be written, present, DPL 0, accessed.
    pub const DATA: u32 = 0xc093;
    /// A busy TSS, present.
    pub const BUSY_TSS: u32 = 0x8b;
    /// No segment.
    pub const UNUSABLE: u32 = 1 << 16;
}

/// Interruption information, of entries and exits.
pub mod interruption {
    pub const VALID: u32 = 1 << 31;
    pub const HAS_ERROR_CODE: u32 = 1 << 11;
    pub const NMI_UNBLOCKING: u32 = 1 << 12;
    pub const EXTERNAL: u32 = 0;
    pub const NMI: u32 = 2 << 8;
    pub const HARDWARE_EXCEPTION: u32 = 3 << 8;
    pub const SOFTWARE_INTERRUPT: u32 = 4 << 8;
    pub const PRIVILEGED_SOFTWARE_EXCEPTION: u32 = 5 << 8;
    pub const SOFTWARE_EXCEPTION: u32 = 6 << 8;
    pub const OTHER: u32 = 7 << 8;
}

/// Interruptibility state.
pub mod interruptibility {
    pub const STI: u32 = 1 << 0;
    pub const MOV_SS: u32 = 1 << 1;
    pub const SMI: u32 = 1 << 2;
    pub const NMI: u32 = 1 << 3;
    pub const ENCLAVE: u32 = 1 << 4;
}

/// Activity states.
pub mod activity {
    pub const ACTIVE: u32 = 0;
    pub const HLT: u32 = 1;
    pub const SHUTDOWN: u32 = 2;
    pub const WAIT_FOR_SIPI: u32 = 3;
}
