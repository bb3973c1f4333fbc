//! Rules one by one: ends of interrupts, masks, polls, requests that are gone, the cascade.

use super::{
    board::{Board, CASCADE_BIT, FIRST, FIRST_BIT, NEEDS, SECOND, SECOND_BIT},
    model::{Modes, NOTHING},
};
use rt::{
    case, check, check_eq, names,
    pic::{Chip, ocw2, ocw3},
    vocabulary::Text,
};

const NESTED: Modes = Modes { automatic_end: false, fully_nested: false, special_mask: false, level: [0, 0] };
const BOTH: u16 = (SECOND_BIT as u16) << 8 | CASCADE_BIT as u16;
const ALL_THREE: u16 = BOTH | FIRST_BIT as u16;

/// Takes the second's request and then the first's, which is of a higher priority.
fn nest(board: &Board) -> u16 {
    board.rise(SECOND);
    let _ = board.take();
    board.rise(FIRST);
    let _ = board.take();
    board.in_service()
}

/// Ends all three, and undoes what OCW2 may have set.
fn start_over() {
    Chip::Second.command(ocw2::SPECIFIC_END);
    for command in [ocw2::SPECIFIC_END | FIRST, ocw2::SPECIFIC_END | 2, ocw2::CLEAR_ROTATION, ocw2::SET_PRIORITY | 7] {
        Chip::First.command(command);
    }
}

/// Nests before each command, and looks at what the first controller has left in service after it.
fn command_each(commands: &[(u8, u8)]) {
    let board = Board::new(NESTED);
    for (command, left) in commands.iter().copied() {
        check_eq!("in service before", [&[]; command], nest(&board), ALL_THREE);
        Chip::First.command(command);
        check_eq!("in service after", [&[]; command], Chip::First.in_service(), left);
        start_over();
    }
}

/// Non-specific ends clear the highest priority that is in service, specific ones what they name, and nothing if that is not.
#[case(feature = PicEndOfInterrupt, spec = pic("End of Interrupt (EOI)"), needs = NEEDS, irqchip = Full)]
fn each_end_ends_what_it_says() {
    command_each(&[
        (ocw2::END, CASCADE_BIT),
        (ocw2::SPECIFIC_END | 2, FIRST_BIT),
        (ocw2::SPECIFIC_END | FIRST, CASCADE_BIT),
        (ocw2::SPECIFIC_END | 5, FIRST_BIT | CASCADE_BIT),
        (ocw2::ROTATE_END, CASCADE_BIT),
        (ocw2::ROTATE_SPECIFIC_END | 2, FIRST_BIT),
    ]);
}

/// OCW2 without EOI ends nothing.
#[case(feature = PicEndOfInterrupt, spec = pic("Operation Control Word 2 (OCW2)"), needs = NEEDS, irqchip = Full)]
fn other_commands_end_nothing() {
    const ALL: u8 = FIRST_BIT | CASCADE_BIT;
    command_each(&[
        (ocw2::NOTHING, ALL),
        (ocw2::SET_PRIORITY | FIRST, ALL),
        (ocw2::SET_ROTATION, ALL),
        (ocw2::CLEAR_ROTATION, ALL),
    ]);
}

/// A non-specific end after the priorities were rotated ends what has the highest priority now.
#[case(feature = PicEndOfInterrupt, spec = [pic("End of Interrupt (EOI)"), pic("Specific Rotation (Specific Priority)")],
       needs = NEEDS, irqchip = Full)]
fn end_follows_rotated_priorities() {
    let board = Board::new(NESTED);
    check_eq!("in service before", nest(&board), ALL_THREE);
    Chip::First.command(ocw2::SET_PRIORITY | FIRST);
    Chip::First.command(ocw2::END);
    check_eq!("input 2 ended first", Chip::First.in_service(), FIRST_BIT);
    Chip::First.command(ocw2::END);
    check_eq!("then input 1", Chip::First.in_service(), 0);
}

/// What is masked while in service goes on inhibiting, but not in special mask mode.
#[case(feature = PicPriority, spec = pic("Special Mask Mode"), needs = NEEDS, irqchip = Full)]
fn special_mask_mode_lets_lower_inputs_in() {
    let board = Board::new(NESTED);
    board.rise(FIRST);
    check_eq!("taken", board.take(), FIRST);
    Chip::First.data(!CASCADE_BIT);
    board.rise(SECOND);
    check!("inhibited by what is masked", board.is_quiet());
    Chip::First.command(ocw3::MASK_MODE_ON);
    check_eq!("not in special mask mode", board.take(), SECOND);
    check_eq!("in service", board.in_service(), ALL_THREE);
    Chip::First.command(ocw2::END);
    check_eq!("a non-specific end does not reach what is masked", Chip::First.in_service(), FIRST_BIT);
    Chip::First.command(ocw3::MASK_MODE_OFF);
    Chip::First.command(ocw2::END);
    check_eq!("but does in the other mode", Chip::First.in_service(), 0);
}

/// A mask holds a request back and does not take it away.
#[case(feature = PicPriority, spec = pic("Interrupt Masks"), needs = NEEDS, irqchip = Full)]
fn masked_request_waits() {
    let board = Board::new(NESTED);
    Chip::First.data(!CASCADE_BIT);
    board.rise(FIRST);
    check_eq!("IRR", Chip::First.requests() & FIRST_BIT, FIRST_BIT);
    check!("held back", board.is_quiet());
    board.rise(SECOND);
    check_eq!("lower ones are not", board.take(), SECOND);
    board.unmask();
    check_eq!("let in", board.take(), FIRST);
}

/// One rise is one request: the line must fall before the next.
#[case(feature = PicPriority, spec = pic("Edge and Level Triggered Modes"), needs = NEEDS, irqchip = Full)]
fn one_rise_is_one_request() {
    const LINES: &[Text] = names!["1", "8"];
    let board = Board::new(NESTED);
    for (row, line) in [FIRST, SECOND].into_iter().enumerate() {
        for _ in 0..2 {
            board.rise(line);
            check_eq!("taken", [LINES; row], board.take(), line);
            for chip in Chip::ALL {
                chip.command(ocw2::END);
            }
            check!("not again", [LINES; row], board.is_quiet());
        }
    }
}

/// A request whose line fell is not taken: nothing comes, or input 7, which is not in service then.
#[case(feature = PicSpurious, spec = [pic("Interrupt Sequence"), pic("Edge and Level Triggered Modes")], needs = NEEDS, irqchip = Full)]
fn request_that_fell_is_not_taken() {
    let board = Board::new(NESTED);
    board.rise(FIRST);
    board.fall(FIRST);
    check_eq!("IRR", Chip::First.requests() & FIRST_BIT, 0);
    check!("nothing, or input 7", matches!(board.wire.take(false), 7 | NOTHING));
    check_eq!("in service", board.in_service(), 0);
}

/// The same of the second controller: nothing comes, or input 7 of either.
#[case(feature = PicSpurious, spec = [pic("Interrupt Sequence"), pic("Edge and Level Triggered Modes")], needs = NEEDS, irqchip = Full)]
fn request_of_the_second_that_fell_is_not_taken() {
    let board = Board::new(NESTED);
    board.rise(SECOND);
    board.fall(SECOND);
    check_eq!("IRR of the second", Chip::Second.requests() & SECOND_BIT, 0);
    check_eq!("IRR of the first", Chip::First.requests() & CASCADE_BIT, 0);
    check!("nothing, or input 7 of either", matches!(board.wire.take(false), 7 | 15 | NOTHING));
    check_eq!("in service of the second", Chip::Second.in_service(), 0);
}

/// A poll tells of the request of the highest priority and takes it into service; without one, bit 7 is clear.
#[case(feature = PicSpurious, spec = pic("Poll Command"), needs = NEEDS, irqchip = Full)]
fn poll_acknowledges() {
    let board = Board::new(NESTED);
    check_eq!("nothing requests", Chip::First.poll() & 0x80, 0);
    check_eq!("nothing in service", board.in_service(), 0);
    board.rise(FIRST);
    check_eq!("poll", Chip::First.poll() & 0x87, 0x80 | FIRST);
    check_eq!("in service", board.in_service(), FIRST_BIT);
    check_eq!("no request any more", Chip::First.requests() & FIRST_BIT, 0);
    check!("nothing interrupts", board.is_quiet());
    board.rise(FIRST);
    check_eq!("inhibited by what is in service", Chip::First.poll() & 0x80, 0);
    Chip::First.command(ocw2::END);
    check_eq!("after the end", Chip::First.poll() & 0x87, 0x80 | FIRST);
}

/// A poll is one read: the next one reads what was chosen before.
#[case(feature = PicSpurious, spec = pic("Poll Command"), needs = NEEDS, irqchip = Full)]
fn poll_is_one_read() {
    let board = Board::new(NESTED);
    Chip::First.command(ocw3::READ_ISR);
    board.rise(FIRST);
    check_eq!("poll", Chip::First.poll() & 0x87, 0x80 | FIRST);
    check_eq!("ISR", Chip::First.read(), FIRST_BIT);
}

/// Polls of the first and then of the second acknowledge through the cascade.
#[case(feature = PicSpurious, spec = [pic("Poll Command"), pic("Cascade Mode")], needs = NEEDS, irqchip = Full)]
fn polls_pass_the_cascade() {
    let board = Board::new(NESTED);
    board.rise(SECOND);
    check_eq!("poll of the first", Chip::First.poll() & 0x87, 0x82);
    check_eq!("in service of both", board.in_service(), CASCADE_BIT);
    check_eq!("poll of the second", Chip::Second.poll() & 0x87, 0x80);
    check_eq!("in service of both then", board.in_service(), BOTH);
    check_eq!("poll of the second again", Chip::Second.poll() & 0x80, 0);
}

/// A request of the second that falls between both polls leaves only the first in service, as before IRQ15 that is spurious.
#[case(feature = PicSpurious, spec = [pic("Poll Command"), pic("Interrupt Sequence")], needs = NEEDS, irqchip = Full)]
fn request_that_falls_within_the_cascade_leaves_the_first_in_service() {
    let board = Board::new(NESTED);
    board.rise(SECOND);
    check_eq!("poll of the first", Chip::First.poll() & 0x87, 0x82);
    board.fall(SECOND);
    check_eq!("poll of the second", Chip::Second.poll() & 0x80, 0);
    check_eq!("in service", board.in_service(), CASCADE_BIT);
}

/// What the second interrupted with needs an end at both: each inhibits by itself.
#[case(feature = PicCascade, spec = pic("Cascade Mode"), needs = NEEDS, irqchip = Full)]
fn both_controllers_must_be_told_the_end() {
    const NAMES: &[Text] = names!["first", "second"];
    for (row, ended) in Chip::ALL.into_iter().enumerate() {
        let board = Board::new(NESTED);
        board.rise(SECOND);
        check_eq!("taken", [NAMES; row], board.take(), SECOND);
        check_eq!("in service", [NAMES; row], board.in_service(), BOTH);
        ended.command(ocw2::END);
        board.rise(SECOND);
        check!("not again when one has ended", [NAMES; row], board.is_quiet());
        Chip::ALL[1 - row].command(ocw2::END);
        check_eq!("again when both have", [NAMES; row], board.take(), SECOND);
    }
}

/// In special fully nested mode, inputs of the first below the cascade stay inhibited while the second is in service.
#[case(feature = PicCascade, spec = pic("The Special Fully Nested Mode"), needs = NEEDS, irqchip = Full)]
fn special_fully_nested_mode_inhibits_lower_inputs() {
    const LOWER: u8 = 4;
    let board = Board::new(Modes { fully_nested: true, ..NESTED });
    Chip::First.data(!(1 << LOWER | CASCADE_BIT));
    board.rise(SECOND);
    let first = board.take();
    board.rise(LOWER);
    let lower = board.wire.take(false);
    let in_service = board.in_service();
    // The line may be that of the serial port, by which checks are reported.
    board.fall(LOWER);
    check_eq!("taken", first, SECOND);
    check_eq!("the lower one", lower, NOTHING);
    check_eq!("in service", in_service, BOTH);
}

/// A mask of input 2 holds all of the second back.
#[case(feature = PicCascade, spec = [pic("Cascade Mode"), pic("Interrupt Masks")], needs = NEEDS, irqchip = Full)]
fn mask_of_the_cascade_holds_the_second_back() {
    let board = Board::new(NESTED);
    Chip::First.data(!FIRST_BIT);
    board.rise(SECOND);
    check_eq!("IRR of the first", Chip::First.requests() & CASCADE_BIT, CASCADE_BIT);
    check!("held back", board.is_quiet());
    board.unmask();
    check_eq!("let in", board.take(), SECOND);
}
