//! Exit reasons and VM-instruction errors. It compiles for the host too.
//!
//! Source: SDM vol. 3D, appendix C, "VMX Basic Exit Reasons"; vol. 3C, "VM Instruction Error Numbers".

macro_rules! numbers {
    ($($name:ident = $number:literal;)*) => {
        $(#[doc = concat!("Number ", $number, ".")] pub const $name: u32 = $number;)*
    };
}

/// Set in an exit reason if it was the entry that failed.
pub const ENTRY_FAILED: u32 = 1 << 31;

numbers! {
    EXCEPTION_OR_NMI = 0;
    EXTERNAL_INTERRUPT = 1;
    TRIPLE_FAULT = 2;
    INIT = 3;
    START_UP = 4;
    IO_SMI = 5;
    OTHER_SMI = 6;
    INTERRUPT_WINDOW = 7;
    NMI_WINDOW = 8;
    TASK_SWITCH = 9;
    CPUID = 10;
    GETSEC = 11;
    HLT = 12;
    INVD = 13;
    INVLPG = 14;
    RDPMC = 15;
    RDTSC = 16;
    RSM = 17;
    VMCALL = 18;
    VMCLEAR = 19;
    VMLAUNCH = 20;
    VMPTRLD = 21;
    VMPTRST = 22;
    VMREAD = 23;
    VMRESUME = 24;
    VMWRITE = 25;
    VMXOFF = 26;
    VMXON = 27;
    CONTROL_REGISTER = 28;
    MOV_DR = 29;
    IO_INSTRUCTION = 30;
    RDMSR = 31;
    WRMSR = 32;
    INVALID_GUEST_STATE = 33;
    MSR_LOADING = 34;
    MWAIT = 36;
    MONITOR_TRAP = 37;
    MONITOR = 39;
    PAUSE = 40;
    MACHINE_CHECK = 41;
    TPR_BELOW_THRESHOLD = 43;
    APIC_ACCESS = 44;
    VIRTUALIZED_EOI = 45;
    GDTR_OR_IDTR = 46;
    LDTR_OR_TR = 47;
    EPT_VIOLATION = 48;
    EPT_MISCONFIGURATION = 49;
    INVEPT = 50;
    RDTSCP = 51;
    PREEMPTION_TIMER = 52;
    INVVPID = 53;
    WBINVD = 54;
    XSETBV = 55;
    APIC_WRITE = 56;
    RDRAND = 57;
    INVPCID = 58;
    VMFUNC = 59;
    ENCLS = 60;
    RDSEED = 61;
    PML_FULL = 62;
    XSAVES = 63;
    XRSTORS = 64;
    PCONFIG = 65;
    SUB_PAGE = 66;
    UMWAIT = 67;
    TPAUSE = 68;
    LOADIWKEY = 69;
    BUS_LOCK = 74;
}

/// VM-instruction errors.
pub mod error {
    numbers! {
        VMCALL_IN_ROOT = 1;
        VMCLEAR_ADDRESS = 2;
        VMCLEAR_VMXON_POINTER = 3;
        VMLAUNCH_NOT_CLEAR = 4;
        VMRESUME_NOT_LAUNCHED = 5;
        VMRESUME_AFTER_VMXOFF = 6;
        ENTRY_CONTROLS = 7;
        ENTRY_HOST_STATE = 8;
        VMPTRLD_ADDRESS = 9;
        VMPTRLD_VMXON_POINTER = 10;
        VMPTRLD_REVISION = 11;
        UNSUPPORTED_FIELD = 12;
        VMWRITE_READ_ONLY = 13;
        VMXON_IN_ROOT = 15;
        ENTRY_EXECUTIVE_POINTER = 16;
        ENTRY_EXECUTIVE_NOT_LAUNCHED = 17;
        ENTRY_EXECUTIVE_NOT_VMXON = 18;
        VMCALL_NOT_CLEAR = 19;
        VMCALL_EXIT_CONTROLS = 20;
        VMCALL_MSEG_REVISION = 22;
        VMXOFF_DUAL_MONITOR = 23;
        VMCALL_MSEG_FEATURES = 24;
        ENTRY_EXECUTIVE_CONTROLS = 25;
        ENTRY_BLOCKED_BY_MOV_SS = 26;
        INVALIDATION_OPERAND = 28;
    }
}
