//! Messages: interrupts that a device sends by writing to an address.

mod delivery;
mod destinations;
mod pending;

use rt::signals::Way;

/// Each way that the host has for messages.
const WAYS: [Way; 2] = [Way::Direct, Way::Routed];

/// Names of the ways, as rows.
const WAY_NAMES: &[rt::vocabulary::Text] = rt::names!["direct", "routed"];
