//! What cases of the host see wrong beside requests of KVM's interface: a processor's state, and results of instructions.

use super::super::{Trial, Wrong};
use crate::{
    emulation::garbled::Garbling::{self, Extended, Flags, Memory, Register},
    host_cases::Wrong::{Emulated, Field},
};
use case::Feature::{self, EmulationEvex, EmulationLegacy, EmulationVex, EmulationX87, StateReset};

/// Offsets in the XSAVE area (SDM vol. 1, "Legacy Region of an XSAVE Area"): ST0 and XMM0.
const ST0: Garbling = Extended(32);
const XMM0: Garbling = Extended(160);

const TABLE: &[(&str, &str, Feature, crate::host_cases::Wrong)] = &[
    ("reset-rip", "A processor behind reset stands at the next instruction.", StateReset, Field("RIP", 1)),
    ("reset-flags", "CF is set behind reset and behind INIT.", StateReset, Field("RFLAGS", 1)),
    ("emulation-flags", "An emulated instruction leaves CF inverted.", EmulationLegacy, Emulated(Flags)),
    ("emulation-register", "An emulated instruction leaves RAX wrong.", EmulationLegacy, Emulated(Register)),
    ("emulation-memory", "An emulated instruction writes a byte that it must not.", EmulationLegacy, Emulated(Memory)),
    ("emulation-x87", "An emulated instruction leaves ST0 wrong.", EmulationX87, Emulated(ST0)),
    ("emulation-vex", "An emulated VEX-encoded instruction leaves XMM0 wrong.", EmulationVex, Emulated(XMM0)),
    ("emulation-evex", "An emulated EVEX-encoded instruction leaves XMM0 wrong.", EmulationEvex, Emulated(XMM0)),
];

/// All of them.
pub(in super::super) fn trials() -> impl Iterator<Item = Trial> {
    TABLE.iter().map(|&(id, what, feature, wrong)| Trial {
        id: id.to_owned(),
        what: what.to_owned(),
        feature,
        wrong: Wrong::Host(wrong),
    })
}
