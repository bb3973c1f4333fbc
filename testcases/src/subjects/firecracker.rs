//! Firecracker, from a configuration file and without its API.
//!
//! Source: firecracker, `docs/getting-started.md`, "Configuring the microVM without sending API requests". Serial is the standard
//! output, among lines of its log. It adds words of its own to the command line.

use super::plain::{self, Arguments, Guest, Recipe};
use crate::{
    catalog::InterruptSetup,
    inherited::{path_of, unnamed},
};
use case::Needs;
use std::io;

/// KVM's interrupt controllers and PIT; no clock of a PC. Its i8042 knows little more than the reset.
pub(super) const BOARD: Needs = Needs::PVH_ENTRY
    .union(Needs::COM1)
    .union(Needs::LOCAL_APIC)
    .union(Needs::IO_APIC)
    .union(Needs::PIC)
    .union(Needs::PIT);

pub(super) static RECIPE: Recipe = Recipe {
    program: "firecracker",
    remedy: "give the path of the binary, as `firecracker=PATH`; https://github.com/firecracker-microvm/firecracker/releases has it",
    ask: &["--version"],
    word: "firecracker",
    board: BOARD,
    set_ups: &[InterruptSetup::Kernel],
    arguments,
};

fn arguments(guest: &Guest<'_>) -> io::Result<Arguments> {
    let configuration = serde_json::json!({
        "boot-source": { "kernel_image_path": guest.image, "boot_args": guest.line },
        "drives": [],
        "machine-config": { "vcpu_count": guest.nr_vcpus, "mem_size_mib": plain::MEMORY_MIB },
    });
    let file = unnamed(configuration.to_string().as_bytes())?;
    let words = ["--no-api", "--config-file", &path_of(&file), "--level", "Error"].map(str::to_owned);
    Ok(Arguments { words: words.into(), files: vec![file] })
}
