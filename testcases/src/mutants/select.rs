//! Which faults are tried.

use super::{Mutant, table};
use crate::nearest::{nearest, suggestion};
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

/// The faults that any filter matches, in the order of the table; all without a filter. A filter is the id of a fault, a
/// feature or an area, a pattern with `*` and `?`, or a part of an id.
///
/// # Errors
/// [`UnknownFault`], if a filter matches none.
pub fn select(filters: &[String]) -> Result<Vec<Mutant>, UnknownFault> {
    let all: Vec<Mutant> = table::all().collect();
    for filter in filters {
        if !all.iter().any(|mutant| matches(mutant, filter)) {
            let names = all.iter().flat_map(|mutant| [mutant.id, mutant.feature.id(), mutant.feature.area()]);
            return Err(UnknownFault { filter: filter.clone(), nearest: nearest(filter, names) });
        }
    }
    let is_wanted = |mutant: &Mutant| filters.is_empty() || filters.iter().any(|filter| matches(mutant, filter));
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn matches(mutant: &Mutant, filter: &str) -> bool {
    let names = [mutant.id, mutant.feature.id(), mutant.feature.area()];
    if filter.contains(['*', '?']) {
        return names.iter().any(|name| WildMatch::new(filter).matches(name));
    }
    // What is exactly the name of something means just that.
    if table::all().any(|other| [other.id, other.feature.id(), other.feature.area()].contains(&filter)) {
        return names.contains(&filter);
    }
    mutant.id.contains(filter) && !filter.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(filter: &str) -> Vec<&'static str> {
        select(&[filter.to_owned()]).unwrap().iter().map(|mutant| mutant.id).collect()
    }

    #[test]
    fn a_filter_is_an_id_a_feature_an_area_a_pattern_or_a_part() {
        assert_eq!(ids("pic-poll-ignored"), ["pic-poll-ignored"]);
        assert!(ids("PicSpurious").contains(&"pic-poll-ignored"));
        assert!(select(&["pic".to_owned()]).unwrap().iter().all(|mutant| mutant.feature.area() == "pic"));
        assert!(ids("pic-*ignored").contains(&"pic-poll-ignored"));
        assert!(ids("poll-ign").contains(&"pic-poll-ignored"));
        assert_eq!(select(&[]).unwrap().len(), table::all().count());
    }

    #[test]
    fn an_unknown_fault_is_told_with_the_nearest() {
        let error = select(&["pic-pol-ignored".to_owned()]).unwrap_err();
        assert!(error.nearest.contains(&"pic-poll-ignored".to_owned()), "{error}");
    }
}
