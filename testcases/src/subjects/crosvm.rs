//! crosvm.
//!
//! Source: crosvm, "Book of crosvm", "Running crosvm", and `crosvm run --help`. It enters an ELF file at its entry, in 64-bit mode and
//! with Linux's zero page. The image has only its PVH entry there: a crosvm that does not look for the PVH note does not get as
//! far as the probe, and says so.

use super::plain::{self, Arguments, Guest, Recipe};
use crate::catalog::InterruptSetup;
use case::Needs;
use std::io;

/// KVM's interrupt controllers and PIT, and an MC146818 clock. It makes ACPI tables.
pub(super) const BOARD: Needs = Needs::PVH_ENTRY
    .union(Needs::COM1)
    .union(Needs::LOCAL_APIC)
    .union(Needs::IO_APIC)
    .union(Needs::PIC)
    .union(Needs::PIT)
    .union(Needs::RTC)
    .union(Needs::FIRMWARE_TABLES);

pub(super) static RECIPE: Recipe = Recipe {
    program: "crosvm",
    remedy: "give the path of the binary, as `crosvm=PATH`; https://crosvm.dev/book/building_crosvm tells how to build it",
    ask: &["version"],
    word: "crosvm",
    board: BOARD,
    set_ups: &[InterruptSetup::Kernel],
    arguments,
};

fn arguments(guest: &Guest<'_>) -> io::Result<Arguments> {
    let (memory, cpus) = (plain::MEMORY_MIB.to_string(), guest.nr_vcpus.to_string());
    let words = ["--log-level=error", "--extended-status", "run", "--disable-sandbox", "-m", &memory, "-c", &cpus];
    let serial = ["--serial", "type=stdout,hardware=serial,num=1,console=true"];
    let words = words.into_iter().chain(serial).chain(["-p", guest.line, guest.image]);
    Ok(Arguments { words: words.map(str::to_owned).collect(), files: Vec::new() })
}
