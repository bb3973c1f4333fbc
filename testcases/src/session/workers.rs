//! Work side by side: each worker takes the next case of its lanes as soon as it is free.

use crate::{cancel::Cancel, catalog::Case};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The order in which the cases are run: the catalog's for seed 0, else one that the seed decides.
pub(super) fn order(cases: &[&Case], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    if seed != 0 {
        // `DefaultHasher::new` has fixed keys: the same seed gives the same order.
        order.sort_by_cached_key(|&index| {
            let mut hasher = DefaultHasher::new();
            (seed, cases.get(index).map(|case| case.id.as_str())).hash(&mut hasher);
            hasher.finish()
        });
    }
    order
}

/// Calls `work` for each index of `order` on `nr_workers` threads; the results stand at their index. What was not
/// started when `cancel` was set stays empty.
///
/// Work of one lane goes to the same worker first, because it would only wait for the same processor on another; a
/// worker whose own lanes are done helps the others.
pub(super) fn run<T: Send>(
    order: &[usize],
    nr_workers: usize,
    cancel: &Cancel,
    lane: impl Fn(usize) -> usize,
    work: impl Fn(usize) -> Option<T> + Sync,
) -> Vec<Option<T>> {
    let nr_workers = nr_workers.min(order.len()).max(1);
    let mut queues: Vec<(Vec<usize>, AtomicUsize)> = Vec::new();
    queues.resize_with(nr_workers, Default::default);
    for &index in order {
        if let Some((queue, _)) = queues.get_mut(lane(index) % nr_workers) {
            queue.push(index);
        }
    }
    let results: Mutex<Vec<Option<T>>> = Mutex::new(order.iter().map(|_| None).collect());
    let next = |own: usize| {
        let from_own_on = queues.iter().cycle().skip(own).take(nr_workers);
        from_own_on.into_iter().find_map(|(queue, taken)| queue.get(taken.fetch_add(1, Ordering::Relaxed)).copied())
    };
    let worker = |own: usize| {
        while !cancel.is_cancelled()
            && let Some(index) = next(own)
        {
            let result = work(index);
            // A worker that panicked left at most its own place empty.
            if let Some(place) = results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                *place = result;
            }
        }
    };
    std::thread::scope(|scope| {
        for own in 1..nr_workers {
            let worker = &worker;
            scope.spawn(move || worker(own));
        }
        worker(0);
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_worked_once_and_lands_in_its_place() {
        for nr_workers in [0, 1, 3, 100] {
            let results = run(&[2, 0, 1], nr_workers, &Cancel::default(), |index| index / 2, |index| Some(index * 10));
            assert_eq!(results, [Some(0), Some(10), Some(20)], "{nr_workers} workers");
        }
    }

    #[test]
    fn nothing_is_started_after_a_cancel() {
        let cancel = Cancel::default();
        let results = run(
            &[0, 1, 2, 3],
            1,
            &cancel,
            |_| 0,
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
