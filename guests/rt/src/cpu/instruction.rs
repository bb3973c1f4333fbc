//! Single instructions, as values of what they lead to.
//!
//! A case needs hundreds of different instructions; [`crate::instruction!`] makes each one a call inside of
//! [`crate::catch`], so that a case stays free of unsafe code.

/// Executes assembly inside of [`crate::catch`], with operands as `asm!` takes them, and yields
/// `Result<(), Exception>`.
///
/// Outputs are written to variables that exist before; after an exception they hold what they held. The assembly must
/// leave the runtime alone: its memory, its descriptor tables, and the registers that it does not name.
#[macro_export]
macro_rules! instruction {
    ($($assembly:tt)+) => {
        $crate::catch(|| {
            #[expect(unsafe_code, reason = "the instruction that the case is about")]
            // SAFETY: the operands name all that it changes; an exception in it is caught.
            unsafe {
                ::core::arch::asm!($($assembly)+)
            }
        })
    };
}

/// Defines a function for ring 3 out of assembly: `user_code!(name: "…")` is an `extern "C" fn(u64) -> u64` whose
/// argument is in RDI and whose result is what it leaves in RAX.
///
/// The function may use any instruction, and must preserve what the System V ABI preserves.
#[macro_export]
macro_rules! user_code {
    ($(#[$doc:meta])* $name:ident: $($assembly:tt)+) => {
        // A naked function takes no lint attribute, hence the module around it.
        #[expect(unsafe_code, reason = "code for ring 3 is assembly")]
        mod $name {
            $(#[$doc])*
            // SAFETY: the section holds code that only ring 3 executes.
            #[unsafe(naked)]
            #[unsafe(link_section = ".text.user")]
            pub(super) extern "C" fn $name(_argument: u64) -> u64 {
                ::core::arch::naked_asm!($($assembly)+)
            }
        }
        use $name::$name;
    };
}
