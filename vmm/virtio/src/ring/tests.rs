//! Rings against a driver, one rule each, and against drivers that write anything.

use super::*;
use crate::testing::{Driver, Layout, QUEUE_SIZE, areas, memory};
use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress};

fn ring(layout: Layout) -> (Ring, Driver) {
    let memory = memory();
    let ring = Ring::new(&memory, QUEUE_SIZE, areas(0), layout.features()).expect("a ring");
    (ring, Driver::new(memory, layout, 1))
}

#[test]
fn buffers_go_round_the_ring() {
    for layout in Layout::all() {
        let (mut ring, mut driver) = ring(layout);
        for round in 0..40_u32 {
            let nr_elements = 1 + round as usize % 4;
            let text = [round as u8; 5];
            let request = driver.submit(0, &vec![&text[..]; nr_elements], &[7, 3]);
            let chain = ring.pop(&driver.memory).unwrap().expect("available");
            assert_eq!((chain.readable().len(), chain.writable().len()), (nr_elements, 2), "{layout:?} {round}");
            let mut read = vec![0; 5 * nr_elements];
            assert_eq!(chain.read(&driver.memory, 0, &mut read), read.len());
            assert!(read.iter().all(|byte| *byte == round as u8));
            assert_eq!(ring.pop(&driver.memory), Ok(None));
            assert_eq!(driver.used(0), None);
            ring.complete(&driver.memory, &chain, round).unwrap();
            assert_eq!(driver.used(0), Some((request.id, round)), "{layout:?} {round}");
        }
    }
}

#[test]
fn several_buffers_are_in_flight() {
    for layout in Layout::all() {
        let (mut ring, mut driver) = ring(layout);
        for _ in 0..30 {
            let ids: Vec<_> = (0..5).map(|_| driver.submit(0, &[b"x"], &[]).id).collect();
            let chains: Vec<_> = (0..5).map(|_| ring.pop(&driver.memory).unwrap().expect("available")).collect();
            for (chain, written) in chains.iter().zip(0..) {
                ring.complete(&driver.memory, chain, written).unwrap();
            }
            for (id, written) in ids.into_iter().zip(0..) {
                assert_eq!(driver.used(0), Some((id, written)), "{layout:?}");
            }
        }
    }
}

#[test]
fn indices_wrap_at_16_bits() {
    /// More than a split ring's indices can count (§ 2.7.6, § 2.7.8), and thousands of rounds of a packed one (§ 2.8.1).
    const NR_BUFFERS: u32 = 70_000;
    for layout in Layout::all() {
        let (mut ring, mut driver) = ring(layout);
        let memory = driver.memory.clone();
        let place = (QUEUE_SIZE, areas(0));
        let mut nr_told = 0;
        for number in 0..NR_BUFFERS {
            // Of one and of two descriptors, so that a packed ring's rounds end within buffers as well.
            driver.free_all();
            let elements = [(driver.allocate(4), 4, false), (driver.allocate(4), 4, true)];
            let id = driver.submit_elements(0, &elements[number as usize % 2..]);
            // The driver wants to hear of each; what it wants is read at each of its positions.
            driver.want_next(0);
            let chain = ring.pop(&memory).unwrap().unwrap_or_else(|| panic!("{layout:?} {number}"));
            if number % 4099 == 0 || (65_530..65_540).contains(&number) {
                let state = ring.save();
                ring = Ring::restore(&memory, place, layout.features(), state).unwrap();
            }
            ring.complete(&memory, &chain, number).unwrap();
            nr_told += u32::from(ring.wants_interrupt(&memory).unwrap());
            assert_eq!(driver.used(0), Some((id, number)), "{layout:?} {number}");
            assert_eq!(ring.set_notifications(&memory, true), Ok(false), "{layout:?} {number}");
        }
        assert_eq!(nr_told, NR_BUFFERS, "{layout:?}");
        assert_eq!(ring.pop(&memory), Ok(None));
        if let RingState::Split { next_available, next_used } = ring.save() {
            assert_eq!([next_available, next_used], [NR_BUFFERS as u16; 2], "they counted on from 0");
        }
    }
}

#[test]
fn interrupts_are_sent_as_the_driver_wants() {
    for layout in Layout::all().filter(|layout| !layout.event_index) {
        let (mut ring, mut driver) = ring(layout);
        for wanted in [true, false, true] {
            driver.want_interrupts(0, wanted);
            driver.submit(0, &[b"x"], &[]);
            let chain = ring.pop(&driver.memory).unwrap().expect("available");
            ring.complete(&driver.memory, &chain, 0).unwrap();
            assert_eq!(ring.wants_interrupt(&driver.memory), Ok(wanted), "{layout:?}");
        }
    }
}

#[test]
fn an_event_index_is_passed_once() {
    for packed in [false, true] {
        let layout = Layout { packed, indirect: false, event_index: true };
        for first in 0..40_u16 {
            let (mut ring, mut driver) = ring(layout);
            let mut use_one = |ring: &mut Ring| {
                driver.submit(0, &[b"x"], &[]);
                let chain = ring.pop(&driver.memory).unwrap().expect("available");
                ring.complete(&driver.memory, &chain, 0).unwrap();
                ring.wants_interrupt(&driver.memory).unwrap()
            };
            for _ in 0..first {
                use_one(&mut ring);
            }
            // The driver wants to hear of the buffer after the next one.
            let event = first + 1;
            let memory = &driver.memory;
            if packed {
                let position = (event % QUEUE_SIZE) | (u16::from((event / QUEUE_SIZE).is_multiple_of(2)) << 15);
                memory.write_obj([position, 2], GuestAddress(areas(0).driver)).unwrap();
            } else {
                let at = areas(0).driver + 4 + 2 * u64::from(QUEUE_SIZE);
                memory.write_obj(event, GuestAddress(at)).unwrap();
            }
            let mut use_one = |ring: &mut Ring| {
                driver.submit(0, &[b"x"], &[]);
                let chain = ring.pop(&driver.memory).unwrap().expect("available");
                ring.complete(&driver.memory, &chain, 0).unwrap();
                ring.wants_interrupt(&driver.memory).unwrap()
            };
            let told: Vec<_> = (0..3).map(|_| use_one(&mut ring)).collect();
            assert_eq!(told, [false, true, false], "packed: {packed}, {first}");
        }
    }
}

#[test]
fn broken_chains_are_told_from_their_ends() {
    let indirect = Layout { packed: false, indirect: true, event_index: false };
    let direct = Layout { indirect: false, ..indirect };
    let table = areas(0).descriptors;
    /// Address, size, flags and next of descriptor 0.
    type Raw = (u64, u32, u16, u16);
    let cases: [(Layout, Raw, RingError); 8] = [
        (direct, (0x1000, 1, 1, 0), RingError::Loop { size: 16 }),
        (direct, (0x1000, 1, 1, 16), RingError::Descriptor { index: 16, size: 16 }),
        (direct, (1 << 20, 1, 0, 0), RingError::Outside { address: 1 << 20, size_bytes: 1 }),
        (direct, (0x1000, 16, 4, 0), RingError::Indirect { why: "that was not negotiated" }),
        (indirect, (0x1000, 16, 5, 1), RingError::Indirect { why: "with a next descriptor" }),
        (indirect, (0x1000, 17, 4, 0), RingError::Indirect { why: "whose size is not that of its descriptors" }),
        (indirect, (0x1000, 17 * 16, 4, 0), RingError::Indirect { why: "of more descriptors than the queue" }),
        (indirect, (table, 16, 4, 0), RingError::Indirect { why: "within an indirect table" }),
    ];
    for (layout, (address, size, flags, next), error) in cases {
        let (mut ring, driver) = ring(layout);
        driver.memory.write_obj(address, GuestAddress(table)).unwrap();
        driver.memory.write_obj(size, GuestAddress(table + 8)).unwrap();
        driver.memory.write_obj([flags, next], GuestAddress(table + 12)).unwrap();
        driver.memory.write_obj([0_u16, 1, 0], GuestAddress(areas(0).driver)).unwrap();
        assert_eq!(ring.pop(&driver.memory), Err(error));
    }
}

#[test]
fn more_than_the_ring_holds_cannot_be_available() {
    let (mut ring, driver) = ring(Layout { packed: false, indirect: false, event_index: false });
    driver.memory.write_obj([0_u16, QUEUE_SIZE + 1], GuestAddress(areas(0).driver)).unwrap();
    assert_eq!(ring.pop(&driver.memory), Err(RingError::AvailableIndex { index: QUEUE_SIZE + 1, next: 0 }));
}

#[test]
fn areas_must_be_aligned_and_within_memory() {
    let memory = memory();
    let good = areas(0);
    for packed in [false, true] {
        let features = Layout { packed, indirect: false, event_index: false }.features();
        assert!(Ring::new(&memory, 16, good, features).is_ok());
        for bad in [
            Areas { descriptors: good.descriptors + 8, ..good },
            Areas { driver: good.driver + 1, ..good },
            Areas { device: good.device + 2, ..good },
            Areas { descriptors: (1 << 20) - 0xf0, ..good },
            Areas { driver: 1 << 20, ..good },
            Areas { device: !15, ..good },
        ] {
            assert!(matches!(Ring::new(&memory, 16, bad, features), Err(RingError::Area { .. })), "{packed} {bad:x?}");
        }
        assert!(matches!(Ring::new(&memory, 0, good, features), Err(RingError::Size { size: 0 })));
        assert!(matches!(Ring::new(&memory, 2048, good, features), Err(RingError::Size { size: 2048 })));
    }
    // § 2.7: a power of two; packed rings can have any size.
    let split = Layout { packed: false, indirect: false, event_index: false }.features();
    assert!(matches!(Ring::new(&memory, 12, good, split), Err(RingError::Size { size: 12 })));
    assert!(Ring::new(&memory, 12, good, split | Features::RING_PACKED).is_ok());
}

proptest! {
    /// Whatever stands in the areas, a ring gives buffers within memory or an error, and no more than it holds at once.
    #[test]
    fn any_areas_are_survived(
        layout in 0_usize..8,
        words in proptest::collection::vec((0_u64..0x400, prop_oneof![any::<u16>(), 0_u16..20, Just(0x8080)]), 0..200),
    ) {
        let layout = Layout::all().nth(layout).expect("one of eight");
        let (mut ring, driver) = ring(layout);
        for (at, value) in words {
            driver.memory.write_obj(value, GuestAddress(areas(0).descriptors + at)).unwrap();
        }
        let mut nr = 0;
        while let Ok(Some(chain)) = ring.pop(&driver.memory) {
            nr += 1;
            prop_assert!(nr <= 2 * u32::from(QUEUE_SIZE));
            let mut bytes = vec![0; 64];
            chain.read(&driver.memory, 0, &mut bytes);
            if ring.complete(&driver.memory, &chain, 1).is_err() || ring.wants_interrupt(&driver.memory).is_err() {
                break;
            }
        }
    }
}
