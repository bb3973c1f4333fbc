//! The I/O APIC, with any lines high.

#![no_main]

use libfuzzer_sys::fuzz_target;
use platform::{
    hostile::{self, Step},
    io_apic::{IoApic, Version},
};
use platform_fuzz::within;

fuzz_target!(|input: (u32, Vec<Step>)| {
    let (lines, steps) = input;
    let mut apic = IoApic::new(Version::WithEoiRegister);
    for pin in 0..32 {
        apic.set_line(pin, lines >> pin & 1 == 1);
    }
    hostile::survive(apic, &within(0x50, steps));
});
