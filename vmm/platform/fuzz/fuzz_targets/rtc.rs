//! The clock and its memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::{
    hostile::{self, Step},
    rtc::Rtc,
};
use platform_fuzz::within;

fuzz_target!(|steps: Vec<Step>| {
    let steps = within(2, steps);
    hostile::survive(Rtc::new(0), &steps);
    hostile::same_however_often_advanced(Rtc::new(0), &steps);
});
