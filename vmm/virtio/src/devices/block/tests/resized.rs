//! Disks that get another size.

use super::*;
use crate::{
    disk::{RawDisk, ResizeError},
    testing::restored,
};

const SECTOR: u64 = 512;

fn controlled(disk: impl Disk + 'static) -> (Block, BlockControl) {
    let mut block = Block::new(Box::new(disk), "disk", 1);
    let control = block.control().unwrap();
    (block, control)
}

/// Whether the last of so many sectors can be read, and the one behind it.
fn reads_up_to(common: &mut Common, driver: &mut Driver, nr_sectors: u64) -> (bool, bool) {
    let mut reads = |sector| exchange(common, driver, 0, &[&header(0, sector)], &[512, 1]).0[512] == 0;
    (reads(nr_sectors - 1), reads(nr_sectors))
}

#[test]
fn another_size_is_told_with_another_generation() {
    for layout in Layout::all() {
        let (block, control) = controlled(StubDisk::new(8, false));
        assert_eq!(block.wake_ups().len(), 1);
        let (mut common, mut driver) = Driver::started(Box::new(block), layout, ALL.bits());
        for (generation, nr_sectors, before) in [(1, 12, 8), (2, 4, 12), (3, 8, 4_u64)] {
            control.resize(nr_sectors * SECTOR).unwrap();
            assert_eq!((config(&common, 0, 8), common.generation()), (before, generation - 1), "{layout:?}");
            // Neither what the driver does not know of, nor what is not there any more.
            assert_eq!(reads_up_to(&mut common, &mut driver, before.min(nr_sectors)), (true, false));
            let _ = due(&mut common);
            common.wake();
            assert_eq!((config(&common, 0, 8), common.generation()), (nr_sectors, generation));
            assert_eq!(due(&mut common), (0, true));
            assert_eq!(reads_up_to(&mut common, &mut driver, nr_sectors), (true, false));
        }
        control.resize(8 * SECTOR).unwrap();
        let _ = due(&mut common);
        common.wake();
        assert_eq!((common.generation(), due(&mut common)), (3, (0, false)), "it is the same");
    }
}

#[test]
fn writes_do_not_bring_lost_sectors_back() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(8 * SECTOR).unwrap();
    let (block, control) = controlled(RawDisk::new(file.try_clone().unwrap(), false).unwrap());
    let (mut common, mut driver) = Driver::started(Box::new(block), PLAIN, ALL.bits());
    control.resize(4 * SECTOR).unwrap();
    for (sector, due) in [(3, 0), (4, 1)] {
        assert_eq!(status(&mut common, &mut driver, &[&header(1, sector), &[7; 512]]), due);
        assert_eq!(status(&mut common, &mut driver, &[&header(13, 0), &range(sector, 1, 0)]), due);
    }
    assert_eq!(file.metadata().unwrap().len(), 4 * SECTOR);
    control.resize(6 * SECTOR).unwrap();
    common.wake();
    let (bytes, _) = exchange(&mut common, &mut driver, 0, &[&header(0, 4)], &[1024, 1]);
    assert_eq!(bytes, [0; 1025], "what is new reads as zeros");
}

#[test]
fn sizes_that_cannot_be_are_refused_and_change_nothing() {
    let stub = StubDisk::new(8, false);
    let (block, control) = controlled(stub.clone());
    let common = Common::new(Box::new(block), crate::testing::memory());
    for size_bytes in [0, 1, 511, 513, u64::MAX] {
        assert!(matches!(control.resize(size_bytes), Err(ResizeError::Size { .. })), "{size_bytes}");
    }
    stub.state().full_from = Some(8 * SECTOR);
    assert!(matches!(control.resize(9 * SECTOR), Err(ResizeError::Host { .. })));
    let (_, control) = controlled(StubDisk::new(8, true));
    assert!(matches!(control.resize(SECTOR), Err(ResizeError::ReadOnly)));
    assert_eq!(config(&common, 0, 8), 8);
}

#[test]
fn a_size_that_the_driver_has_not_heard_of_is_told_after_a_restore() {
    let (block, control) = controlled(StubDisk::new(8, false));
    let mut common = Common::new(Box::new(block), crate::testing::memory());
    // Before DRIVER_OK a device tells nothing.
    control.resize(16 * SECTOR).unwrap();
    common.wake();
    assert_eq!((config(&common, 0, 8), common.generation(), due(&mut common)), (8, 0, (0, false)));
    let driver = Driver::new(crate::testing::memory(), PLAIN, 1);
    let mut other = restored(common, &driver, || Box::new(controlled(StubDisk::new(16, false)).0));
    assert_eq!((config(&other, 0, 8), other.generation()), (8, 0));
    other.accept(Features::VERSION_1.bits());
    other.set_status(11);
    other.set_status(15);
    assert_eq!((config(&other, 0, 8), other.generation(), due(&mut other)), (16, 1, (0, true)));
}
