//! The runtime on supervisor pages, for SMEP and SMAP.

use crate::{
    cpu::control::{read_cr3, write_cr3},
    layout, mmio,
    tables::page_bit::US,
};

/// The identity map is supervisor memory until this is dropped.
///
/// The boot page tables let ring 3 use everything, so with CR4.SMEP or CR4.SMAP the runtime could not execute a line.
/// While this lives, code at CPL 3 can only stand in the window.
#[derive(Debug)]
pub struct SupervisorRuntime(());

impl SupervisorRuntime {
    /// Clears U/S in the entry of the PML4 through which the runtime is reached, and reloads CR3.
    #[expect(clippy::new_without_default, reason = "it acts on the processor")]
    #[must_use = "the rights return when this is dropped"]
    pub fn new() -> Self {
        set_identity_entry(mmio::read_u64(layout::PML4) & !US);
        Self(())
    }
}

impl Drop for SupervisorRuntime {
    fn drop(&mut self) {
        set_identity_entry(mmio::read_u64(layout::PML4) | US);
    }
}

fn set_identity_entry(entry: u64) {
    mmio::write_u64(layout::PML4, entry);
    // Writing back what CR3 holds faults only on a subject that is broken already; the case's own checks tell that.
    let _ = write_cr3(read_cr3());
}
