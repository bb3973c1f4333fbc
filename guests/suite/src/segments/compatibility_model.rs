//! IRETQ and RETFQ from 64-bit mode to compatibility mode and the ways back, at CPL 3.
//!
//! Sources: SDM vol. 2, "IRET/IRETD/IRETQ—Interrupt Return", "RET—Return From Procedure", "JMP—Jump", "CALL—Call Procedure";
//! SDM vol. 3A, "Code-Segment Descriptor"; APM vol. 2, "Compatibility Mode".

use super::columns::columns;
use super::runtime::Outcome;

/// EFLAGS.RF, which UD2 sets in its image.
const RF: u64 = 1 << 16;
/// EFLAGS.VM.
const VM: u64 = 1 << 17;

columns! {
    /// What is found at the target, where an instruction pushes EAX and the next is UD2.
    Arrived { outcome, rip, cs, ss, rsp, rflags = !RF }
}

/// The mode of a code segment, by the size of what PUSH pushes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// 16-bit compatibility mode.
    Bits16 = 2,
    /// 32-bit compatibility mode.
    Bits32 = 4,
    /// 64-bit mode.
    Bits64 = 8,
}

/// How code goes to another code segment of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// IRETQ in 64-bit mode, which pops SS and RSP at every level.
    Iretq,
    /// RETFQ in 64-bit mode.
    Retfq,
    /// IRETD in compatibility mode, which pops three doublewords only.
    Iretd,
    /// Far RET of doublewords in compatibility mode.
    Retf,
    /// Indirect far JMP in compatibility mode.
    Jump,
}

impl Way {
    /// Whether the image of RFLAGS is loaded.
    const fn loads_flags(self) -> bool {
        matches!(self, Self::Iretq | Self::Iretd)
    }

    /// Bytes that it pops, and adds to the stack pointer; IRETQ loads that instead.
    pub(crate) const fn popped(self) -> u64 {
        match self {
            Self::Iretq => 0,
            Self::Retfq => 16,
            Self::Iretd => 12,
            Self::Retf => 8,
            Self::Jump => 0,
        }
    }
}

/// UD2 behind the PUSH of one byte at `target`, an offset in the code segment, is reached with the stack that starts at
/// `stack` before what the way pops.
pub(crate) const fn arrived(way: Way, size: Size, target: u64, cs: u16, ss: u16, stack: u64, image: u64) -> Arrived {
    Arrived {
        outcome: Outcome::UD.0,
        rip: target + 1,
        cs: cs as u64,
        ss: ss as u64,
        rsp: stack + way.popped() - size as u64,
        // Long mode has no virtual-8086 mode, so VM of the image is not loaded.
        rflags: if way.loads_flags() { image & !VM } else { 2 },
    }
}

/// The same behind a far RET of quadwords from level `from` to level `to`: to an outer one it loads SS and RSP, the second
/// of `stacks`; at the same level it keeps SS, and the first stack without what it popped.
pub(crate) const fn arrived_outside(
    from: u16,
    to: u16,
    size: Size,
    target: u64,
    cs: u16,
    ss: u16,
    stacks: [u64; 2],
) -> Arrived {
    let stack = if to == from { stacks[0] } else { stacks[1] - Way::Retfq.popped() };
    arrived(Way::Retfq, size, target, cs, ss, stack, 2)
}
