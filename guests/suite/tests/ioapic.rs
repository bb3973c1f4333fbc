//! The tables of the I/O APIC try each bit with both values, tell all entries apart, and agree with the model of destinations.

#[path = "../src/apic/destination_model.rs"]
#[expect(dead_code, reason = "an I/O APIC has no destinations of x2APIC mode")]
mod destination_model;
#[path = "../src/ioapic/table.rs"]
mod table;

use destination_model::{Logical, includes};
use table::{CLUSTER, DESTINATIONS, FLAT, LOW, high_of, low_of};

/// Bits that can be written, but for the mask.
const WRITABLE: u32 = 0xafff;

#[test]
fn a_bit_that_sticks_or_is_missing_is_found() {
    for bit in (0..32).filter(|bit| WRITABLE >> bit & 1 != 0) {
        assert!(LOW.iter().any(|value| value & 1 << bit != 0), "bit {bit} that reads as zero");
        assert!(LOW.iter().any(|value| value & 1 << bit == 0), "bit {bit} that reads as one");
        for other in (0..32).filter(|other| WRITABLE >> other & 1 != 0 && *other != bit) {
            let differ = LOW.iter().any(|value| (value >> bit ^ value >> other) & 1 != 0);
            assert!(differ, "bits {bit} and {other} that are one");
        }
    }
    assert!(LOW.iter().all(|value| value & !WRITABLE == 0));
}

#[test]
fn entries_that_are_one_register_are_found() {
    for pin in 0..24 {
        for other in 0..pin {
            assert!(low_of(pin) != low_of(other) && high_of(pin) != high_of(other), "{pin} {other}");
        }
        assert_eq!((low_of(pin) & !(WRITABLE | table::MASKED), high_of(pin) & 0xff_ffff), (0, 0));
    }
}

#[test]
fn destinations_are_those_of_the_model() {
    for row in DESTINATIONS {
        let expected = if row.logical {
            let model = if row.format == CLUSTER { Logical::Cluster } else { Logical::Flat };
            assert!(row.format == CLUSTER || row.format == FLAT);
            includes(model, row.id, row.destination)
        } else {
            row.destination == 0
        };
        assert_eq!(u32::from(expected), row.expected, "{row:?}");
    }
    for logical in [false, true] {
        let reached = |expected| DESTINATIONS.iter().any(|row| row.logical == logical && row.expected == expected);
        assert!(reached(0) && reached(1));
    }
}
