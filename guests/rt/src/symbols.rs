//! What the compiler expects of a C library, without SSE, and the panic handler.

#![cfg_attr(guest, expect(unsafe_code, reason = "these are C's functions"))]
// UNSAFETY: the contracts are those of the C standard.

#[cfg(guest)]
mod guest {
    use core::arch::asm;

    /// # Safety
    /// C's `memcpy`.
    // SAFETY: the name and meaning are those of C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: by the contract of `memcpy`; DF is clear by the ABI. Quadwords first: an interpreted `rep movsb`
        // costs a step a byte.
        unsafe {
            asm!("rep movsq", "mov rcx, {rest}", "rep movsb", rest = in(reg) length % 8,
                 inout("rcx") length / 8 => _, inout("rdi") to => _, inout("rsi") from => _,
                 options(nostack, preserves_flags));
        }
        to
    }

    /// # Safety
    /// C's `memmove`.
    // SAFETY: the name and meaning are those of C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        if (to as usize).wrapping_sub(from as usize) >= length {
            // SAFETY: copying upwards reads each byte before it is overwritten.
            return unsafe { memcpy(to, from, length) };
        }
        // SAFETY: by the contract of `memmove`; copying downwards reads each byte before it is overwritten.
        unsafe {
            asm!("std", "rep movsb", "cld", inout("rcx") length => _,
                 inout("rdi") to.wrapping_add(length).wrapping_sub(1) => _,
                 inout("rsi") from.wrapping_add(length).wrapping_sub(1) => _, options(nostack));
        }
        to
    }

    /// # Safety
    /// C's `memset`.
    // SAFETY: the name and meaning are those of C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
        let word = u64::from(value as u8) * 0x0101_0101_0101_0101;
        // SAFETY: by the contract of `memset`; DF is clear by the ABI.
        unsafe {
            asm!("rep stosq", "mov rcx, {rest}", "rep stosb", rest = in(reg) length % 8,
                 inout("rcx") length / 8 => _, inout("rdi") to => _, in("rax") word,
                 options(nostack, preserves_flags));
        }
        to
    }

    /// # Safety
    /// C's `memcmp`.
    // SAFETY: the name and meaning are those of C.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
        let mut index = 0;
        while index < length {
            // SAFETY: by the contract of `memcmp` both have `length` bytes.
            let (a, b) = unsafe { (left.add(index).read(), right.add(index).read()) };
            if a != b {
                return i32::from(a) - i32::from(b);
            }
            index += 1;
        }
        0
    }

    /// # Safety
    /// `memcmp` that only tells whether they differ.
    // SAFETY: the name and meaning are those of the compiler's runtime.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
        // SAFETY: the same contract.
        unsafe { memcmp(left, right, length) }
    }

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        crate::report::panicked(info)
    }
}
