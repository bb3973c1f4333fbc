//! Exceptions and interrupts after which the guest finds something else than it should.
//!
//! KVM delivers them by itself. A breakpoint of the host's stands at the handler that the guest's IDT names at its entry, so
//! that the guest is stopped with the event delivered and nothing of the handler done.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventEffect {
    /// Bits of the error code are inverted; only for vectors with one.
    ErrorCodeXor(u64),
    /// The instruction pointer on the stack is so many bytes too high.
    RipAhead(u64),
    /// Bits of CS on the stack are inverted.
    CsXor(u64),
    /// Bits of RFLAGS on the stack are inverted.
    RflagsXor(u64),
    /// The stack pointer on the stack is so many bytes too high.
    RspAhead(u64),
    /// Bits of SS on the stack are inverted.
    SsXor(u64),
    /// CR2 is so many bytes too high.
    Cr2Ahead(u64),
    /// Bits of DR6 are inverted.
    Dr6Xor(u64),
    /// Bits of DR7 are inverted.
    Dr7Xor(u64),
    /// Bits of RFLAGS in the handler are inverted.
    FlagsInHandlerXor(u64),
    /// Another vector comes instead, with the same stack.
    Vector(u8),
    /// RAX is another number.
    RaxXor(u64),
    /// RSP in the handler is not aligned.
    StackUnaligned,
}

/// What is wrong with which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFault {
    /// The vector.
    pub vector: u8,
    /// What is wrong.
    pub effect: EventEffect,
}

/// Vectors with an error code (Intel SDM vol. 3A, "Exception and Interrupt Reference").
const WITH_ERROR_CODE: u32 = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

/// Bytes between the stack pointer in the handler and what the processor pushed after the error code.
pub(super) const fn offset_of_rip(vector: u8) -> u64 {
    if vector < 32 && WITH_ERROR_CODE >> vector & 1 != 0 { 8 } else { 0 }
}

/// Where the handler of a gate in 64-bit mode is.
pub(super) fn handler(gate: [u8; 16]) -> u64 {
    let part = |at: usize, bytes: usize| {
        gate[at..at + bytes].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    part(0, 2) | part(6, 2) << 16 | part(8, 4) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_is_in_three_parts_of_a_gate() {
        let gate = [0x11, 0x22, 8, 0, 0, 0x8e, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0];
        assert_eq!(handler(gate), 0x8877_6655_4433_2211);
    }

    #[test]
    fn error_codes_stand_below_the_instruction_pointer() {
        assert_eq!([0, 8, 9, 13, 14, 16, 17, 32, 40].map(offset_of_rip), [0, 8, 0, 8, 8, 0, 8, 0, 0]);
    }
}
