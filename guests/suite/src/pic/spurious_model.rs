//! What an interrupt of the pair may be while a line changes at any time.

/// What an interrupt turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The line's: it is in service.
    Real,
    /// Input 7 of one of the pair, which is not in service: the request was gone when it was acknowledged.
    Spurious,
    /// Neither.
    Wrong,
}

/// Judges the input that was acknowledged, 0 to 15, by both in-service registers in its handler, where `line` alone changes and
/// nothing else is in service.
pub(crate) const fn kind(line: u8, input: u8, in_service: [u8; 2]) -> Kind {
    const CASCADE: u8 = 1 << 2;
    let of_line = if line < 8 { [1 << line, 0] } else { [CASCADE, 1 << (line - 8)] };
    let [first, second] = in_service;
    // The request of the second may go before the first is acknowledged, or after that and before the second is: then the first
    // has its input 2 in service.
    let is_real = input == line && first == of_line[0] && second == of_line[1];
    let is_spurious = input == 7 && first == 0 && second == 0;
    let is_of_second = line >= 8 && input == 15 && first == CASCADE && second == 0;
    if is_real {
        Kind::Real
    } else if is_spurious || is_of_second {
        Kind::Spurious
    } else {
        Kind::Wrong
    }
}
