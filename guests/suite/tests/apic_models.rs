//! The models of the local APIC's modes, priorities and destinations say what the manual says, and contradict what is wrong.

#[path = "../src/apic/destination_model.rs"]
mod destination_model;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/apic/mode_model.rs"]
mod mode_model;
#[path = "../src/apic/priority_model.rs"]
mod priority_model;

use destination_model::{Logical, includes, includes_x2apic};
use mode_model::{State, WRITES, transition};
use priority_model::{allows, around, class, is_delivered, near};

#[test]
fn the_transitions_are_those_of_the_state_diagram() {
    use State::{Disabled, X2Apic, XApic};
    // By EN and EXTD: 00, 10, 11, 01.
    let expected = [
        (Disabled, [Some(Disabled), Some(XApic), None, None]),
        (XApic, [Some(Disabled), Some(XApic), Some(X2Apic), None]),
        (X2Apic, [Some(Disabled), None, Some(X2Apic), None]),
    ];
    for (from, to) in expected {
        assert_eq!(WRITES.map(|bits| transition(from, bits)), to, "{from:?}");
    }
}

#[test]
fn every_wrong_processor_priority_is_contradicted() {
    for tpr in 0..=u8::MAX {
        for served in (0..=u8::MAX).step_by(7) {
            let highest = class(tpr).max(class(served));
            for ppr in 0..=u8::MAX {
                if class(ppr) != highest {
                    assert!(!allows(ppr, tpr, served), "PPR {ppr:#x}, TPR {tpr:#x}, in service {served:#x}");
                }
            }
            let allowed = (0..=u8::MAX).filter(|ppr| allows(*ppr, tpr, served)).count();
            let open = class(tpr) == class(served) && tpr & 0xf != 0;
            assert_eq!(allowed, if open { 2 } else { 1 }, "TPR {tpr:#x}, in service {served:#x}");
        }
    }
}

#[test]
fn what_is_delivered_has_a_class_above_every_allowed_priority() {
    for tpr in 0..=u8::MAX {
        for served in [0, 0x23, 0x6f, 0x80, 0xff] {
            for vector in 16..=u8::MAX {
                let by_priority =
                    (0..=u8::MAX).filter(|ppr| allows(*ppr, tpr, served)).all(|ppr| class(vector) > class(ppr));
                assert_eq!(is_delivered(vector, tpr, served), by_priority);
            }
        }
    }
}

#[test]
fn both_sides_of_each_limit_are_tried() {
    for tpr_class in 2..15_u8 {
        let tpr = tpr_class << 4;
        let delivered: Vec<_> = near(tpr, 0).map(|vector| is_delivered(vector, tpr, 0)).collect();
        assert!(delivered.contains(&true) && delivered.contains(&false), "TPR {tpr:#x}");
    }
    assert!(near(0xf0, 0).all(|vector| !is_delivered(vector, 0xf0, 0)));
}

#[test]
fn priorities_below_equal_to_and_above_what_is_in_service_are_tried() {
    for served in [0x22, 0x41, 0x6f, 0x9c, 0xa4, 0xc5, 0xf2] {
        let classes = around(served).map(class);
        assert!(classes.contains(&0) && classes.contains(&15) && classes.contains(&class(served)));
        assert!(classes.contains(&(class(served) - 1)));
        assert!(class(served) == 15 || classes.contains(&(class(served) + 1)));
    }
    assert!(around(0).map(class).is_sorted());
}

#[test]
fn logical_destinations_are_told_apart() {
    for id in (0..8).map(|bit| 1_u8 << bit) {
        for destination in 1..=u8::MAX {
            assert_eq!(includes(Logical::Flat, id, destination), destination & id == id);
        }
    }
    assert!(includes(Logical::Cluster, 0x12, 0x12) && includes(Logical::Cluster, 0x12, 0x1f));
    assert!(includes(Logical::Cluster, 0x12, 0xff));
    assert!(!includes(Logical::Cluster, 0x12, 0x22) && !includes(Logical::Cluster, 0x12, 0x11));
    assert!(!includes(Logical::Cluster, 0x12, 0x02) && !includes(Logical::Cluster, 0x12, 0x10));
}

#[test]
fn logical_destinations_of_x2apic_mode_are_told_apart() {
    for id in [0, 1, 3, 15, 16, 0x2f, 0x1234] {
        let logical = (id >> 4) << 16 | 1 << (id & 0xf);
        assert!(includes_x2apic(id, logical) && includes_x2apic(id, logical | 0xffff) && includes_x2apic(id, u32::MAX));
        for bit in 16..32 {
            assert!(!includes_x2apic(id, logical ^ 1 << bit), "another cluster of {id:#x}");
        }
        assert!(
            !includes_x2apic(id, logical ^ 1 << (id & 0xf))
                && !includes_x2apic(id, !logical & 0xffff | logical & !0xffff)
        );
    }
}

#[path = "../src/apic/errors_model.rs"]
mod errors_model;

#[test]
fn each_wrong_error_status_is_contradicted() {
    use errors_model::{Errors, is_right};
    let right = [
        (Errors::None, vec![0]),
        // The second error of the two may stay out.
        (Errors::IllegalVector, vec![0x20, 0x60]),
        (Errors::IllegalRegister, vec![0x80]),
    ];
    for (done, right) in right {
        for esr in 0..0x200 {
            assert_eq!(is_right(done, esr), right.contains(&esr), "{done:?}: {esr:#x}");
        }
    }
}
