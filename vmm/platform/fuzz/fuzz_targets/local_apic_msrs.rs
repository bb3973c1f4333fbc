//! The MSRs of a local APIC, interrupts from others and pins.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::hostile::local_apic::{Step, survive};

fuzz_target!(|steps: Vec<Step>| survive(&steps));
