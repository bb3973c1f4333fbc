//! Where guest memory is: from 0 on, and what finds no room below the devices from 4 GiB on.

use super::MemoryError;
use crate::layout;

/// Where guest memory of a size is, by guest physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMap {
    low_bytes: u64,
    high_bytes: u64,
}

/// Neighbouring bytes of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Guest physical address of the first.
    pub address: u64,
    /// How many there are.
    pub size_bytes: u64,
}

impl MemoryRange {
    /// The address behind the last.
    pub fn end(self) -> u64 {
        self.address + self.size_bytes
    }

    /// Whether all of a piece is in it.
    pub(super) fn contains(self, address: u64, size_bytes: u64) -> bool {
        address >= self.address && address.checked_add(size_bytes).is_some_and(|end| end <= self.end())
    }

    fn overlaps(self, address: u64, size_bytes: u64) -> bool {
        address < self.end() && address.saturating_add(size_bytes) > self.address
    }
}

impl MemoryMap {
    /// That of so many bytes.
    ///
    /// # Errors
    /// [`MemoryError::Size`].
    pub fn new(size_bytes: u64) -> Result<Self, MemoryError> {
        Self::with_low_end(size_bytes, layout::MEMORY_END)
    }

    /// As [`Self::new`], where memory below 4 GiB ends at another address: a multiple of [`layout::LOW_END_UNIT`], at most
    /// [`layout::MEMORY_END`].
    ///
    /// # Errors
    /// [`MemoryError::Size`] and [`MemoryError::LowEnd`].
    pub fn with_low_end(size_bytes: u64, low_end: u64) -> Result<Self, MemoryError> {
        let is_offered = (layout::MEMORY_MIN..=layout::MEMORY_END).contains(&low_end);
        if !is_offered || !low_end.is_multiple_of(layout::LOW_END_UNIT) {
            return Err(MemoryError::LowEnd { low_end });
        }
        let is_offered = (layout::MEMORY_MIN..=layout::MEMORY_MAX).contains(&size_bytes);
        if !is_offered || !size_bytes.is_multiple_of(layout::PAGE_SIZE) {
            return Err(MemoryError::Size { size_bytes });
        }
        let low_bytes = size_bytes.min(low_end);
        Ok(Self { low_bytes, high_bytes: size_bytes - low_bytes })
    }

    /// Only what is below 4 GiB.
    pub(super) fn low(self) -> Self {
        Self { high_bytes: 0, ..self }
    }

    /// How many bytes there are.
    pub fn size_bytes(self) -> u64 {
        self.low_bytes + self.high_bytes
    }

    /// How many of them are below 4 GiB: from 0 on.
    pub fn low_bytes(self) -> u64 {
        self.low_bytes
    }

    /// How many of them are from [`layout::HIGH_MEMORY`] on.
    pub fn high_bytes(self) -> u64 {
        self.high_bytes
    }

    /// The one range or both, by address.
    pub fn ranges(self) -> impl Iterator<Item = MemoryRange> {
        [(0, self.low_bytes), (layout::HIGH_MEMORY, self.high_bytes)]
            .into_iter()
            .filter(|(_, size_bytes)| *size_bytes > 0)
            .map(|(address, size_bytes)| MemoryRange { address, size_bytes })
    }

    /// The address of the byte that has so many before it.
    pub(crate) fn address_of(self, offset: u64) -> u64 {
        match offset.checked_sub(self.low_bytes) {
            None => offset,
            Some(above) => layout::HIGH_MEMORY + above,
        }
    }

    /// Whether all of a piece is memory, without a hole in it.
    pub(crate) fn contains(self, address: u64, size_bytes: u64) -> bool {
        self.ranges().any(|range| range.contains(address, size_bytes))
    }

    /// Whether a device's registers are where memory is; none are below its end, whatever their size.
    pub(crate) fn overlaps(self, address: u64, size_bytes: u64) -> bool {
        address < self.low_bytes || self.ranges().any(|range| range.overlaps(address, size_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{HIGH_MEMORY, LOW_END_UNIT, MEMORY_END, MEMORY_MAX, MEMORY_MIN, PAGE_SIZE, pci};
    use proptest::prelude::*;

    fn sizes() -> impl Strategy<Value = (u64, u64)> {
        let around = prop_oneof![MEMORY_MIN..=MEMORY_MAX, MEMORY_END - (1 << 30)..=MEMORY_END + (1 << 20)];
        (
            around.prop_map(|size| size / PAGE_SIZE * PAGE_SIZE),
            prop_oneof![Just(MEMORY_END), Just(pci::Q35_MAPPED_CONFIG)],
        )
    }

    proptest! {
        #[test]
        fn all_bytes_are_somewhere_and_none_where_devices_are((size, low_end) in sizes(), offset: u64) {
            let map = MemoryMap::with_low_end(size, low_end).unwrap();
            let ranges: Vec<_> = map.ranges().collect();
            prop_assert_eq!(ranges.iter().map(|range| range.size_bytes).sum::<u64>(), size);
            prop_assert_eq!((ranges[0].address, ranges.len()), (0, if size > low_end { 2 } else { 1 }));
            prop_assert!(!map.overlaps(low_end, HIGH_MEMORY - low_end) && !map.overlaps(pci::HIGH_WINDOW, 1));
            let (offset, last) = (offset % size, map.address_of(size - 1));
            let address = map.address_of(offset);
            // In their order, and the page as a whole.
            prop_assert!(map.contains(address, 1) && map.overlaps(address, 1) && address <= last);
            prop_assert!(map.contains(address / PAGE_SIZE * PAGE_SIZE, PAGE_SIZE));
            prop_assert!(offset == 0 || map.address_of(offset - 1) < address);
            prop_assert!(!map.contains(last, 2) && !map.contains(0, u64::MAX) && !map.contains(u64::MAX, 1));
        }
    }

    #[test]
    fn what_finds_no_room_below_the_devices_begins_at_4_gib() {
        let map = MemoryMap::new(6 << 30).unwrap();
        assert_eq!((map.low_bytes(), map.high_bytes(), map.low().size_bytes()), (3 << 30, 3 << 30, 3 << 30));
        assert_eq!(map.ranges().map(MemoryRange::end).collect::<Vec<_>>(), [3 << 30, 7 << 30]);
        assert_eq!([0, (3 << 30) - 1, 3 << 30].map(|offset| map.address_of(offset)), [0, (3 << 30) - 1, 4 << 30]);
        assert!(!map.contains((3 << 30) - 1, 2) && !map.contains(HIGH_MEMORY - 1, 2));
        assert!(map.overlaps(HIGH_MEMORY - 1, 2) && map.overlaps(0x1000, 0));
        assert_eq!(MemoryMap::new(MEMORY_END).unwrap().ranges().count(), 1);
    }

    #[test]
    fn odd_sizes_are_refused() {
        for size in [0, 1, PAGE_SIZE, MEMORY_MIN + 1, MEMORY_MAX + PAGE_SIZE, u64::MAX] {
            let result = MemoryMap::new(size);
            assert!(matches!(result, Err(MemoryError::Size { size_bytes }) if size_bytes == size), "{size:#x}");
        }
        for end in [0, LOW_END_UNIT, MEMORY_END - PAGE_SIZE, MEMORY_END + LOW_END_UNIT, u64::MAX] {
            let result = MemoryMap::with_low_end(MEMORY_END, end);
            assert!(matches!(result, Err(MemoryError::LowEnd { low_end }) if low_end == end), "{end:#x}");
        }
    }
}
