//! A virtqueue as the driver sees it.
//!
//! Sources: VIRTIO, "Split Virtqueues", "Packed Virtqueues".

use super::{
    area::area,
    descriptor::{Descriptor, Element, Layout, descriptor_flag},
};
use crate::mmio;
use core::sync::atomic::{Ordering, fence};

/// The largest queue here with a packed ring.
pub const SIZE_MAX: u16 = 32;
/// That with a split ring: as many descriptors as an area holds.
pub const SPLIT_SIZE_MAX: u16 = 256;

/// A queue with its areas.
#[derive(Debug)]
pub struct Queue {
    /// Which of the device's queues it is.
    pub index: u16,
    /// How many descriptors it has.
    pub size: u16,
    /// Its layout.
    pub layout: Layout,
    /// Where the next buffer's first descriptor goes, and for packed rings the wrap counter.
    next: u16,
    wrap: bool,
    /// How many buffers were made available, or next used position of a packed ring with its wrap counter.
    nr_available: u16,
    pub(super) next_used: u16,
    pub(super) used_wrap: bool,
    /// Descriptors of each buffer by its id, for packed rings.
    pub(super) lengths: [u8; SIZE_MAX as usize],
}

impl Queue {
    /// An empty queue of [`SPLIT_SIZE_MAX`] or [`SIZE_MAX`] descriptors at most. Of its areas only that is cleared which the device or this looks at:
    /// each store costs.
    pub fn new(index: u16, size: u16, layout: Layout) -> Self {
        let size = size.min(if layout == Layout::Split { SPLIT_SIZE_MAX } else { SIZE_MAX });
        let queue = Self {
            index,
            size,
            layout,
            next: 0,
            wrap: true,
            nr_available: 0,
            next_used: 0,
            used_wrap: true,
            lengths: [1; SIZE_MAX as usize],
        };
        let [descriptors, driver, device] = queue.areas();
        mmio::write_u32(driver, 0);
        mmio::write_u32(device, 0);
        match layout {
            Layout::Split => {
                mmio::write_u16(driver + 4 + 2 * u64::from(size), 0);
                mmio::write_u16(device + 4 + 8 * u64::from(size), 0);
            }
            Layout::Packed => {
                (0..u64::from(size)).for_each(|number| mmio::write_u16(descriptors + 16 * number + 14, 0))
            }
        }
        queue
    }

    /// Addresses of descriptors, driver's area and device's area.
    pub fn areas(&self) -> [u64; 3] {
        [0, 1, 2].map(|number| area(self.index.into(), number))
    }

    /// Address of the memory for indirect tables: 256 descriptors.
    pub fn indirect_area(&self) -> u64 {
        area(self.index.into(), 3)
    }

    /// Index of the descriptor that the next buffer begins with, and the wrap counter of a packed ring.
    pub fn next(&self) -> (u16, bool) {
        (self.next, self.wrap)
    }

    /// Index of the used element that comes next, and the wrap counter of a packed ring.
    pub fn next_used(&self) -> (u16, bool) {
        (self.next_used, self.used_wrap)
    }

    /// Writes a descriptor of the table or ring as it is told; of a packed ring, the flags last.
    pub fn write_descriptor(&self, index: u16, descriptor: Descriptor) {
        self.write_at(self.areas()[0] + 16 * u64::from(index), descriptor);
    }

    fn write_at(&self, at: u64, Descriptor { address, size, flags, next }: Descriptor) {
        mmio::write_u64(at, address);
        mmio::write_u32(at + 8, size);
        match self.layout {
            Layout::Split => mmio::write_u32(at + 12, u32::from(next) << 16 | u32::from(flags)),
            Layout::Packed => {
                mmio::write_u16(at + 12, next);
                mmio::write_u16(at + 14, flags);
            }
        }
    }

    /// Reads a descriptor.
    pub fn read_descriptor(&self, index: u16) -> Descriptor {
        let at = self.areas()[0] + 16 * u64::from(index);
        let last = [mmio::read_u16(at + 12), mmio::read_u16(at + 14)];
        let [flags, next] = if self.layout == Layout::Split { last } else { [last[1], last[0]] };
        Descriptor { address: mmio::read_u64(at), size: mmio::read_u32(at + 8), flags, next }
    }

    /// Flags of a packed ring that make a descriptor available in this round.
    pub const fn available_flags(wrap: bool) -> u16 {
        if wrap { descriptor_flag::AVAILABLE } else { descriptor_flag::USED }
    }

    /// Makes a buffer of these elements available, and gives its id. The device is not notified.
    pub fn add(&mut self, elements: &[Element]) -> u16 {
        let id = self.next;
        let nr = elements.len() as u16;
        let (mut index, mut wrap) = (self.next, self.wrap);
        let mut first_flags = 0;
        for (number, element) in elements.iter().enumerate() {
            let is_last = number + 1 == elements.len();
            let after = (index + 1) % self.size;
            let mut flags = element.flags() | if is_last { 0 } else { descriptor_flag::NEXT };
            let next = if self.layout == Layout::Split { after } else { id };
            if self.layout == Layout::Packed {
                flags |= Self::available_flags(wrap);
                if number == 0 {
                    // The first is made available when all others are.
                    first_flags = flags;
                    flags ^= descriptor_flag::AVAILABLE | descriptor_flag::USED;
                }
            }
            self.write_descriptor(index, Descriptor { address: element.address, size: element.size, flags, next });
            wrap ^= after == 0;
            index = after;
        }
        if let Some(length) = self.lengths.get_mut(usize::from(id)) {
            *length = nr as u8;
        }
        if self.layout == Layout::Packed {
            self.publish_packed(id, first_flags);
        } else {
            self.publish_split(id);
        }
        (self.next, self.wrap) = (index, wrap);
        id
    }

    /// Makes a buffer available whose descriptors are those of an indirect table, with room for [`Self::add_indirect`] of other
    /// buffers: table `number` of 8 descriptors. Gives its id.
    pub fn add_indirect(&mut self, number: u16, elements: &[Element]) -> u16 {
        let table = self.indirect_area() + 128 * u64::from(number % 32);
        for (index, element) in elements.iter().enumerate() {
            let has_next = self.layout == Layout::Split && index + 1 < elements.len();
            let flags = element.flags() | if has_next { descriptor_flag::NEXT } else { 0 };
            let next = if self.layout == Layout::Split { index as u16 + 1 } else { 0 };
            self.write_at(
                table + 16 * index as u64,
                Descriptor { address: element.address, size: element.size, flags, next },
            );
        }
        self.add_raw(Descriptor {
            address: table,
            size: 16 * elements.len() as u32,
            flags: descriptor_flag::INDIRECT,
            next: self.next,
        })
    }

    /// Makes one descriptor available as it is told, but for the marks of a packed ring. Gives its index.
    pub fn add_raw(&mut self, descriptor: Descriptor) -> u16 {
        let id = self.next;
        match self.layout {
            Layout::Split => {
                self.write_descriptor(id, descriptor);
                self.publish_split(id);
            }
            Layout::Packed => {
                let flags = descriptor.flags | Self::available_flags(self.wrap);
                self.write_descriptor(id, Descriptor { flags: descriptor.flags | !flags & 0x8080, ..descriptor });
                self.publish_packed(id, flags);
            }
        }
        if let Some(length) = self.lengths.get_mut(usize::from(id)) {
            *length = 1;
        }
        self.next = (id + 1) % self.size;
        self.wrap ^= self.next == 0;
        id
    }

    fn publish_packed(&self, index: u16, flags: u16) {
        fence(Ordering::SeqCst);
        mmio::write_u16(self.areas()[0] + 16 * u64::from(index) + 14, flags);
    }

    /// Puts a head into the available ring and counts its index up, whatever the head is.
    pub fn publish_split(&mut self, head: u16) {
        self.write_available(self.nr_available % self.size, head);
        self.nr_available = self.nr_available.wrapping_add(1);
        fence(Ordering::SeqCst);
        self.set_available_index(self.nr_available);
    }

    /// Writes the head in a place of the available ring.
    pub fn write_available(&self, place: u16, head: u16) {
        mmio::write_u16(self.areas()[1] + 4 + 2 * u64::from(place), head);
    }

    /// Writes the available ring's index.
    pub fn set_available_index(&self, index: u16) {
        mmio::write_u16(self.areas()[1] + 2, index);
    }

    /// How many buffers were made available: the available ring's index.
    pub fn available_index(&self) -> u16 {
        self.nr_available
    }
}
