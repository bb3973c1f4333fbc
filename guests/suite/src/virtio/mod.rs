//! virtio: transports, negotiation, rings, notifications, and devices against drivers that break rules.
//!
//! Most rules hold for every transport and layout of rings: their cases have a row for each that the subject offers.

mod balloon;
mod block;
mod changes;
mod console;
mod descriptors;
mod features;
mod gpu;
mod hostile;
mod hostile_queues;
mod index_wrap;
mod indirect;
mod kinds;
mod mmio;
mod network;
mod notifications;
mod over_pci;
mod queue_reset;
mod queues;
mod scsi;
mod several;
mod socket;
mod status;
mod suppression;

use rt::{
    check, names,
    virtio::{self, Element, Layout, Queue, Transport, Used, feature, kind},
    vocabulary::Text,
};

/// Names of transports, as rows.
const TRANSPORTS: &[Text] = names!["PCI", "MMIO"];

/// Names of transports with layouts, as rows.
const ROWS: &[Text] = names!["PCI, split", "PCI, packed", "MMIO, split", "MMIO, packed"];

/// Descriptors of the queues that cases use, unless they say otherwise: every device has as many.
const SIZE: u16 = 8;

/// Calls `try_one` with the row of each transport by which there is an entropy device.
fn each_transport(try_one: impl FnMut(u64, Transport)) {
    each_transport_of(kind::ENTROPY, try_one);
}

/// The same for a device of any kind.
fn each_transport_of(kind: u16, mut try_one: impl FnMut(u64, Transport)) {
    let found = [Transport::find_pci(kind), Transport::find_mmio(kind)];
    check!("there is a device", found.iter().any(Option::is_some));
    for (row, transport) in (0..).zip(found) {
        if let Some(transport) = transport {
            try_one(row, transport);
        }
    }
}

/// Calls `try_one` with the row of each transport and layout.
fn each_layout(try_one: impl FnMut(u64, Transport, Layout)) {
    each_layout_of(kind::ENTROPY, try_one);
}

/// The same for a device of any kind.
fn each_layout_of(kind: u16, mut try_one: impl FnMut(u64, Transport, Layout)) {
    each_transport_of(kind, |row, transport| {
        try_one(2 * row, transport, Layout::Split);
        if transport.device_features() & feature::RING_PACKED != 0 {
            try_one(2 * row + 1, transport, Layout::Packed);
        }
    });
}

/// A device in use, with one queue.
struct Device {
    transport: Transport,
    queue: Queue,
    features: u64,
}

impl Device {
    /// Resets and negotiates with those of `wanted` that the device offers, and sets one queue up; none if it refuses.
    fn prepared(transport: Transport, layout: Layout, wanted: u64, size: u16) -> Option<Self> {
        let packed = if layout == Layout::Packed { feature::RING_PACKED } else { 0 };
        let features = transport.negotiate_offered(wanted | packed)?;
        let queue = Queue::new(0, size, layout);
        transport.add_queue(&queue);
        Some(Self { transport, queue, features })
    }

    /// The same, with DRIVER_OK.
    fn started(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        let device = Self::prepared(transport, layout, wanted, SIZE)?;
        transport.start();
        Some(device)
    }

    fn notify(&self) {
        self.transport.notify(self.queue.index);
    }

    /// Makes a buffer available and notifies, and waits until it comes back.
    fn request(&mut self, elements: &[Element]) -> Option<Used> {
        self.queue.add(elements);
        self.notify();
        self.queue.wait_used()
    }

    /// A request that any entropy device answers, with the usual checks; whether it was answered as it must be.
    fn answers(&mut self) -> bool {
        let buffer = virtio::buffer(0);
        let id = self.queue.next().0;
        let used = self.request(&[Element::written(buffer, 32)]);
        matches!(used, Some(Used { id: of, written: 1..=32 }) if of == u32::from(id))
    }
}

/// Resets a device and starts it again: whether it answers.
fn answers_after_reset(transport: Transport, layout: Layout) -> bool {
    transport.reset() && Device::started(transport, layout, 0).is_some_and(|mut device| device.answers())
}

/// Lets the device do what it does in its own time: long enough for one that does it at once on another thread.
fn give_time() {
    const MICROS: u64 = 100;
    rt::clock::Deadline::after(MICROS).wait(|| false);
}
