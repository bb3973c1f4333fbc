//! Status, features and queues, one rule each.

use super::*;
use crate::{
    Features,
    devices::Entropy,
    testing::{Driver, Layout, QUEUE_SIZE, areas, due, memory},
};
use vm_memory::{Bytes, GuestAddress};

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };
const ALL: u8 = 0xf;

fn device() -> Box<dyn VirtioDevice> {
    Box::new(Entropy::new(std::io::repeat(0x5a)))
}

fn common() -> Common {
    Common::new(device(), memory())
}

#[test]
fn features_must_be_offered_and_of_version_1() {
    let offered = common().offered();
    for (bits, is_settled) in [
        (Features::VERSION_1.bits(), true),
        (offered, true),
        (0, false),
        (offered & !Features::VERSION_1.bits(), false),
        (Features::VERSION_1.bits() | 1 << 60, false),
    ] {
        let mut common = common();
        common.set_status(3);
        common.accept(bits);
        common.set_status(11);
        assert_eq!(common.status().contains(Status::FEATURES_OK), is_settled, "{bits:#x}");
        // Nor does anything start without.
        common.set_status(15);
        assert_eq!(common.status().contains(Status::DRIVER_OK), is_settled);
    }
}

#[test]
fn features_are_settled_once() {
    let mut common = common();
    common.accept(Features::VERSION_1.bits());
    common.set_status(11);
    common.accept(0);
    assert_eq!(common.accepted(), Features::VERSION_1.bits());
}

#[test]
fn a_reset_forgets_everything() {
    let (mut common, mut driver) = Driver::started(device(), PLAIN, 0);
    driver.submit(0, &[], &[4]);
    common.notify(0);
    common.set_status(0);
    assert_eq!((common.status(), common.accepted()), (Status::empty(), 0));
    let queue = *common.queue(0).expect("there is one");
    assert_eq!((queue.enabled, queue.size, queue.areas), (false, 256, Areas::default()));
    assert_eq!(due(&mut common), (0, false), "nor is anything due any more");
    driver.submit(0, &[], &[4]);
    common.notify(0);
    assert!(driver.used(0).is_some() && driver.used(0).is_none(), "only what came before");
}

#[test]
fn nothing_is_used_before_the_driver_is_ready() {
    let mut common = common();
    let mut driver = Driver::new(common.memory.clone(), PLAIN, 1);
    common.accept(Features::VERSION_1.bits());
    common.set_status(11);
    common.change_queue(0, |queue| (queue.size, queue.areas) = (QUEUE_SIZE, areas(0)));
    common.enable_queue(0);
    driver.submit(0, &[], &[4]);
    common.notify(0);
    assert_eq!((driver.used(0), due(&mut common)), (None, (0, false)));
    common.set_status(ALL);
    common.notify(0);
    assert!(driver.used(0).is_some());
    assert_eq!(due(&mut common), (1, false));
}

#[test]
fn a_queue_in_use_does_not_move() {
    let (mut common, _) = Driver::started(device(), PLAIN, 0);
    common.change_queue(0, |queue| queue.areas.descriptors = 0);
    assert_eq!(common.queue(0).map(|queue| queue.areas), Some(areas(0)));
}

#[test]
fn a_broken_queue_asks_for_a_reset() {
    let (mut common, mut driver) = Driver::started(device(), PLAIN, 0);
    driver.submit_elements(0, &[(1 << 20, 1, true)]);
    common.notify(0);
    assert!(common.status().contains(Status::NEEDS_RESET));
    assert_eq!(common.broken(), Some(&RingError::Outside { address: 1 << 20, size_bytes: 1 }));
    assert_eq!(due(&mut common), (0, true));
    // It does nothing until then, and a driver cannot take it back otherwise.
    driver.submit(0, &[], &[4]);
    common.notify(0);
    common.set_status(ALL);
    assert_eq!(driver.used(0), None);
    assert!(common.status().contains(Status::NEEDS_RESET));
    common.set_status(0);
    assert_eq!((common.status(), common.broken()), (Status::empty(), None));
}

#[test]
fn a_queue_is_reset_by_itself() {
    let (mut common, mut driver) = Driver::started(device(), PLAIN, Features::RING_RESET.bits());
    common.reset_queue(0);
    assert_eq!(common.queue(0).map(|queue| (queue.enabled, queue.size)), Some((false, 256)));
    driver.submit(0, &[], &[4]);
    common.notify(0);
    assert_eq!(driver.used(0), None);
    // A new start of the ring.
    driver.memory.write_slice(&[0; 0x400], GuestAddress(areas(0).descriptors)).unwrap();
    let mut driver = Driver::new(driver.memory, PLAIN, 1);
    common.change_queue(0, |queue| (queue.size, queue.areas) = (QUEUE_SIZE, areas(0)));
    common.enable_queue(0);
    driver.submit(0, &[], &[4]);
    common.notify(0);
    assert_eq!(driver.used(0), Some((0, 4)));
}

#[test]
fn an_impossible_queue_asks_for_a_reset() {
    let mut common = common();
    common.accept(Features::VERSION_1.bits());
    common.set_status(11);
    common.change_queue(0, |queue| (queue.size, queue.areas) = (QUEUE_SIZE, Areas { device: 2, ..areas(0) }));
    common.enable_queue(0);
    common.set_status(ALL);
    assert!(matches!(common.broken(), Some(RingError::Area { area: "used ring", address: 2 })));
}

/// A device that uses buffers when its other side wakes it.
struct Source;

impl VirtioDevice for Source {
    fn kind(&self) -> crate::DeviceKind {
        crate::DeviceKind::Entropy
    }

    fn queue_sizes(&self) -> &[u16] {
        &[16]
    }

    fn notified(&mut self, _: usize, _: &mut Io<'_>) -> Result<(), RingError> {
        Ok(())
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        io.each(0, |_, _| Ok(0))
    }
}

#[test]
fn a_device_that_used_all_buffers_when_woken_hears_of_the_next() {
    for packed in [false, true] {
        let layout = Layout { packed, indirect: false, event_index: true };
        let (mut common, mut driver) = Driver::started(Box::new(Source), layout, 0);
        let event_at = if packed { areas(0).device } else { areas(0).device + 4 + 8 * u64::from(QUEUE_SIZE) };
        let event = |driver: &Driver| driver.memory.read_obj::<u16>(GuestAddress(event_at)).unwrap() & 0x7fff;
        for _ in 0..3 {
            driver.submit(0, &[], &[4]);
        }
        common.notify(0);
        assert_eq!(event(&driver), 0, "none was used");
        common.wake();
        assert_eq!(event(&driver), 3, "packed: {packed}");
    }
}
