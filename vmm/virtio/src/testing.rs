//! A driver for tests: it lays out rings as a guest does, for every kind of ring.

use crate::{Common, Features, Interrupts, Memory, Status, VirtioDevice, ring::Areas};
use vm_memory::{Bytes, GuestAddress};

/// A MiB of guest memory.
pub(crate) fn memory() -> Memory {
    Memory::from_ranges(&[(GuestAddress(0), 1 << 20)]).expect("one range")
}

/// A kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) packed: bool,
    pub(crate) indirect: bool,
    pub(crate) event_index: bool,
}

impl Layout {
    /// Every kind.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Self { packed: bits & 1 != 0, indirect: bits & 2 != 0, event_index: bits & 4 != 0 })
    }

    pub(crate) fn features(self) -> Features {
        let mut features = Features::VERSION_1;
        features.set(Features::RING_PACKED, self.packed);
        features.set(Features::INDIRECT_DESC, self.indirect);
        features.set(Features::EVENT_IDX, self.event_index);
        features
    }
}

/// Descriptors of each queue.
pub(crate) const QUEUE_SIZE: u16 = 16;
/// Where the areas of queue 0 stand; those of the next ones follow.
const AREAS: u64 = 0x1000;
/// Bytes of the areas of one queue: descriptors, driver's and device's area.
const AREAS_BYTES: u64 = 0x400;
/// Where data stand.
const DATA: u64 = 0x1_0000;

/// The areas of a queue.
pub(crate) fn areas(queue: usize) -> Areas {
    let descriptors = AREAS + AREAS_BYTES * queue as u64;
    Areas { descriptors, driver: descriptors + 0x200, device: descriptors + 0x300 }
}

/// A queue as the driver sees it.
#[derive(Clone, Copy, Default)]
struct QueueState {
    /// Next descriptor, and rounds, of what is made available and of what is used.
    next: u16,
    wrapped: bool,
    next_used: u16,
    used_wrapped: bool,
    nr_available: u16,
    /// Descriptors that the buffer with this id took.
    lengths: [u16; QUEUE_SIZE as usize],
}

/// A buffer that was made available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u16,
    /// Where the device writes, with sizes.
    pub(crate) writable: Vec<(u64, u32)>,
}

/// The driver.
pub(crate) struct Driver {
    pub(crate) memory: Memory,
    pub(crate) layout: Layout,
    queues: Vec<QueueState>,
    next_data: u64,
}

impl Driver {
    pub(crate) fn new(memory: Memory, layout: Layout, nr_queues: usize) -> Self {
        Self { memory, layout, queues: vec![QueueState::default(); nr_queues], next_data: DATA }
    }

    /// A device that was started with all its queues, `features` of its own accepted, and its driver.
    pub(crate) fn started(device: Box<dyn VirtioDevice>, layout: Layout, features: u64) -> (Common, Self) {
        let memory = memory();
        let nr_queues = device.queue_sizes().len();
        let mut common = Common::new(device, memory.clone());
        common.set_status((Status::ACKNOWLEDGE | Status::DRIVER).bits());
        common.accept(features | layout.features().bits());
        common.set_status((Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK).bits());
        assert!(common.status().contains(Status::FEATURES_OK), "features are accepted");
        for queue in 0..nr_queues {
            common.change_queue(queue, |registers| {
                (registers.size, registers.areas) = (QUEUE_SIZE, areas(queue));
            });
            common.enable_queue(queue);
        }
        common.set_status(Status::all().difference(Status::NEEDS_RESET | Status::FAILED).bits());
        assert_eq!(common.broken(), None);
        (common, Self::new(memory, layout, nr_queues))
    }

    /// Resets one queue, and starts it anew.
    pub(crate) fn reset_queue(&mut self, common: &mut Common, queue: usize) {
        common.reset_queue(queue);
        let areas = areas(queue);
        self.memory.write_slice(&[0; AREAS_BYTES as usize], GuestAddress(areas.descriptors)).expect("within memory");
        self.queues[queue] = QueueState::default();
        common.change_queue(queue, |registers| (registers.size, registers.areas) = (QUEUE_SIZE, areas));
        common.enable_queue(queue);
    }

    fn put(&self, at: u64, value: impl vm_memory::ByteValued) {
        self.memory.write_obj(value, GuestAddress(at)).expect("within memory");
    }

    fn get<T: vm_memory::ByteValued>(&self, at: u64) -> T {
        self.memory.read_obj(GuestAddress(at)).expect("within memory")
    }

    /// Memory of so many bytes, which nobody else has.
    pub(crate) fn allocate(&mut self, size: u64) -> u64 {
        let at = self.next_data;
        self.next_data += size.next_multiple_of(16);
        at
    }

    /// All memory that was allocated may be allocated again.
    pub(crate) fn free_all(&mut self) {
        self.next_data = DATA;
    }

    /// The bytes at an address.
    pub(crate) fn bytes(&self, at: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.memory.read_slice(&mut bytes, GuestAddress(at)).expect("within memory");
        bytes
    }

    /// What the device wrote to a buffer.
    pub(crate) fn written(&self, request: &Request) -> Vec<u8> {
        request.writable.iter().flat_map(|(at, size)| self.bytes(*at, *size as usize)).collect()
    }

    /// Makes a buffer available: what can be read, then the sizes of what can be written.
    pub(crate) fn submit(&mut self, queue: usize, readable: &[&[u8]], writable: &[u32]) -> Request {
        let mut elements = Vec::new();
        for bytes in readable {
            let at = self.allocate(bytes.len() as u64);
            self.memory.write_slice(bytes, GuestAddress(at)).expect("within memory");
            elements.push((at, bytes.len() as u32, false));
        }
        for size in writable {
            elements.push((self.allocate((*size).into()), *size, true));
        }
        let id = self.submit_elements(queue, &elements);
        let writable = elements.iter().filter(|element| element.2).map(|(at, size, _)| (*at, *size)).collect();
        Request { id, writable }
    }

    /// Makes these elements available: address, size, whether the device writes; gives the id that comes back.
    pub(crate) fn submit_elements(&mut self, queue: usize, elements: &[(u64, u32, bool)]) -> u16 {
        if !self.layout.indirect {
            return self.submit_descriptors(queue, elements, 0);
        }
        let table = self.allocate(16 * elements.len() as u64);
        for (index, (address, size, is_writable)) in (0_u16..).zip(elements) {
            let at = table + 16 * u64::from(index);
            let is_last = usize::from(index) + 1 == elements.len();
            let link = !self.layout.packed && !is_last;
            let flags = u16::from(*is_writable) << 1 | u16::from(link);
            self.put(at, *address);
            self.put(at + 8, *size);
            self.put(at + 12, if self.layout.packed { [0, flags] } else { [flags, index + 1] });
        }
        self.submit_descriptors(queue, &[(table, 16 * elements.len() as u32, false)], 4)
    }

    fn submit_descriptors(&mut self, queue: usize, elements: &[(u64, u32, bool)], more: u16) -> u16 {
        let areas = areas(queue);
        let mut state = self.queues[queue];
        let head = state.next;
        let heads_round = state.wrapped;
        let nr = elements.len() as u16;
        for (index, (address, size, is_writable)) in (0_u16..).zip(elements) {
            let at = areas.descriptors + 16 * u64::from(state.next);
            let has_next = index + 1 < nr;
            let mut flags = u16::from(*is_writable) << 1 | u16::from(has_next) | more;
            self.put(at, *address);
            self.put(at + 8, *size);
            let following = (state.next + 1) % QUEUE_SIZE;
            if self.layout.packed {
                flags |= if state.wrapped { 1 << 15 } else { 1 << 7 };
                self.put(at + 12, head);
                if index > 0 {
                    self.put(at + 14, flags);
                } else {
                    // The head is told last.
                    self.put(areas.descriptors + 0x1f0, flags);
                }
            } else {
                self.put(at + 12, [flags, following]);
            }
            state.wrapped ^= following == 0;
            state.next = following;
        }
        if self.layout.packed {
            let at = areas.descriptors + 16 * u64::from(head) + 14;
            let flags: u16 = self.get(areas.descriptors + 0x1f0);
            let marks = if heads_round { 1 << 15 } else { 1 << 7 };
            self.put(at, flags & !(1 << 15 | 1 << 7) | marks);
        } else {
            self.put(areas.driver + 4 + 2 * u64::from(state.nr_available % QUEUE_SIZE), head);
            state.nr_available = state.nr_available.wrapping_add(1);
            self.put(areas.driver + 2, state.nr_available);
        }
        state.lengths[usize::from(head)] = nr;
        self.queues[queue] = state;
        head
    }

    /// The next buffer that was given back: its id, and how many bytes were written.
    pub(crate) fn used(&mut self, queue: usize) -> Option<(u16, u32)> {
        let areas = areas(queue);
        let mut state = self.queues[queue];
        let (id, written) = if self.layout.packed {
            let at = areas.descriptors + 16 * u64::from(state.next_used);
            let flags: u16 = self.get(at + 14);
            let marks = (flags >> 15 & 1 != 0, flags >> 7 & 1 != 0);
            if marks != (!state.used_wrapped, !state.used_wrapped) {
                return None;
            }
            let id: u16 = self.get(at + 12);
            let next = state.next_used + state.lengths[usize::from(id)];
            state.used_wrapped ^= next >= QUEUE_SIZE;
            state.next_used = next % QUEUE_SIZE;
            (id, self.get(at + 8))
        } else {
            let nr_used: u16 = self.get(areas.device + 2);
            if nr_used == state.next_used {
                return None;
            }
            let at = areas.device + 4 + 8 * u64::from(state.next_used % QUEUE_SIZE);
            state.next_used = state.next_used.wrapping_add(1);
            (self.get::<u32>(at) as u16, self.get(at + 4))
        };
        self.queues[queue] = state;
        Some((id, written))
    }

    /// Says that an interrupt is wanted for the next buffer, by its position where there are event indices.
    pub(crate) fn want_next(&mut self, queue: usize) {
        let (areas, state) = (areas(queue), self.queues[queue]);
        match (self.layout.event_index, self.layout.packed) {
            (false, _) => self.want_interrupts(queue, true),
            (true, true) => {
                let position = state.next_used | u16::from(!state.used_wrapped) << 15;
                self.put(areas.driver, [position, 2]);
            }
            (true, false) => self.put(areas.driver + 4 + 2 * u64::from(QUEUE_SIZE), state.next_used),
        }
    }

    /// Says that an interrupt is wanted for everything, or for nothing.
    pub(crate) fn want_interrupts(&mut self, queue: usize, wanted: bool) {
        let at = areas(queue).driver;
        match self.layout.packed {
            true => self.put(at + 2, u16::from(!wanted)),
            false => self.put(at, u16::from(!wanted)),
        }
    }
}

/// Another device, which is made once this one is gone, in its state; memory and driver stay.
pub(crate) fn restored(mut common: Common, driver: &Driver, make: impl FnOnce() -> Box<dyn VirtioDevice>) -> Common {
    common.quiesce(u64::MAX);
    let state = common.save().expect("it can be saved");
    drop(common);
    let mut other = Common::new(make(), driver.memory.clone());
    other.restore(&state).expect("it is a state of the same device");
    other
}

/// Submits one buffer, notifies, and gives what was written with its length; the device must have used it at once.
pub(crate) fn exchange(
    common: &mut Common,
    driver: &mut Driver,
    queue: usize,
    readable: &[&[u8]],
    writable: &[u32],
) -> (Vec<u8>, u32) {
    let request = driver.submit(queue, readable, writable);
    common.notify(queue);
    let (id, written) = driver.used(queue).expect("it is used at once");
    assert_eq!(id, request.id);
    (driver.written(&request), written)
}

/// Whether a queue's interrupt is due, or the configuration's.
pub(crate) fn due(common: &mut Common) -> (u64, bool) {
    let Interrupts { queues, config } = common.take_interrupts();
    (queues, config)
}
