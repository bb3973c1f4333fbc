//! Where everything of the guest is, and what the host prepares of it: the driver finds its rings filled.
//!
//! Sources: VIRTIO 1.3 §§ 2.7 "Split Virtqueues", 5.1.6 and 5.2.6 "Device Operation"; Intel SDM vol. 3A, "Segment Descriptors",
//! "Paging", "I/O Permission Bit Map".

use super::super::loops::ENTRY;

/// Descriptors of each queue.
pub(super) const QUEUE_SIZE: u64 = 256;
/// Bytes from a buffer to the next; a request to a disk is as large.
pub(super) const BUFFER_BYTES: u64 = 4096;
/// Bytes of a request before its data, and of the header before each frame.
pub(super) const REQUEST_HEADER_BYTES: u64 = 16;
pub(super) const FRAME_HEADER_BYTES: u64 = 12;
/// Bytes of a frame: the smallest.
pub(super) const FRAME_BYTES: u64 = 60;

pub(super) const GDT: u64 = ENTRY + 0x1000;
pub(super) const GDT_POINTER: u64 = ENTRY + 0x1080;
pub(super) const TASK_STATE: u64 = ENTRY + 0x1100;
/// PML4, page-directory-pointer table, four page directories.
pub(super) const PAGE_TABLES: u64 = ENTRY + 0x2000;
const NR_PAGE_TABLES: u64 = 6;
/// Top of the only stack, which one IRET uses.
pub(super) const STACK: u64 = ENTRY + 0x9000;
/// Rings of two queues.
const RINGS: u64 = ENTRY + 0x9000;
/// An indirect table of each request, and its header and status.
const TABLES: u64 = ENTRY + 0x1_0000;
const TABLE_BYTES: u64 = 64;
pub(super) const HEADERS: u64 = TABLES + QUEUE_SIZE * TABLE_BYTES;
pub(super) const STATUSES: u64 = HEADERS + QUEUE_SIZE * REQUEST_HEADER_BYTES;
const END: u64 = STATUSES + QUEUE_SIZE;
/// Buffers that the device writes, then those that it reads; not part of the image.
pub(super) const BUFFERS: u64 = 0x20_0000;
/// Guest memory in bytes.
pub(super) const MEMORY_BYTES: u64 = 16 << 20;

/// Selectors of the table of segments.
pub(super) mod selector {
    pub(in super::super) const DATA: u16 = 0x10;
    pub(in super::super) const CODE_64: u16 = 0x18;
    pub(in super::super) const USER_DATA: u16 = 0x23;
    pub(in super::super) const USER_CODE: u16 = 0x2b;
    pub(in super::super) const TASK: u16 = 0x30;
}
/// Null, flat code and data of 32 bits, code of 64 bits, data and code of CPL 3.
const SEGMENTS: [u64; 6] = [
    0,
    0x00cf_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00af_9b00_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
];
/// Bytes of a task-state segment before its bit map, and of the bit map for the ports below 600H with its end.
const TASK_STATE_BYTES: u64 = 0x68;
const BIT_MAP_BYTES: u64 = 0xc1;

/// A ring.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
}

/// The rings of a queue, the first or the second.
pub(super) const fn ring(queue: u64) -> Ring {
    let descriptors = RINGS + queue * 0x3000;
    Ring { descriptors, available: descriptors + 0x1000, used: descriptors + 0x2000 }
}

/// The next of a series that looks random (Marsaglia, "Xorshift RNGs"); the guest draws the same.
pub(super) fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
/// What the series begins with.
pub(super) const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which device the guest drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Reads a block of 4 KiB in any of as many blocks, a power of two.
    Block { nr_blocks: u64 },
    /// Sends frames, and takes them back.
    Network,
}

/// The image behind the code: tables of the processor, rings, requests.
pub(super) struct Prepared(Vec<u8>);

impl Prepared {
    /// The image of `code`, which stands at [`ENTRY`]; `random` is where the series is afterwards.
    pub(super) fn new(code: &[u8], device: Device, random: &mut u64) -> Self {
        let mut image = Self(vec![0; (END - ENTRY) as usize]);
        image.put(ENTRY, code);
        image.processor();
        match device {
            Device::Block { nr_blocks } => {
                (0..QUEUE_SIZE).for_each(|n| image.request(n, next_random(random), nr_blocks))
            }
            Device::Network => (0..QUEUE_SIZE).for_each(|n| image.frames(n)),
        }
        image
    }

    /// Its bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn put(&mut self, address: u64, bytes: &[u8]) {
        let start = (address - ENTRY) as usize;
        if let Some(place) = self.0.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn processor(&mut self) {
        self.put(GDT, SEGMENTS.map(u64::to_le_bytes).as_flattened());
        let limit = TASK_STATE_BYTES + BIT_MAP_BYTES - 1;
        let (low, high) = (TASK_STATE & 0xff_ffff, TASK_STATE >> 24);
        // Present, a 64-bit task-state segment that is available.
        let task = limit | low << 16 | 0x89 << 40 | high << 56;
        self.put(GDT + u64::from(selector::TASK), &task.to_le_bytes());
        self.put(GDT_POINTER, &0x3f_u16.to_le_bytes());
        self.put(GDT_POINTER + 2, &GDT.to_le_bytes());
        // All ports below 600H are open to CPL 3.
        self.put(TASK_STATE + 0x66, &(TASK_STATE_BYTES as u16).to_le_bytes());
        self.put(TASK_STATE + TASK_STATE_BYTES + BIT_MAP_BYTES - 1, &[0xff]);
        // The first 4 GiB, to themselves and open to CPL 3: present, writable, user.
        const OPEN: u64 = 7;
        const LARGE: u64 = 0x80;
        self.put(PAGE_TABLES, &((PAGE_TABLES + 0x1000) | OPEN).to_le_bytes());
        for directory in 0..NR_PAGE_TABLES - 2 {
            let at = PAGE_TABLES + 0x2000 + directory * 0x1000;
            self.put(PAGE_TABLES + 0x1000 + 8 * directory, &(at | OPEN).to_le_bytes());
            for entry in 0..512 {
                let page = (directory << 30 | entry << 21) | LARGE | OPEN;
                self.put(at + 8 * entry, &page.to_le_bytes());
            }
        }
    }

    fn descriptor(&mut self, at: u64, address: u64, size: u64, flags: u16, next: u16) {
        self.put(at, &address.to_le_bytes());
        self.put(at + 8, &(size as u32).to_le_bytes());
        self.put(at + 12, &flags.to_le_bytes());
        self.put(at + 14, &next.to_le_bytes());
    }

    /// The first request of a descriptor, by an indirect table of header, data and status.
    fn request(&mut self, number: u64, random: u64, nr_blocks: u64) {
        const NEXT: u16 = 1;
        const WRITE: u16 = 2;
        const INDIRECT: u16 = 4;
        let (table, header) = (TABLES + number * TABLE_BYTES, HEADERS + number * REQUEST_HEADER_BYTES);
        self.descriptor(table, header, REQUEST_HEADER_BYTES, NEXT, 1);
        self.descriptor(table + 16, BUFFERS + number * BUFFER_BYTES, BUFFER_BYTES, NEXT | WRITE, 2);
        self.descriptor(table + 32, STATUSES + number, 1, WRITE, 0);
        self.descriptor(ring(0).descriptors + 16 * number, table, 48, INDIRECT, 0);
        self.put(ring(0).available + 4 + 2 * number, &(number as u16).to_le_bytes());
        self.put(header + 8, &sector_of(random, nr_blocks).to_le_bytes());
    }

    /// A buffer for a frame that comes, and a frame to be sent.
    fn frames(&mut self, number: u64) {
        const WRITE: u16 = 2;
        let size = FRAME_HEADER_BYTES + FRAME_BYTES;
        self.descriptor(ring(0).descriptors + 16 * number, BUFFERS + number * BUFFER_BYTES, BUFFER_BYTES, WRITE, 0);
        self.descriptor(ring(1).descriptors + 16 * number, HEADERS, size, 0, 0);
        for queue in [0, 1] {
            self.put(ring(queue).available + 4 + 2 * number, &(number as u16).to_le_bytes());
        }
        // To everybody, from an address of nobody's; one frame does for all.
        let mut frame = [0x5a; FRAME_BYTES as usize];
        frame[..6].fill(0xff);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        self.put(HEADERS + FRAME_HEADER_BYTES, &frame);
    }
}

/// The first sector of the block that a random number means.
pub(super) const fn sector_of(random: u64, nr_blocks: u64) -> u64 {
    ((random >> 20) & (nr_blocks - 1)) * (BUFFER_BYTES / 512)
}

/// What the first eight bytes of each received frame are.
pub(super) const FRAME_START: u64 = u64::from_le_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0]);

const _: () = assert!(GDT_POINTER + 10 <= TASK_STATE && GDT + 0x40 <= GDT_POINTER);
const _: () = assert!(TASK_STATE + TASK_STATE_BYTES + BIT_MAP_BYTES <= PAGE_TABLES);
const _: () = assert!(PAGE_TABLES + NR_PAGE_TABLES * 0x1000 <= STACK - 0x100);
const _: () = assert!(ring(2).descriptors <= TABLES && END <= BUFFERS);
const _: () = assert!(BUFFERS + QUEUE_SIZE * BUFFER_BYTES <= MEMORY_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_request_is_a_chain_of_three() {
        let mut random = SEED;
        let image = Prepared::new(&[0x90], Device::Block { nr_blocks: 64 }, &mut random).into_bytes();
        let at = |address: u64| u64::from_le_bytes(std::array::from_fn(|n| image[(address - ENTRY) as usize + n]));
        assert_eq!(at(ring(0).descriptors + 16), TABLES + TABLE_BYTES);
        assert_eq!(at(ring(0).descriptors + 24), 48 | 4 << 32);
        assert_eq!(at(TABLES + TABLE_BYTES + 16), BUFFERS + BUFFER_BYTES);
        assert_eq!(at(TABLES + TABLE_BYTES + 40), 1 | 2 << 32);
        let mut again = SEED;
        let sectors: Vec<_> = (0..QUEUE_SIZE).map(|_| sector_of(next_random(&mut again), 64)).collect();
        assert_eq!(at(HEADERS + 8 + 16 * 255), sectors[255]);
        assert!(sectors.iter().all(|sector| sector % 8 == 0 && *sector < 64 * 8));
        assert_eq!(again, random);
    }
}
