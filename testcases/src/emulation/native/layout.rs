//! The address space of the child, and the memory that it shares with the harness.
//!
//! What belongs to the runner lies far from all that an instruction under test is meant to reach; nothing else is
//! mapped but the windows of [`window`].

use iced_decoder::machine::window;

/// Size of a page in bytes.
pub(super) const PAGE: usize = window::PAGE as usize;

/// Linear address of the runner's code: between the windows and what the kernel maps for every process.
pub(super) const RUNNER: u64 = 0x2a00_0000_0000;
/// Linear address of the shared memory in the child.
pub(super) const SHARED: u64 = 0x2a00_1000_0000;
/// Linear address of the gate that code of 32 bits leaves by: below 4 GiB, far from the windows.
pub(super) const GATE: u64 = 0x1f00_0000;
/// Size in bytes of the one instruction at the gate.
const GATE_SIZE: u64 = 6;
/// End of the addresses that a process may map with four levels of page tables.
pub(super) const USER_END: u64 = 0x7fff_ffff_f000;

/// Offsets in the shared memory.
pub(super) mod shared {
    use super::{PAGE, slot};
    use iced_decoder::machine::window;

    /// Words that both sides use, see [`super::control`].
    pub(in super::super) const CONTROL: usize = 0;
    /// The initial extended state.
    pub(in super::super) const INITIAL: usize = PAGE;
    /// The stack that signals are handled on. A frame with AVX-512 takes 4 KiB, one with AMX 12 KiB.
    pub(in super::super) const SIGNAL_STACK: usize = 2 * PAGE;
    /// Size of that stack in bytes.
    pub(in super::super) const SIGNAL_STACK_SIZE: usize = 16 * PAGE;
    /// What the code pages, the stack window and the data windows show.
    pub(in super::super) const CODE: usize = SIGNAL_STACK + SIGNAL_STACK_SIZE;
    /// Pages of the stack window.
    pub(in super::super) const STACK: usize = CODE + window::NR_CODE_PAGES as usize * PAGE;
    /// Pages of the data windows, two for each.
    pub(in super::super) const DATA: usize = STACK + window::NR_STACK_PAGES as usize * PAGE;
    /// What the page of the gate shows.
    pub(in super::super) const GATE: usize = DATA + window::Window::ALL.len() * window::SIZE;
    /// The inputs and outputs of one batch.
    pub(in super::super) const SLOTS: usize = GATE + PAGE;
    /// How many slots there are.
    pub(in super::super) const NR_SLOTS: usize = 32;
    /// Size of the shared memory in bytes.
    pub(in super::super) const SIZE: usize = SLOTS + NR_SLOTS * slot::SIZE;

    const _: () = assert!(SIZE.is_multiple_of(PAGE));
}

/// Offsets in the page of words that both sides use; those that one side waits for have a cache line each.
pub(super) mod control {
    /// Number of the last batch that was handed over; a futex of 32 bits.
    pub(in super::super) const SUBMITTED: usize = 0;
    /// Number of the last batch that was finished; a futex of 32 bits.
    pub(in super::super) const FINISHED: usize = 0x40;
    /// How many slots of the batch are in use; 64 bits.
    pub(in super::super) const COUNT: usize = 0x80;
    /// Index of the next slot; 64 bits.
    pub(in super::super) const NEXT: usize = 0xc0;
    /// Number of the execution that is going on, 0 between executions; 64 bits.
    pub(in super::super) const RUNNING: usize = 0xc8;
    /// Address of the slot that is going on.
    pub(in super::super) const SLOT: usize = 0xd0;
    /// General registers in the order of their numbers, then flags, as the ending found them.
    pub(in super::super) const SAVED: usize = 0x100;
    /// End of a small stack for the runner itself.
    pub(in super::super) const STACK_END: usize = 0x800;
}

/// Offsets in a slot: one input, and then its output.
pub(super) mod slot {
    use super::PAGE;
    use iced_decoder::machine::window;

    /// What IRETQ takes: RIP, CS, RFLAGS, RSP, SS.
    pub(in super::super) const FRAME: usize = 0;
    /// General registers in the order of their numbers; that of RSP is not used.
    pub(in super::super) const GENERAL: usize = 0x28;
    /// Base of FS, then that of GS.
    pub(in super::super) const BASES: usize = 0xa8;
    /// Selector for DS, ES, FS and GS.
    pub(in super::super) const DATA_SELECTOR: usize = 0xb8;
    /// Number of the execution, never 0.
    pub(in super::super) const NUMBER: usize = 0xc0;
    /// Where in the shared memory the code goes (address in the child).
    pub(in super::super) const CODE_AT: usize = 0xc8;
    /// Where in the shared memory the content goes (address in the child).
    pub(in super::super) const CONTENT_AT: usize = 0xd0;
    /// How many words of eight bytes of the content are mapped.
    pub(in super::super) const CONTENT_WORDS: usize = 0xd8;
    /// Address in the child of the extended state to be loaded.
    pub(in super::super) const EXTENDED_FROM: usize = 0xe0;
    /// Whether the extended state is to be saved (0 or 1).
    pub(in super::super) const EXTENDED_WANTED: usize = 0xe8;
    /// The code and its ending.
    pub(in super::super) const CODE: usize = 0x100;
    /// Size of the code and its ending in bytes.
    pub(in super::super) const CODE_SIZE: usize = 32;

    /// How the execution ended, see [`super::kind`]: the start of what the child writes.
    pub(in super::super) const KIND: usize = 0x180;
    /// End of what the harness writes: the last word is that of an execution that did not take place.
    pub(in super::super) const INPUT_END: usize = KIND + 8;
    /// Number of the signal, 32 bits, and its `si_code`, 32 bits.
    pub(in super::super) const SIGNAL: usize = 0x188;
    /// Base of FS, then that of GS.
    pub(in super::super) const OUT_BASES: usize = 0x190;
    /// What a signal's context holds, in its order: 23 words.
    pub(in super::super) const CONTEXT: usize = 0x1a0;
    /// General registers and flags from the ending: 17 words.
    pub(in super::super) const SAVED: usize = 0x280;
    /// End of what the child writes but for the extended state and the content.
    pub(in super::super) const OUTPUT_END: usize = 0x308;

    /// The extended state, before and after.
    pub(in super::super) const EXTENDED: usize = 0x400;
    /// Space for the extended state.
    pub(in super::super) const EXTENDED_SIZE: usize = PAGE;
    /// The content of the window, before and after.
    pub(in super::super) const CONTENT: usize = EXTENDED + EXTENDED_SIZE;
    /// Size of a slot in bytes.
    pub(in super::super) const SIZE: usize = CONTENT + window::SIZE + 0xc00;

    const _: () = assert!(EXTENDED.is_multiple_of(64) && SIZE.is_multiple_of(PAGE));
}

/// Values of [`slot::KIND`]; it is 0 as long as the execution has not taken place.
pub(super) mod kind {
    /// The ending was reached.
    pub(in super::super) const ENDING: u64 = 1;
    /// A signal came.
    pub(in super::super) const SIGNAL: u64 = 2;
}

/// Words of a signal's context, in the order of the kernel's `struct sigcontext` (arch/x86/include/uapi/asm/sigcontext.h).
pub(super) mod context {
    /// How many there are.
    pub(in super::super) const NR_WORDS: usize = 23;
    /// Instruction pointer.
    pub(in super::super) const RIP: usize = 16;
    /// Flags.
    pub(in super::super) const FLAGS: usize = 17;
    /// Error code.
    pub(in super::super) const ERROR_CODE: usize = 19;
    /// Vector.
    pub(in super::super) const VECTOR: usize = 20;
    /// The address of a page fault.
    pub(in super::super) const CR2: usize = 22;
    /// Where RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI and R8 to R15 stand.
    pub(in super::super) const GENERAL: [usize; 16] = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];
}

/// Address in the child of an offset in the shared memory.
pub(super) const fn shared_address(offset: usize) -> u64 {
    SHARED + offset as u64
}

/// Whether an address is that of the gate.
pub(super) const fn is_gate(address: u64) -> bool {
    address >= GATE && address < GATE + GATE_SIZE
}

/// Offset in the shared memory of a data window.
pub(super) const fn data_offset(window: window::Window) -> usize {
    shared::DATA + window as usize * window::SIZE
}
