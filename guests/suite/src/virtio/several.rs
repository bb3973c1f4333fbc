//! A device in use with several queues.

use super::{ROWS, SIZE, each_layout_of};
use rt::{
    check,
    virtio::{Element, Layout, Queue, Transport, Used, feature},
};

/// A device in use, with as many queues as a case needs.
pub(super) struct Several<const N: usize> {
    pub(super) transport: Transport,
    pub(super) queues: [Queue; N],
    pub(super) features: u64,
}

impl<const N: usize> Several<N> {
    /// Resets and negotiates with those of `wanted` that the device offers, sets up the queues of these numbers, and starts; none
    /// if the device refuses.
    pub(super) fn started(transport: Transport, layout: Layout, wanted: u64, numbers: [u16; N]) -> Option<Self> {
        let packed = if layout == Layout::Packed { feature::RING_PACKED } else { 0 };
        let features = transport.negotiate_offered(wanted | packed)?;
        let queues = numbers.map(|number| Queue::new(number, SIZE, layout));
        queues.iter().for_each(|queue| transport.add_queue(queue));
        transport.start();
        Some(Self { transport, queues, features })
    }

    /// Makes a buffer of these elements available, and notifies.
    pub(super) fn give(&mut self, queue: usize, elements: &[Element]) {
        self.queues[queue].add(elements);
        self.transport.notify(self.queues[queue].index);
    }

    /// The same, and waits until that buffer comes back: how many bytes the device wrote. None if it does not, or another does.
    pub(super) fn exchange(&mut self, queue: usize, elements: &[Element]) -> Option<u32> {
        let id = self.queues[queue].next().0;
        self.give(queue, elements);
        self.queues[queue].wait_used().filter(|used| used.id == u32::from(id)).map(|Used { written, .. }| written)
    }
}

/// Calls `try_one` with each transport and layout by which there is a device of this kind.
pub(super) fn each_row(kind: u16, mut try_one: impl FnMut(u64, Transport, Layout)) {
    each_layout_of(kind, |row, transport, layout| {
        try_one(row, transport, layout);
        // What comes late must not find queues of the next transport's device, which stand in the same memory.
        let _ = transport.reset();
    });
}

/// Records that a device refused to work.
pub(super) fn refused(row: u64) {
    check!("features are accepted", [ROWS; row], false);
}
