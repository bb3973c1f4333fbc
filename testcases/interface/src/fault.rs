//! KVM wrong on purpose: what becomes of one of its requests before a case hears of it.

use std::cell::Cell;

/// A request that goes wrong wherever a case makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name in `linux/kvm.h`.
    pub request: &'static str,
    /// How.
    pub wrong: Wrong,
}

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not made, and said to be done: the answer is 0.
    Ignored,
    /// It is said to be done where KVM refuses it.
    Accepted,
    /// What it gives back is wrong: the lowest bit of each byte of the argument, of a list of each byte behind its head.
    Garbled,
    /// These bits of the argument are taken for 0: those of the 32-bit word at the offset.
    Without {
        /// Offset of the word in bytes.
        offset: usize,
        /// The bits.
        bits: u32,
    },
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Sets what is wrong with KVM as far as this thread opens it from now on.
pub(crate) fn set(fault: Option<Fault>) {
    FAULT.set(fault);
}

/// What is wrong with KVM as this thread opens it.
pub(crate) fn get() -> Option<Fault> {
    FAULT.get()
}

/// Takes the bits of a word for 0.
pub(crate) fn clear(argument: &mut [u8], offset: usize, bits: u32) {
    for (byte, mask) in argument.iter_mut().skip(offset).zip(bits.to_le_bytes()) {
        *byte &= !mask;
    }
}

/// Changes all that is behind a head.
pub(crate) fn garble(argument: &mut [u8], head: usize) {
    argument.iter_mut().skip(head).for_each(|byte| *byte ^= 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_a_word_and_bytes_behind_a_head() {
        let mut argument = [0xff; 8];
        clear(&mut argument, 2, 0x8000_0001);
        assert_eq!(argument, [0xff, 0xff, 0xfe, 0xff, 0xff, 0x7f, 0xff, 0xff]);
        clear(&mut argument, 7, 0xffff_ffff);
        assert_eq!(argument[7], 0, "what is behind the end is left alone");
        garble(&mut argument, 6);
        assert_eq!(argument[4..], [0xff, 0x7f, 0xfe, 1]);
    }
}
