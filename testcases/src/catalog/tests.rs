//! Tests of the catalog.

use super::{
    Case, Catalog, ImageError, InterruptSetup,
    elf::Elf,
    synthetic::{BASE, Built, CaseSource, SiteSource, Source},
};
use case::{Entry, Feature, Irqchip, Needs, Style, record, site};
use proptest::prelude::*;
use std::path::Path;

/// The text of the error that an image gives.
fn problem(bytes: Vec<u8>) -> String {
    Catalog::parse(bytes).unwrap_err().to_string()
}

#[track_caller]
fn assert_problem(bytes: Vec<u8>, parts: &[&str]) {
    let text = problem(bytes);
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// The image with some bytes of its first record, or another place, overwritten.
fn patched(offset: impl Fn(&Built) -> usize, value: &[u8]) -> Vec<u8> {
    let mut built = Source::new().build();
    let offset = offset(&built);
    built.bytes[offset..offset + value.len()].copy_from_slice(value);
    built.bytes
}

fn in_record(offset: usize) -> impl Fn(&Built) -> usize {
    move |built| built.records[0] + offset
}

fn with_case(change: impl Fn(&mut CaseSource)) -> Vec<u8> {
    let mut source = Source::new();
    change(&mut source.cases[0]);
    source.build().bytes
}

#[test]
fn cases_are_sorted_and_complete() {
    let built = Source::new().build();
    let catalog = Catalog::parse(built.bytes).unwrap();
    let ids: Vec<_> = catalog.cases().iter().map(|case| case.id.as_str()).collect();
    let in_setups = ["kernel", "split", "user"].map(|setup| format!("pio::outs_advances_rsi@{setup}"));
    assert_eq!(ids[0], "pio::ins_advances_rdi");
    assert_eq!(ids[1..], in_setups);
    assert_eq!(catalog.in_setups("pio::outs_advances_rsi"), in_setups);
    assert_eq!(catalog.in_setups("pio::ins_advances_rdi"), Vec::<String>::new());
    let plain: Vec<_> = catalog.plain_cases().map(Case::plain_id).collect();
    assert_eq!(plain, ["pio::ins_advances_rdi", "pio::outs_advances_rsi"]);
    let case = catalog.case("pio::outs_advances_rsi@split").unwrap();
    assert_eq!((case.plain_id(), case.interrupts), ("pio::outs_advances_rsi", Some(InterruptSetup::Split)));
    assert_eq!((case.area.as_str(), case.name.as_str()), ("pio", "outs_advances_rsi"));
    assert_eq!(case.feature, Feature::PortIoString);
    assert_eq!(case.rule, "The rule holds.");
    assert_eq!(case.spec(), "SDM vol. 2 (087), \"OUTS\"");
    assert_eq!(case.source(), "guests/suite/src/pio/string.rs:12");
    assert_eq!((case.setup.entry, case.setup.irqchip), (Entry::Pvh, Irqchip::Full));
    assert_eq!((case.setup.nr_vcpus, case.setup.time_factor), (2, 4));
    assert_eq!(case.needs, Needs::X2APIC | Needs::TEST_DEVICE);
    assert_eq!(case.record_address, BASE + built.records[0] as u64);
    assert_eq!(catalog.case("pio::outs"), None);
    assert_eq!(catalog.build_id(), "abcd0123");
    assert_eq!(catalog.note().report_page, 0x20_f000);
}

#[test]
fn one_case_alone_is_found_by_the_address_of_its_record() {
    let built = Source::new().build();
    let whole = Catalog::parse(built.bytes.clone()).unwrap();
    let case = &whole.cases()[0];
    let one = |address| Catalog::parse_one(built.bytes.clone(), address).unwrap();
    let alone = one(case.record_address);
    assert_eq!(alone.case(&case.id), Some(case));
    assert!(alone.cases().iter().all(|other| other.record_address == case.record_address));
    assert_eq!(alone.note().report_page, whole.note().report_page);
    for address in [0, case.record_address + 1, u64::MAX] {
        assert!(one(address).cases().is_empty(), "{address:#x}");
    }
}

#[test]
fn sites_are_found_by_their_exact_address() {
    let built = Source::new().build();
    let catalog = Catalog::parse(built.bytes).unwrap();
    let site = catalog.site(built.sites[2]).unwrap();
    assert_eq!((site.text.as_str(), site.style), ("access", Style::Outcome));
    assert_eq!(site.rows, ["read", "write"]);
    assert_eq!(site.source(), "guests/suite/src/pio/string.rs:34");
    assert_eq!(catalog.site(built.sites[2] + 1), None);
    assert_eq!(catalog.sites().count(), 4);
}

#[test]
fn a_stripped_image_has_the_same_cases() {
    let mut source = Source::new();
    let whole = Catalog::parse(source.build().bytes).unwrap();
    source.is_stripped = true;
    let stripped = Catalog::parse(source.build().bytes).unwrap();
    let ids = |catalog: &Catalog| catalog.cases().iter().map(|case| case.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&whole), ids(&stripped));
    assert_eq!(stripped.symbols().name(BASE + 0xb0), "0x2000b0");
}

#[test]
fn a_missing_file_is_named_with_the_cause() {
    let error = Catalog::read(Path::new("/nonexistent/image")).unwrap_err();
    assert_eq!(error.to_string(), "guest image /nonexistent/image: failed to read it");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("No such file"));
}

#[test]
fn the_file_is_named_in_every_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "#!/bin/sh\n").unwrap();
    let text = Catalog::read(file.path()).unwrap_err().to_string();
    assert!(text.starts_with(&format!("guest image {}: it is no ELF file", file.path().display())), "{text}");
}

#[test]
fn a_file_that_is_no_image_is_told_from_one_that_is_damaged() {
    assert_problem(Vec::new(), &["no ELF file"]);
    assert_problem(b"\x7fELF".to_vec(), &["no ELF file"]);
    assert_problem(patched(|_| 4, &[1]), &["32-bit little-endian", "X86_64", "64-bit"]);
    assert_problem(patched(|_| 18, &[183, 0]), &["64-bit little-endian", "AARCH64"]);
    assert_problem(patched(|_| 5, &[2]), &["big-endian"]);
    // Beyond the end of the file: section headers, program headers.
    assert_problem(patched(|_| 40, &[0xff; 8]), &["headers are damaged"]);
    assert_problem(patched(|_| 32, &[0xff; 8]), &["headers are damaged"]);
    let mut source = Source::new();
    source.note_name = "other";
    assert_problem(source.build().bytes, &["no `vmproof` note", "cargo xtask image"]);
}

#[test]
fn another_format_version_is_refused_with_both() {
    let ours = format!("version {}", case::FORMAT_VERSION);
    assert_problem(patched(|built| built.note, &[7]), &["format version 7", &ours, "rebuild the image"]);
    let text = problem(patched(in_record(record::layout::VERSION), &[9]));
    assert!(text.contains("record 0") && text.contains("version 9") && text.contains(&ours), "{text}");
}

#[test]
fn a_note_that_is_cut_off_is_refused() {
    // Behind the note's header of three words stands its name, then the descriptor.
    let size = |built: &Built| built.note - "vmproof\0".len() - 8;
    assert_problem(patched(size, &[80]), &["note has 80 bytes instead of 88", "rebuild"]);
}

#[test]
fn an_image_without_cases_tells_of_unnamed_crates() {
    let mut source = Source::new();
    source.cases.clear();
    assert_problem(source.build().bytes, &["no case", "is empty", "use suite as _;"]);
    source = Source::new();
    source.cases_section = "other";
    assert_problem(source.build().bytes, &["no case", "is missing"]);
    // Without section headers nothing can be found.
    assert_problem(patched(|_| 40, &[0; 8]), &["no case", "is missing"]);
}

#[test]
fn a_section_that_is_no_list_of_records_is_refused() {
    const SIZE: usize = 32;
    const OFFSET: usize = 24;
    assert_problem(patched(|built| built.cases_header + SIZE, &[201]), &["`vmproof_cases` has", "multiple of", "152"]);
    assert_problem(patched(|built| built.cases_header + OFFSET, &[0xff; 8]), &["`vmproof_cases` lies outside"]);
    assert_problem(patched(|built| built.records[1], &[0]), &["record 1", "instead of 0x31637076"]);
    let site = |built: &Built| (built.sites[3] - BASE) as usize;
    assert_problem(patched(site, &[0]), &["record 3", "vmproof_sites", "instead of"]);
    assert_problem(patched(|built| site(built) + site::layout::STYLE, &[9]), &["0x9 as its style"]);
}

#[test]
fn a_record_that_points_outside_the_file_is_refused() {
    let name = in_record(record::layout::NAME);
    assert_problem(patched(&name, &0x1000_u64.to_le_bytes()), &["record 0", "name", "0x1000", "outside the file"]);
    assert_problem(patched(&name, &u64::MAX.to_le_bytes()), &["outside the file"]);
    let length = in_record(record::layout::MODULE + 8);
    assert_problem(patched(&length, &u64::MAX.to_le_bytes()), &["module", "more than 4096"]);
    assert_problem(patched(&length, &4097_u64.to_le_bytes()), &["module", "more than 4096"]);
    let specs = in_record(record::layout::SPECS);
    assert_problem(patched(&specs, &(BASE - 8).to_le_bytes()), &["list of clauses", "outside the file"]);
    let length = in_record(record::layout::SPECS + 8);
    assert_problem(patched(&length, &u64::MAX.to_le_bytes()), &["list of clauses", "more than 64"]);
    assert_problem(patched(&length, &0_u64.to_le_bytes()), &["no clause"]);
    let rows = |built: &Built| (built.sites[2] - BASE) as usize + site::layout::ROWS;
    assert_problem(patched(rows, &[0xff; 8]), &["record 2", "table of rows", "outside the file"]);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    // The rule's text is made to start in the code, at a byte that starts no character.
    let mut built = Source::new().build();
    let address = built.functions[0];
    built.bytes[(address - BASE) as usize] = 0xff;
    let field = built.records[0] + record::layout::DOC;
    built.bytes[field..field + 8].copy_from_slice(&address.to_le_bytes());
    assert_problem(built.bytes, &["rule", "not UTF-8"]);
}

#[test]
fn values_that_this_program_does_not_know_are_refused() {
    assert_problem(with_case(|case| case.feature = "Teleport"), &["`Teleport`", "does not know"]);
    assert_problem(with_case(|case| case.setup[0] = 5), &["0x5 as its entry"]);
    assert_problem(with_case(|case| case.setup[1] = 6), &["0x6 as its interrupt controller"]);
    assert_problem(with_case(|case| case.setup[2] = 0), &["number of processors of 0"]);
    assert_problem(with_case(|case| case.setup[3] = 0), &["time factor of 0"]);
    let unknown = 1 << Needs::all().bits().trailing_ones();
    assert_problem(with_case(|case| case.needs = unknown | 1), &[&format!("{unknown:#x} as its set of needs")]);
    assert_problem(with_case(|case| case.devices = 0x8001), &["0x8000 as its set of devices"]);
    assert_problem(with_case(|case| case.name = "two words"), &["`two words`", "identifier"]);
}

#[test]
fn two_cases_of_one_name_are_refused() {
    assert_problem(
        with_case(|case| (case.name, case.line) = ("ins_advances_rdi", 99)),
        &["two cases are called `pio::ins_advances_rdi`", "string.rs:12", "string.rs:99"],
    );
}

#[test]
fn a_case_in_the_wrong_folder_is_refused() {
    let wrong = with_case(|case| case.module = "suite::msr::efer");
    assert_problem(wrong, &["`outs_advances_rsi`", "suite::msr::efer", "PortIoString", "area `pio`"]);
    assert_problem(with_case(|case| case.area = "msr"), &["area `pio`"]);
    // Images other than the suite have no folders.
    Catalog::parse(with_case(|case| case.module = "smoke")).unwrap();
}

#[test]
fn memory_is_what_the_file_loads() {
    let built = Source::new().build();
    let size = built.bytes.len() as u64;
    let catalog = Catalog::parse(built.bytes).unwrap();
    assert_eq!(catalog.memory(BASE, 4), Some(&b"\x7fELF"[..]));
    assert_eq!(catalog.memory(BASE + size - 2, 3), None);
    assert_eq!(catalog.memory(BASE - 1, 1), None);
    assert_eq!(catalog.memory(u64::MAX, u64::MAX), None);
}

#[test]
fn memory_that_is_not_in_the_file_is_not_told() {
    // Size in the file of the first segment, the only one that is loaded.
    let elf = Elf::parse(patched(|_| 64 + 32, &0x80_u64.to_le_bytes())).unwrap();
    assert_eq!(elf.memory(BASE, 0x80).map(<[u8]>::len), Some(0x80));
    assert_eq!(elf.memory(BASE, 0x81), None);
    assert_eq!(elf.memory_up_to(BASE + 0x7c, 15).len(), 4);
    assert!(elf.memory_up_to(BASE + 0x80, 15).is_empty());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24)) {
        let mut bytes = Source::new().build().bytes;
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        let _ = Catalog::parse(bytes);
    }

    #[test]
    fn no_field_makes_it_panic(word in any::<prop::sample::Index>(), value in prop_oneof![
        any::<u64>(), Just(u64::MAX), Just(u64::MAX / 2), 0..64_u64, BASE..BASE + 0x2000,
    ]) {
        let mut bytes = Source::new().build().bytes;
        let word = word.index(bytes.len() / 8) * 8;
        bytes[word..word + 8].copy_from_slice(&value.to_le_bytes());
        let _ = Catalog::parse(bytes);
    }

    #[test]
    fn no_length_makes_it_panic(length in any::<prop::sample::Index>()) {
        let mut bytes = Source::new().build().bytes;
        bytes.truncate(length.index(bytes.len()));
        prop_assert!(!matches!(Catalog::parse(bytes), Err(ImageError::Read(_))));
    }
}

#[test]
fn two_rows_of_one_name_are_refused() {
    let mut source = Source::new();
    let rows = &["read", "write", "read"];
    source.sites.push(SiteSource { text: "access twice", rows, style: Style::Outcome as u8 });
    let parts = ["section `vmproof_sites`", "`access twice`", "string.rs:34", "two rows called `read`"];
    assert_problem(source.build().bytes, &parts);
}

#[test]
fn an_image_that_changes_while_it_is_read_is_refused() {
    // The state is how much is left to read: it stays or changes by the reading itself.
    assert_eq!(super::read_unchanged(&mut b"image".as_slice(), |_| Ok(())).unwrap(), b"image");
    let problem = super::read_unchanged(&mut b"image".as_slice(), |rest| Ok(rest.len())).unwrap_err().to_string();
    assert_eq!(problem, "it changed while it was read; run again once its build has ended");
}

#[test]
fn only_an_image_with_cases_of_the_suite_is_the_suite() {
    assert!(Catalog::parse(Source::new().build().bytes).unwrap().is_suite());
    for module in ["smoke", "suitecase::pio", "smoke::suite"] {
        let other = with_case_of(module);
        assert!(!Catalog::parse(other).unwrap().is_suite(), "{module}");
    }
}

fn with_case_of(module: &'static str) -> Vec<u8> {
    let mut source = Source::new();
    source.cases.truncate(1);
    source.cases[0].module = module;
    source.build().bytes
}
