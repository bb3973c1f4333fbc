//! Measures how many inputs a second one processor generates.

use iced_decoder::{
    Bitness,
    generate::{Generator, predicted_forms},
};
use std::{hint::black_box, time::Instant};

fn main() {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let generator = Generator::new(1, predicted_forms(bitness));
        let nr_rounds = 100;
        let start = Instant::now();
        for nr in 0..nr_rounds {
            for form_index in 0..generator.nr_forms() {
                black_box(generator.input(form_index, nr));
            }
        }
        let nr_inputs = nr_rounds as f64 * generator.nr_forms() as f64;
        println!(
            "{bitness:?}: {} forms, {:.0} inputs/s",
            generator.nr_forms(),
            nr_inputs / start.elapsed().as_secs_f64()
        );
    }
}
