//! Work side by side: each worker takes the next case of its lanes as soon as it is free.

use crate::{cancel::Cancel, catalog::Case};
use std::{
    collections::{BTreeMap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Condvar, Mutex, PoisonError},
};

/// The order in which the cases are run: for seed 0 each area spread over the whole run, because cases that wait for
/// clocks stand together in the catalog; else one that the seed decides.
pub(super) fn order(cases: &[&Case], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    if seed != 0 {
        // `DefaultHasher::new` has fixed keys: the same seed gives the same order.
        order.sort_by_cached_key(|&index| {
            let mut hasher = DefaultHasher::new();
            (seed, cases.get(index).map(|case| case.id.as_str())).hash(&mut hasher);
            hasher.finish()
        });
        return order;
    }
    let mut areas: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        areas.entry(case.id.split("::").next().unwrap_or_default()).or_default().push(index);
    }
    // The middle of each case's part of its area, in millionths.
    let middle = |place: usize, nr_cases: usize| (2 * place + 1) * 500_000 / nr_cases;
    let spread = areas
        .values()
        .flat_map(|area| area.iter().enumerate().map(move |(place, &index)| (middle(place, area.len()), index)));
    let mut spread: Vec<_> = spread.collect();
    spread.sort_unstable();
    spread.into_iter().map(|(_, index)| index).collect()
}

/// What is still to be done, and how much of the machine is free for it.
struct Waiting {
    /// Cases of several virtual processors, the fewest first: place, index, slots.
    several: VecDeque<(usize, usize, usize)>,
    /// Cases of one virtual processor by lane: place and index.
    lanes: Vec<VecDeque<(usize, usize)>>,
    nr_free_slots: usize,
    nr_running_several: usize,
}

/// What a worker does next.
enum Next {
    /// The work of this place and index, which takes so many slots.
    Work(usize, usize, usize),
    /// Nothing until something else is done.
    Wait,
    /// Nothing any more.
    Nothing,
}

impl Waiting {
    fn new(order: &[usize], nr_slots: usize, lane: impl Fn(usize) -> usize, nr_vcpus: impl Fn(usize) -> usize) -> Self {
        let mut waiting = Self {
            several: VecDeque::new(),
            lanes: vec![VecDeque::new(); nr_slots],
            nr_free_slots: nr_slots,
            nr_running_several: 0,
        };
        for (place, &index) in order.iter().enumerate() {
            let nr_vcpus = nr_vcpus(index);
            if nr_vcpus > 1 {
                waiting.several.push_back((place, index, nr_vcpus.min(nr_slots)));
            } else if let Some(lane) = waiting.lanes.get_mut(lane(index) % nr_slots) {
                lane.push_back((place, index));
            }
        }
        waiting.several.make_contiguous().sort_by_key(|&(.., nr_slots)| nr_slots);
        waiting
    }

    /// The next work for the worker of a lane, with its slots taken.
    ///
    /// Work of one lane goes to the same worker first, because it would only wait for the same processor on another; a
    /// worker whose own lane is done, or that has none, helps where the most is left.
    fn next(&mut self, own: usize) -> Next {
        if let Some(&(place, index, nr_slots)) = self.several.front() {
            if nr_slots <= self.nr_free_slots {
                self.several.pop_front();
                self.nr_free_slots -= nr_slots;
                self.nr_running_several += 1;
                return Next::Work(place, index, nr_slots);
            }
            // Else those that want only one slot would keep it out until they all are done.
            if self.nr_running_several == 0 {
                return Next::Wait;
            }
        }
        if self.nr_free_slots == 0 {
            return Next::Wait;
        }
        let found = self.lanes.get_mut(own).and_then(VecDeque::pop_front);
        match found.or_else(|| self.lanes.iter_mut().max_by_key(|lane| lane.len())?.pop_front()) {
            Some((place, index)) => {
                self.nr_free_slots -= 1;
                Next::Work(place, index, 1)
            }
            None if self.several.is_empty() => Next::Nothing,
            None => Next::Wait,
        }
    }

    fn done(&mut self, nr_slots: usize) {
        self.nr_free_slots += nr_slots;
        self.nr_running_several -= usize::from(nr_slots > 1);
    }
}

/// Calls `work` for each index of `order` on threads that share `nr_slots` slots; the results stand as the indices do in
/// `order`. What was not started when `cancel` was set stays empty.
///
/// A case takes a slot for each of its virtual processors, or all that there are: what its processors wait for must be
/// able to run.
pub(super) fn run<T: Send>(
    order: &[usize],
    nr_slots: usize,
    cancel: &Cancel,
    lane: impl Fn(usize) -> usize,
    nr_vcpus: impl Fn(usize) -> usize,
    work: impl Fn(usize) -> Option<T> + Sync,
) -> Vec<Option<T>> {
    let nr_slots = nr_slots.max(1);
    let waiting = Mutex::new(Waiting::new(order, nr_slots, lane, nr_vcpus));
    let is_done = Condvar::new();
    let results: Mutex<Vec<Option<T>>> = Mutex::new(order.iter().map(|_| None).collect());
    // A worker that panicked left at most its own place empty.
    let locked = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let next = |own: usize| {
        let mut waiting = locked();
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            match waiting.next(own) {
                Next::Work(place, index, nr_slots) => return Some((place, index, nr_slots)),
                Next::Wait => waiting = is_done.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Next::Nothing => return None,
            }
        }
    };
    let worker = |own: usize| {
        while let Some((place, index, nr_slots)) = next(own) {
            // Given back even by work that panics, for others wait for them.
            let _slots = Defer(|| {
                locked().done(nr_slots);
                is_done.notify_all();
            });
            let result = work(index);
            if let Some(place) = results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
                *place = result;
            }
        }
    };
    std::thread::scope(|scope| {
        for own in 1..nr_slots.min(order.len()) {
            let worker = &worker;
            scope.spawn(move || worker(own));
        }
        worker(0);
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Calls what it holds when it is dropped.
struct Defer<F: Fn()>(F);

impl<F: Fn()> Drop for Defer<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, synthetic::Source};

    #[test]
    fn each_index_is_worked_once_and_its_result_stands_where_it_stood() {
        for nr_workers in [0, 1, 3, 100] {
            let results = run(
                &[2, 0, 1],
                nr_workers,
                &Cancel::default(),
                |index| index / 2,
                |index| index,
                |index| Some(index * 10),
            );
            assert_eq!(results, [Some(20), Some(0), Some(10)], "{nr_workers} workers");
        }
    }

    #[test]
    fn each_area_is_spread_over_the_run_and_keeps_its_order() {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let mut cases: Vec<_> = (0..6).map(|_| catalog.cases().first().unwrap().clone()).collect();
        for (case, id) in cases.iter_mut().zip(["a::1", "a::2", "a::3", "a::4", "b::1", "b::2"]) {
            id.clone_into(&mut case.id);
        }
        assert_eq!(order(&cases.iter().collect::<Vec<_>>(), 0), [0, 4, 1, 2, 5, 3]);
    }

    /// Indices stand for their numbers of virtual processors.
    fn waiting(order: &[usize]) -> Waiting {
        Waiting::new(order, 3, |_| 0, |nr_vcpus| nr_vcpus)
    }

    fn takes(waiting: &mut Waiting) -> Option<usize> {
        match waiting.next(1) {
            Next::Work(_, index, _) => Some(index),
            Next::Wait | Next::Nothing => None,
        }
    }

    #[test]
    fn cases_of_several_processors_come_first_and_leave_room_for_those_of_one() {
        let mut waiting = waiting(&[1, 2, 1]);
        assert_eq!([takes(&mut waiting), takes(&mut waiting), takes(&mut waiting)], [Some(2), Some(1), None]);
        waiting.done(1);
        assert_eq!([takes(&mut waiting), takes(&mut waiting)], [Some(1), None]);
        waiting.done(2);
        assert!(matches!(waiting.next(0), Next::Nothing));
    }

    #[test]
    fn a_case_of_more_processors_than_there_are_slots_gets_them_all() {
        let mut waiting = waiting(&[1, 64, 2]);
        assert_eq!([takes(&mut waiting), takes(&mut waiting)], [Some(2), Some(1)]);
        waiting.done(2);
        assert_eq!(takes(&mut waiting), None, "it runs alone");
        waiting.done(1);
        assert_eq!([takes(&mut waiting), takes(&mut waiting)], [Some(64), None]);
    }

    #[test]
    fn a_worker_that_has_no_work_of_its_own_helps_where_the_most_is_left() {
        let mut waiting = Waiting::new(&[0, 1, 3, 4], 3, |index| index.min(1), |_| 1);
        let mut next = || match waiting.next(2) {
            Next::Work(_, index, _) => index,
            Next::Wait | Next::Nothing => usize::MAX,
        };
        assert_eq!([next(), next()], [1, 3]);
    }

    #[test]
    fn nothing_is_started_after_a_cancel() {
        let cancel = Cancel::default();
        let results = run(
            &[0, 1, 2, 3],
            1,
            &cancel,
            |_| 0,
            |_| 1,
            |index| {
                if index == 1 {
                    cancel.cancel();
                }
                Some(index)
            },
        );
        assert_eq!(results, [Some(0), Some(1), None, None]);
    }
}
