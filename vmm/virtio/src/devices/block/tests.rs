//! Requests, one rule each, and hostile ones.

mod resized;

use super::*;
use crate::{
    Common, Features,
    disk::{MemoryDisk, stub::StubDisk},
    hostile::{self, Hosted},
    testing::{Driver, Layout, due, exchange},
};
use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress};

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };
const ALL: BlockFeatures = BlockFeatures::all().difference(BlockFeatures::MQ.union(BlockFeatures::RO));
const NR_SECTORS: u64 = 200;

fn started(disk: &StubDisk, layout: Layout, features: BlockFeatures) -> (Common, Driver) {
    Driver::started(Box::new(Block::new(Box::new(disk.clone()), "disk", 1)), layout, features.bits())
}

/// A disk that was started, its driver, and what is seen of the disk.
fn writable() -> (Common, Driver, StubDisk) {
    let disk = StubDisk::new(NR_SECTORS, false);
    let (common, driver) = started(&disk, PLAIN, ALL);
    (common, driver, disk)
}

fn header(kind: u32, sector: u64) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat()
}

/// The status of a request whose answer has no other bytes.
fn status(common: &mut Common, driver: &mut Driver, readable: &[&[u8]]) -> u8 {
    let (bytes, written) = exchange(common, driver, 0, readable, &[1]);
    assert_eq!(written, 1);
    bytes[0]
}

fn range(sector: u64, nr_sectors: u32, flags: u32) -> Vec<u8> {
    [&sector.to_le_bytes()[..], &nr_sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
}

fn config(common: &Common, offset: usize, size: usize) -> u64 {
    let mut bytes = [0; 8];
    common.read_config(offset, &mut bytes[..size]);
    u64::from_le_bytes(bytes)
}

#[test]
fn what_is_written_is_read() {
    for layout in Layout::all() {
        let (mut common, mut driver) = started(&StubDisk::new(NR_SECTORS, false), layout, ALL);
        let data = [[0xaa; 512], [0xbb; 512]].concat();
        assert_eq!(status(&mut common, &mut driver, &[&header(1, 7), &data]), 0);
        let (bytes, written) = exchange(&mut common, &mut driver, 0, &[&header(0, 6)], &[2048, 1]);
        assert_eq!(written, 2049);
        assert_eq!(bytes, [&[6; 512][..], &data, &[9; 512], &[0]].concat(), "{layout:?}");
        assert_eq!(due(&mut common), (1, false));
    }
}

#[test]
fn descriptors_may_be_cut_anywhere() {
    let (mut common, mut driver, _) = writable();
    let request = [header(1, 3), vec![0xcd; 512]].concat();
    for cuts in [[1, 2], [15, 17], [16, 500], [527, 528]] {
        let [first, second] = cuts;
        let parts = [&request[..first], &request[first..second], &request[second..]];
        assert_eq!(exchange(&mut common, &mut driver, 0, &parts, &[0, 1]), (vec![0], 1));
        for sizes in [&[513_u32][..], &[1, 511, 1], &[0, 510, 3], &[512, 0, 1]] {
            let head = header(0, 3);
            let (bytes, written) = exchange(&mut common, &mut driver, 0, &[&head[..5], &head[5..]], sizes);
            assert_eq!((bytes, written), ([vec![0xcd; 512], vec![0]].concat(), 513));
        }
    }
}

#[test]
fn requests_larger_than_a_piece_are_whole() {
    let disk = StubDisk::new(1000, false);
    let (mut common, mut driver) = started(&disk, PLAIN, ALL);
    let data: Vec<_> = (0..600 * 512).map(|at: u32| (at % 251) as u8).collect();
    let (first, second) = data.split_at(100_000);
    assert_eq!(status(&mut common, &mut driver, &[&header(1, 400), first, second]), 0);
    let (bytes, written) = exchange(&mut common, &mut driver, 0, &[&header(0, 400)], &[300_000, 7200, 1]);
    assert_eq!((&bytes[..data.len()], bytes[data.len()], written), (&data[..], 0, 307_201));
}

#[test]
fn broken_requests_fail_by_their_status() {
    let (mut common, mut driver, _) = writable();
    let sector = [0; 512];
    let io_error: [&[&[u8]]; 8] = [
        &[],
        &[&header(1, 0)[..15]],
        &[&header(1, 0), &sector[..511]],
        &[&header(1, 0), &sector, &[0]],
        &[&header(1, NR_SECTORS), &sector],
        &[&header(1, NR_SECTORS - 1), &sector, &sector],
        &[&header(1, u64::MAX), &sector],
        &[&header(1, u64::MAX >> 9), &sector],
    ];
    for readable in io_error {
        assert_eq!(status(&mut common, &mut driver, readable), 1, "{readable:?}");
    }
    for kind in [2, 3, 5, 10, 14, 15, u32::MAX] {
        assert_eq!(status(&mut common, &mut driver, &[&header(kind, 0)]), 2, "{kind}");
    }
    for (at, sizes) in [(0, [511_u32, 1]), (NR_SECTORS, [512, 1]), (NR_SECTORS - 1, [1024, 1]), (u64::MAX, [512, 1])] {
        let request = driver.submit(0, &[&header(0, at)], &sizes);
        let room = sizes[0] as usize;
        driver.memory.write_slice(&vec![0xee; room], GuestAddress(request.writable[0].0)).unwrap();
        common.notify(0);
        // Nothing of what was there before is left, so that the length holds.
        assert_eq!(driver.used(0), Some((request.id, room as u32 + 1)));
        assert_eq!(driver.written(&request), [vec![0; room], vec![1]].concat());
    }
    // Without a status there is no answer.
    assert_eq!(exchange(&mut common, &mut driver, 0, &[&header(0, 0)], &[]), (vec![], 0));
    assert_eq!(common.broken(), None);
    // At the very end there is something.
    assert_eq!(status(&mut common, &mut driver, &[&header(1, NR_SECTORS - 1), &sector]), 0);
}

#[test]
fn a_disk_that_is_read_only_stays_as_it_is() {
    let disk = StubDisk::new(NR_SECTORS, true);
    let (mut common, mut driver) = started(&disk, PLAIN, BlockFeatures::RO);
    assert_eq!(common.offered() & (1 << 5 | 1 << 13 | 1 << 14), 1 << 5);
    assert_eq!(status(&mut common, &mut driver, &[&header(1, 5), &[1; 512]]), 1);
    for kind in [11, 13] {
        assert_eq!(status(&mut common, &mut driver, &[&header(kind, 0), &range(5, 1, 0)]), 2);
    }
    let (bytes, _) = exchange(&mut common, &mut driver, 0, &[&header(0, 5)], &[512, 1]);
    assert_eq!(bytes, [vec![5; 512], vec![0]].concat());
    assert_eq!(disk.state().changes, []);
}

#[test]
fn a_full_disk_fails_one_request_and_keeps_the_rest() {
    let (mut common, mut driver, disk) = writable();
    disk.state().full_from = Some(10 * 512);
    assert_eq!(status(&mut common, &mut driver, &[&header(1, 9), &[1; 512]]), 0);
    assert_eq!(status(&mut common, &mut driver, &[&header(1, 9), &[2; 1024]]), 1);
    assert_eq!(status(&mut common, &mut driver, &[&header(13, 0), &range(9, 2, 0)]), 1);
    let (bytes, _) = exchange(&mut common, &mut driver, 0, &[&header(0, 9)], &[1024, 1]);
    assert_eq!(bytes, [vec![1; 512], vec![10; 512], vec![0]].concat());
    disk.state().full_from = None;
    assert_eq!(status(&mut common, &mut driver, &[&header(1, 9), &[2; 1024]]), 0);
    disk.state().reads_fail = Some(std::io::ErrorKind::Other);
    assert_eq!(exchange(&mut common, &mut driver, 0, &[&header(0, 9)], &[512, 1]).0, [vec![0; 512], vec![1]].concat());
    assert_eq!(status(&mut common, &mut driver, &[&header(4, 0)]), 1);
    disk.state().reads_fail = None;
    assert_eq!(exchange(&mut common, &mut driver, 0, &[&header(0, 9)], &[512, 1]).0, [vec![2; 512], vec![0]].concat());
}

#[test]
fn writes_are_stable_when_they_have_to_be() {
    let write = |common: &mut Common, driver: &mut Driver| status(common, driver, &[&header(1, 0), &[0; 512]]);
    let (mut common, mut driver, disk) = writable();
    assert_eq!((write(&mut common, &mut driver), disk.state().nr_flushes, config(&common, 32, 1)), (0, 0, 1));
    assert_eq!((status(&mut common, &mut driver, &[&header(4, 0)]), disk.state().nr_flushes), (0, 1));
    common.write_config(32, &[0]);
    assert_eq!((disk.state().nr_flushes, config(&common, 32, 1)), (2, 0));
    assert_eq!((write(&mut common, &mut driver), disk.state().nr_flushes), (0, 3));
    assert_eq!(status(&mut common, &mut driver, &[&header(13, 0), &range(0, 1, 0)]), 0);
    assert_eq!(disk.state().nr_flushes, 4);
    for (offset, data) in [(32, &[1, 0][..]), (32, &[2]), (33, &[1]), (0, &[1])] {
        common.write_config(offset, data);
        assert_eq!(config(&common, 32, 1), 0);
    }
    // Without the request that makes writes stable, all are.
    let disk = StubDisk::new(NR_SECTORS, false);
    let (mut common, mut driver) = started(&disk, PLAIN, BlockFeatures::CONFIG_WCE);
    assert_eq!(config(&common, 32, 1), 0);
    assert_eq!((write(&mut common, &mut driver), disk.state().nr_flushes), (0, 1));
    assert_eq!((status(&mut common, &mut driver, &[&header(4, 0)]), disk.state().nr_flushes), (0, 2));
    common.write_config(32, &[1]);
    assert_eq!((write(&mut common, &mut driver), disk.state().nr_flushes, config(&common, 32, 1)), (0, 2, 1));
    // Without a way to say so, the field is not one.
    let disk = StubDisk::new(NR_SECTORS, false);
    let (mut common, mut driver) = started(&disk, PLAIN, BlockFeatures::empty());
    common.write_config(32, &[1]);
    assert_eq!((write(&mut common, &mut driver), disk.state().nr_flushes, config(&common, 32, 1)), (0, 1, 0));
}

#[test]
fn ranges_are_discarded_or_become_zeros() {
    let (mut common, mut driver, disk) = writable();
    let ranges = [range(1, 1, 0), range(3, 2, 1), range(9, 0, 0)].concat();
    assert_eq!(status(&mut common, &mut driver, &[&header(13, 0), &ranges]), 0);
    assert_eq!(status(&mut common, &mut driver, &[&header(11, 0), &range(5, 3, 0)]), 0);
    let changes = [(512, 512, Some(false)), (1536, 1024, Some(true)), (4608, 0, Some(false)), (2560, 1536, None)];
    assert_eq!(std::mem::take(&mut disk.state().changes), changes);
    let (bytes, _) = exchange(&mut common, &mut driver, 0, &[&header(0, 0)], &[2560, 1]);
    assert_eq!(bytes, [&[0; 1024][..], &[2; 512], &[0; 1025]].concat());
    let many = range(0, 1, 0).repeat(33);
    let cases: [(u32, &[u8], u8); 11] = [
        (11, &range(0, 1, 1), 2),
        (11, &range(0, 1, 2), 2),
        (13, &range(0, 1, 2), 2),
        (13, &range(0, 1, 1 << 31), 2),
        (13, &range(NR_SECTORS, 1, 0), 1),
        (13, &range(u64::MAX, 2, 0), 1),
        (11, &range(0, u32::MAX, 0), 1),
        (11, &[], 1),
        (11, &range(0, 1, 0)[..15], 1),
        (13, &many, 1),
        // The first is good.
        (13, &[range(0, 1, 0), range(NR_SECTORS, 1, 0)].concat(), 1),
    ];
    for (kind, ranges, expected) in cases {
        assert_eq!(status(&mut common, &mut driver, &[&header(kind, 0), ranges]), expected, "{kind} {ranges:?}");
    }
    assert_eq!(disk.state().changes, []);
    let (mut common, mut driver) = started(&StubDisk::new(40_000, false), PLAIN, ALL);
    for (nr_sectors, expected) in [(1 << 15, 0), ((1 << 15) + 1, 1)] {
        assert_eq!(status(&mut common, &mut driver, &[&header(11, 0), &range(0, nr_sectors, 0)]), expected);
    }
}

#[test]
fn the_identification_is_told() {
    let (mut common, mut driver, _) = writable();
    let (bytes, written) = exchange(&mut common, &mut driver, 0, &[&header(8, 0)], &[20, 1]);
    assert_eq!((&bytes[..], written), (&b"disk\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], 21));
    assert_eq!(exchange(&mut common, &mut driver, 0, &[&header(8, 0)], &[3, 1]), (b"dis\0".to_vec(), 4));
}

#[test]
fn the_configuration_says_what_the_disk_is() {
    let (common, _, _) = writable();
    assert_eq!(common.offered() & (BlockFeatures::all().bits()), ALL.bits());
    let fields =
        [(0, 8), (8, 4), (12, 4), (20, 4), (24, 1), (25, 1), (26, 2), (28, 4), (34, 2), (36, 4), (40, 4), (44, 4)];
    let values = fields.map(|(offset, size)| config(&common, offset, size));
    assert_eq!(values, [NR_SECTORS, 0, 254, 512, 3, 0, 8, 128, 1, 1 << 15, 32, 8]);
    assert_eq!(
        [(48, 4), (52, 4), (56, 1), (57, 3), (60, 8)].map(|(at, size)| config(&common, at, size)),
        [1 << 15, 32, 1, 0, 0]
    );
    let several =
        Common::new(Box::new(Block::new(Box::new(StubDisk::new(1, false)), "", 99)), crate::testing::memory());
    assert_eq!((config(&several, 34, 2), several.nr_queues(), several.offered() >> 12 & 1), (16, 16, 1));
}

#[test]
fn a_reset_forgets_what_the_driver_chose() {
    let (mut common, _, _) = writable();
    common.write_config(32, &[0]);
    common.set_status(0);
    assert_eq!(config(&common, 32, 1), 1);
}

proptest! {
    #[test]
    fn hostile_requests_are_answered(requests in proptest::collection::vec((
        prop_oneof![4 => 0_u32..15, 1 => any::<u32>()],
        prop_oneof![4 => 0..NR_SECTORS + 2, 1 => any::<u64>()],
        prop_oneof![4 => 0_usize..5, 1 => Just(1024)],
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(prop_oneof![0_u32..5, Just(512), Just(4096)], 0..4),
        any::<prop::sample::Index>(),
    ), 1..20), all in any::<bool>()) {
        let disk = StubDisk::new(NR_SECTORS, false);
        let (mut common, mut driver) = started(&disk, PLAIN, if all { ALL } else { BlockFeatures::empty() });
        for (kind, sector, size, more, writable, cut) in requests {
            let request = [header(kind, sector), vec![1; size], more].concat();
            let (first, second) = request.split_at(cut.index(request.len() + 1));
            let (bytes, written) = exchange(&mut common, &mut driver, 0, &[first, second], &writable);
            prop_assert_eq!(bytes.len(), written as usize);
            prop_assert!(bytes.last().is_none_or(|status| *status < 3));
        }
        prop_assert_eq!(common.broken(), None);
    }

    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps(
        (0_u32..15, 0..NR_SECTORS + 2).prop_map(|(kind, sector)| header(kind, sector)),
    )) {
        let disk = || Box::new(MemoryDisk::new(vec![7; NR_SECTORS as usize * 512], false));
        hostile::survive_with_host(|| Hosted::block(Block::new(disk(), "disk", 2)), &steps);
    }
}
