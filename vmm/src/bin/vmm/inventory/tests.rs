//! Tests of the inventory.

use super::*;
use vmm::SpareEvent;

#[test]
fn names_and_slots_are_taken_once() {
    let inventory = Inventory::new(Vec::new(), None);
    let slot = |device| Slot::new(device).unwrap();
    assert_eq!(inventory.add("a", None, Kind::Random).unwrap().slot, slot(1));
    assert_eq!(inventory.add("b", Some(slot(3)), Kind::Random).unwrap().slot, slot(3));
    assert!(inventory.add("a", None, Kind::Random).unwrap_err().contains("'a' already"));
    assert!(inventory.add("c", Some(slot(3)), Kind::Random).unwrap_err().contains("slot 3"));
    assert_eq!(inventory.add("c", None, Kind::Random).unwrap().slot, slot(2));
    inventory.remove(slot(1));
    assert_eq!((inventory.find("a"), inventory.add("d", None, Kind::Random).unwrap().slot), (None, slot(1)));
    for _ in 0..28 {
        let id = format!("x{}", inventory.specs().len());
        inventory.add(&id, None, Kind::Random).unwrap();
    }
    assert_eq!(inventory.add("last", None, Kind::Random), Err("all slots are taken".into()));
}

#[test]
fn processors_have_names_like_devices_and_go_when_they_are_ejected() {
    let inventory = Inventory::new(Vec::new(), None);
    inventory.add("a", None, Kind::Random).unwrap();
    assert!(inventory.add_cpu("a", 1).unwrap_err().contains("'a' already"));
    inventory.add_cpu("b", 1).unwrap();
    assert!(inventory.add_cpu("c", 1).unwrap_err().contains("processor 1 is there already"));
    assert!(inventory.add("b", None, Kind::Random).unwrap_err().contains("'b' already"));
    inventory.add_cpu("device0", 3).unwrap();
    assert_eq!((inventory.name_for(None), inventory.name_for(Some("1".into())).is_err()), (Ok("device1".into()), true));
    inventory.cpu_event(SpareEvent::Ejected { index: 1 });
    assert_eq!(inventory.cpus(), [(3, "device0".into())]);
    inventory.set_cpu_leaving(3);
    inventory.detach();
    assert_eq!(inventory.cpus(), []);
}

#[test]
fn what_was_to_go_is_gone_with_the_vm() {
    let inventory = Inventory::new(Vec::new(), None);
    let spec = inventory.add("a", None, Kind::Random).unwrap();
    inventory.add("b", None, Kind::Random).unwrap();
    inventory.set_leaving(spec.slot);
    inventory.end(Ending::Reset);
    assert_eq!((inventory.detach(), inventory.detach()), (Some(Ending::Reset), None));
    assert_eq!(inventory.specs().len(), 1);
}
