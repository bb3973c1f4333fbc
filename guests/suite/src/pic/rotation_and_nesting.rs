//! Rotation by automatic ends, and special fully nested mode, seen in the order of two requests.

use super::{
    board::{Board, CASCADE_BIT, NEEDS, SECOND, SECOND_BIT},
    lines::Lines,
    model::Modes,
};
use rt::{
    case, check_eq,
    pic::{Chip, ocw2},
    skip,
};

const NESTED: Modes = Modes { automatic_end: false, fully_nested: false, special_mask: false, level: [0, 0] };
const FIRST: u8 = super::board::FIRST;

/// With rotation in automatic-EOI mode, what was acknowledged has the lowest priority from then on.
#[case(feature = PicEndOfInterrupt, spec = [pic("Automatic Rotation (Equal Priority Devices)"), pic("Automatic End of Interrupt (AEOI) Mode")],
       needs = NEEDS, irqchip = Full)]
fn automatic_end_rotates() {
    let board = Board::new(Modes { automatic_end: true, ..NESTED });
    // The order without rotation: input 1 is above input 2, where the second is.
    board.rise(SECOND);
    board.rise(FIRST);
    check_eq!("first without rotation", board.take(), FIRST);
    check_eq!("second without rotation", board.take(), SECOND);
    Chip::First.command(ocw2::SET_ROTATION);
    board.rise(FIRST);
    check_eq!("acknowledged", board.take(), FIRST);
    board.rise(FIRST);
    board.rise(SECOND);
    check_eq!("first with rotation", board.take(), SECOND);
    check_eq!("second with rotation", board.take(), FIRST);
    check_eq!("nothing in service", board.in_service(), 0);
}

/// In special fully nested mode a request of the second of higher priority than what of it is in service comes through the
/// first; without it the first inhibits it.
#[case(feature = PicCascade, spec = pic("The Special Fully Nested Mode"), needs = NEEDS, irqchip = Full)]
fn special_fully_nested_mode_lets_higher_inputs_of_the_second_in() {
    /// Below [`SECOND`], on the same controller.
    const BELOW: u8 = 11;
    const BELOW_BIT: u8 = 1 << (BELOW - 8);
    for fully_nested in [false, true] {
        let board = Board::new(Modes { fully_nested, ..NESTED });
        if board.lines != Lines::Signals {
            skip!("two lines of the second controller are driven by the signalling device alone");
            return;
        }
        Chip::First.data(!CASCADE_BIT);
        Chip::Second.data(!(SECOND_BIT | BELOW_BIT));
        board.rise(BELOW);
        check_eq!("the lower one", [&[]; u8::from(fully_nested)], board.take(), BELOW);
        board.rise(SECOND);
        let expected = if fully_nested { SECOND } else { super::model::NOTHING };
        check_eq!("the higher one", [&[]; u8::from(fully_nested)], board.wire.take(fully_nested), expected);
        for line in [BELOW, SECOND] {
            board.fall(line);
        }
    }
}
