//! Which cases are run: by filter and shard, and by what a subject offers.

#[cfg(test)]
mod tests;

use crate::{
    catalog::{Case, Catalog, InterruptSetup},
    nearest::{nearest, suggestion},
    subjects::VirtioDevices,
};
use case::{Feature, Needs};
use std::{fmt, str::FromStr};
use wildmatch::WildMatch;

/// One of several parts of the cases, which are disjoint and together complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: usize,
    count: usize,
}

/// Why a text is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is not two numbers.
    #[error("`{text}` is no shard; write K/N, as in 1/4")]
    Form {
        /// What was given.
        text: String,
    },
    /// There is no such part.
    #[error("there is no shard {number} of {count}; K goes from 1 to N")]
    Number {
        /// K.
        number: usize,
        /// N.
        count: usize,
    },
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let numbers = text.split_once('/').and_then(|(number, count)| Some((plain(number)?, plain(count)?)));
        let (number, count) = numbers.ok_or_else(|| ShardError::Form { text: text.to_owned() })?;
        match number.checked_sub(1) {
            Some(index) if index < count => Ok(Self { index, count }),
            _ => Err(ShardError::Number { number, count }),
        }
    }
}

impl From<Shard> for reports::Shard {
    fn from(shard: Shard) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { number: number(shard.index.saturating_add(1)), count: number(shard.count) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

/// A number of digits alone.
fn plain(text: &str) -> Option<usize> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Why no cases could be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A filter matches nothing.
    #[error("no case matches `{filter}`{}", suggestion(nearest))]
    NoMatch {
        /// The filter.
        filter: String,
        /// What may have been meant.
        nearest: Vec<String>,
    },
    /// A filter names a feature that nothing covers yet.
    #[error("the feature `{feature}` has no case yet")]
    NoCaseOfFeature {
        /// The feature's id.
        feature: &'static str,
    },
    /// A filter is empty.
    #[error("an empty filter matches every case; leave it out to select them all")]
    EmptyFilter,
    /// A case would be skipped everywhere.
    #[error(
        "the case {id} ({source_line}) needs {}, which no subject of this program can offer; drop the need, or let a subject \
         offer it", needs.join(" with ")
    )]
    NeverOffered {
        /// The case.
        id: String,
        /// `file:line` of its source.
        source_line: String,
        /// The needs that are not offered, or exclude each other.
        needs: Vec<&'static str>,
    },
    /// A case was asked for by its plain id, and it is several.
    #[error("`{id}` is run once in each interrupt set-up; say which: {}", ids.join(", "))]
    Several {
        /// What was asked for.
        id: String,
        /// The full ids.
        ids: Vec<String>,
    },
    /// No case is left of those that match.
    #[error("no case that matches runs in the interrupt set-up {}", setups.join(" or "))]
    NoneInSetups {
        /// Names of the set-ups that were asked for.
        setups: Vec<&'static str>,
    },
    /// A case was asked for by a name that none has.
    #[error("no case is called `{id}`{}", suggestion(nearest))]
    UnknownCase {
        /// The name.
        id: String,
        /// What may have been meant.
        nearest: Vec<String>,
    },
}

/// The cases that any filter matches, all if there is none, and of these the shard's part; in the catalog's order.
///
/// A filter that is exactly the id of a case, with or without its set-up, an area or the id of a feature selects just
/// that. Any other is a pattern if it holds `*` or `?`, else a part of a name; it is compared with the case's id, with
/// and without its set-up, its area and its feature's id. Of a case that runs in several interrupt set-ups, `setups` says
/// in which, if it holds any; other cases are selected whatever it says.
///
/// # Errors
/// [`SelectError`], if a filter matches nothing. A shard may well be empty.
pub fn select<'a>(
    catalog: &'a Catalog,
    filters: &[String],
    setups: &[InterruptSetup],
    shard: Option<Shard>,
) -> Result<Vec<&'a Case>, SelectError> {
    let mut filters = filters.iter().map(|filter| Filter::new(filter, catalog)).collect::<Result<Vec<_>, _>>()?;
    if filters.is_empty() {
        filters.push(Filter::All);
    }
    let is_asked_for =
        |case: &Case| setups.is_empty() || case.interrupts.is_none_or(|interrupts| setups.contains(&interrupts));
    let selected = catalog.cases().iter().filter(|case| filters.iter().any(|filter| filter.matches(case)));
    let mut selected = selected.filter(|case| is_asked_for(case)).peekable();
    if selected.peek().is_none() {
        return Err(SelectError::NoneInSetups { setups: setups.iter().map(|setup| setup.name()).collect() });
    }
    Ok(match shard {
        Some(Shard { index, count }) => selected.skip(index).step_by(count).collect(),
        None => selected.collect(),
    })
}

/// Checks that some subject may run each case: that every need and device can be offered, and that none excludes another.
///
/// # Errors
/// [`SelectError::NeverOffered`] for the first case that would be skipped everywhere.
pub fn check_needs(catalog: &Catalog, offerable: Needs, devices: VirtioDevices) -> Result<(), SelectError> {
    for case in catalog.cases() {
        let unoffered = case.needs.difference(offerable);
        let needs = if case.needs.contains(EXCLUSIVE) { unoffered.union(EXCLUSIVE) } else { unoffered };
        let needs: Vec<_> = needs.names().chain(devices.missing(case).titles()).collect();
        if !needs.is_empty() {
            return Err(SelectError::NeverOffered { id: case.id.clone(), source_line: case.source(), needs });
        }
    }
    Ok(())
}

/// A processor has one vendor.
const EXCLUSIVE: Needs = Needs::INTEL.union(Needs::AMD);

/// The error that says that no case has this id, with those that may have been meant; or that it has several.
pub fn unknown_case(catalog: &Catalog, id: &str) -> SelectError {
    let in_setups = catalog.in_setups(id);
    if !in_setups.is_empty() {
        return SelectError::Several { id: id.to_owned(), ids: in_setups };
    }
    let ids = catalog.cases().iter().map(|case| case.id.as_str());
    SelectError::UnknownCase { id: id.to_owned(), nearest: nearest(id, ids) }
}

/// The names of what a case needs, devices among it, and a subject does not offer: the reason to skip it.
pub fn missing(case: &Case, offers: Needs, devices: VirtioDevices) -> Vec<&'static str> {
    case.needs.difference(offers).names().chain(devices.missing(case).titles()).collect()
}

enum Filter {
    All,
    /// A name of the case that must be exactly this.
    Exact(fn(&Case) -> &str, String),
    Pattern(WildMatch),
    Part(String),
}

/// By what a case can be found, the most exact first.
const NAMES: [fn(&Case) -> &str; 4] =
    [|case| &case.id, |case| case.plain_id(), |case| &case.area, |case| case.feature.id()];

impl Filter {
    fn new(text: &str, catalog: &Catalog) -> Result<Self, SelectError> {
        if text.is_empty() {
            return Err(SelectError::EmptyFilter);
        }
        let is_exact = |name: &fn(&Case) -> &str| catalog.cases().iter().any(|case| name(case) == text);
        let filter = match NAMES.into_iter().find(is_exact) {
            Some(name) => Self::Exact(name, text.to_owned()),
            None if text.contains(['*', '?']) => Self::Pattern(WildMatch::new(text)),
            None => Self::Part(text.to_owned()),
        };
        if catalog.cases().iter().any(|case| filter.matches(case)) {
            return Ok(filter);
        }
        if let Some(feature) = Feature::from_id(text) {
            return Err(SelectError::NoCaseOfFeature { feature: feature.id() });
        }
        let names = catalog.cases().iter().flat_map(|case| NAMES.map(|name| name(case)));
        Err(SelectError::NoMatch { filter: text.to_owned(), nearest: nearest(text, names) })
    }

    fn matches(&self, case: &Case) -> bool {
        match self {
            Self::All => true,
            Self::Exact(name, text) => name(case) == text,
            Self::Pattern(pattern) => NAMES.iter().any(|name| pattern.matches(name(case))),
            Self::Part(text) => NAMES.iter().any(|name| name(case).contains(text)),
        }
    }
}
