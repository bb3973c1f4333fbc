//! Programs of the image that are no cases: they try what the command line asks for, and tell what they found.

#![expect(unsafe_code, reason = "programs stand in a section of their own")]
// UNSAFETY: the section is read as what `program!` puts there.

use crate::select;
use case::{
    Text,
    fuzz::{MAX_AVOIDED, word},
};
use core::slice;

/// A program: made by [`crate::program!`].
#[repr(C)]
#[derive(Debug)]
pub struct Program {
    /// What the command line calls it.
    pub name: Text,
    /// Runs it.
    pub entry: fn(&Request),
}

/// What a program is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which states there are.
    pub seed: u64,
    /// Number of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// States whose number is a multiple of this are announced.
    pub every: u64,
    /// Which steps of a state are made, by bits.
    pub keep: u64,
    avoid: [u64; MAX_AVOIDED],
    nr_avoided: usize,
}

impl Request {
    /// Reads the command line.
    pub(crate) fn read() -> Self {
        let number = |key: &str, default| select::value_of_key(key.as_bytes()).map_or(default, select::hexadecimal);
        let mut request = Self {
            seed: number(word::SEED, 0),
            first: number(word::FIRST, 0),
            count: number(word::COUNT, 1),
            every: number(word::EVERY, 1).max(1),
            keep: number(word::KEEP, u64::MAX),
            avoid: [0; MAX_AVOIDED],
            nr_avoided: 0,
        };
        let list = select::value_of_key(word::AVOID.as_bytes()).unwrap_or_default();
        let numbers = list.split(|&byte| byte == b',').filter(|digits| !digits.is_empty());
        for (place, digits) in request.avoid.iter_mut().zip(numbers) {
            *place = select::hexadecimal(digits);
            request.nr_avoided += 1;
        }
        request
    }

    /// Whether illegal values of the rule with this number are not to be tried.
    pub fn avoids(&self, rule: u64) -> bool {
        self.avoid.get(..self.nr_avoided).unwrap_or_default().contains(&rule)
    }
}

/// Registers a program: `program!(name, function)`.
#[macro_export]
macro_rules! program {
    ($name:expr, $entry:path) => {
        const _: () = {
            #[used]
            #[expect(unsafe_code, reason = "the runtime finds programs in this section")]
            // SAFETY: the section holds nothing but `Program`s, each made here.
            #[unsafe(link_section = "vmproof_programs")]
            static PROGRAM: $crate::program::Program =
                $crate::program::Program { name: $crate::vocabulary::Text::new($name), entry: $entry };
        };
    };
}

// An image without any other has this one, so that the linker makes the section.
program!("", nothing);

fn nothing(_: &Request) {}

unsafe extern "C" {
    #[link_name = "__start_vmproof_programs"]
    static FIRST: u8;
    #[link_name = "__stop_vmproof_programs"]
    static END: u8;
}

/// The program with this name.
pub(crate) fn find(name: &[u8]) -> Option<fn(&Request)> {
    // SAFETY: the linker defines both symbols as start and end of the section, which holds programs only.
    let programs = unsafe {
        let first = (&raw const FIRST).cast::<Program>();
        let length = (&raw const END as usize - first as usize) / size_of::<Program>();
        slice::from_raw_parts(first, length)
    };
    let program = programs.iter().find(|program| !name.is_empty() && program.name.get().as_bytes() == name);
    program.map(|program| program.entry)
}
