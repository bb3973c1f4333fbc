//! Strings and slices of static data with a layout that is the same in every build.

#![expect(unsafe_code, reason = "raw pointers to statics are shared between threads")]
// UNSAFETY: two `unsafe impl Sync`, for pointers that are only ever made from `&'static` data.

use core::mem::{offset_of, size_of};

/// A `&'static str` as address and length, so that the host can follow it in the ELF file.
///
/// `&str` itself has no guaranteed layout.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    address: *const u8,
    length: usize,
}

// SAFETY: the pointer is made from a `&'static str` in `Text::new`, which is immutable and lives for ever.
unsafe impl Sync for Text {}

impl Text {
    /// The empty text.
    pub const EMPTY: Self = Self::new("");

    /// Makes a text from a string that lives for ever.
    pub const fn new(text: &'static str) -> Self {
        Self { address: text.as_ptr(), length: text.len() }
    }

    /// The string. Free of cost.
    pub const fn get(&self) -> &'static str {
        // SAFETY: 1. address and length come from one `&'static str` (`Text::new` is the only constructor and
        // the fields are private). 2. so do its bytes, which are UTF-8 and never change.
        unsafe { core::str::from_utf8_unchecked(core::slice::from_raw_parts(self.address, self.length)) }
    }
}

impl core::fmt::Debug for Text {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.get())
    }
}

/// A `&'static [T]` as address and number of elements.
#[repr(C)]
pub struct Slice<T: 'static> {
    address: *const T,
    length: usize,
}

// SAFETY: the pointer is made from a `&'static [T]` in `Slice::new`, and `T: Sync` may be shared.
unsafe impl<T: Sync> Sync for Slice<T> {}

impl<T> Slice<T> {
    /// Makes it from a slice that lives for ever.
    pub const fn new(slice: &'static [T]) -> Self {
        Self { address: slice.as_ptr(), length: slice.len() }
    }

    /// The slice. Free of cost.
    pub const fn get(&self) -> &'static [T] {
        // SAFETY: address and length come from one `&'static [T]`; the fields are private.
        unsafe { core::slice::from_raw_parts(self.address, self.length) }
    }
}

const _: () = assert!(size_of::<Text>() == 16 && offset_of!(Text, address) == 0 && offset_of!(Text, length) == 8);
const _: () = assert!(size_of::<Slice<u64>>() == 16 && offset_of!(Slice<u64>, length) == 8);
