//! The judge of interrupts while a line changes: each wrong observation is caught.

#[path = "../src/pic/spurious_model.rs"]
mod spurious_model;

use spurious_model::{Kind, kind};

/// All that is accepted of a line of each controller.
const ACCEPTED: [(u8, u8, [u8; 2], Kind); 5] = [
    (5, 5, [0x20, 0], Kind::Real),
    (5, 7, [0, 0], Kind::Spurious),
    (11, 11, [4, 8], Kind::Real),
    (11, 7, [0, 0], Kind::Spurious),
    (11, 15, [4, 0], Kind::Spurious),
];

#[test]
fn nothing_else_is_accepted() {
    for line in [5, 11] {
        for input in 0..16 {
            for first in 0..=255 {
                for second in 0..=255 {
                    let expected = ACCEPTED
                        .iter()
                        .find(|row| (row.0, row.1, row.2) == (line, input, [first, second]))
                        .map_or(Kind::Wrong, |row| row.3);
                    assert_eq!(kind(line, input, [first, second]), expected, "{line} {input} {first:#x} {second:#x}");
                }
            }
        }
    }
}
