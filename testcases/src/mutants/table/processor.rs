//! Rules of processors broken where a hypervisor stands between: what an exception leaves, what registers hold behind an exit,
//! and whether an interrupt of another processor comes.

use super::{super::Mutant, access, apic, event::event, machine, msr::msr};
use case::Feature;
use vmm::faults::{
    AccessEffect, Direction::Read, EventEffect, ExitKind, MsrEffect, RegisterName, Space::Ports, model::LocalApicFault,
};

/// A page fault's error code tells a page present that is not, and the reverse.
const PRESENT: EventEffect = EventEffect::ErrorCodeXor(1);
/// It names another selector.
const SELECTOR: EventEffect = EventEffect::ErrorCodeXor(8);

/// IA32_EFER, whose bit 11 is NXE.
const EFER: (u32, u32) = (0xc000_0080, 0xc000_0080);

pub(super) const TABLE: &[Mutant] = &[
    msr("processor-nxe", "EFER.NXE cannot be changed.", Feature::PagingEveryCombination, EFER, MsrEffect::WriteDropped),
    msr(
        "processor-efer-modes",
        "EFER stays in other modes.",
        Feature::PagingModeSwitches,
        EFER,
        MsrEffect::WriteDropped,
    ),
    msr("processor-efer-pae", "EFER stays with PAE paging.", Feature::PagingPae, EFER, MsrEffect::WriteDropped),
    msr(
        "processor-efer-switches",
        "EFER stays when modes are switched.",
        Feature::ModeSwitches,
        EFER,
        MsrEffect::WriteDropped,
    ),
    event(
        "processor-pf-dirty",
        "Faults of pages that are there tell of none.",
        Feature::PagingAccessedDirty,
        14,
        PRESENT,
    ),
    event("processor-gp-branch", "A branch to nowhere names a selector.", Feature::BranchTargets, 13, SELECTOR),
    event(
        "processor-ud-hypercall",
        "A hypercall that is none raises #GP.",
        Feature::HypercallPrivilege,
        6,
        EventEffect::Vector(13),
    ),
    event(
        "processor-ud-locked-hypercall",
        "A hypercall with LOCK raises #GP.",
        Feature::HypercallKvm,
        6,
        EventEffect::Vector(13),
    ),
    event(
        "processor-gp-sensitive",
        "Sensitive instructions raise #UD at CPL 3.",
        Feature::Ring3Computation,
        13,
        EventEffect::Vector(6),
    ),
    event(
        "processor-ud-extended",
        "Instructions of extended state raise #GP instead of #UD.",
        Feature::Ring3ExtendedState,
        6,
        EventEffect::Vector(13),
    ),
    event("processor-gp-transitions", "INT n names another vector.", Feature::Ring3Transitions, 13, SELECTOR),
    event(
        "processor-ud-string",
        "A string instruction with LOCK raises #GP.",
        Feature::StringInstructions,
        6,
        EventEffect::Vector(13),
    ),
    apic::rule(
        "processor-interrupts-ended",
        "Interrupts of others never end.",
        Feature::SmpInterrupts,
        LocalApicFault::EoiIgnored,
    ),
    apic::rule(
        "processor-self-interrupt",
        "Interrupts to oneself are lost.",
        Feature::SmpInterrupts,
        LocalApicFault::SelfIpiLost,
    ),
    apic::rule(
        "processor-wake-up",
        "A second interrupt wakes nobody up.",
        Feature::SmpHalt,
        LocalApicFault::EoiIgnored,
    ),
    apic::rule(
        "processor-shootdown",
        "A second request to flush is lost.",
        Feature::SmpTlbShootdown,
        LocalApicFault::EoiIgnored,
    ),
    machine::mutant(
        "processor-string-index",
        "RDI is a byte too far behind an exit.",
        Feature::ModeStrings,
        machine::exit(ExitKind::Any, machine::register(RegisterName::Rdi, 1)),
    ),
    access(
        "processor-string-ports",
        "What INS reads has a bit inverted.",
        Feature::ModeStrings,
        (Ports, 0, 0xffff, Read, None),
        AccessEffect::Xor(1),
    ),
];
