//! The device's half of a queue: buffers that it gave back, and which notifications either side wants.
//!
//! Sources: VIRTIO, "The Virtqueue Used Ring", "Driver and Device Event Suppression".

use super::{
    descriptor::{Layout, Used, descriptor_flag},
    queue::Queue,
};
use crate::{clock::Deadline, mmio};
use core::sync::atomic::{Ordering, fence};

impl Queue {
    /// The used ring's index.
    pub fn used_index(&self) -> u16 {
        mmio::read_u16(self.areas()[2] + 2)
    }

    /// What stands in a place of the used ring.
    pub fn used_at(&self, place: u16) -> Used {
        let at = self.areas()[2] + 4 + 8 * u64::from(place);
        Used { id: mmio::read_u32(at), written: mmio::read_u32(at + 4) }
    }

    /// The next buffer that the device gave back, if there is one.
    pub fn take_used(&mut self) -> Option<Used> {
        match self.layout {
            Layout::Split => {
                if self.used_index() == self.next_used {
                    return None;
                }
                fence(Ordering::SeqCst);
                let used = self.used_at(self.next_used % self.size);
                self.next_used = self.next_used.wrapping_add(1);
                Some(used)
            }
            Layout::Packed => {
                let descriptor = self.read_descriptor(self.next_used);
                let marks = descriptor.flags & (descriptor_flag::AVAILABLE | descriptor_flag::USED);
                let due = if self.used_wrap { descriptor_flag::AVAILABLE | descriptor_flag::USED } else { 0 };
                if marks != due {
                    return None;
                }
                fence(Ordering::SeqCst);
                let descriptor = self.read_descriptor(self.next_used);
                let length = self.lengths.get(usize::from(descriptor.next)).copied().unwrap_or(1);
                self.next_used += u16::from(length);
                if self.next_used >= self.size {
                    self.next_used -= self.size;
                    self.used_wrap = !self.used_wrap;
                }
                Some(Used { id: descriptor.next.into(), written: descriptor.size })
            }
        }
    }

    /// Waits for the next buffer that the device gives back; none if it takes too long.
    pub fn wait_used(&mut self) -> Option<Used> {
        let mut used = None;
        Deadline::after(super::PATIENCE_MICROS).wait(|| {
            used = self.take_used();
            used.is_some()
        });
        used
    }

    /// Writes the driver's wish for interrupts: the flags of the available ring, or of a packed ring's driver area.
    pub fn want(&self, flags: u16) {
        let offset = if self.layout == Layout::Split { 0 } else { 2 };
        mmio::write_u16(self.areas()[1] + offset, flags);
        fence(Ordering::SeqCst);
    }

    /// Writes the position from which on the driver wants to be interrupted: `used_event`, or that of a packed ring's driver area.
    pub fn want_at(&self, event: u16) {
        let offset = if self.layout == Layout::Split { 4 + 2 * u64::from(self.size) } else { 0 };
        mmio::write_u16(self.areas()[1] + offset, event);
        fence(Ordering::SeqCst);
    }

    /// What the device wrote of notifications that it wants: the flags of the used ring, or of a packed ring's device area.
    pub fn device_flags(&self) -> u16 {
        mmio::read_u16(self.areas()[2] + if self.layout == Layout::Split { 0 } else { 2 })
    }

    /// The position from which on the device wants to be notified: `avail_event`, or that of a packed ring's device area.
    pub fn device_event(&self) -> u16 {
        mmio::read_u16(self.areas()[2] + if self.layout == Layout::Split { 4 + 8 * u64::from(self.size) } else { 0 })
    }
}
