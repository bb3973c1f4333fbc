//! The 8259As breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, PicFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: PicFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::Pic(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "pic-eoi-does-not-rotate",
        "The rotating commands of OCW2 do not rotate.",
        Feature::PicPriority,
        PicFault::EoiDoesNotRotate,
    ),
    rule(
        "pic-priority-set-ignored",
        "The command that sets the priority does nothing.",
        Feature::PicEndOfInterrupt,
        PicFault::PrioritySetIgnored,
    ),
    rule(
        "pic-auto-eoi-does-not-rotate",
        "An automatic end of interrupt does not rotate.",
        Feature::PicEndOfInterrupt,
        PicFault::AutoEoiDoesNotRotate,
    ),
    rule(
        "pic-auto-eoi-keeps-service",
        "With the automatic end an interrupt stays in service.",
        Feature::PicEndOfInterrupt,
        PicFault::AutoEoiKeepsService,
    ),
    rule(
        "pic-specific-eoi-ends-highest",
        "A specific end of interrupt ends the highest instead.",
        Feature::PicEndOfInterrupt,
        PicFault::SpecificEoiEndsHighest,
    ),
    rule(
        "pic-eoi-ends-lowest",
        "An end that names nothing ends the lowest in service.",
        Feature::PicEndOfInterrupt,
        PicFault::EoiEndsLowest,
    ),
    rule(
        "pic-spurious-is-in-service",
        "What is told when no request is left is in service.",
        Feature::PicSpurious,
        PicFault::SpuriousIsInService,
    ),
    rule("pic-mask-ignored", "Masked inputs interrupt.", Feature::PicEndOfInterrupt, PicFault::MaskIgnored),
    rule(
        "pic-mask-forgets-requests",
        "Writing the mask forgets the edges of masked inputs.",
        Feature::PicEndOfInterrupt,
        PicFault::MaskForgetsRequests,
    ),
    rule(
        "pic-special-mask-ignored",
        "There is no special mask mode.",
        Feature::PicPriority,
        PicFault::SpecialMaskIgnored,
    ),
    rule(
        "pic-fully-nested-ignored",
        "There is no special fully nested mode.",
        Feature::PicCascade,
        PicFault::FullyNestedIgnored,
    ),
    rule("pic-poll-ignored", "A poll command does nothing.", Feature::PicSpurious, PicFault::PollIgnored),
    rule(
        "pic-poll-does-not-acknowledge",
        "A poll does not acknowledge.",
        Feature::PicSpurious,
        PicFault::PollDoesNotAcknowledge,
    ),
    rule(
        "pic-in-service-not-readable",
        "The in-service register cannot be read.",
        Feature::PicInitialization,
        PicFault::InServiceNotReadable,
    ),
    rule("pic-init-keeps-mask", "ICW1 does not clear the mask.", Feature::PicInitialization, PicFault::InitKeepsMask),
    rule(
        "pic-init-keeps-special-mask",
        "ICW1 does not take back special mask mode.",
        Feature::PicInitialization,
        PicFault::InitKeepsSpecialMask,
    ),
    rule(
        "pic-level-ignored",
        "Inputs that should be level-triggered are edge-triggered.",
        Feature::PicCascade,
        PicFault::LevelIgnored,
    ),
    rule(
        "pic-fall-keeps-request",
        "An edge whose level falls is still a request.",
        Feature::PicSpurious,
        PicFault::FallKeepsRequest,
    ),
    rule(
        "pic-service-blocks-nothing",
        "What is in service blocks nothing.",
        Feature::PicPriority,
        PicFault::ServiceBlocksNothing,
    ),
    rule(
        "pic-service-blocks-all",
        "What is in service blocks everything.",
        Feature::PicPriority,
        PicFault::ServiceBlocksAll,
    ),
    rule(
        "pic-vector-keeps-low-bits",
        "The vector's low bits are those of ICW2.",
        Feature::PicInitialization,
        PicFault::VectorKeepsLowBits,
    ),
    rule(
        "pic-cascade-ignored",
        "The second controller is never asked for its vector.",
        Feature::PicCascade,
        PicFault::CascadeIgnored,
    ),
    rule(
        "pic-level-bits-writable",
        "The reserved bits of the edge/level control registers stay as written.",
        Feature::PicCascade,
        PicFault::LevelBitsWritable,
    ),
    rule("pic-icw4-not-awaited", "ICW4 is not awaited.", Feature::PicInitialization, PicFault::Icw4NotAwaited),
];
