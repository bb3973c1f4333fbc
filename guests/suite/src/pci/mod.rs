//! PCI: configuration space, base address registers, capabilities and interrupts of the functions on bus 0.

mod bars;
mod bars_in_use;
mod capabilities;
mod configuration;
mod header;
mod msix;
mod pins;

use rt::pci::{self, Function, capability};

/// A function with MSI-X, which the need of PCI promises, with a header of type 0.
fn with_msix() -> Option<Function> {
    pci::devices().find(|function| function.header_type() == 0 && function.capability(capability::MSI_X).is_some())
}

/// All functions of bus 0: of devices with several, all that are there.
fn functions() -> impl Iterator<Item = Function> {
    pci::devices().flat_map(|first| {
        let is_multiple = first.read_u8(pci::header::TYPE) & 0x80 != 0;
        let last = if is_multiple { 8 } else { 1 };
        (0..last).map(move |function| Function { function, ..first }).filter(|function| function.is_present())
    })
}

/// A function as the row of a table: device and function number as configuration addresses have them.
fn row(function: Function) -> u64 {
    u64::from(function.device) << 3 | u64::from(function.function)
}
