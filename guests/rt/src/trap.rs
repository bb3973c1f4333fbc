//! Interrupts with a handler, and exceptions that nothing expected.

#![expect(unsafe_code, reason = "called from the assembly of the vectors")]
// UNSAFETY: one exported function, called with a frame that the vectors' code has just pushed.

use crate::{layout, report};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// RFLAGS.IF: interrupts are let in.
const IF: u64 = 1 << 9;

/// What the vectors' code pushed: general-purpose registers, then what the processor pushed.
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "registers")]
pub struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rax: u64,
    pub vector: u64,
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// A handler: it may change the frame, and so what the interrupted code finds.
pub type Handler = fn(&mut TrapFrame);

static HANDLERS: [AtomicUsize; 256] = [const { AtomicUsize::new(0) }; 256];

/// The vector that came again before the first instruction of its handler, on any processor; 0 for none.
static REDELIVERED: AtomicU8 = AtomicU8::new(0);

/// The vector that came again before the first instruction of its handler, if one did.
pub(crate) fn redelivered() -> Option<u8> {
    Some(REDELIVERED.load(Ordering::Acquire)).filter(|vector| *vector != 0)
}

/// Removes its handler when dropped.
#[derive(Debug)]
pub struct Handling(u8);

impl Drop for Handling {
    fn drop(&mut self) {
        HANDLERS[usize::from(self.0)].store(0, Ordering::Relaxed);
    }
}

/// Lets `handler` handle `vector` until the result is dropped.
///
/// A vector below 32 reaches it only outside of [`crate::catch`] and [`crate::user`] calls.
#[must_use = "the handler is removed when this is dropped"]
pub fn handle(vector: u8, handler: Handler) -> Handling {
    install(vector, Some(handler));
    Handling(vector)
}

/// Lets `handler` handle `vector`, or nobody.
pub(crate) fn install(vector: u8, handler: Option<Handler>) {
    HANDLERS[usize::from(vector)].store(handler.map_or(0, |handler| handler as usize), Ordering::Relaxed);
}

/// # Safety
/// `frame` is the frame that the vectors' code has pushed.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn trap_dispatch(frame: *mut TrapFrame) {
    // SAFETY: by the contract above; nothing else refers to the frame while the handler runs.
    let frame = unsafe { &mut *frame };
    // Its frame is where the first one's was, so that the handlers would return to themselves for ever.
    if frame.rip == layout::VECTORS + frame.vector * layout::VECTOR_STUB_SIZE && frame.rflags & IF == 0 {
        REDELIVERED.store(frame.vector as u8, Ordering::Release);
        // The first processor tells, at the end of the case: two of them would tell at once.
        crate::smp::stop_if_not_first(frame);
        report::redelivered(frame.vector);
    }
    let handler = HANDLERS[(frame.vector & 0xff) as usize].load(Ordering::Relaxed);
    if handler != 0 {
        // SAFETY: only `handle` stores a value that is not 0, and it stores a `Handler`.
        let handler: Handler = unsafe { core::mem::transmute(handler) };
        handler(frame);
    } else if !crate::catch::divert(frame) {
        crate::smp::stop_if_not_first(frame);
        report::unexpected_exception(frame);
    }
}
