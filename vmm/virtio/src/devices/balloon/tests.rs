//! Balloons, and what they give back.

use super::*;
use crate::{
    Common,
    hostile::{self, Hosted},
    testing::{Driver, Layout, due, exchange},
};
use proptest::prelude::*;

/// Tells what was given back.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<Vec<(u64, u64)>>>);

impl Discard for Given {
    fn discard(&mut self, address: u64, size_bytes: u64) {
        self.0.lock().unwrap().push((address, size_bytes));
    }
}

impl Given {
    fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn started(layout: Layout, features: u64) -> (Common, Driver, BalloonControl, Given) {
    let given = Given::default();
    let balloon = Balloon::new(given.clone()).unwrap();
    let control = balloon.control();
    let (common, driver) = Driver::started(Box::new(balloon), layout, features);
    (common, driver, control, given)
}

fn numbers(pages: &[u32]) -> Vec<u8> {
    pages.iter().flat_map(|page| page.to_le_bytes()).collect()
}

#[test]
fn pages_are_given_back() {
    for layout in Layout::all() {
        let (mut common, mut driver, _, given) = started(layout, 0);
        // The MiB of memory has pages 0 to 255.
        let pages = numbers(&[3, 4, 5, 9, 8, 255, 256, u32::MAX, 0]);
        exchange(&mut common, &mut driver, INFLATE, &[&pages[..6], &pages[6..], &[1, 2]], &[]);
        let expected = [(0x3000, 0x3000), (0x9000, 0x1000), (0x8000, 0x1000), (0xf_f000, 0x1000), (0, 0x1000)];
        assert_eq!(given.take(), expected, "{layout:?}");
        exchange(&mut common, &mut driver, DEFLATE, &[&pages], &[]);
        exchange(&mut common, &mut driver, INFLATE, &[&pages[..3]], &[8]);
        assert_eq!(given.take(), []);
    }
}

#[test]
fn each_new_size_is_told_once() {
    let (mut common, _, control, _) = started(Layout::all().next().expect("one of eight"), 0);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    control.on_change(move |nr_pages| list.lock().unwrap().push(nr_pages));
    control.on_change(|_| panic!("the first listener stays"));
    for nr_pages in [3_u32, 3, 5, 0] {
        common.write_config(ACTUAL_OFFSET, &nr_pages.to_le_bytes());
    }
    assert_eq!(*told.lock().unwrap(), [3, 5, 0]);
}

#[test]
fn only_so_many_pages_are_taken_from_one_buffer() {
    let (mut common, mut driver, _, given) = started(Layout::all().next().expect("one of eight"), 0);
    let at = driver.allocate(0x2_0000);
    driver.submit_elements(INFLATE, &[(at, 0x2_0000, false)]);
    common.notify(INFLATE);
    assert!(driver.used(INFLATE).is_some());
    assert_eq!(given.take().len(), NR_PAGES_MAX as usize, "all of page 0");
}

#[test]
fn the_target_is_told_and_the_size_heard() {
    let (mut common, _, control, _) = started(Layout::all().next().expect("one of eight"), DEFLATE_ON_OOM);
    control.set_target(0x12345);
    let mut before = [0xff; 4];
    common.read_config(0, &mut before);
    assert_eq!((before, common.generation()), ([0; 4], 0), "no other number in the same generation");
    common.wake();
    assert_eq!((due(&mut common), common.generation()), ((0, true), 1));
    common.write_config(4, &0x1234_u32.to_le_bytes());
    common.write_config(0, &7_u32.to_le_bytes());
    common.write_config(5, &[1]);
    let mut config = [0xff; 10];
    common.read_config(0, &mut config);
    assert_eq!(config, [0x45, 0x23, 1, 0, 0x34, 0x12, 0, 0, 0, 0]);
    assert_eq!((control.target(), control.actual()), (0x12345, 0x1234));
    common.set_status(0);
    assert_eq!((control.target(), control.actual()), (0x12345, 0));
}

#[test]
fn statistics_come_when_they_are_asked_for() {
    for layout in Layout::all() {
        let (mut common, mut driver, control, _) = started(layout, STATISTICS);
        let statistic = |tag: u16, value: u64| [&tag.to_le_bytes()[..], &value.to_le_bytes()].concat();
        let first = driver.submit(STATISTICS_QUEUE, &[&statistic(4, 100), &[9]], &[]);
        common.notify(STATISTICS_QUEUE);
        assert_eq!((driver.used(STATISTICS_QUEUE), control.statistics()), (None, vec![(4, 100)]));
        control.ask_for_statistics();
        common.wake();
        assert_eq!(driver.used(STATISTICS_QUEUE), Some((first.id, 0)), "{layout:?}");
        // Asked before there is a buffer.
        control.ask_for_statistics();
        common.wake();
        let second = driver.submit(STATISTICS_QUEUE, &[&statistic(4, 7), &statistic(0xfff0, u64::MAX)], &[]);
        common.notify(STATISTICS_QUEUE);
        assert_eq!(driver.used(STATISTICS_QUEUE), Some((second.id, 0)));
        assert_eq!(control.statistics(), [(4, 7), (0xfff0, u64::MAX)]);
        // Of two buffers one is kept.
        let third = driver.submit(STATISTICS_QUEUE, &[&[0; 1000]], &[]);
        driver.submit(STATISTICS_QUEUE, &[&[]], &[]);
        common.notify(STATISTICS_QUEUE);
        assert_eq!(driver.used(STATISTICS_QUEUE), Some((third.id, 0)));
        assert_eq!((driver.used(STATISTICS_QUEUE), control.statistics()), (None, vec![]));
        driver.reset_queue(&mut common, STATISTICS_QUEUE);
        control.ask_for_statistics();
        common.wake();
        assert_eq!((driver.used(STATISTICS_QUEUE), common.broken()), (None, None));
    }
}

#[test]
fn free_pages_are_reported_by_where_they_are() {
    for queue in [3, 4] {
        let (mut common, mut driver, _, given) =
            started(Layout::all().next().expect("one of eight"), REPORTING | STATISTICS);
        let elements = [(0x2_0000, 0x4000, true), (0x3_0800, 0x1800, true), (0x4_0001, 0x1000, true)];
        driver.submit_elements(queue, &elements);
        common.notify(queue);
        assert!(driver.used(queue).is_some_and(|(_, written)| written == 0));
        assert_eq!(given.take(), [(0x2_0000, 0x4000), (0x3_1000, 0x1000)]);
    }
    let (mut common, mut driver, _, given) = started(Layout::all().next().expect("one of eight"), 0);
    driver.submit_elements(4, &[(0x2_0000, 0x4000, true)]);
    common.notify(4);
    assert_eq!((driver.used(4), given.take()), (None, vec![]), "it was not negotiated");
}

proptest! {
    /// Whatever a driver says, only its own memory is given back.
    #[test]
    fn any_buffers_are_survived(
        layout in 0_usize..8,
        steps in proptest::collection::vec(
            (0_usize..6, proptest::collection::vec(0_u32..0x200, 0..20), (0_u64..0x10_0000, 0_u32..0x1_0000)), 0..50),
    ) {
        let layout = Layout::all().nth(layout).expect("one of eight");
        let (mut common, mut driver, control, given) = started(layout, STATISTICS | REPORTING);
        for (queue, pages, (address, size)) in steps {
            if queue < 5 {
                let at = driver.allocate(16);
                driver.submit_elements(queue, &[(at, pages.len() as u32, false), (address, size, true)]);
                driver.submit(queue, &[&numbers(&pages)], &[]);
                common.notify(queue);
                while driver.used(queue).is_some() {}
            } else {
                control.ask_for_statistics();
                common.wake();
            }
            for (first, size) in given.take() {
                prop_assert!(size > 0 && (first | size) % PAGE_BYTES == 0 && first + size <= 1 << 20);
            }
            if common.broken().is_some() {
                break;
            }
        }
    }

    /// Nor is anything that a driver can do to registers and rings.
    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps(
        proptest::collection::vec(0_u32..0x20, 0..10).prop_map(|pages| numbers(&pages)),
    )) {
        hostile::survive_with_host(|| Hosted::balloon(Balloon::new(Given::default()).unwrap()), &steps);
    }
}
