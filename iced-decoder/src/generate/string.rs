//! String instructions: repetition, and where RSI and RDI point.

use super::{
    addressing,
    draft::{Draft, mask},
    place::{self, Wish},
    recipe::Memory,
};
use crate::machine::window::{PAGE, Page};
use iced_x86::{OpCodeOperandKind as Kind, OpKind};

const RCX: usize = 1;
const RSI: usize = 6;
const RDI: usize = 7;

/// Direction flag.
const DF: u64 = 1 << 10;

/// Most repetitions: enough to see that they go on, and short on a device.
const MAX_REPETITIONS: u64 = 16;
/// Some are so long that they cross a page wherever they begin, or nearly so.
const MAX_LONG_REPETITIONS: u64 = 600;

/// Decides about REP and REPNE, and returns how many elements are accessed at most.
pub(super) fn repetitions(draft: &mut Draft<'_>) -> u64 {
    let info = draft.recipe.code.op_code();
    let can_repeat = info.can_use_rep_prefix() || info.can_use_repne_prefix();
    if draft.recipe.memory != Memory::String || !can_repeat || draft.random.once_in(3) {
        return 1;
    }
    if info.can_use_repne_prefix() && (!info.can_use_rep_prefix() || draft.random.once_in(2)) {
        draft.instruction.set_has_repne_prefix(true);
    } else {
        draft.instruction.set_has_rep_prefix(true);
    }
    let most = MAX_LONG_REPETITIONS.min(PAGE / draft.recipe.size);
    match draft.random.below(32) {
        0..4 => 0,
        4..8 => 1,
        8..12 => 2,
        12..16 => MAX_REPETITIONS,
        16 => most,
        17 => draft.random.below(most + 1),
        _ => draft.random.below(MAX_REPETITIONS + 1),
    }
}

/// Points RSI, RDI or both to memory, and sets the count. 16 bits of DI reach no window, because the base of ES is 0: they
/// point to where nothing is mapped, while EDI may point to the window.
pub(super) fn string(draft: &mut Draft<'_>, repetitions: u64) {
    let bits = addressing::implied_bits(draft);
    let is_repeated = draft.instruction.has_rep_prefix() || draft.instruction.has_repne_prefix();
    let is_maskmov = draft.recipe.operands.contains(&Kind::seg_rDI);
    let goes_down = draft.registers.rflags & DF != 0 && !is_maskmov;
    let mut last = repetitions.saturating_sub(1) * draft.recipe.size;
    let mut count = repetitions;
    if is_repeated && draft.random.once_in(24) {
        (count, last) = (endless(draft, bits), 0);
        draft.place.offset = before_an_end(draft, goes_down);
    }
    if is_repeated {
        draft.fix_address(RCX, bits, count);
    }
    let start = |address: u64| if goes_down { address + last } else { address };
    let first = draft.place.address();
    let mut nr = 0;
    for number in 0..draft.recipe.operands.len() {
        let kind = draft.recipe.operands[number];
        let (register, op_kind) = match (kind, bits) {
            (Kind::seg_rSI, 64) => (RSI, OpKind::MemorySegRSI),
            (Kind::seg_rSI, 32) => (RSI, OpKind::MemorySegESI),
            (Kind::seg_rSI, _) => (RSI, OpKind::MemorySegSI),
            (Kind::es_rDI, 64) => (RDI, OpKind::MemoryESRDI),
            (Kind::es_rDI, 32) => (RDI, OpKind::MemoryESEDI),
            (Kind::es_rDI, _) => (RDI, OpKind::MemoryESDI),
            (Kind::seg_rDI, 64) => (RDI, OpKind::MemorySegRDI),
            (Kind::seg_rDI, 32) => (RDI, OpKind::MemorySegEDI),
            (Kind::seg_rDI, _) => (RDI, OpKind::MemorySegDI),
            _ => continue,
        };
        draft.instruction.set_op_kind(number as u32, op_kind);
        let address = start(if nr == 0 { first } else { second(draft) });
        nr += 1;
        match (kind, bits) {
            (Kind::es_rDI, 16) => {
                let value = low(draft, address);
                draft.fix(RDI, value);
            }
            (Kind::es_rDI, _) => draft.fix_address(register, bits, address),
            _ => {
                let offset = addressing::segment_for(draft, bits, address);
                draft.fix_address(register, bits, offset);
            }
        }
    }
}

/// A count that no window is long enough for.
fn endless(draft: &mut Draft<'_>, bits: u32) -> u64 {
    match draft.random.below(3) {
        0 => mask(bits),
        1 => 1 << (bits - 1),
        _ => draft.random.bits() | 0x4000,
    }
}

/// An offset from which few elements lead to where nothing is mapped.
fn before_an_end(draft: &mut Draft<'_>, goes_down: bool) -> u64 {
    let size = draft.recipe.size;
    let distance = size * draft.random.below(24) + if draft.random.once_in(4) { draft.random.below(size) } else { 0 };
    if goes_down {
        return distance;
    }
    let [_, second] = draft.place.window.pages();
    let end = if matches!(second, Page::Absent) { PAGE } else { 2 * PAGE };
    end - size - distance
}

/// EDI whose lower half is not that of an address in the window, but the border of the 64 KiB, or anything but near it.
fn low(draft: &mut Draft<'_>, address: u64) -> u64 {
    let low = match draft.random.below(4) {
        0 => address & 0xffff,
        1 => draft.random.below(16) * draft.recipe.size,
        _ => draft.random.below(0xff00),
    };
    address & mask(32) & !0xffff | low
}

/// A place for a second operand in the same window: beside the first one, overlapping it, or anywhere.
fn second(draft: &mut Draft<'_>) -> u64 {
    let size = draft.size;
    let offset = match draft.random.below(4) {
        0 => draft.place.offset + draft.random.below(size + 1),
        1 => draft.place.offset.saturating_sub(draft.random.below(size + 1)),
        2 => draft.place.offset ^ PAGE,
        _ => {
            let wish = Wish { size, alignment: draft.recipe.size.next_power_of_two().min(64), is_strict: false };
            place::choose(&mut draft.random, wish).offset
        }
    };
    draft.place.window.address() + offset.min(2 * PAGE - size)
}
