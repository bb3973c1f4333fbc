//! Of SVM, on QEMU's translator.
//!
//! Source: APM vol. 2, appendix B, "Layout of VMCB".

use super::{Row, Words, row};
use case::{
    Feature,
    observation::{Place, exception},
};

// Fields of a VMCB, by their offset.
const VIRTUAL_INTERRUPT: u64 = 0x060;
const INTERRUPT_SHADOW: u64 = 0x068;
const EXIT_CODE: u64 = 0x070;
const EXIT_INFO_1: u64 = 0x078;
const EXIT_INFO_2: u64 = 0x080;
const EXIT_INTERRUPT_INFO: u64 = 0x088;
const EVENT_INJECTION: u64 = 0x0a8;
const RFLAGS: u64 = 0x570;
const RAX: u64 = 0x5f8;

const fn vmcb(words: Words, field: u64, inverted: u64) -> Row {
    row(words, "qemu-tcg", (Place::VmcbField, field), inverted)
}

pub(super) const TABLE: &[Row] = &[
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
    vmcb(("seen-svm-code", "The exit code is another one.", Feature::SvmIntercepts), EXIT_CODE, 1),
    vmcb(
        (
            "seen-svm-control-register",
            "An access of a control register has another exit code.",
            Feature::SvmControlRegisters,
        ),
        EXIT_CODE,
        1,
    ),
    vmcb(("seen-svm-exception", "An exception has another exit code.", Feature::SvmExceptions), EXIT_CODE, 1),
    vmcb(
        ("seen-svm-exception-code", "The error code of an exception is wrong.", Feature::SvmExceptions),
        EXIT_INFO_1,
        1,
    ),
    vmcb(("seen-svm-port", "EXITINFO1 names another port.", Feature::SvmPorts), EXIT_INFO_1, 1 << 16),
    vmcb(("seen-svm-msr", "EXITINFO1 tells a read for a write of an MSR.", Feature::SvmMsrs), EXIT_INFO_1, 1),
    vmcb(("seen-svm-saved-flags", "RFLAGS of L2 are saved with CF inverted.", Feature::SvmState), RFLAGS, 1),
    vmcb(("seen-svm-saved-rax", "RAX of L2 is saved with bit 0 inverted.", Feature::SvmState), RAX, 1),
    vmcb(("seen-svm-interrupted", "EXITINTINFO names another vector.", Feature::SvmInjection), EXIT_INTERRUPT_INFO, 1),
    vmcb(
        ("seen-svm-injected", "EVENTINJ of what was delivered stays valid.", Feature::SvmInjection),
        EVENT_INJECTION,
        1 << 31,
    ),
    vmcb(
        ("seen-svm-virtual-interrupt", "V_IRQ stays, and is set where there is none.", Feature::SvmInterrupts),
        VIRTUAL_INTERRUPT,
        1 << 8,
    ),
    vmcb(("seen-svm-shadow", "The interrupt shadow is saved inverted.", Feature::SvmInterrupts), INTERRUPT_SHADOW, 1),
    vmcb(
        (
            "seen-svm-nested-access",
            "A nested page fault tells a page present that is not, and the reverse.",
            Feature::SvmNestedPaging,
        ),
        EXIT_INFO_1,
        1,
    ),
    vmcb(
        ("seen-svm-nested-address", "A nested page fault is at the next page.", Feature::SvmNestedPaging),
        EXIT_INFO_2,
        1 << 12,
    ),
];
