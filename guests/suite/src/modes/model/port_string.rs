//! INS and OUTS: which elements move, what the registers hold behind them, and where they are allowed.
//!
//! Source: SDM vol. 2, "INS/INSB/INSW/INSD—Input from Port to String", "OUTS/OUTSB/OUTSW/OUTSD—Output String to Port",
//! "REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"; SDM vol. 1, "I/O Privilege Level".

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortString {
    /// INS, not OUTS.
    pub(crate) is_input: bool,
    pub(crate) repeats: bool,
    /// Size of an element in bytes.
    pub(crate) size: u32,
    /// Size of the addresses and of the counter in bytes.
    pub(crate) address_size: u32,
}

/// What a program sees of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortState {
    pub(crate) ecx: u32,
    pub(crate) esi: u32,
    pub(crate) edi: u32,
    /// 16 bytes of data, in the middle of which the string starts.
    pub(crate) memory: u128,
    /// What the port's register holds.
    pub(crate) port: u32,
}

/// Where the string starts in [`PortState::memory`], in bytes.
pub(crate) const START: u32 = 8;

/// The state behind the instruction, which starts with `before`, with ESI and EDI at [`START`].
pub(crate) const fn after(instruction: PortString, before: PortState, is_down: bool) -> PortState {
    let PortString { is_input, repeats, size, address_size } = instruction;
    let bits = u32::MAX >> (32 - address_size * 8);
    let mut count = if repeats { before.ecx & bits } else { 1 };
    let element = u128::MAX >> (128 - size * 8);
    let step = if is_down { size.wrapping_neg() } else { size };
    let (mut state, mut place) = (before, START);
    while count != 0 {
        if is_input {
            let value = before.port as u128 & element;
            state.memory = state.memory & !(element << (place * 8)) | value << (place * 8);
            state.edi = state.edi & !bits | state.edi.wrapping_add(step) & bits;
        } else {
            let value = (before.memory >> (place * 8) & element) as u32;
            state.port = state.port & !(element as u32) | value;
            state.esi = state.esi & !bits | state.esi.wrapping_add(step) & bits;
        }
        place = place.wrapping_add(step);
        count -= 1;
        if repeats {
            state.ecx = state.ecx & !bits | state.ecx.wrapping_sub(1) & bits;
        }
    }
    state
}

/// Whether an access to ports is allowed, whose bits of the I/O permission bitmap are all clear or not.
pub(crate) const fn is_allowed(is_virtual_8086: bool, cpl: u32, iopl: u32, is_clear: bool) -> bool {
    if is_virtual_8086 { is_clear } else { cpl <= iopl || is_clear }
}

/// Number of columns of a check: ECX, ESI, EDI, low and high half of the memory, port.
pub(crate) const NR_PORT_COLUMNS: usize = 6;

/// The columns of a state.
pub(crate) const fn columns(state: PortState) -> [u64; NR_PORT_COLUMNS] {
    [
        state.ecx as u64,
        state.esi as u64,
        state.edi as u64,
        state.memory as u64,
        (state.memory >> 64) as u64,
        state.port as u64,
    ]
}
