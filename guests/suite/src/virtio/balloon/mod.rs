//! Balloons: pages that are given and taken, statistics, and pages that are reported as free.
//!
//! The host asks for nothing here: what a driver does of its own accord is taken.

mod model;
mod pages;
mod queues;

use super::{
    ROWS,
    several::{Several, each_row, refused},
};
use model::feature;
use rt::{
    check, mmio,
    virtio::{self, Element, Layout, Transport},
};

/// Queues.
const INFLATE: usize = 0;
const DEFLATE: usize = 1;
const STATISTICS: usize = 2;

/// Bytes of a page of a balloon.
const PAGE: u64 = 4096;

/// Room for what the driver sends.
fn outgoing() -> u64 {
    virtio::buffer(0)
}

/// Pages that nothing else is in: those of the buffers from the second page on.
fn page(index: usize) -> u64 {
    virtio::buffer(16 * (1 + index % 3))
}

/// A balloon in use.
struct Balloon<const N: usize> {
    device: Several<N>,
}

impl<const N: usize> Balloon<N> {
    fn started(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        let numbers = core::array::from_fn(|number| number as u16);
        Several::started(transport, layout, wanted, numbers).map(|device| Self { device })
    }

    /// Sends numbers of pages through a queue: whether the device took them, and wrote nothing.
    fn send(&mut self, queue: usize, numbers: &[u32]) -> bool {
        for (at, number) in (outgoing()..).step_by(4).zip(numbers) {
            mmio::write_u32(at, *number);
        }
        let size = 4 * numbers.len() as u32;
        self.device.exchange(queue, &[Element::read(outgoing(), size)]) == Some(0)
    }
}

fn number(address: u64) -> u32 {
    (address / PAGE) as u32
}

/// Whether a page holds this word, by words of it.
fn holds(page: u64, word: u64) -> bool {
    [0, 8, 2048, PAGE - 8].into_iter().all(|at| mmio::read_u64(page + at) == word)
}

/// Fills those words of a page that [`holds`] looks at.
fn write(page: u64, word: u64) {
    [0, 8, 2048, PAGE - 8].into_iter().for_each(|at| mmio::write_u64(page + at, word));
}

/// Calls `try_one` with each transport and layout by which there is a balloon, with so many queues.
fn each_balloon<const N: usize>(wanted: u64, mut try_one: impl FnMut(u64, &mut Balloon<N>)) {
    each_row(virtio::kind::BALLOON, |row, transport, layout| match Balloon::started(transport, layout, wanted) {
        Some(mut balloon) => try_one(row, &mut balloon),
        None => refused(row),
    });
}

/// Whether it takes and gives a page after a reset.
fn works_again(transport: Transport, layout: Layout) -> bool {
    let takes = |mut balloon: Balloon<2>| {
        balloon.send(INFLATE, &[number(page(0))]) && balloon.send(DEFLATE, &[number(page(0))])
    };
    transport.reset() && Balloon::<2>::started(transport, layout, feature::STATISTICS).is_some_and(takes)
}

/// Records that something is as it must be at a page that was given to the balloon.
fn check_usable(row: u64, page: u64) {
    write(page, 0x0123_4567_89ab_cdef);
    check!("the page is memory", [ROWS; row], holds(page, 0x0123_4567_89ab_cdef));
}
