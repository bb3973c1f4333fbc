//! What ACPI tables tell, against the processors and devices that there are.

mod devices;
mod processors;
mod tables;

use rt::acpi::{self, Root};

/// The root of the tables; `None` if there is none, of which a case makes a failure.
fn root() -> Option<Root> {
    acpi::search_root().map(Root::read)
}
