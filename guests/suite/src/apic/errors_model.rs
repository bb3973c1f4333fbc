//! What ESR may show after an error. It compiles for the host too.
//!
//! Source: SDM vol. 3A, "Error Handling".

pub(crate) const SENT_ILLEGAL: u32 = 1 << 5;
pub(crate) const RECEIVED_ILLEGAL: u32 = 1 << 6;
pub(crate) const ILLEGAL_REGISTER: u32 = 1 << 7;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// Nothing wrong.
    None,
    /// A vector below 16 was sent to the processor itself.
    IllegalVector,
    /// A register was accessed that there is not.
    IllegalRegister,
}

/// Whether ESR is right. Who sends to itself may find out that the vector is illegal before it receives it, so that only the
/// first of the two errors is sure.
pub(crate) const fn is_right(done: Errors, esr: u32) -> bool {
    match done {
        Errors::None => esr == 0,
        Errors::IllegalVector => esr & !RECEIVED_ILLEGAL == SENT_ILLEGAL,
        Errors::IllegalRegister => esr == ILLEGAL_REGISTER,
    }
}
