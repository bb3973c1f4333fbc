//! What AML of all that comes and goes shares: the handlers of general-purpose events, and notifications.
//!
//! Source: ACPI specification 6.5, § "Queuing the Matching Control Method for Execution" and § "Device Object Notifications".

use super::acpi::bytes_of;
use acpi_tables::{
    Aml, AmlSink,
    aml::{Method, Scope},
};

/// Values of notifications: look at the device; it is to be ejected.
pub(super) const DEVICE_CHECK: u8 = 1;
pub(super) const EJECT_REQUEST: u8 = 3;

/// What is AML already.
pub(super) struct Raw(pub(super) Vec<u8>);

impl Aml for Raw {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

/// A name as fields have it.
pub(super) fn four(name: &str) -> [u8; 4] {
    // All of them have four.
    let mut bytes = [b'_'; 4];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, value)| *byte = value);
    bytes
}

/// The handler of an event, outside of all other scopes.
pub(super) fn handler(event: u8, body: &[u8]) -> Vec<u8> {
    let body = Raw(body.to_vec());
    // An edge: the status is cleared before the handler runs, so that what comes meanwhile is handled again.
    let handler = Method::new(format!("_E{event:02X}").as_str().into(), 0, false, vec![&body]);
    bytes_of(&Scope::new("\\_GPE".into(), vec![&handler]))
}
