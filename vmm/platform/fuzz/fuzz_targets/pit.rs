//! The 8254 and port 61H.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::{
    hostile::{self, Step},
    pit::{Pit, SPEAKER_OFFSET},
};
use platform_fuzz::within;

fuzz_target!(|steps: Vec<Step>| {
    let steps = within(SPEAKER_OFFSET + 1, steps);
    hostile::survive(Pit::new(), &steps);
});
