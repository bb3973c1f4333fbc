//! ICW1 to ICW4, the mask, the choice of the register that is read, edge/level control.

use super::{
    board::{Board, FIRST, FIRST_BIT, NEEDS, SECOND},
    guest::{Wire, take_one},
    model::Modes,
};
use rt::{
    case, check, check_eq,
    interrupts::{End, Listening},
    names,
    pic::{self, Chip, icw1, icw4, ocw2, ocw3},
    vocabulary::{Needs, Text},
};

const CHIP_NAMES: &[Text] = names!["first", "second"];

/// ICW1 clears the mask and makes the next three words ICW2 to ICW4, whatever bits a PC lets them have; then comes the mask.
#[case(
    feature = PicInitialization,
    spec = [pic("Initialization Command Words (ICWs)"), ich9("ICW1—Initialization Command Word 1 Register")],
    needs = Needs::PIC, irqchip = Full
)]
fn three_words_follow_the_first() {
    const WORDS: [u8; 2] = [icw1::IS_ICW1 | icw1::ICW4, icw1::IS_ICW1 | icw1::ICW4 | icw1::LEVEL];
    for (index, chip) in Chip::ALL.into_iter().enumerate() {
        for first in WORDS {
            for modes in [0, icw4::AUTOMATIC_END, icw4::FULLY_NESTED, icw4::AUTOMATIC_END | icw4::FULLY_NESTED] {
                let row = index << 16 | usize::from(first) << 8 | usize::from(modes);
                chip.data(0xff);
                chip.command(first);
                for word in [pic::BASE, if chip == Chip::First { 4 } else { 2 }, icw4::MODE_8086 | modes] {
                    chip.data(word);
                }
                check_eq!("mask after the words", [&[]; row], chip.mask(), 0);
                chip.data(0xa5);
                check_eq!("mask written next", [&[]; row], chip.mask(), 0xa5);
            }
        }
    }
}

/// ICW1 begins anew wherever the sequence stands.
#[case(feature = PicInitialization, spec = pic("Initialization Command Words (ICWs)"), needs = Needs::PIC, irqchip = Full)]
fn first_word_starts_over() {
    for (row, chip) in Chip::ALL.into_iter().enumerate() {
        for nr_words in 0..3 {
            chip.command(icw1::IS_ICW1 | icw1::ICW4);
            for word in [pic::BASE, 4, icw4::MODE_8086].iter().take(nr_words) {
                chip.data(*word);
            }
            chip.initialize(pic::BASE, 0);
            chip.data(0x3c);
            check_eq!("mask", [CHIP_NAMES; row], chip.mask(), 0x3c);
        }
    }
}

/// The mask holds what is written.
#[case(feature = PicInitialization, spec = pic("Operation Control Word 1 (OCW1)"), needs = Needs::PIC, irqchip = Full)]
fn mask_reads_back() {
    pic::initialize(0);
    for bit in 0..8 {
        for (row, chip) in Chip::ALL.into_iter().enumerate() {
            chip.data(1 << bit);
            Chip::ALL[1 - row].data(!(1 << bit));
            check_eq!("mask with bit", [&[]; bit], chip.mask(), 1_u8 << bit);
            check_eq!("mask of the other one", [&[]; bit], Chip::ALL[1 - row].mask(), !(1_u8 << bit));
        }
    }
}

/// A vector is bits 7:3 of ICW2 with the number of the input; bits 2:0 of ICW2 do not matter.
#[case(feature = PicInitialization, spec = pic("Initialization Command Words 1 and 2 (ICW1, ICW2)"), needs = NEEDS, irqchip = Full)]
fn vector_is_made_of_the_second_word() {
    let board = Board::new(Modes::default());
    for base in [0x60, 0x6f, 0xa5, 0xf2, 0x28_u8] {
        for (index, chip) in Chip::ALL.into_iter().enumerate() {
            chip.initialize(((base & 0xf0) + 8 * index as u8) | base & 7, 0);
        }
        board.unmask();
        let first = base & 0xf0;
        let wire = Wire::connect(first);
        for (line, vector) in [(SECOND, first + SECOND), (FIRST, first + FIRST)] {
            board.rise(line);
            let taken = wire.acknowledge(true);
            check_eq!("vector", [&[]; base], taken.map_or(0x100, u32::from), vector);
        }
        for _ in 0..2 {
            Chip::First.command(ocw2::END);
            Chip::Second.command(ocw2::END);
        }
    }
}

/// ICW1 clears the edges that were seen, so that a line that stays high must rise again, and all modes of OCW2 and OCW3.
#[case(feature = PicInitialization, spec = pic("Initialization Command Words (ICWs)"), needs = NEEDS, irqchip = Full)]
fn initialisation_forgets_edges_and_modes() {
    let board = Board::new(Modes::default());
    // With the lowest priority at input 1, input 2 is above it.
    Chip::First.command(ocw2::SET_PRIORITY | FIRST);
    Chip::First.command(ocw3::MASK_MODE_ON);
    Chip::First.command(ocw3::READ_ISR);
    board.rise(FIRST);
    Chip::First.initialize(pic::BASE, 0);
    check_eq!("mask", Chip::First.mask(), 0);
    check_eq!("request of a line that stays high", Chip::First.read() & FIRST_BIT, 0);
    board.unmask();
    check!("it does not interrupt", board.is_quiet());
    board.rise(FIRST);
    check_eq!("request of a rise, in the register that is chosen", Chip::First.read() & FIRST_BIT, FIRST_BIT);
    board.rise(SECOND);
    check_eq!("the highest priority", board.take(), FIRST);
    Chip::First.data(!4);
    check!("special mask mode is off", board.is_quiet());
    Chip::First.command(ocw2::END);
    check_eq!("the other one", board.take(), SECOND);
}

/// Between ICW1 and ICW4 no request is accepted, and one that was made meanwhile is taken after that.
#[case(feature = PicInitialization, spec = [pic("Initialization Command Words (ICWs)"), pic("Operation Command Words (OCWs)")],
       needs = NEEDS, irqchip = Full)]
fn nothing_interrupts_before_initialisation_is_complete() {
    let board = Board::with_timer_held(Modes::default());
    // Where one is taken nevertheless, its vector may be anything.
    let _low = Listening::with_handler(0..=7, End::Not, take_one);
    Chip::First.command(icw1::IS_ICW1 | icw1::ICW4);
    board.rise(FIRST);
    check!("after ICW1", board.is_quiet());
    Chip::First.data(pic::BASE);
    check!("after ICW2", board.is_quiet());
    Chip::First.data(4);
    check!("after ICW3", board.is_quiet());
    Chip::First.data(icw4::MODE_8086);
    check_eq!("after ICW4", board.take(), FIRST);
    check_eq!("in service", board.in_service(), FIRST_BIT);
}

/// What OCW3 chooses is read until it chooses again; nothing else changes the choice.
#[case(feature = PicInitialization, spec = pic("Reading the 8259A Status"), needs = NEEDS, irqchip = Full)]
fn choice_of_the_register_lasts() {
    const NAMES: &[Text] =
        names!["again", "after OCW2", "after OCW1", "after OCW3 without RR", "after special mask mode"];
    let board = Board::new(Modes::default());
    board.rise(SECOND);
    check_eq!("taken", board.take(), SECOND);
    board.rise(FIRST);
    for (choice, expected) in [(ocw3::READ_ISR, 4), (ocw3::READ_IRR, FIRST_BIT), (ocw3::READ_ISR, 4)] {
        Chip::First.command(choice);
        for row in 0..NAMES.len() {
            match row {
                1 => Chip::First.command(ocw2::NOTHING),
                2 => board.unmask(),
                3 => Chip::First.command(0x08),
                4 => Chip::First.command(ocw3::MASK_MODE_OFF),
                _ => {}
            }
            check_eq!("register", [NAMES; row], Chip::First.read() & 6, expected);
            check_eq!("mask beside it", [NAMES; row], Chip::First.mask(), !6_u8);
        }
    }
}

/// Each input but 0, 1, 2, 8 and 13 can be level-triggered.
#[case(
    feature = PicCascade, spec = [ich9("ELCR1—Master Controller Edge/Level Triggered Register"),
    ich9("ELCR2—Slave Controller Edge/Level Triggered Register")], needs = Needs::PIC, irqchip = Full
)]
fn edge_level_bits_read_back() {
    pic::initialize(0);
    for (row, (chip, writable)) in Chip::ALL.into_iter().zip([0xf8, 0xde_u8]).enumerate() {
        for bit in (0..8).filter(|bit| writable >> bit & 1 != 0) {
            chip.set_edge_level(1 << bit);
            check_eq!("with bit", [&[]; row << 4 | bit], chip.edge_level(), 1_u8 << bit);
        }
        chip.set_edge_level(0xff);
        check_eq!("all that can be set", [CHIP_NAMES; row], chip.edge_level(), writable);
        chip.set_edge_level(0);
        check_eq!("none", [CHIP_NAMES; row], chip.edge_level(), 0);
    }
}

/// LTIM of ICW1 makes no input level-triggered in a PC, which has registers for that.
#[case(feature = PicCascade, spec = ich9("ICW1—Initialization Command Word 1 Register"), needs = NEEDS, irqchip = Full)]
fn level_bit_of_the_first_word_does_nothing() {
    let board = Board::new(Modes::default());
    Chip::First.command(icw1::IS_ICW1 | icw1::ICW4 | icw1::LEVEL);
    for word in [pic::BASE, 4, icw4::MODE_8086] {
        Chip::First.data(word);
    }
    board.unmask();
    board.rise(FIRST);
    check_eq!("taken", board.take(), FIRST);
    check_eq!("no request while it is high", Chip::First.requests() & FIRST_BIT, 0);
    Chip::First.command(ocw2::END);
    check!("nor after the end", board.is_quiet());
}
