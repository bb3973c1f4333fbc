//! Of modes, gates, tasks and paging, and of what few hosts have; on Bochs unless QEMU's translator has more of it.

use super::{Row, Words, row};
use case::{
    Feature,
    observation::{Place, arrival, cpuid_register, exception},
};

/// The number of RAX.
const RAX: u64 = 0;
/// Where an SMI saves RCX, as an offset from SMBASE (APM vol. 2, "AMD64 Architecture SMM State-Save Area").
const SMM_RCX: u64 = 0xfff0;

const fn arrival(words: Words, word: u64, inverted: u64) -> Row {
    row(words, "bochs", (Place::Arrival, word), inverted)
}

pub(super) const TABLE: &[Row] = &[
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
