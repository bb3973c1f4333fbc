//! The HPET.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::{
    hostile::{self, Step},
    hpet::Hpet,
};
use platform_fuzz::within;

fuzz_target!(|steps: Vec<Step>| {
    let steps = within(0x180, steps);
    hostile::survive(Hpet::default(), &steps);
    hostile::same_however_often_advanced(Hpet::default(), &steps);
});
