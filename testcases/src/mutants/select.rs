//! Which faults are tried.

use super::{Trial, trial};
use crate::{
    catalog::Catalog,
    nearest::{nearest, suggestion},
};
use wildmatch::WildMatch;

/// No fault is meant by a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fault, feature or area matches `{filter}`{}", suggestion(nearest))]
pub struct UnknownFault {
    /// The filter.
    pub filter: String,
    /// What may have been meant.
    pub nearest: Vec<String>,
}

/// The faults that any filter matches, in the order of the tables; all without a filter. A filter is the id of a fault, a
/// feature or an area, a pattern with `*` and `?`, or a part of an id.
///
/// # Errors
/// [`UnknownFault`], if a filter matches none.
pub fn select(catalog: &Catalog, filters: &[String]) -> Result<Vec<Trial>, UnknownFault> {
    among(trial::all(catalog), filters)
}

fn among(all: Vec<Trial>, filters: &[String]) -> Result<Vec<Trial>, UnknownFault> {
    let mut is_wanted = vec![filters.is_empty(); all.len()];
    for filter in filters {
        let matching = matching(&all, filter);
        if !matching.contains(&true) {
            let names = all.iter().flat_map(names);
            return Err(UnknownFault { filter: filter.clone(), nearest: nearest(filter, names) });
        }
        is_wanted.iter_mut().zip(matching).for_each(|(wanted, matches)| *wanted |= matches);
    }
    Ok(all.into_iter().zip(is_wanted).filter_map(|(trial, is_wanted)| is_wanted.then_some(trial)).collect())
}

fn names(trial: &Trial) -> [&str; 3] {
    [&trial.id, trial.feature.id(), trial.feature.area()]
}

/// Which of them a filter means.
fn matching(all: &[Trial], filter: &str) -> Vec<bool> {
    let which = |is_meant: &dyn Fn(&Trial) -> bool| all.iter().map(is_meant).collect();
    if filter.contains(['*', '?']) {
        let pattern = WildMatch::new(filter);
        return which(&|trial| names(trial).iter().any(|name| pattern.matches(name)));
    }
    // What is exactly the name of something means just that.
    if all.iter().any(|trial| names(trial).contains(&filter)) {
        return which(&|trial| names(trial).contains(&filter));
    }
    which(&|trial| trial.id.contains(filter) && !filter.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::table;

    fn chosen(filters: &[&str]) -> Result<Vec<Trial>, UnknownFault> {
        let filters: Vec<_> = filters.iter().map(|&filter| filter.to_owned()).collect();
        among(table::all().map(Trial::from).collect(), &filters)
    }

    fn ids(filter: &str) -> Vec<String> {
        chosen(&[filter]).unwrap().into_iter().map(|trial| trial.id).collect()
    }

    #[test]
    fn a_filter_is_an_id_a_feature_an_area_a_pattern_or_a_part() {
        let has = |filter: &str| ids(filter).contains(&"pic-poll-ignored".to_owned());
        assert_eq!(ids("pic-poll-ignored"), ["pic-poll-ignored"]);
        assert!(has("PicSpurious") && has("pic-*ignored") && has("poll-ign"));
        assert!(chosen(&["pic"]).unwrap().iter().all(|trial| trial.feature.area() == "pic"));
        assert_eq!(chosen(&[]).unwrap().len(), table::all().count());
    }

    #[test]
    fn an_unknown_fault_is_told_with_the_nearest() {
        let error = chosen(&["pic-pol-ignored"]).unwrap_err();
        assert!(error.nearest.contains(&"pic-poll-ignored".to_owned()), "{error}");
    }
}
