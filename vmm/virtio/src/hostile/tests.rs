//! The steps themselves: they reach devices, and what is wrong is seen.

use super::*;
use crate::{DeviceKind, Io, RingError, devices::Entropy};
use proptest::prelude::*;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// A device that counts what it is given, and works at its first start alone if it is told so.
struct Counter {
    nr_bytes: Arc<AtomicU32>,
    once: bool,
    nr_starts: u32,
}

impl VirtioDevice for Counter {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Entropy
    }

    fn queue_sizes(&self) -> &[u16] {
        &[64, 64]
    }

    fn accept(&mut self, _: u64) -> bool {
        self.nr_starts += 1;
        !self.once || self.nr_starts == 1
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        io.each(queue, |chain, _| {
            self.nr_bytes.fetch_add((chain.readable_bytes() + chain.writable_bytes()) as u32, Ordering::Relaxed);
            Ok(0)
        })
    }
}

/// What a device is given by requests under these features, behind both transports.
fn given(features: u64, once: bool) -> u32 {
    let request = |queue, notify| {
        let elements = vec![Element { address: 5, size_bytes: 7, writable: true }; 2];
        Step::Request(Request { queue, head: vec![1; 3], elements, indirect: true, notify })
    };
    let mut steps = vec![Step::Start { features, messages: true }];
    for _ in 0..20 {
        steps.extend([request(1, true), request(0, false), Step::Notify(0)]);
    }
    let nr_bytes = Arc::new(AtomicU32::new(0));
    survive(|| Box::new(Counter { nr_bytes: nr_bytes.clone(), once, nr_starts: 0 }), &steps);
    nr_bytes.load(Ordering::Relaxed)
}

#[test]
fn requests_reach_the_device_by_every_ring() {
    let features = Features::INDIRECT_DESC | Features::EVENT_IDX | Features::RING_PACKED;
    for bits in [Features::empty(), Features::INDIRECT_DESC, Features::RING_PACKED, features] {
        assert_eq!(given(bits.bits(), false), 2 * 40 * 17, "{bits:?}");
    }
}

#[test]
fn what_the_host_does_reaches_the_device_that_there_is() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let made = Cell::new(0);
    let steps =
        [Step::Start { features: 0, messages: false }, Step::Host(5), Step::Restore { damage: None }, Step::Host(6)];
    let make = || {
        made.set(made.get() + 1);
        let (seen, number) = (seen.clone(), made.get());
        let change = Box::new(move |value| seen.borrow_mut().push((number, value)));
        Hosted { device: Box::new(Entropy::new(std::io::repeat(0))), change }
    };
    survive_with_host(make, &steps);
    // Behind each transport one device, and the one that goes on in its state.
    assert_eq!(*seen.borrow(), [(1, 5), (2, 6), (3, 5), (4, 6)]);
}

#[test]
#[should_panic(expected = "it is as at its start")]
fn a_device_that_does_not_come_back_is_seen() {
    given(0, true);
}

proptest! {
    #[test]
    fn the_entropy_device_survives(steps in strategy::steps(Just(Vec::new()))) {
        survive(|| Box::new(Entropy::new(std::io::repeat(0x5a))), &steps);
    }
}
