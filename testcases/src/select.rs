//! Which cases are run: by filter and shard, and by what a subject offers.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::synthetic::{CaseSource, Source};
    use case::Devices;
    use proptest::prelude::*;

    fn catalog() -> Catalog {
        let case = |name, area, feature| CaseSource { module: "smoke", area, feature, ..CaseSource::new(name) };
        let mut source = Source::new();
        source.cases = vec![
            case("efer_reserved", "msr", "MsrEfer"),
            case("efer_reserved_again", "msr", "MsrEfer"),
            case("pat_reset", "msr", "MsrPat"),
            case("rdmsr_at_cpl_3", "ring3", "Ring3Privilege"),
        ];
        Catalog::parse(source.build().bytes).unwrap()
    }

    fn selected(filters: &[&str], shard: Option<&str>) -> Vec<String> {
        let filters: Vec<_> = filters.iter().map(|&filter| filter.to_owned()).collect();
        let shard = shard.map(|shard| shard.parse().unwrap());
        select(&catalog(), &filters, &[], shard).unwrap().into_iter().map(|case| case.name.clone()).collect()
    }

    fn refused(filter: &str) -> String {
        select(&catalog(), &[filter.to_owned()], &[], None).unwrap_err().to_string()
    }

    #[test]
    fn without_filter_everything_is_selected() {
        assert_eq!(selected(&[], None).len(), 4);
    }

    #[test]
    fn an_exact_name_selects_just_that() {
        assert_eq!(selected(&["msr::efer_reserved"], None), ["efer_reserved"]);
        assert_eq!(selected(&["msr"], None), ["efer_reserved", "efer_reserved_again", "pat_reset"]);
        assert_eq!(selected(&["MsrPat"], None), ["pat_reset"]);
    }

    #[test]
    fn parts_and_patterns_are_found_in_every_name() {
        assert_eq!(selected(&["reserved"], None), ["efer_reserved", "efer_reserved_again"]);
        assert_eq!(selected(&["rdm"], None), ["rdmsr_at_cpl_3"]);
        assert_eq!(selected(&["Privilege"], None), ["rdmsr_at_cpl_3"]);
        assert_eq!(selected(&["ms*::*_reset"], None), ["pat_reset"]);
        assert_eq!(selected(&["Msr????"], None), ["efer_reserved", "efer_reserved_again"]);
        assert_eq!(selected(&["pat", "ring3"], None), ["pat_reset", "rdmsr_at_cpl_3"]);
    }

    #[test]
    fn a_case_that_two_filters_match_is_selected_once() {
        assert_eq!(selected(&["pat", "pat_reset"], None), ["pat_reset"]);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_refused_with_a_suggestion() {
        assert_eq!(refused("msr::pat_rest"), "no case matches `msr::pat_rest`; did you mean msr::pat_reset?");
        assert_eq!(refused("rimg3"), "no case matches `rimg3`; did you mean ring3?");
        assert_eq!(refused("teleport*"), "no case matches `teleport*`");
        assert_eq!(refused("PortIo"), "the feature `PortIo` has no case yet");
        assert!(refused("").contains("empty filter"));
        let filters = ["msr".to_owned(), "nonsense".to_owned()];
        assert!(select(&catalog(), &filters, &[], None).is_err());
    }

    #[test]
    fn an_unknown_case_is_told_with_those_that_may_have_been_meant() {
        let text = unknown_case(&catalog(), "msr::pat_rset").to_string();
        assert_eq!(text, "no case is called `msr::pat_rset`; did you mean msr::pat_reset?");
    }

    fn catalog_that_needs(needs: Needs) -> Catalog {
        let mut source = Source::new();
        source.cases = vec![CaseSource { needs: needs.bits(), ..CaseSource::new("outs_advances_rsi") }];
        Catalog::parse(source.build().bytes).unwrap()
    }

    fn selected_in(filters: &[&str], setups: &[InterruptSetup]) -> Result<Vec<String>, SelectError> {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let filters: Vec<_> = filters.iter().map(|&filter| filter.to_owned()).collect();
        Ok(select(&catalog, &filters, setups, None)?.into_iter().map(|case| case.id.clone()).collect())
    }

    #[test]
    fn a_case_in_several_setups_is_found_with_and_without_them() {
        use InterruptSetup::{Kernel, Split, User};
        let all = ["kernel", "split", "user"].map(|setup| format!("pio::outs_advances_rsi@{setup}"));
        let selected = |filter: &str, setups: &[InterruptSetup]| selected_in(&[filter], setups).unwrap();
        assert_eq!(selected("pio::outs_advances_rsi", &[]), all);
        assert_eq!(selected("outs", &[]), all);
        assert_eq!(selected("*::outs*_rsi", &[]), all);
        assert_eq!(selected("pio::outs_advances_rsi@split", &[]), all[1..2]);
        assert_eq!(selected("*@user", &[]), all[2..]);
        assert_eq!(selected("outs", &[User, Split]), all[1..]);
        // Cases that run once are not asked in which.
        assert_eq!(selected("pio", &[Kernel]).len(), 2);
        let none = selected_in(&["*@user"], &[Kernel]).unwrap_err().to_string();
        assert_eq!(none, "no case that matches runs in the interrupt set-up kernel");
    }

    #[test]
    fn a_case_in_several_setups_must_be_named_fully() {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let told = |id| unknown_case(&catalog, id).to_string();
        let each = "pio::outs_advances_rsi@kernel, pio::outs_advances_rsi@split, pio::outs_advances_rsi@user";
        let expected = format!("`pio::outs_advances_rsi` is run once in each interrupt set-up; say which: {each}");
        assert_eq!(told("pio::outs_advances_rsi"), expected);
        assert!(told("pio::outs_advances_rso").contains("did you mean pio::outs_advances_rsi@kernel or"), "nearest");
        assert!(told("pio::outs_advances_rsi@usr").contains("did you mean pio::outs_advances_rsi@user"), "nearest");
    }

    #[test]
    fn a_need_that_nobody_offers_is_refused_with_its_case() {
        let catalog = catalog_that_needs(Needs::X2APIC | Needs::TEST_DEVICE | Needs::COM1);
        assert_eq!(check_needs(&catalog, Needs::all(), VirtioDevices::NONE), Ok(()));
        let error = check_needs(&catalog, Needs::PROCESSOR | Needs::COM1, VirtioDevices::NONE).unwrap_err().to_string();
        let expected = "the case pio::outs_advances_rsi (guests/suite/src/pio/string.rs:12) needs TEST_DEVICE, which no \
                        subject of this program can offer; drop the need, or let a subject offer it";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_processor_of_two_vendors_is_refused() {
        let error = check_needs(&catalog_that_needs(Needs::INTEL | Needs::AMD), Needs::all(), VirtioDevices::NONE)
            .unwrap_err()
            .to_string();
        assert!(error.contains("needs INTEL with AMD, which no subject"), "{error}");
        assert_eq!(check_needs(&catalog_that_needs(Needs::AMD), Needs::all(), VirtioDevices::NONE), Ok(()));
    }

    #[test]
    fn a_shard_is_a_part_of_what_is_selected() {
        assert_eq!(selected(&["msr"], Some("1/2")), ["efer_reserved", "pat_reset"]);
        assert_eq!(selected(&["msr"], Some("2/2")), ["efer_reserved_again"]);
        assert_eq!(selected(&["msr"], Some("5/5")), Vec::<String>::new());
    }

    #[test]
    fn a_shard_is_two_numbers() {
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
        for text in ["", "1", "1/", "/1", "a/2", "+1/2", "1/2/3", "-1/2", " 1/2", "99999999999999999999999/2"] {
            assert!(matches!(text.parse::<Shard>(), Err(ShardError::Form { .. })), "{text}");
        }
        for text in ["0/1", "2/1", "0/0", "1/0"] {
            assert!(matches!(text.parse::<Shard>(), Err(ShardError::Number { .. })), "{text}");
        }
    }

    #[test]
    fn missing_needs_are_named() {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let case = catalog.case("pio::outs_advances_rsi@user").unwrap();
        assert_eq!(missing(case, Needs::empty(), VirtioDevices::NONE), ["X2APIC", "TEST_DEVICE"]);
        assert_eq!(missing(case, Needs::X2APIC | Needs::NX, VirtioDevices::NONE), ["TEST_DEVICE"]);
        assert_eq!(missing(case, Needs::all(), VirtioDevices::NONE), Vec::<&str>::new());
    }

    #[test]
    fn missing_devices_are_named_by_their_titles() {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let case = catalog.case("pio::outs_advances_rsi@user").unwrap();
        let case = Case { needs: Needs::empty(), devices: Devices::BLOCK | Devices::GPU, ..case.clone() };
        assert_eq!(missing(&case, Needs::empty(), VirtioDevices::NONE), ["virtio block device", "virtio GPU"]);
        let offered = VirtioDevices { pci: Devices::GPU, mmio: Devices::BLOCK };
        assert_eq!(missing(&case, Needs::empty(), offered), ["virtio block device"]);
    }

    #[test]
    fn a_device_that_nobody_offers_is_refused_with_its_case() {
        let mut source = Source::new();
        source.cases[0].devices = Devices::SCSI.bits();
        source.cases[0].needs = 0;
        let catalog = Catalog::parse(source.build().bytes).unwrap();
        let error = check_needs(&catalog, Needs::all(), VirtioDevices::NONE).unwrap_err().to_string();
        assert!(error.contains("needs virtio SCSI host, which no subject"), "{error}");
        let offered = VirtioDevices { pci: Devices::SCSI, mmio: Devices::empty() };
        assert_eq!(check_needs(&catalog, Needs::all(), offered), Ok(()));
    }

    proptest! {
        #[test]
        fn shards_are_disjoint_and_complete(count in 1_usize..12) {
            let shards = (1..=count).map(|number| selected(&[], Some(&format!("{number}/{count}"))));
            let mut together: Vec<_> = shards.flatten().collect();
            together.sort();
            let mut all = selected(&[], None);
            all.sort();
            prop_assert_eq!(together, all);
        }

        #[test]
        fn no_filter_makes_it_panic(filter in ".{0,20}") {
            let _ = select(&catalog(), &[filter], &[], None);
        }
    }
}
