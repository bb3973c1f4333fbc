//! The page of a local APIC.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::hostile::{self, Step, local_apic::enabled};
use platform_fuzz::within;

fuzz_target!(|steps: Vec<Step>| {
    let steps = within(0x400, steps);
    hostile::survive(enabled(), &steps);
});
