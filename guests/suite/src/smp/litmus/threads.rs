//! The programs as instructions: each thread runs its part once for each of many sets of locations.
//!
//! All threads walk along the sets in the same order. They meet at each one, as long as their turns last: the model holds
//! for any timing, and a processor may not be running at all.

use super::programs::programs;
use rt::user_code;

/// Where the threads meet, then the three locations, each in a cache line of its own.
pub(super) const NR_LINES: usize = 4;

macro_rules! address {
    (x) => {
        "[r8]"
    };
    (y) => {
        "[r9]"
    };
    (z) => {
        "[r10]"
    };
}

macro_rules! name_of {
    (a) => {
        "eax"
    };
    (b) => {
        "ebx"
    };
}

macro_rules! text {
    (w $at:ident $value:literal) => {
        concat!("mov dword ptr ", address!($at), ", ", $value)
    };
    (r $to:ident $at:ident) => {
        concat!("mov ", name_of!($to), ", ", address!($at))
    };
    (xchg $to:ident $at:ident $value:literal) => {
        concat!("mov ", name_of!($to), ", ", $value, "\nxchg ", name_of!($to), ", ", address!($at))
    };
    (mfence) => {
        "mfence"
    };
}

macro_rules! thread {
    ($thread:ident $([$($op:tt)+])+) => {
        user_code!($thread:
            "push rbx", "push r12", "push r13", "push r14", "push r15",
            // The set, where results go, how many sets, how many threads, a mask of how long to wait before each, and how
            // often to ask whether the others are there, which what is left of is kept for the next program.
            "mov rsi, [rdi]", "mov rcx, [rdi + 8]", "mov r11, [rdi + 16]", "mov r13, [rdi + 24]", "mov r14, [rdi + 32]",
            "mov r15, [rdi + 40]",
            "2:", "lea r8, [rsi + 64]", "lea r9, [rsi + 128]", "lea r10, [rsi + 192]",
            "lock inc dword ptr [rsi]",
            "3:", "cmp [rsi], r13d", "jae 4f", "pause", "dec r15", "jns 3b", "xor r15d, r15d",
            "4:", "mov r12, r11", "and r12, r14", "jz 6f",
            "5:", "dec r12", "jnz 5b",
            "6:", "xor eax, eax", "xor ebx, ebx",
            $(text!($($op)+),)+
            "mov [rcx], eax", "mov [rcx + 4], ebx", "add rcx, 8", "add rsi, 256", "dec r11", "jnz 2b",
            "mov [rdi + 40], r15", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "xor eax, eax", "ret"
        );
    };
}

macro_rules! as_code {
    ($($name:literal: $($thread:ident $([$($op:tt)+])+;)+)+) => {
        $($(thread!($thread $([$($op)+])+);)+)+

        /// The threads of each program, in the order of the table.
        pub(super) const CODE: &[&[extern "C" fn(u64) -> u64]] = &[$(&[$($thread),+]),+];
        /// The programs' names.
        pub(super) const NAMES: &[case::Text] = &[$(case::Text::new($name)),+];
    };
}

programs!(as_code);
