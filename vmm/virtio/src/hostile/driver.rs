//! A driver whose rings follow the rules, whatever it puts into them.

use super::{Request, transport::Register, transport::Transport};
use crate::{Features, Memory, ring::Areas};
use vm_memory::{ByteValued, Bytes, GuestAddress};

/// Guest memory, from address zero.
pub(super) const MEMORY_BYTES: u64 = 1 << 20;
/// Descriptors of each queue.
const QUEUE_SIZE: u16 = 16;
/// Where the areas of queue 0 stand; those of the next ones follow.
const AREAS: u64 = 0x1000;
/// Bytes of the areas of one queue: descriptors, driver's and device's area, indirect table.
const AREAS_BYTES: u64 = 0x600;
/// Where the heads of requests stand.
const HEADS: u64 = 0x4_0000;
/// The most bytes of a head.
const HEAD_BYTES: u64 = 0x1000;
/// The most queues that are used.
const QUEUES_MAX: usize = 64;

/// A queue as the driver sees it.
#[derive(Clone, Copy, Default)]
struct QueueState {
    next: u16,
    wrapped: bool,
    nr_available: u16,
}

/// The driver.
pub(super) struct Driver {
    pub(super) memory: Memory,
    features: Features,
    queues: Vec<QueueState>,
}

fn areas(queue: usize) -> Areas {
    let descriptors = AREAS + AREAS_BYTES * queue as u64;
    Areas { descriptors, driver: descriptors + 0x200, device: descriptors + 0x300 }
}

impl Driver {
    pub(super) fn new(memory: Memory, device: &impl Transport) -> Self {
        let nr_queues = device.common().nr_queues().min(QUEUES_MAX);
        Self { memory, features: Features::empty(), queues: vec![QueueState::default(); nr_queues] }
    }

    /// As § 3.1.1 says, after a reset.
    pub(super) fn start(&mut self, device: &mut impl Transport, features: u64, messages: bool) {
        device.write_register(Register::Status, 0);
        self.features = Features::from_bits_truncate(features);
        self.queues.fill(QueueState::default());
        let all = vec![0; AREAS_BYTES as usize * self.queues.len()];
        self.memory.write_slice(&all, GuestAddress(AREAS)).expect("within memory");
        device.write_register(Register::Status, 3);
        for half in 0..2 {
            device.write_register(Register::FeatureSelect, half);
            device.write_register(Register::Feature, features >> (32 * half) & 0xffff_ffff);
        }
        device.write_register(Register::Status, 11);
        for queue in 0..self.queues.len() {
            device.write_register(Register::QueueSelect, queue as u64);
            device.write_register(Register::QueueSize, QUEUE_SIZE.into());
            let Areas { descriptors, driver, device: used } = areas(queue);
            for (index, area) in (0..).zip([descriptors, driver, used]) {
                device.write_register(Register::Area(index), area);
            }
            if messages {
                device.use_messages();
            }
            device.write_register(Register::QueueEnable, 1);
        }
        device.write_register(Register::Status, 15);
    }

    fn set(&self, at: u64, value: impl ByteValued) {
        self.memory.write_obj(value, GuestAddress(at)).expect("within memory");
    }

    fn get(&self, at: u64) -> u16 {
        self.memory.read_obj(GuestAddress(at)).expect("within memory")
    }

    /// Makes a buffer available, if the ring has room, and gives the queue.
    pub(super) fn submit(&mut self, request: &Request) -> Option<usize> {
        let queue = usize::from(request.queue).checked_rem(self.queues.len())?;
        let areas = areas(queue);
        let mut elements = Vec::new();
        if !request.head.is_empty() {
            let at = HEADS + HEAD_BYTES * queue as u64;
            let size = request.head.len().min(HEAD_BYTES as usize);
            self.memory.write_slice(&request.head[..size], GuestAddress(at)).expect("within memory");
            elements.push((at, size as u32, false));
        }
        for element in &request.elements {
            // One address in sixteen may be outside.
            let address = u64::from(element.address);
            let address = if address >> 28 == 15 { address } else { address % MEMORY_BYTES };
            elements.push((address, element.size_bytes, element.writable));
        }
        elements.truncate(QUEUE_SIZE.into());
        if elements.is_empty() {
            return Some(queue);
        }
        let packed = self.features.contains(Features::RING_PACKED);
        let used = self.get(areas.device + 2);
        if !packed && self.queues[queue].nr_available.wrapping_sub(used) >= QUEUE_SIZE {
            return Some(queue);
        }
        if request.indirect && self.features.contains(Features::INDIRECT_DESC) {
            let table = areas.descriptors + 0x400;
            for (index, element) in (0_u16..).zip(&elements) {
                let next = index + 1;
                let link = !packed && usize::from(next) < elements.len();
                let flags = u16::from(element.2) << 1 | u16::from(link);
                self.descriptor(table, index, *element, if packed { [0, flags] } else { [flags, next] });
            }
            elements = vec![(table, 16 * elements.len() as u32, false)];
            self.publish(queue, &elements, 4, packed);
        } else {
            self.publish(queue, &elements, 0, packed);
        }
        Some(queue)
    }

    fn descriptor(&self, table: u64, index: u16, (address, size, _): (u64, u32, bool), last: [u16; 2]) {
        let at = table + 16 * u64::from(index);
        self.set(at, address);
        self.set(at + 8, size);
        self.set(at + 12, last);
    }

    /// Nobody looks while it is written: the device is called afterwards.
    fn publish(&mut self, queue: usize, elements: &[(u64, u32, bool)], more: u16, packed: bool) {
        let areas = areas(queue);
        let mut state = self.queues[queue];
        let head = state.next;
        for (index, element) in (1..).zip(elements) {
            let following = (state.next + 1) % QUEUE_SIZE;
            let flags = u16::from(element.2) << 1 | u16::from(index < elements.len()) | more;
            let marks = if state.wrapped { 1 << 15 } else { 1 << 7 };
            let last = if packed { [head, flags | marks] } else { [flags, following] };
            self.descriptor(areas.descriptors, state.next, *element, last);
            state.wrapped ^= following == 0;
            state.next = following;
        }
        if !packed {
            self.set(areas.driver + 4 + 2 * u64::from(state.nr_available % QUEUE_SIZE), head);
            state.nr_available = state.nr_available.wrapping_add(1);
            self.set(areas.driver + 2, state.nr_available);
        }
        self.queues[queue] = state;
    }
}
