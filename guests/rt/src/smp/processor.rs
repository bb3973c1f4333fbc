//! What each processor has of its own at the same linear address: the page [`layout::PROCESSOR`].
//!
//! The first processor has the image's page there. The page tables of the others put another page of memory there, so
//! that no code asks which processor it is on: one-processor paths cost nothing more.

#![expect(unsafe_code, reason = "the page stands at a fixed address, in a section of its own")]
// UNSAFETY: a link section with one static, whose size and place `link.ld` asserts, and references to what stands there.

use crate::{
    catch::Frame,
    layout,
    tables::{BOOT_STACKS, KERNEL_STACK, USER_STACK},
};
use core::{
    arch::global_asm,
    mem::offset_of,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

/// The page. All fields are atomic, because the compiler must not know what this processor's page holds.
#[repr(C, align(4096))]
pub(crate) struct Processor {
    /// `catch_top` of assembly: the innermost frame that waits for an exception, or null.
    catch_top: AtomicPtr<Frame>,
    /// The address behind the stack of ring 0.
    kernel_stack: AtomicPtr<u8>,
    /// The address behind the stack of ring 3.
    user_stack: AtomicPtr<u8>,
    /// 0 on the first processor.
    index: AtomicUsize,
}

/// Offset of the address behind the stack of ring 0, for assembly.
pub(super) const KERNEL_STACK_OFFSET: usize = offset_of!(Processor, kernel_stack);

const _: () = assert!(offset_of!(Processor, catch_top) == 0 && size_of::<Processor>() == 4096);

global_asm!(".global catch_top", ".set catch_top, {PAGE}", PAGE = const layout::PROCESSOR);

impl Processor {
    pub(super) const fn new(index: usize, kernel_stack: *const u8, user_stack: *const u8) -> Self {
        Self {
            catch_top: AtomicPtr::new(core::ptr::null_mut()),
            kernel_stack: AtomicPtr::new(kernel_stack.cast_mut()),
            user_stack: AtomicPtr::new(user_stack.cast_mut()),
            index: AtomicUsize::new(index),
        }
    }

    /// Forgets the frames of whatever ran there before.
    pub(super) fn reset(&self) {
        self.catch_top.store(core::ptr::null_mut(), Ordering::Relaxed);
    }
}

#[used]
// SAFETY: the only static of its section.
#[unsafe(link_section = ".vp.processor")]
static PROCESSOR: Processor = Processor::new(0, BOOT_STACKS.top(KERNEL_STACK), BOOT_STACKS.top(USER_STACK));

/// This processor's page. By its address and not by the static, whose content the compiler knows.
fn own() -> &'static Processor {
    // SAFETY: on each processor a `Processor` stands there, of atomic fields, which is never taken away.
    unsafe { &*core::ptr::with_exposed_provenance::<Processor>(layout::PROCESSOR as usize) }
}

/// The innermost frame that waits for an exception on this processor, or null.
pub(crate) fn read_catch_top() -> *mut Frame {
    own().catch_top.load(Ordering::Relaxed)
}

/// The address behind this processor's stack of ring 3.
pub(crate) fn read_user_stack() -> u64 {
    own().user_stack.load(Ordering::Relaxed) as u64
}

/// Which processor this is: 0 is the first.
pub(super) fn read_index() -> usize {
    own().index.load(Ordering::Relaxed)
}
