//! EFLAGS behind IRET and IRETD outside of long mode, by CPL, IOPL and operand size; and where a return to virtual-8086
//! mode leads.
//!
//! Sources: SDM vol. 2, "IRET/IRETD/IRETQ—Interrupt Return" (RETURN-TO-SAME-PRIVILEGE-LEVEL, RETURN-TO-VIRTUAL-8086-MODE,
//! RETURN-FROM-VIRTUAL-8086-MODE); APM vol. 3, "IRET".

use super::{
    columns::columns,
    runtime::{
        Outcome,
        excursion::{ARENA, ARENA_SEGMENT, layout},
    },
};

/// EFLAGS.RF.
pub(crate) const RF: u32 = 1 << 16;
/// EFLAGS.VM.
pub(crate) const VM: u32 = 1 << 17;
const IF: u32 = 1 << 9;
const IOPL: u32 = 3 << 12;
const VIF_VIP: u32 = 3 << 19;
/// CF, PF, AF, ZF, SF, TF, DF, OF and NT.
const LOW: u32 = 0x4dd5;
/// AC and ID.
const HIGH: u32 = 1 << 18 | 1 << 21;
/// Offset in the arena that each return goes to, above its stacks.
pub(crate) const TARGET: u32 = 0xf800;
/// Where the frame of the handler of CPL 0 ends that a program at CPL 3 enters.
const HANDLER_TOP: u32 = ARENA + layout::STACK_0;

columns! {
    /// What stands behind a return to the same level: UD2 at its target sets RF in the image that is looked at.
    Same { outcome, eip, cs, eflags = !(RF as u64), sp = 0xffff }
    /// What stands behind a return to virtual-8086 mode: a HLT, which raises #GP(0).
    Into8086 { outcome, ip, cs, eflags = !(RF as u64), esp, ss, es, ds, fs, gs, handler_esp }
    /// What a return from virtual-8086 mode with IOPL below 3 leaves.
    Refused { outcome, ip, sp = 0xffff, eflags = !(RF as u64) }
    /// Whether an instruction breakpoint at the target is masked by RF.
    Masked { outcome, eip }
}

/// EFLAGS behind a return to the same level. VM never changes: at CPL 0 the image of a doubleword with VM set is one of
/// another kind of return.
pub(crate) const fn same_level_flags(before: u32, image: u32, cpl: u32, size: u32) -> u32 {
    let mut loaded = LOW;
    if size == 4 {
        loaded |= HIGH | RF;
    }
    if cpl <= before >> 12 & 3 {
        loaded |= IF;
    }
    if cpl == 0 {
        loaded |= IOPL | if size == 4 { VIF_VIP } else { 0 };
    }
    before & !loaded | image & loaded | 2
}

/// The images of a return: each bit of EFLAGS alone, none and all of them.
pub(crate) const NR_IMAGES: usize = 34;

/// An image by its number.
pub(crate) const fn image(number: usize) -> u32 {
    match number {
        32 => 0,
        33 => u32::MAX,
        bit => 1 << bit,
    }
}

/// Whether an image belongs to a return to the same level: NT counts before the instruction alone, so every image does but
/// those that enter virtual-8086 mode.
pub(crate) const fn is_same_level(image: u32, cpl: u32, size: u32) -> bool {
    cpl != 0 || size == 2 || image & VM == 0
}

/// EFLAGS before a return, by number: nothing but IOPL, and all that can be set without a trap or a task return. At CPL 0
/// POPFD sets them, which does not load VIF and VIP.
pub(crate) const fn before(number: usize, iopl: u32, cpl: u32) -> u32 {
    let virtual_flags = if cpl == 0 { 0 } else { VIF_VIP };
    2 | iopl << 12 | if number == 0 { 0 } else { LOW & !(1 << 8 | 1 << 14) | HIGH | IF | virtual_flags }
}

/// UD2 at the target is reached in the same segment, and `esp` is the stack above the frame. Bits that no flag has read as
/// zero.
pub(crate) const fn same(before: u32, image: u32, cpl: u32, size: u32, cs: u32, esp: u32) -> Same {
    Same {
        outcome: Outcome::UD.0,
        eip: TARGET as u64,
        cs: cs as u64,
        eflags: same_level_flags(before, image, cpl, size) as u64,
        sp: esp as u64,
    }
}

/// RF of a doubleword's image masks an instruction breakpoint at the target, so that UD2 raises #UD; else there is #DB.
pub(crate) const fn masked(image: u32, size: u32) -> Masked {
    let is_masked = size == 4 && image & RF != 0;
    Masked { outcome: if is_masked { Outcome::UD.0 } else { Outcome::DB.0 }, eip: TARGET as u64 }
}

/// ES, DS, FS and GS of a frame that leads to virtual-8086 mode, and ESP.
pub(crate) const PARAGRAPHS: [u32; 4] = [0xfff8, 1, 0x1444, 0x1111];
pub(crate) const ESP: u32 = 0x7ffb_d000;

/// EFLAGS images that enter virtual-8086 mode from CPL 0, with this IOPL: each flag that exists alone, and all.
pub(crate) const INTO: [u32; 17] = [
    0,
    1,
    1 << 2,
    1 << 4,
    1 << 6,
    1 << 7,
    1 << 8,
    IF,
    1 << 10,
    1 << 11,
    1 << 14,
    RF,
    1 << 18,
    1 << 19,
    1 << 20,
    1 << 21,
    LOW | HIGH | IF | VIF_VIP | RF,
];

/// All of the image is loaded, and all segment registers; the handler's frame has nine doublewords.
pub(crate) const fn into_8086(row: usize, iopl: u32) -> Into8086 {
    Into8086 {
        outcome: Outcome::GP.0,
        ip: TARGET as u64,
        cs: ARENA_SEGMENT as u64,
        eflags: (INTO[row] | VM | iopl << 12 | 2) as u64,
        esp: ESP as u64,
        ss: ARENA_SEGMENT as u64,
        es: PARAGRAPHS[0] as u64,
        ds: PARAGRAPHS[1] as u64,
        fs: PARAGRAPHS[2] as u64,
        gs: PARAGRAPHS[3] as u64,
        handler_esp: (HANDLER_TOP - 36) as u64,
    }
}

/// #GP(0) at the return, with the frame at `esp` and EFLAGS as before.
pub(crate) const fn refused(esp: u32, eflags: u32) -> Refused {
    Refused { outcome: Outcome::GP.0, ip: layout::CODE as u64, sp: esp as u64, eflags: eflags as u64 }
}
