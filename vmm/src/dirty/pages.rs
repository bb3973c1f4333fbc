//! Sets of pages of guest memory.

use crate::{
    layout::PAGE_SIZE,
    memory::{MemoryMap, MemoryRange},
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Pages of guest memory by number, page 0 at address 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    /// All pages of so much memory.
    pub fn all(memory: MemoryMap) -> Self {
        let mut all = Self::default();
        for range in memory.ranges() {
            let nr_pages = range.size_bytes / PAGE_SIZE;
            let word = |first: u64| match nr_pages - first {
                rest @ ..64 => (1 << rest) - 1,
                _ => u64::MAX,
            };
            let words: Vec<_> = (0..nr_pages).step_by(64).map(word).collect();
            all.add_words(range.address, &words);
        }
        all
    }

    /// Adds those of another set.
    pub fn add_all(&mut self, other: &Self) {
        self.add_words(0, &other.words);
    }

    /// Adds words of KVM_GET_DIRTY_LOG, of memory from `address` on: 0, or a multiple of as much as a word tells of.
    pub(super) fn add_words(&mut self, address: u64, words: &[u64]) {
        let first = (address / PAGE_SIZE / 64) as usize;
        if self.words.len() < first + words.len() {
            self.words.resize(first + words.len(), 0);
        }
        self.words[first..].iter_mut().zip(words).for_each(|(word, more)| *word |= more);
    }

    /// Without pages of odd numbers.
    pub(crate) fn without_each_second(mut self) -> Self {
        self.words.iter_mut().for_each(|word| *word &= 0x5555_5555_5555_5555);
        self
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Their numbers, the lowest first.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        (0..).step_by(64).zip(&self.words).flat_map(|(first, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| u64::from(rest.trailing_zeros()))?;
                rest &= rest - 1;
                Some(first + bit)
            })
        })
    }

    /// Runs of neighbours of at most `nr_max` pages: the number of the first, and how many there are.
    pub fn runs(&self, nr_max: u64) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for number in self.numbers() {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == number && *count < nr_max => *count += 1,
                _ => runs.push((number, 1)),
            }
        }
        runs
    }
}

/// Pages that this VMM writes, or that KVM said were written, by any thread.
#[derive(Debug)]
pub(crate) struct WriteLog {
    words: Vec<AtomicU64>,
    memory: MemoryMap,
    /// Whether somebody has the memory who writes without telling.
    has_others: AtomicBool,
}

impl WriteLog {
    pub(crate) fn new(memory: MemoryMap) -> Self {
        let nr_pages = memory.ranges().map(MemoryRange::end).max().unwrap_or(0) / PAGE_SIZE;
        let words = (0..nr_pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { words, memory, has_others: AtomicBool::new(false) }
    }

    /// Notes that bytes were written. After that was done: who takes the set before it copies the page then finds either the new
    /// bytes, or the page in the next set.
    pub(crate) fn note(&self, address: u64, size_bytes: usize) {
        let written = address..address.saturating_add(size_bytes as u64);
        for range in self.memory.ranges() {
            let (start, end) = (written.start.max(range.address), written.end.min(range.end()));
            if start < end {
                (start / PAGE_SIZE..end.div_ceil(PAGE_SIZE)).for_each(|number| self.note_page(number));
            }
        }
    }

    /// Notes a page by its number; nothing if there is no such page.
    pub(super) fn note_page(&self, number: u64) {
        if self.memory.contains(number.saturating_mul(PAGE_SIZE), PAGE_SIZE)
            && let Some(word) = self.words.get((number / 64) as usize)
        {
            word.fetch_or(1 << (number % 64), Ordering::SeqCst);
        }
    }

    /// Notes that somebody will write without telling.
    pub(crate) fn note_others(&self) {
        self.has_others.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_others(&self) -> bool {
        self.has_others.load(Ordering::SeqCst)
    }

    /// What was noted since the last call.
    pub(super) fn take(&self) -> PageSet {
        PageSet { words: self.words.iter().map(|word| word.swap(0, Ordering::SeqCst)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::HIGH_MEMORY;

    /// The first page above 4 GiB.
    const FIRST_HIGH: u64 = HIGH_MEMORY / PAGE_SIZE;

    fn memory(nr_pages: u64) -> MemoryMap {
        MemoryMap::new(nr_pages * PAGE_SIZE).unwrap()
    }

    /// Of 200 pages, the last eight of them above 4 GiB.
    fn split() -> MemoryMap {
        MemoryMap::with_low_end(200 * PAGE_SIZE, 192 * PAGE_SIZE).unwrap()
    }

    #[test]
    fn all_pages_are_those_of_the_memory() {
        for nr_pages in [145, 191, 192, 193, 256] {
            let all = PageSet::all(memory(nr_pages));
            assert!(all.numbers().eq(0..nr_pages), "{nr_pages}");
            assert_eq!(all.count(), nr_pages);
        }
        assert!(PageSet::default().is_empty());
        let all = PageSet::all(split());
        assert!(all.numbers().eq((0..192).chain(FIRST_HIGH..FIRST_HIGH + 8)));
        assert_eq!(all.runs(u64::MAX), [(0, 192), (FIRST_HIGH, 8)]);
    }

    #[test]
    fn runs_are_of_neighbours_and_bounded() {
        let log = WriteLog::new(memory(200));
        [3, 4, 5, 63, 64, 199, 200].into_iter().for_each(|number| log.note_page(number));
        let set = log.take();
        assert_eq!(set.runs(2), [(3, 2), (5, 1), (63, 2), (199, 1)]);
        assert_eq!(set.runs(64), [(3, 3), (63, 2), (199, 1)]);
        assert!(log.take().is_empty());
    }

    #[test]
    fn each_page_that_a_write_touches_is_noted_and_none_else() {
        let log = WriteLog::new(memory(200));
        log.note(PAGE_SIZE - 1, 2);
        log.note(4 * PAGE_SIZE, 0);
        log.note(199 * PAGE_SIZE + 5, usize::MAX);
        assert!(log.take().numbers().eq([0, 1, 199]));
        let mut set = PageSet::default();
        log.note(5 * PAGE_SIZE, 1);
        set.add_all(&log.take());
        assert!(set.numbers().eq([5]));
    }

    #[test]
    fn pages_above_4_gib_are_noted_and_none_between() {
        let log = WriteLog::new(split());
        log.note(191 * PAGE_SIZE, 2 * PAGE_SIZE as usize);
        log.note(HIGH_MEMORY - 1, 2);
        [192, FIRST_HIGH - 1, FIRST_HIGH + 7, FIRST_HIGH + 8, u64::MAX]
            .into_iter()
            .for_each(|page| log.note_page(page));
        assert!(log.take().numbers().eq([191, FIRST_HIGH, FIRST_HIGH + 7]));
        log.note(0, usize::MAX);
        assert_eq!(log.take(), PageSet::all(split()));
        let mut told = PageSet::default();
        told.add_words(HIGH_MEMORY, &[0b101]);
        told.add_words(0, &[1 << 63]);
        assert!(told.numbers().eq([63, FIRST_HIGH, FIRST_HIGH + 2]));
    }
}
