//! What cases see of a processor, wrong on purpose: of VMX and of modes on Bochs, of SVM on QEMU's translator.
//!
//! Source of numbers: SDM vol. 3D, appendix B, "Field Encoding in VMCS"; APM vol. 2, appendix B, "Layout of VMCB".

use super::super::{Trial, Wrong};
use case::{
    Feature,
    observation::{Observation, Place, arrival, cpuid_register, exception},
};

/// A fault.
struct Row {
    id: &'static str,
    what: &'static str,
    feature: Feature,
    subject: &'static str,
    observation: Observation,
}

/// Fields of a VMCS, by their encoding.
mod vmcs_field {
    pub(super) const TSC_OFFSET: u64 = 0x2010;
    pub(super) const GUEST_PHYSICAL_ADDRESS: u64 = 0x2400;
    pub(super) const ENTRY_INTERRUPTION: u64 = 0x4016;
    pub(super) const INSTRUCTION_ERROR: u64 = 0x4400;
    pub(super) const EXIT_REASON: u64 = 0x4402;
    pub(super) const EXIT_INTERRUPTION: u64 = 0x4404;
    pub(super) const EXIT_ERROR_CODE: u64 = 0x4406;
    pub(super) const VECTORING: u64 = 0x4408;
    pub(super) const EXIT_LENGTH: u64 = 0x440c;
    pub(super) const EXIT_INSTRUCTION: u64 = 0x440e;
    pub(super) const GUEST_INTERRUPTIBILITY: u64 = 0x4824;
    pub(super) const QUALIFICATION: u64 = 0x6400;
}

/// Fields of a VMCB, by their offset.
mod vmcb_field {
    pub(super) const VIRTUAL_INTERRUPT: u64 = 0x060;
    pub(super) const INTERRUPT_SHADOW: u64 = 0x068;
    pub(super) const EXIT_CODE: u64 = 0x070;
    pub(super) const EXIT_INFO_1: u64 = 0x078;
    pub(super) const EXIT_INFO_2: u64 = 0x080;
    pub(super) const EXIT_INTERRUPT_INFO: u64 = 0x088;
    pub(super) const EVENT_INJECTION: u64 = 0x0a8;
    pub(super) const RFLAGS: u64 = 0x570;
    pub(super) const RAX: u64 = 0x5f8;
}

/// The number of RAX.
const RAX: u64 = 0;
/// Where an SMI saves RCX, as an offset from SMBASE (APM vol. 2, "AMD64 Architecture SMM State-Save Area").
const SMM_RCX: u64 = 0xfff0;

type Words = (&'static str, &'static str, Feature);

const fn row((id, what, feature): Words, subject: &'static str, (place, number): (Place, u64), inverted: u64) -> Row {
    Row { id, what, feature, subject, observation: Observation { place, number, inverted } }
}

const fn vmcs(words: Words, field: u64, inverted: u64) -> Row {
    row(words, "bochs", (Place::VmcsField, field), inverted)
}

const fn vmcb(words: Words, field: u64, inverted: u64) -> Row {
    row(words, "qemu-tcg", (Place::VmcbField, field), inverted)
}

const fn arrival(words: Words, word: u64, inverted: u64) -> Row {
    row(words, "bochs", (Place::Arrival, word), inverted)
}

const TABLE: &[Row] = &[
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
    vmcs(
        ("seen-vmx-error", "The VM-instruction error is another one.", Feature::VmxFailures),
        vmcs_field::INSTRUCTION_ERROR,
        1,
    ),
    vmcs(("seen-vmx-field", "A field does not hold what was written.", Feature::VmxFields), vmcs_field::TSC_OFFSET, 1),
    vmcs(("seen-vmx-reason", "The exit reason is another one.", Feature::VmxExits), vmcs_field::EXIT_REASON, 1),
    vmcs(
        ("seen-vmx-qualification", "A bit of the exit qualification is inverted.", Feature::VmxExits),
        vmcs_field::QUALIFICATION,
        1,
    ),
    vmcs(("seen-vmx-length", "The length of an instruction is wrong.", Feature::VmxExits), vmcs_field::EXIT_LENGTH, 1),
    vmcs(
        ("seen-vmx-information", "The instruction information names another segment.", Feature::VmxExits),
        vmcs_field::EXIT_INSTRUCTION,
        1 << 15,
    ),
    vmcs(
        ("seen-vmx-control-register", "The exit names another control register.", Feature::VmxControlRegisters),
        vmcs_field::QUALIFICATION,
        1,
    ),
    vmcs(
        ("seen-vmx-exception-vector", "The interruption information names another exception.", Feature::VmxExceptions),
        vmcs_field::EXIT_INTERRUPTION,
        1,
    ),
    vmcs(
        ("seen-vmx-exception-code", "The error code of an exit is wrong.", Feature::VmxExceptions),
        vmcs_field::EXIT_ERROR_CODE,
        1,
    ),
    vmcs(
        ("seen-vmx-port", "The exit qualification names another port.", Feature::VmxPorts),
        vmcs_field::QUALIFICATION,
        1 << 16,
    ),
    vmcs(
        ("seen-vmx-msr", "An access of an MSR exits for another reason.", Feature::VmxMsrs),
        vmcs_field::EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-pointers", "L2 with PAE paging exits for another reason.", Feature::VmxState),
        vmcs_field::EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-vectoring", "The IDT-vectoring information names another vector.", Feature::VmxInjection),
        vmcs_field::VECTORING,
        1,
    ),
    vmcs(
        ("seen-vmx-injected", "An event that was injected stays valid.", Feature::VmxInjection),
        vmcs_field::ENTRY_INTERRUPTION,
        1 << 31,
    ),
    vmcs(
        ("seen-vmx-interrupt", "An exit by an interrupt names another vector.", Feature::VmxInterrupts),
        vmcs_field::EXIT_INTERRUPTION,
        1,
    ),
    vmcs(
        (
            "seen-vmx-shadow",
            "The interruptibility state tells a shadow of STI that there is not, and the reverse.",
            Feature::VmxInterrupts,
        ),
        vmcs_field::GUEST_INTERRUPTIBILITY,
        1,
    ),
    vmcs(
        ("seen-vmx-timer", "The preemption timer ends L2 for another reason.", Feature::VmxPreemptionTimer),
        vmcs_field::EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-ept-access", "An EPT violation is of another access.", Feature::VmxEpt),
        vmcs_field::QUALIFICATION,
        1,
    ),
    vmcs(
        ("seen-vmx-ept-address", "An EPT violation is at the next page.", Feature::VmxEpt),
        vmcs_field::GUEST_PHYSICAL_ADDRESS,
        1 << 12,
    ),
    vmcs(
        ("seen-vmx-unrestricted", "L2 without paging exits for another reason.", Feature::VmxUnrestricted),
        vmcs_field::EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-shadowed", "VMREAD and VMWRITE of L2 exit for another reason.", Feature::VmxShadowing),
        vmcs_field::EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-function", "A VM function exits for another reason.", Feature::VmxFunctions),
        vmcs_field::EXIT_REASON,
        1,
    ),
    vmcs(
        ("seen-vmx-apic-access", "An APIC access is at another offset.", Feature::VmxApic),
        vmcs_field::QUALIFICATION,
        1 << 4,
    ),
    row(
        (
            "seen-svm-mode-vector",
            "An instruction of SVM without EFER.SVME raises another exception.",
            Feature::SvmLifeCycle,
        ),
        "qemu-tcg",
        (Place::Exception, exception::VECTOR),
        1,
    ),
    row(
        (
            "seen-svm-operand-vector",
            "An instruction of SVM with a wrong operand raises another exception.",
            Feature::SvmInstructions,
        ),
        "qemu-tcg",
        (Place::Exception, exception::VECTOR),
        1,
    ),
    vmcb(("seen-svm-code", "The exit code is another one.", Feature::SvmIntercepts), vmcb_field::EXIT_CODE, 1),
    vmcb(
        (
            "seen-svm-control-register",
            "An access of a control register has another exit code.",
            Feature::SvmControlRegisters,
        ),
        vmcb_field::EXIT_CODE,
        1,
    ),
    vmcb(
        ("seen-svm-exception", "An exception has another exit code.", Feature::SvmExceptions),
        vmcb_field::EXIT_CODE,
        1,
    ),
    vmcb(
        ("seen-svm-exception-code", "The error code of an exception is wrong.", Feature::SvmExceptions),
        vmcb_field::EXIT_INFO_1,
        1,
    ),
    vmcb(("seen-svm-port", "EXITINFO1 names another port.", Feature::SvmPorts), vmcb_field::EXIT_INFO_1, 1 << 16),
    vmcb(
        ("seen-svm-msr", "EXITINFO1 tells a read for a write of an MSR.", Feature::SvmMsrs),
        vmcb_field::EXIT_INFO_1,
        1,
    ),
    vmcb(
        ("seen-svm-saved-flags", "RFLAGS of L2 are saved with CF inverted.", Feature::SvmState),
        vmcb_field::RFLAGS,
        1,
    ),
    vmcb(("seen-svm-saved-rax", "RAX of L2 is saved with bit 0 inverted.", Feature::SvmState), vmcb_field::RAX, 1),
    vmcb(
        ("seen-svm-interrupted", "EXITINTINFO names another vector.", Feature::SvmInjection),
        vmcb_field::EXIT_INTERRUPT_INFO,
        1,
    ),
    vmcb(
        ("seen-svm-injected", "EVENTINJ of what was delivered stays valid.", Feature::SvmInjection),
        vmcb_field::EVENT_INJECTION,
        1 << 31,
    ),
    vmcb(
        ("seen-svm-virtual-interrupt", "V_IRQ stays, and is set where there is none.", Feature::SvmInterrupts),
        vmcb_field::VIRTUAL_INTERRUPT,
        1 << 8,
    ),
    vmcb(
        ("seen-svm-shadow", "The interrupt shadow is saved inverted.", Feature::SvmInterrupts),
        vmcb_field::INTERRUPT_SHADOW,
        1,
    ),
    vmcb(
        (
            "seen-svm-nested-access",
            "A nested page fault tells a page present that is not, and the reverse.",
            Feature::SvmNestedPaging,
        ),
        vmcb_field::EXIT_INFO_1,
        1,
    ),
    vmcb(
        ("seen-svm-nested-address", "A nested page fault is at the next page.", Feature::SvmNestedPaging),
        vmcb_field::EXIT_INFO_2,
        1 << 12,
    ),
    arrival(
        ("seen-real-vector", "A program of real mode ends with another exception.", Feature::RealMode),
        arrival::VECTOR,
        1,
    ),
    arrival(
        ("seen-real-register", "EAX has bit 0 inverted behind a program of real mode.", Feature::RealMode),
        arrival::EAX,
        1,
    ),
    arrival(
        ("seen-real-flags", "CF is inverted behind a program of real mode.", Feature::RealMode),
        arrival::EFLAGS,
        1,
    ),
    arrival(
        (
            "seen-big-real-vector",
            "A program of real mode with large segments ends with another exception.",
            Feature::BigRealMode,
        ),
        arrival::VECTOR,
        1,
    ),
    arrival(
        (
            "seen-big-real-register",
            "EAX has bit 0 inverted behind a program of real mode with large segments.",
            Feature::BigRealMode,
        ),
        arrival::EAX,
        1,
    ),
    arrival(
        (
            "seen-big-real-flags",
            "CF is inverted behind a program of real mode with large segments.",
            Feature::BigRealMode,
        ),
        arrival::EFLAGS,
        1,
    ),
    arrival(
        (
            "seen-virtual-8086-vector",
            "A program of virtual-8086 mode ends with another exception.",
            Feature::Virtual8086,
        ),
        arrival::VECTOR,
        1,
    ),
    arrival(
        (
            "seen-virtual-8086-register",
            "EAX has bit 0 inverted behind a program of virtual-8086 mode.",
            Feature::Virtual8086,
        ),
        arrival::EAX,
        1,
    ),
    arrival(
        ("seen-virtual-8086-flags", "CF is inverted behind a program of virtual-8086 mode.", Feature::Virtual8086),
        arrival::EFLAGS,
        1,
    ),
    arrival(
        (
            "seen-protected-16-vector",
            "A program of 16-bit protected mode ends with another exception.",
            Feature::ProtectedMode16,
        ),
        arrival::VECTOR,
        1,
    ),
    arrival(
        (
            "seen-protected-16-register",
            "EAX has bit 0 inverted behind a program of 16-bit protected mode.",
            Feature::ProtectedMode16,
        ),
        arrival::EAX,
        1,
    ),
    arrival(
        (
            "seen-protected-16-flags",
            "CF is inverted behind a program of 16-bit protected mode.",
            Feature::ProtectedMode16,
        ),
        arrival::EFLAGS,
        1,
    ),
    arrival(
        (
            "seen-protected-32-vector",
            "A program of 32-bit protected mode ends with another exception.",
            Feature::ProtectedMode32,
        ),
        arrival::VECTOR,
        1,
    ),
    arrival(
        (
            "seen-protected-32-register",
            "EAX has bit 0 inverted behind a program of 32-bit protected mode.",
            Feature::ProtectedMode32,
        ),
        arrival::EAX,
        1,
    ),
    arrival(
        (
            "seen-protected-32-flags",
            "CF is inverted behind a program of 32-bit protected mode.",
            Feature::ProtectedMode32,
        ),
        arrival::EFLAGS,
        1,
    ),
    arrival(
        ("seen-call-gate-code", "A fault at a call gate names another selector.", Feature::CallGates),
        arrival::ERROR_CODE,
        8,
    ),
    arrival(("seen-call-gate-stack", "ESP is wrong behind a call gate.", Feature::CallGates), arrival::ESP, 4),
    arrival(
        ("seen-gate-code", "A fault at a gate of the IDT names another selector.", Feature::InterruptGates),
        arrival::ERROR_CODE,
        8,
    ),
    arrival(("seen-gate-flags", "A gate of the IDT leaves NT.", Feature::InterruptGates), arrival::EFLAGS, 1 << 14),
    arrival(
        ("seen-task-register", "TR names another task behind a task switch.", Feature::TaskSwitches),
        arrival::TR,
        8,
    ),
    arrival(
        ("seen-task-code", "A fault of a task switch names another selector.", Feature::TaskSwitches),
        arrival::ERROR_CODE,
        8,
    ),
    arrival(
        (
            "seen-paging-32-code",
            "A page fault of 32-bit paging tells a page present that is not, and the reverse.",
            Feature::Paging32Bit,
        ),
        arrival::ERROR_CODE,
        1,
    ),
    arrival(
        ("seen-paging-32-address", "CR2 is wrong behind a page fault of 32-bit paging.", Feature::Paging32Bit),
        arrival::CR2,
        1 << 12,
    ),
    row(
        (
            "seen-paging-57-code",
            "A page fault of five-level paging tells a page present that is not, and the reverse.",
            Feature::PagingFiveLevel,
        ),
        "qemu-tcg",
        (Place::Attempt, 0),
        1,
    ),
    row(
        (
            "seen-keys-code",
            "A page fault by a key tells a page present that is not, and the reverse.",
            Feature::PagingProtectionKeys,
        ),
        "qemu-tcg",
        (Place::Attempt, 0),
        1,
    ),
    row(
        (
            "seen-contexts-code",
            "A page fault behind INVPCID tells a page present that is not, and the reverse.",
            Feature::PagingContexts,
        ),
        "bochs",
        (Place::Exception, exception::ERROR_CODE),
        1,
    ),
    row(
        ("seen-cpuid-osxsave", "OSXSAVE does not follow CR4.OSXSAVE.", Feature::CpuidDynamicBits),
        "bochs",
        (Place::Cpuid, cpuid_register(1, 2)),
        1 << 27,
    ),
    row(
        ("seen-smm-register", "RCX in the save area of an SMI has bit 0 inverted.", Feature::SystemManagement),
        "qemu-tcg",
        (Place::SavedInSmm, SMM_RCX),
        1,
    ),
    row(
        ("seen-tsc-aux", "RDTSCP reads another IA32_TSC_AUX.", Feature::TscReading),
        "bochs",
        (Place::UserRegister, RAX),
        1,
    ),
];

/// All of them.
pub(in super::super) fn trials() -> impl Iterator<Item = Trial> {
    TABLE.iter().map(|&Row { id, what, feature, subject, observation }| Trial {
        id: id.to_owned(),
        what: what.to_owned(),
        feature,
        wrong: Wrong::Seen { subject, observation },
    })
}
