//! What filters and shards select, and how they are refused.

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
