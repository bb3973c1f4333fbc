//! Offsets and bits of the VMCB. It compiles for the host too.
//!
//! Source: APM vol. 2, appendix B, "Layout of VMCB".

#![expect(missing_docs, reason = "the manual's own names")]

/// Control area.
pub const CR_READS: u64 = 0x000;
pub const CR_WRITES: u64 = 0x002;
pub const DR_READS: u64 = 0x004;
pub const DR_WRITES: u64 = 0x006;
pub const EXCEPTIONS: u64 = 0x008;
/// Intercepts from INTR to shutdown.
pub const INTERCEPTS_1: u64 = 0x00c;
/// Intercepts from VMRUN to writes of control registers.
pub const INTERCEPTS_2: u64 = 0x010;
/// Intercepts from INVLPGB on.
pub const INTERCEPTS_3: u64 = 0x014;
pub const PAUSE_FILTER_THRESHOLD: u64 = 0x03c;
pub const PAUSE_FILTER_COUNT: u64 = 0x03e;
pub const IOPM_BASE: u64 = 0x040;
pub const MSRPM_BASE: u64 = 0x048;
pub const TSC_OFFSET: u64 = 0x050;
pub const ASID: u64 = 0x058;
pub const TLB_CONTROL: u64 = 0x05c;
pub const VIRTUAL_INTERRUPT: u64 = 0x060;
pub const INTERRUPT_SHADOW: u64 = 0x068;
pub const EXIT_CODE: u64 = 0x070;
pub const EXIT_INFO_1: u64 = 0x078;
pub const EXIT_INFO_2: u64 = 0x080;
pub const EXIT_INTERRUPT_INFO: u64 = 0x088;
pub const NESTED_PAGING: u64 = 0x090;
pub const EVENT_INJECTION: u64 = 0x0a8;
pub const NESTED_CR3: u64 = 0x0b0;
pub const VIRTUALIZATION: u64 = 0x0b8;
pub const CLEAN: u64 = 0x0c0;
pub const NEXT_RIP: u64 = 0x0c8;
pub const NR_BYTES: u64 = 0x0d0;
pub const INSTRUCTION_BYTES: u64 = 0x0d1;
/// State save area: a segment has selector, attributes, limit and base at 0, 2, 4 and 8.
pub const ES: u64 = 0x400;
pub const CS: u64 = 0x410;
pub const SS: u64 = 0x420;
pub const DS: u64 = 0x430;
pub const FS: u64 = 0x440;
pub const GS: u64 = 0x450;
pub const GDTR: u64 = 0x460;
pub const LDTR: u64 = 0x470;
pub const IDTR: u64 = 0x480;
pub const TR: u64 = 0x490;
pub const CPL: u64 = 0x4cb;
pub const EFER: u64 = 0x4d0;
pub const CR4: u64 = 0x548;
pub const CR3: u64 = 0x550;
pub const CR0: u64 = 0x558;
pub const DR7: u64 = 0x560;
pub const DR6: u64 = 0x568;
pub const RFLAGS: u64 = 0x570;
pub const RIP: u64 = 0x578;
pub const RSP: u64 = 0x5d8;
pub const RAX: u64 = 0x5f8;
pub const STAR: u64 = 0x600;
pub const LSTAR: u64 = 0x608;
pub const CSTAR: u64 = 0x610;
pub const SFMASK: u64 = 0x618;
pub const KERNEL_GS_BASE: u64 = 0x620;
pub const SYSENTER_CS: u64 = 0x628;
pub const SYSENTER_ESP: u64 = 0x630;
pub const SYSENTER_EIP: u64 = 0x638;
pub const CR2: u64 = 0x640;
pub const G_PAT: u64 = 0x668;
pub const DEBUGCTL: u64 = 0x670;
pub const LAST_BRANCH_FROM: u64 = 0x678;
pub const LAST_BRANCH_TO: u64 = 0x680;

/// Bits of [`VIRTUAL_INTERRUPT`].
pub mod virtual_interrupt {
    /// V_TPR starts at bit 0.
    pub const TPR: u64 = 0xff;
    pub const IRQ: u64 = 1 << 8;
    pub const GIF: u64 = 1 << 9;
    pub const PRIORITY_SHIFT: u32 = 16;
    pub const IGNORE_TPR: u64 = 1 << 20;
    pub const MASKING: u64 = 1 << 24;
    pub const GIF_ENABLE: u64 = 1 << 25;
    pub const VECTOR_SHIFT: u32 = 32;
}

/// Parts of [`EVENT_INJECTION`] and [`EXIT_INTERRUPT_INFO`].
pub mod event {
    pub const TYPE_SHIFT: u32 = 8;
    pub const INTERRUPT: u64 = 0;
    pub const NMI: u64 = 2;
    pub const EXCEPTION: u64 = 3;
    pub const SOFTWARE: u64 = 4;
    /// An error code is pushed.
    pub const ERROR_CODE: u64 = 1 << 11;
    pub const VALID: u64 = 1 << 31;
    pub const ERROR_CODE_SHIFT: u32 = 32;

    /// A valid event without an error code.
    pub const fn of(kind: u64, vector: u8) -> u64 {
        VALID | kind << TYPE_SHIFT | vector as u64
    }

    /// The same with an error code.
    pub const fn with_error_code(kind: u64, vector: u8, code: u32) -> u64 {
        of(kind, vector) | ERROR_CODE | (code as u64) << ERROR_CODE_SHIFT
    }
}

/// Parts of a segment.
pub mod segment {
    pub const SELECTOR: u64 = 0;
    pub const ATTRIBUTES: u64 = 2;
    pub const LIMIT: u64 = 4;
    pub const BASE: u64 = 8;
}

/// Bits of [`INTERCEPTS_1`], by number.
pub mod intercept_1 {
    pub const INTR: u32 = 0;
    pub const NMI: u32 = 1;
    pub const SMI: u32 = 2;
    pub const INIT: u32 = 3;
    pub const VINTR: u32 = 4;
    pub const CR0_SELECTIVE: u32 = 5;
    pub const IDTR_READ: u32 = 6;
    pub const GDTR_READ: u32 = 7;
    pub const LDTR_READ: u32 = 8;
    pub const TR_READ: u32 = 9;
    pub const IDTR_WRITE: u32 = 10;
    pub const GDTR_WRITE: u32 = 11;
    pub const LDTR_WRITE: u32 = 12;
    pub const TR_WRITE: u32 = 13;
    pub const RDTSC: u32 = 14;
    pub const RDPMC: u32 = 15;
    pub const PUSHF: u32 = 16;
    pub const POPF: u32 = 17;
    pub const CPUID: u32 = 18;
    pub const RSM: u32 = 19;
    pub const IRET: u32 = 20;
    pub const INTN: u32 = 21;
    pub const INVD: u32 = 22;
    pub const PAUSE: u32 = 23;
    pub const HLT: u32 = 24;
    pub const INVLPG: u32 = 25;
    pub const INVLPGA: u32 = 26;
    pub const IOIO: u32 = 27;
    pub const MSR: u32 = 28;
    pub const TASK_SWITCH: u32 = 29;
    pub const FERR_FREEZE: u32 = 30;
    pub const SHUTDOWN: u32 = 31;
}

/// Bits of [`INTERCEPTS_2`], by number.
pub mod intercept_2 {
    pub const VMRUN: u32 = 0;
    pub const VMMCALL: u32 = 1;
    pub const VMLOAD: u32 = 2;
    pub const VMSAVE: u32 = 3;
    pub const STGI: u32 = 4;
    pub const CLGI: u32 = 5;
    pub const SKINIT: u32 = 6;
    pub const RDTSCP: u32 = 7;
    pub const ICEBP: u32 = 8;
    pub const WBINVD: u32 = 9;
    pub const MONITOR: u32 = 10;
    pub const MWAIT: u32 = 11;
    pub const XSETBV: u32 = 13;
    pub const RDPRU: u32 = 14;
}

/// Exit codes ("SVM Intercept Codes").
pub mod exit {
    pub const CR_READ: u64 = 0x00;
    pub const CR_WRITE: u64 = 0x10;
    pub const DR_READ: u64 = 0x20;
    pub const DR_WRITE: u64 = 0x30;
    pub const EXCEPTION: u64 = 0x40;
    pub const INTR: u64 = 0x60;
    pub const NMI: u64 = 0x61;
    pub const INIT: u64 = 0x63;
    pub const VINTR: u64 = 0x64;
    pub const CR0_SELECTIVE: u64 = 0x65;
    /// Of [`super::intercept_1::IDTR_READ`]; the codes of this word follow each other as the bits do.
    pub const IDTR_READ: u64 = 0x66;
    pub const HLT: u64 = 0x78;
    pub const IOIO: u64 = 0x7b;
    pub const MSR: u64 = 0x7c;
    pub const TASK_SWITCH: u64 = 0x7d;
    pub const SHUTDOWN: u64 = 0x7f;
    /// Of [`super::intercept_2::VMRUN`]; the codes of this word follow each other as the bits do.
    pub const VMRUN: u64 = 0x80;
    pub const VMMCALL: u64 = 0x81;
    pub const NESTED_PAGE_FAULT: u64 = 0x400;
    /// The state was refused.
    pub const INVALID: u64 = u64::MAX;
}
