//! Work side by side: each worker takes the next case of its lanes as soon as it is free.

use crate::{cancel::Cancel, catalog::Case};
use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
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

/// The order cut by the number of virtual processors, the fewest first.
pub(super) fn by_nr_vcpus(cases: &[&Case], order: Vec<usize>) -> BTreeMap<usize, Vec<usize>> {
    let mut cut: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in order {
        let nr_vcpus = cases.get(index).map_or(1, |case| case.setup.nr_vcpus.max(1).into());
        cut.entry(nr_vcpus).or_default().push(index);
    }
    cut
}

/// Calls `work` for each index of `order` on `nr_workers` threads; the results stand as the indices do in `order`. What was
/// not started when `cancel` was set stays empty.
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
    let mut queues: Vec<(Vec<(usize, usize)>, AtomicUsize)> = Vec::new();
    queues.resize_with(nr_workers, Default::default);
    for (place, &index) in order.iter().enumerate() {
        if let Some((queue, _)) = queues.get_mut(lane(index) % nr_workers) {
            queue.push((place, index));
        }
    }
    let results: Mutex<Vec<Option<T>>> = Mutex::new(order.iter().map(|_| None).collect());
    let next = |own: usize| {
        let from_own_on = queues.iter().cycle().skip(own).take(nr_workers);
        from_own_on.into_iter().find_map(|(queue, taken)| queue.get(taken.fetch_add(1, Ordering::Relaxed)).copied())
    };
    let worker = |own: usize| {
        while !cancel.is_cancelled()
            && let Some((place, index)) = next(own)
        {
            let result = work(index);
            // A worker that panicked left at most its own place empty.
            if let Some(place) = results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
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
    use crate::catalog::{Catalog, synthetic::Source};

    #[test]
    fn each_index_is_worked_once_and_its_result_stands_where_it_stood() {
        for nr_workers in [0, 1, 3, 100] {
            let results = run(&[2, 0, 1], nr_workers, &Cancel::default(), |index| index / 2, |index| Some(index * 10));
            assert_eq!(results, [Some(20), Some(0), Some(10)], "{nr_workers} workers");
        }
    }

    #[test]
    fn cases_are_cut_by_their_number_of_processors_and_keep_their_order() {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let cases: Vec<_> = catalog.cases().iter().collect();
        let nr_vcpus: Vec<_> = cases.iter().map(|case| case.setup.nr_vcpus).collect();
        assert_eq!(nr_vcpus, [1, 2, 2, 2]);
        let cut: Vec<_> = by_nr_vcpus(&cases, vec![3, 0, 1, 2]).into_iter().collect();
        assert_eq!(cut, [(1, vec![0]), (2, vec![3, 1, 2])]);
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
