//! Exit reasons and VM-instruction errors. It compiles for the host too.
//!
//! Source: SDM vol. 3D, appendix C, "VMX Basic Exit Reasons"; vol. 3C, "VM Instruction Error Numbers".

#![expect(missing_docs, reason = "the manual's own names")]

/// Set in an exit reason if it was the entry that failed.
pub const ENTRY_FAILED: u32 = 1 << 31;

pub const EXCEPTION_OR_NMI: u32 = 0;
pub const EXTERNAL_INTERRUPT: u32 = 1;
pub const TRIPLE_FAULT: u32 = 2;
pub const INIT: u32 = 3;
pub const START_UP: u32 = 4;
pub const IO_SMI: u32 = 5;
pub const OTHER_SMI: u32 = 6;
pub const INTERRUPT_WINDOW: u32 = 7;
pub const NMI_WINDOW: u32 = 8;
pub const TASK_SWITCH: u32 = 9;
pub const CPUID: u32 = 10;
pub const GETSEC: u32 = 11;
pub const HLT: u32 = 12;
pub const INVD: u32 = 13;
pub const INVLPG: u32 = 14;
pub const RDPMC: u32 = 15;
pub const RDTSC: u32 = 16;
pub const RSM: u32 = 17;
pub const VMCALL: u32 = 18;
pub const VMCLEAR: u32 = 19;
pub const VMLAUNCH: u32 = 20;
pub const VMPTRLD: u32 = 21;
pub const VMPTRST: u32 = 22;
pub const VMREAD: u32 = 23;
pub const VMRESUME: u32 = 24;
pub const VMWRITE: u32 = 25;
pub const VMXOFF: u32 = 26;
pub const VMXON: u32 = 27;
pub const CONTROL_REGISTER: u32 = 28;
pub const MOV_DR: u32 = 29;
pub const IO_INSTRUCTION: u32 = 30;
pub const RDMSR: u32 = 31;
pub const WRMSR: u32 = 32;
pub const INVALID_GUEST_STATE: u32 = 33;
pub const MSR_LOADING: u32 = 34;
pub const MWAIT: u32 = 36;
pub const MONITOR_TRAP: u32 = 37;
pub const MONITOR: u32 = 39;
pub const PAUSE: u32 = 40;
pub const MACHINE_CHECK: u32 = 41;
pub const TPR_BELOW_THRESHOLD: u32 = 43;
pub const APIC_ACCESS: u32 = 44;
pub const VIRTUALIZED_EOI: u32 = 45;
pub const GDTR_OR_IDTR: u32 = 46;
pub const LDTR_OR_TR: u32 = 47;
pub const EPT_VIOLATION: u32 = 48;
pub const EPT_MISCONFIGURATION: u32 = 49;
pub const INVEPT: u32 = 50;
pub const RDTSCP: u32 = 51;
pub const PREEMPTION_TIMER: u32 = 52;
pub const INVVPID: u32 = 53;
pub const WBINVD: u32 = 54;
pub const XSETBV: u32 = 55;
pub const APIC_WRITE: u32 = 56;
pub const RDRAND: u32 = 57;
pub const INVPCID: u32 = 58;
pub const VMFUNC: u32 = 59;
pub const ENCLS: u32 = 60;
pub const RDSEED: u32 = 61;
pub const PML_FULL: u32 = 62;
pub const XSAVES: u32 = 63;
pub const XRSTORS: u32 = 64;
pub const PCONFIG: u32 = 65;
pub const SUB_PAGE: u32 = 66;
pub const UMWAIT: u32 = 67;
pub const TPAUSE: u32 = 68;
pub const LOADIWKEY: u32 = 69;

/// VM-instruction errors.
pub mod error {
    pub const VMCALL_IN_ROOT: u32 = 1;
    pub const VMCLEAR_ADDRESS: u32 = 2;
    pub const VMCLEAR_VMXON_POINTER: u32 = 3;
    pub const VMLAUNCH_NOT_CLEAR: u32 = 4;
    pub const VMRESUME_NOT_LAUNCHED: u32 = 5;
    pub const VMRESUME_AFTER_VMXOFF: u32 = 6;
    pub const ENTRY_CONTROLS: u32 = 7;
    pub const ENTRY_HOST_STATE: u32 = 8;
    pub const VMPTRLD_ADDRESS: u32 = 9;
    pub const VMPTRLD_VMXON_POINTER: u32 = 10;
    pub const VMPTRLD_REVISION: u32 = 11;
    pub const UNSUPPORTED_FIELD: u32 = 12;
    pub const VMWRITE_READ_ONLY: u32 = 13;
    pub const VMXON_IN_ROOT: u32 = 15;
    pub const ENTRY_EXECUTIVE_POINTER: u32 = 16;
    pub const ENTRY_EXECUTIVE_NOT_LAUNCHED: u32 = 17;
    pub const ENTRY_EXECUTIVE_NOT_VMXON: u32 = 18;
    pub const VMCALL_NOT_CLEAR: u32 = 19;
    pub const VMCALL_EXIT_CONTROLS: u32 = 20;
    pub const VMCALL_MSEG_REVISION: u32 = 22;
    pub const VMXOFF_DUAL_MONITOR: u32 = 23;
    pub const VMCALL_MSEG_FEATURES: u32 = 24;
    pub const ENTRY_EXECUTIVE_CONTROLS: u32 = 25;
    pub const ENTRY_BLOCKED_BY_MOV_SS: u32 = 26;
    pub const INVALIDATION_OPERAND: u32 = 28;
}
