//! The ACPI timer and the PM1 blocks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::{
    hostile::{self, Step},
    pm_timer::{PowerManagement, SIZE_BYTES, Width},
};
use platform_fuzz::within;

fuzz_target!(|steps: Vec<Step>| {
    let steps = within(SIZE_BYTES + 2, steps);
    hostile::survive(PowerManagement::new(Width::Bits24, 0), &steps);
});
