//! Fields of the VMCS: encoding, name, and what a processor must have so that it has the field. It compiles for the host
//! too.
//!
//! Source: SDM vol. 3D, appendix B, "Field Encoding in VMCS".

// Tests on the host include this file by its path, from which such a module's own would be looked for elsewhere.
#[path = "field/encoding.rs"]
mod encoding;

use case::Needs;
pub use encoding::{Kind, Width, high_half, index, kind, mask, segment, width};

/// Which processors have a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// All.
    Always,
    /// Those that offer one of these.
    With(Needs),
    /// It comes with a control that no need names: nothing is known.
    Untold,
}
use Presence::{Always, Untold, With};

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its encoding, for access to all of it.
    pub encoding: u32,
    /// Its name.
    pub name: &'static str,
    /// Who has it.
    pub presence: Presence,
}

macro_rules! fields {
    ($($constant:ident = $encoding:literal $name:literal $presence:expr;)*) => {
        $(#[doc = $name] pub const $constant: u32 = $encoding;)*

        /// Every field of the manual, by encoding.
        pub static ALL: &[Field] = &[$(Field { encoding: $encoding, name: $name, presence: $presence }),*];

        /// Names of [`ALL`], for the rows of a case.
        pub static NAMES: &[case::Text] = &[$(case::Text::new($name)),*];
    };
}

const EFER: Presence = With(Needs::VMX_EFER);
const PAT: Presence = With(Needs::VMX_PAT);
const PERFORMANCE: Presence = With(Needs::VMX_PERFORMANCE);
const CET: Presence = With(Needs::VMX_CET);
const EPT: Presence = With(Needs::VMX_EPT);
const INTERRUPTS: Presence = With(Needs::VMX_VIRTUAL_INTERRUPTS);
const SHADOWING: Presence = With(Needs::VMX_SHADOWING);

fields! {
    VPID = 0x0000 "virtual-processor identifier" With(Needs::VMX_VPID);
    POSTED_VECTOR = 0x0002 "posted-interrupt notification vector" With(Needs::VMX_POSTED);
    EPTP_INDEX = 0x0004 "EPTP index" With(Needs::VMX_VIRTUALIZATION_EXCEPTION);
    HLAT_PREFIX_SIZE = 0x0006 "HLAT prefix size" Untold;
    LAST_PID_POINTER_INDEX = 0x0008 "last PID-pointer index" Untold;
    GUEST_ES = 0x0800 "guest ES selector" Always;
    GUEST_CS = 0x0802 "guest CS selector" Always;
    GUEST_SS = 0x0804 "guest SS selector" Always;
    GUEST_DS = 0x0806 "guest DS selector" Always;
    GUEST_FS = 0x0808 "guest FS selector" Always;
    GUEST_GS = 0x080a "guest GS selector" Always;
    GUEST_LDTR = 0x080c "guest LDTR selector" Always;
    GUEST_TR = 0x080e "guest TR selector" Always;
    GUEST_INTERRUPT_STATUS = 0x0810 "guest interrupt status" INTERRUPTS;
    PML_INDEX = 0x0812 "PML index" With(Needs::VMX_PML);
    GUEST_UINV = 0x0814 "guest UINV" Untold;
    HOST_ES = 0x0c00 "host ES selector" Always;
    HOST_CS = 0x0c02 "host CS selector" Always;
    HOST_SS = 0x0c04 "host SS selector" Always;
    HOST_DS = 0x0c06 "host DS selector" Always;
    HOST_FS = 0x0c08 "host FS selector" Always;
    HOST_GS = 0x0c0a "host GS selector" Always;
    HOST_TR = 0x0c0c "host TR selector" Always;
    IO_BITMAP_A = 0x2000 "address of I/O bitmap A" Always;
    IO_BITMAP_B = 0x2002 "address of I/O bitmap B" Always;
    MSR_BITMAP = 0x2004 "address of MSR bitmaps" With(Needs::VMX_MSR_MAPS);
    EXIT_MSR_STORE = 0x2006 "VM-exit MSR-store address" Always;
    EXIT_MSR_LOAD = 0x2008 "VM-exit MSR-load address" Always;
    ENTRY_MSR_LOAD = 0x200a "VM-entry MSR-load address" Always;
    EXECUTIVE_VMCS = 0x200c "executive-VMCS pointer" Always;
    PML_ADDRESS = 0x200e "PML address" With(Needs::VMX_PML);
    TSC_OFFSET = 0x2010 "TSC offset" Always;
    VIRTUAL_APIC = 0x2012 "virtual-APIC address" With(Needs::VMX_TPR_SHADOW);
    APIC_ACCESS = 0x2014 "APIC-access address" With(Needs::VMX_APIC_ACCESS);
    POSTED_DESCRIPTOR = 0x2016 "posted-interrupt descriptor address" With(Needs::VMX_POSTED);
    FUNCTION_CONTROLS = 0x2018 "VM-function controls" With(Needs::VMX_FUNCTIONS);
    EPT_POINTER = 0x201a "EPT pointer" EPT;
    EOI_EXIT_0 = 0x201c "EOI-exit bitmap 0" INTERRUPTS;
    EOI_EXIT_1 = 0x201e "EOI-exit bitmap 1" INTERRUPTS;
    EOI_EXIT_2 = 0x2020 "EOI-exit bitmap 2" INTERRUPTS;
    EOI_EXIT_3 = 0x2022 "EOI-exit bitmap 3" INTERRUPTS;
    EPTP_LIST = 0x2024 "EPTP-list address" With(Needs::VMX_EPTP_SWITCHING);
    VMREAD_BITMAP = 0x2026 "VMREAD-bitmap address" SHADOWING;
    VMWRITE_BITMAP = 0x2028 "VMWRITE-bitmap address" SHADOWING;
    EXCEPTION_INFORMATION = 0x202a "virtualization-exception information address" With(Needs::VMX_VIRTUALIZATION_EXCEPTION);
    XSS_EXITING = 0x202c "XSS-exiting bitmap" With(Needs::VMX_XSAVES);
    ENCLS_EXITING = 0x202e "ENCLS-exiting bitmap" Untold;
    SUB_PAGE_TABLE = 0x2030 "sub-page-permission-table pointer" With(Needs::VMX_SUB_PAGE);
    TSC_MULTIPLIER = 0x2032 "TSC multiplier" With(Needs::VMX_TSC_SCALING);
    TERTIARY_CONTROLS = 0x2034 "tertiary processor-based VM-execution controls" Untold;
    ENCLV_EXITING = 0x2036 "ENCLV-exiting bitmap" Untold;
    LOW_PASID_DIRECTORY = 0x2038 "low PASID directory address" Untold;
    HIGH_PASID_DIRECTORY = 0x203a "high PASID directory address" Untold;
    SHARED_EPT_POINTER = 0x203c "shared EPT pointer" Untold;
    PCONFIG_EXITING = 0x203e "PCONFIG-exiting bitmap" Untold;
    HLAT_POINTER = 0x2040 "hypervisor-managed linear-address translation pointer" Untold;
    PID_POINTER_TABLE = 0x2042 "PID-pointer table address" Untold;
    EXIT_CONTROLS_2 = 0x2044 "secondary VM-exit controls" Untold;
    SPEC_CTRL_MASK = 0x204a "IA32_SPEC_CTRL mask" Untold;
    SPEC_CTRL_SHADOW = 0x204c "IA32_SPEC_CTRL shadow" Untold;
    INJECTED_EVENT_DATA = 0x2052 "injected-event data" Untold;
    GUEST_PHYSICAL_ADDRESS = 0x2400 "guest-physical address" EPT;
    ORIGINAL_EVENT_DATA = 0x2404 "original-event data" Untold;
    VMCS_LINK = 0x2800 "VMCS link pointer" Always;
    GUEST_DEBUGCTL = 0x2802 "guest IA32_DEBUGCTL" Always;
    GUEST_PAT = 0x2804 "guest IA32_PAT" PAT;
    GUEST_EFER = 0x2806 "guest IA32_EFER" EFER;
    GUEST_PERF_GLOBAL_CTRL = 0x2808 "guest IA32_PERF_GLOBAL_CTRL" PERFORMANCE;
    GUEST_PDPTE0 = 0x280a "guest PDPTE0" EPT;
    GUEST_PDPTE1 = 0x280c "guest PDPTE1" EPT;
    GUEST_PDPTE2 = 0x280e "guest PDPTE2" EPT;
    GUEST_PDPTE3 = 0x2810 "guest PDPTE3" EPT;
    GUEST_BNDCFGS = 0x2812 "guest IA32_BNDCFGS" With(Needs::VMX_BOUNDS);
    GUEST_RTIT_CTL = 0x2814 "guest IA32_RTIT_CTL" Untold;
    GUEST_LBR_CTL = 0x2816 "guest IA32_LBR_CTL" Untold;
    GUEST_PKRS = 0x2818 "guest IA32_PKRS" With(Needs::VMX_PKRS);
    GUEST_FRED_CONFIG = 0x281a "guest IA32_FRED_CONFIG" Untold;
    GUEST_FRED_RSP1 = 0x281c "guest IA32_FRED_RSP1" Untold;
    GUEST_FRED_RSP2 = 0x281e "guest IA32_FRED_RSP2" Untold;
    GUEST_FRED_RSP3 = 0x2820 "guest IA32_FRED_RSP3" Untold;
    GUEST_FRED_STKLVLS = 0x2822 "guest IA32_FRED_STKLVLS" Untold;
    GUEST_FRED_SSP1 = 0x2824 "guest IA32_FRED_SSP1" Untold;
    GUEST_FRED_SSP2 = 0x2826 "guest IA32_FRED_SSP2" Untold;
    GUEST_FRED_SSP3 = 0x2828 "guest IA32_FRED_SSP3" Untold;
    HOST_PAT = 0x2c00 "host IA32_PAT" PAT;
    HOST_EFER = 0x2c02 "host IA32_EFER" EFER;
    HOST_PERF_GLOBAL_CTRL = 0x2c04 "host IA32_PERF_GLOBAL_CTRL" PERFORMANCE;
    HOST_PKRS = 0x2c06 "host IA32_PKRS" With(Needs::VMX_PKRS);
    HOST_FRED_CONFIG = 0x2c08 "host IA32_FRED_CONFIG" Untold;
    HOST_FRED_RSP1 = 0x2c0a "host IA32_FRED_RSP1" Untold;
    HOST_FRED_RSP2 = 0x2c0c "host IA32_FRED_RSP2" Untold;
    HOST_FRED_RSP3 = 0x2c0e "host IA32_FRED_RSP3" Untold;
    HOST_FRED_STKLVLS = 0x2c10 "host IA32_FRED_STKLVLS" Untold;
    HOST_FRED_SSP1 = 0x2c12 "host IA32_FRED_SSP1" Untold;
    HOST_FRED_SSP2 = 0x2c14 "host IA32_FRED_SSP2" Untold;
    HOST_FRED_SSP3 = 0x2c16 "host IA32_FRED_SSP3" Untold;
    PIN_CONTROLS = 0x4000 "pin-based VM-execution controls" Always;
    PROCESSOR_CONTROLS = 0x4002 "primary processor-based VM-execution controls" Always;
    EXCEPTION_BITMAP = 0x4004 "exception bitmap" Always;
    PAGE_FAULT_MASK = 0x4006 "page-fault error-code mask" Always;
    PAGE_FAULT_MATCH = 0x4008 "page-fault error-code match" Always;
    CR3_TARGET_COUNT = 0x400a "CR3-target count" Always;
    EXIT_CONTROLS = 0x400c "primary VM-exit controls" Always;
    EXIT_MSR_STORE_COUNT = 0x400e "VM-exit MSR-store count" Always;
    EXIT_MSR_LOAD_COUNT = 0x4010 "VM-exit MSR-load count" Always;
    ENTRY_CONTROLS = 0x4012 "VM-entry controls" Always;
    ENTRY_MSR_LOAD_COUNT = 0x4014 "VM-entry MSR-load count" Always;
    ENTRY_INTERRUPTION = 0x4016 "VM-entry interruption-information field" Always;
    ENTRY_ERROR_CODE = 0x4018 "VM-entry exception error code" Always;
    ENTRY_LENGTH = 0x401a "VM-entry instruction length" Always;
    TPR_THRESHOLD = 0x401c "TPR threshold" With(Needs::VMX_TPR_SHADOW);
    SECONDARY_CONTROLS = 0x401e "secondary processor-based VM-execution controls" With(Needs::VMX_SECONDARY);
    PLE_GAP = 0x4020 "PLE_Gap" With(Needs::VMX_PAUSE_LOOP);
    PLE_WINDOW = 0x4022 "PLE_Window" With(Needs::VMX_PAUSE_LOOP);
    INSTRUCTION_TIMEOUT = 0x4024 "instruction-timeout control" Untold;
    INSTRUCTION_ERROR = 0x4400 "VM-instruction error" Always;
    EXIT_REASON = 0x4402 "exit reason" Always;
    EXIT_INTERRUPTION = 0x4404 "VM-exit interruption information" Always;
    EXIT_ERROR_CODE = 0x4406 "VM-exit interruption error code" Always;
    VECTORING = 0x4408 "IDT-vectoring information field" Always;
    VECTORING_ERROR_CODE = 0x440a "IDT-vectoring error code" Always;
    EXIT_LENGTH = 0x440c "VM-exit instruction length" Always;
    EXIT_INSTRUCTION = 0x440e "VM-exit instruction information" Always;
    GUEST_ES_LIMIT = 0x4800 "guest ES limit" Always;
    GUEST_CS_LIMIT = 0x4802 "guest CS limit" Always;
    GUEST_SS_LIMIT = 0x4804 "guest SS limit" Always;
    GUEST_DS_LIMIT = 0x4806 "guest DS limit" Always;
    GUEST_FS_LIMIT = 0x4808 "guest FS limit" Always;
    GUEST_GS_LIMIT = 0x480a "guest GS limit" Always;
    GUEST_LDTR_LIMIT = 0x480c "guest LDTR limit" Always;
    GUEST_TR_LIMIT = 0x480e "guest TR limit" Always;
    GUEST_GDTR_LIMIT = 0x4810 "guest GDTR limit" Always;
    GUEST_IDTR_LIMIT = 0x4812 "guest IDTR limit" Always;
    GUEST_ES_RIGHTS = 0x4814 "guest ES access rights" Always;
    GUEST_CS_RIGHTS = 0x4816 "guest CS access rights" Always;
    GUEST_SS_RIGHTS = 0x4818 "guest SS access rights" Always;
    GUEST_DS_RIGHTS = 0x481a "guest DS access rights" Always;
    GUEST_FS_RIGHTS = 0x481c "guest FS access rights" Always;
    GUEST_GS_RIGHTS = 0x481e "guest GS access rights" Always;
    GUEST_LDTR_RIGHTS = 0x4820 "guest LDTR access rights" Always;
    GUEST_TR_RIGHTS = 0x4822 "guest TR access rights" Always;
    GUEST_INTERRUPTIBILITY = 0x4824 "guest interruptibility state" Always;
    GUEST_ACTIVITY = 0x4826 "guest activity state" Always;
    GUEST_SMBASE = 0x4828 "guest SMBASE" Always;
    GUEST_SYSENTER_CS = 0x482a "guest IA32_SYSENTER_CS" Always;
    PREEMPTION_TIMER = 0x482e "VMX-preemption timer value" With(Needs::VMX_PREEMPTION_TIMER);
    HOST_SYSENTER_CS = 0x4c00 "host IA32_SYSENTER_CS" Always;
    CR0_MASK = 0x6000 "CR0 guest/host mask" Always;
    CR4_MASK = 0x6002 "CR4 guest/host mask" Always;
    CR0_SHADOW = 0x6004 "CR0 read shadow" Always;
    CR4_SHADOW = 0x6006 "CR4 read shadow" Always;
    CR3_TARGET_0 = 0x6008 "CR3-target value 0" Untold;
    CR3_TARGET_1 = 0x600a "CR3-target value 1" Untold;
    CR3_TARGET_2 = 0x600c "CR3-target value 2" Untold;
    CR3_TARGET_3 = 0x600e "CR3-target value 3" Untold;
    QUALIFICATION = 0x6400 "exit qualification" Always;
    IO_RCX = 0x6402 "I/O RCX" Always;
    IO_RSI = 0x6404 "I/O RSI" Always;
    IO_RDI = 0x6406 "I/O RDI" Always;
    IO_RIP = 0x6408 "I/O RIP" Always;
    GUEST_LINEAR_ADDRESS = 0x640a "guest-linear address" Always;
    GUEST_CR0 = 0x6800 "guest CR0" Always;
    GUEST_CR3 = 0x6802 "guest CR3" Always;
    GUEST_CR4 = 0x6804 "guest CR4" Always;
    GUEST_ES_BASE = 0x6806 "guest ES base" Always;
    GUEST_CS_BASE = 0x6808 "guest CS base" Always;
    GUEST_SS_BASE = 0x680a "guest SS base" Always;
    GUEST_DS_BASE = 0x680c "guest DS base" Always;
    GUEST_FS_BASE = 0x680e "guest FS base" Always;
    GUEST_GS_BASE = 0x6810 "guest GS base" Always;
    GUEST_LDTR_BASE = 0x6812 "guest LDTR base" Always;
    GUEST_TR_BASE = 0x6814 "guest TR base" Always;
    GUEST_GDTR_BASE = 0x6816 "guest GDTR base" Always;
    GUEST_IDTR_BASE = 0x6818 "guest IDTR base" Always;
    GUEST_DR7 = 0x681a "guest DR7" Always;
    GUEST_RSP = 0x681c "guest RSP" Always;
    GUEST_RIP = 0x681e "guest RIP" Always;
    GUEST_RFLAGS = 0x6820 "guest RFLAGS" Always;
    GUEST_PENDING_DEBUG = 0x6822 "guest pending debug exceptions" Always;
    GUEST_SYSENTER_ESP = 0x6824 "guest IA32_SYSENTER_ESP" Always;
    GUEST_SYSENTER_EIP = 0x6826 "guest IA32_SYSENTER_EIP" Always;
    GUEST_S_CET = 0x6828 "guest IA32_S_CET" CET;
    GUEST_SSP = 0x682a "guest SSP" CET;
    GUEST_SSP_TABLE = 0x682c "guest IA32_INTERRUPT_SSP_TABLE_ADDR" CET;
    HOST_CR0 = 0x6c00 "host CR0" Always;
    HOST_CR3 = 0x6c02 "host CR3" Always;
    HOST_CR4 = 0x6c04 "host CR4" Always;
    HOST_FS_BASE = 0x6c06 "host FS base" Always;
    HOST_GS_BASE = 0x6c08 "host GS base" Always;
    HOST_TR_BASE = 0x6c0a "host TR base" Always;
    HOST_GDTR_BASE = 0x6c0c "host GDTR base" Always;
    HOST_IDTR_BASE = 0x6c0e "host IDTR base" Always;
    HOST_SYSENTER_ESP = 0x6c10 "host IA32_SYSENTER_ESP" Always;
    HOST_SYSENTER_EIP = 0x6c12 "host IA32_SYSENTER_EIP" Always;
    HOST_RSP = 0x6c14 "host RSP" Always;
    HOST_RIP = 0x6c16 "host RIP" Always;
    HOST_S_CET = 0x6c18 "host IA32_S_CET" CET;
    HOST_SSP = 0x6c1a "host SSP" CET;
    HOST_SSP_TABLE = 0x6c1c "host IA32_INTERRUPT_SSP_TABLE_ADDR" CET;
}
