//! Machine code of any mode, assembled into the image as data.

/// Code for [`super::Arena::run`]; made by [`crate::machine_code!`].
#[derive(Clone, Copy, Debug)]
pub struct Code {
    start: *const u8,
    end: *const u8,
}

// SAFETY: the pointers name a part of the image that nothing writes to.
unsafe impl Sync for Code {}

impl Code {
    /// The code between two symbols.
    #[doc(hidden)]
    pub const fn new(start: *const u8, end: *const u8) -> Self {
        Self { start, end }
    }

    /// Its first byte.
    pub(super) fn start(&self) -> *const u8 {
        self.start
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.end as usize - self.start as usize
    }
}

/// Machine code for 16 or 32-bit mode, as statics of type [`Code`](crate::excursion::Code):
/// `machine_code! { /// Doc. 32 ADD = "add eax, ecx"; }`.
///
/// The code may stand anywhere: it must name no address of itself but by relative jumps. A name may be used once in an
/// image.
#[macro_export]
macro_rules! machine_code {
    ($($(#[$doc:meta])* $bits:literal $name:ident = $($line:literal),+ $(,)?;)+) => {$(
        ::core::arch::global_asm!(
            ".pushsection .rodata.machine_code, \"a\", @progbits",
            concat!(".code", $bits),
            concat!(".global machine_code_", stringify!($name)),
            concat!("machine_code_", stringify!($name), ":"),
            $($line,)+
            concat!(".global machine_code_end_", stringify!($name)),
            concat!("machine_code_end_", stringify!($name), ":"),
            ".code64",
            ".popsection",
        );
        $(#[$doc])*
        static $name: $crate::excursion::Code = {
            #[expect(unsafe_code, reason = "the assembler's symbols")]
            // SAFETY: the two symbols stand in the assembly above.
            unsafe extern "C" {
                #[link_name = concat!("machine_code_", stringify!($name))]
                safe static START: u8;
                #[link_name = concat!("machine_code_end_", stringify!($name))]
                safe static END: u8;
            }
            $crate::excursion::Code::new(&raw const START, &raw const END)
        };
    )+};
}
