//! Of VMX, on Bochs.
//!
//! Source: SDM vol. 3D, appendix B, "Field Encoding in VMCS".

use super::{Row, Words, row};
use case::{
    Feature,
    observation::{Place, exception},
};

// Fields of a VMCS, by their encoding.
const TSC_OFFSET: u64 = 0x2010;
const GUEST_PHYSICAL_ADDRESS: u64 = 0x2400;
const ENTRY_INTERRUPTION: u64 = 0x4016;
const INSTRUCTION_ERROR: u64 = 0x4400;
const EXIT_REASON: u64 = 0x4402;
const EXIT_INTERRUPTION: u64 = 0x4404;
const EXIT_ERROR_CODE: u64 = 0x4406;
const VECTORING: u64 = 0x4408;
const EXIT_LENGTH: u64 = 0x440c;
const EXIT_INSTRUCTION: u64 = 0x440e;
const GUEST_INTERRUPTIBILITY: u64 = 0x4824;
const QUALIFICATION: u64 = 0x6400;

const fn vmcs(words: Words, field: u64, inverted: u64) -> Row {
    row(words, "bochs", (Place::VmcsField, field), inverted)
}

pub(super) const TABLE: &[Row] = &[
    row(
        ("seen-vmx-basic", "Bit 31 of IA32_VMX_BASIC is set.", Feature::VmxCapabilities),
        "bochs",
        (Place::Msr, 0x480),
        1 << 31,
    ),
    row(
        (
            "seen-vmx-mode-vector",
            "An instruction of VMX outside of VMX operation raises another exception.",
            Feature::VmxLifeCycle,
        ),
        "bochs",
        (Place::Exception, exception::VECTOR),
        1,
    ),
    row(
        (
            "seen-vmx-operand-vector",
            "An instruction of VMX with a wrong operand raises another exception.",
            Feature::VmxInstructions,
        ),
        "bochs",
        (Place::Exception, exception::VECTOR),
        1,
    ),
    vmcs(("seen-vmx-error", "The VM-instruction error is another one.", Feature::VmxFailures), INSTRUCTION_ERROR, 1),
    vmcs(("seen-vmx-field", "A field does not hold what was written.", Feature::VmxFields), TSC_OFFSET, 1),
    vmcs(("seen-vmx-reason", "The exit reason is another one.", Feature::VmxExits), EXIT_REASON, 1),
    vmcs(
        ("seen-vmx-qualification", "A bit of the exit qualification is inverted.", Feature::VmxExits),
        QUALIFICATION,
        1,
    ),
    vmcs(("seen-vmx-length", "The length of an instruction is wrong.", Feature::VmxExits), EXIT_LENGTH, 1),
    vmcs(
        ("seen-vmx-information", "The instruction information names another segment.", Feature::VmxExits),
        EXIT_INSTRUCTION,
        1 << 15,
    ),
    vmcs(
        ("seen-vmx-control-register", "The exit names another control register.", Feature::VmxControlRegisters),
        QUALIFICATION,
        1,
    ),
    vmcs(
        ("seen-vmx-exception-vector", "The interruption information names another exception.", Feature::VmxExceptions),
        EXIT_INTERRUPTION,
        1,
    ),
    vmcs(
        ("seen-vmx-exception-code", "The error code of an exit is wrong.", Feature::VmxExceptions),
        EXIT_ERROR_CODE,
        1,
    ),
    vmcs(("seen-vmx-port", "The exit qualification names another port.", Feature::VmxPorts), QUALIFICATION, 1 << 16),
    vmcs(("seen-vmx-msr", "An access of an MSR exits for another reason.", Feature::VmxMsrs), EXIT_REASON, 1),
    vmcs(("seen-vmx-pointers", "L2 with PAE paging exits for another reason.", Feature::VmxState), EXIT_REASON, 1),
    vmcs(
        ("seen-vmx-vectoring", "The IDT-vectoring information names another vector.", Feature::VmxInjection),
        VECTORING,
        1,
    ),
    vmcs(
        ("seen-vmx-injected", "An event that was injected stays valid.", Feature::VmxInjection),
        ENTRY_INTERRUPTION,
        1 << 31,
    ),
    vmcs(
        ("seen-vmx-interrupt", "An exit by an interrupt names another vector.", Feature::VmxInterrupts),
        EXIT_INTERRUPTION,
        1,
    ),
    vmcs(
        (
            "seen-vmx-shadow",
            "The interruptibility state tells a shadow of STI that there is not, and the reverse.",
            Feature::VmxInterrupts,
        ),
        GUEST_INTERRUPTIBILITY,
        1,
    ),
    vmcs(
        ("seen-vmx-timer", "The preemption timer ends L2 for another reason.", Feature::VmxPreemptionTimer),
        EXIT_REASON,
        1,
    ),
    vmcs(("seen-vmx-ept-access", "An EPT violation is of another access.", Feature::VmxEpt), QUALIFICATION, 1),
    vmcs(
        ("seen-vmx-ept-address", "An EPT violation is at the next page.", Feature::VmxEpt),
        GUEST_PHYSICAL_ADDRESS,
        1 << 12,
    ),
    vmcs(
        ("seen-vmx-unrestricted", "L2 without paging exits for another reason.", Feature::VmxUnrestricted),
        EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-shadowed", "VMREAD and VMWRITE of L2 exit for another reason.", Feature::VmxShadowing),
        EXIT_REASON,
        1,
    ),
    vmcs(("seen-vmx-function", "A VM function exits for another reason.", Feature::VmxFunctions), EXIT_REASON, 1),
    vmcs(("seen-vmx-apic-access", "An APIC access is at another offset.", Feature::VmxApic), QUALIFICATION, 1 << 4),
];
