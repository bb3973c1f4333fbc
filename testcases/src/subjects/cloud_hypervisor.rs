//! Cloud Hypervisor.
//!
//! Source: cloud-hypervisor, `README.md`, "Booting Linux", and its `--help`. A reset of any kind boots the guest again for ever.

use super::plain::{self, Arguments, Guest, Recipe};
use crate::catalog::InterruptSetup;
use case::Needs;
use std::io;

/// KVM's local APICs with an I/O APIC of its own; neither 8259A, nor PIT, nor HPET. It makes ACPI tables.
pub(super) const BOARD: Needs = Needs::PVH_ENTRY
    .union(Needs::COM1)
    .union(Needs::LOCAL_APIC)
    .union(Needs::IO_APIC)
    .union(Needs::PM_TIMER)
    .union(Needs::FIRMWARE_TABLES);

pub(super) static RECIPE: Recipe = Recipe {
    program: "cloud-hypervisor",
    remedy: "give the path of the binary, as `cloud-hypervisor=PATH`; https://github.com/cloud-hypervisor/cloud-hypervisor/releases has it",
    ask: &["--version"],
    word: "cloud-hypervisor",
    board: BOARD,
    set_ups: &[InterruptSetup::Split],
    arguments,
};

fn arguments(guest: &Guest<'_>) -> io::Result<Arguments> {
    let (cpus, memory) = (format!("boot={}", guest.nr_vcpus), format!("size={}M", plain::MEMORY_MIB));
    let words = ["--kernel", guest.image, "--cmdline", guest.line, "--cpus", &cpus, "--memory", &memory];
    let words = words.into_iter().chain(["--serial", "tty", "--console", "off"]);
    Ok(Arguments { words: words.map(str::to_owned).collect(), files: Vec::new() })
}
