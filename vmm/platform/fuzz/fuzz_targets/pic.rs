//! Both 8259As.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::{
    hostile::{self, Step},
    pic::Pic,
};
use platform_fuzz::within;

fuzz_target!(|steps: Vec<Step>| {
    let steps = within(6, steps);
    hostile::survive(Pic::new(), &steps);
});
