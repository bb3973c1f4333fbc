//! What is written is read back, and nothing else is.

use super::*;
use proptest::prelude::*;

fn file(sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new();
    sections.iter().for_each(|(name, contents)| writer.add(*name, contents.clone()).unwrap());
    writer.finish()
}

fn example() -> Vec<u8> {
    file(&[("machine", vec![1, 2, 3]), ("vcpu/0", vec![]), ("memory", vec![7; 5000])])
}

#[test]
fn foreign_and_other_versions_are_told_apart() {
    assert_eq!(Reader::new(b"\x7fELF and more than a header of bytes").unwrap_err(), FormatError::Foreign);
    assert!(matches!(Reader::new(&[]).unwrap_err(), FormatError::Size { .. }));
    let mut other = example();
    other[8] = 1;
    assert_eq!(Reader::new(&other).unwrap_err(), FormatError::Version { version: 1 });
}

#[test]
fn a_name_is_taken_once_and_printable() {
    let mut writer = Writer::new();
    for name in ["", "with space", "ä", "a-name-that-is-longer-than-the-forty-bytes", "\0"] {
        assert!(writer.add(name, Vec::new()).is_err(), "{name:?}");
    }
    writer.add("memory", Vec::new()).unwrap();
    assert!(writer.add("memory", Vec::new()).is_err());
}

#[test]
fn a_missing_section_is_named() {
    let file = example();
    let reader = Reader::new(&file).unwrap();
    assert_eq!(reader.section("pit").unwrap_err(), FormatError::Missing { name: "pit".to_owned() });
    assert_eq!(reader.names().collect::<Vec<_>>(), ["machine", "vcpu/0", "memory"]);
}

#[test]
fn zero_pages_are_left_out_of_memory() {
    let mut bytes = vec![0; 200 * memory::PAGE_SIZE];
    bytes[70 * memory::PAGE_SIZE] = 1;
    bytes[71 * memory::PAGE_SIZE + 4095] = 2;
    let read = |at: u64, to: &mut [u8]| {
        to.copy_from_slice(&bytes[at as usize..][..to.len()]);
        Ok::<_, ()>(())
    };
    let written = memory::write(bytes.len() as u64, read).unwrap();
    assert_eq!(written.len(), 24 + 2 * memory::PAGE_SIZE);
    let saved = memory::Saved::new(&written).unwrap();
    assert_eq!(saved.size_bytes(), bytes.len() as u64);
    assert_eq!(saved.runs().iter().map(|(at, run)| (*at, run.len())).collect::<Vec<_>>(), [(70 * 4096, 2 * 4096)]);
}

proptest! {
    #[test]
    fn sections_come_back(contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let names: Vec<_> = (0..contents.len()).map(|index| format!("section/{index}")).collect();
        let sections: Vec<_> = names.iter().map(String::as_str).zip(contents).collect();
        let file = file(&sections);
        let reader = Reader::new(&file).unwrap();
        for (name, contents) in &sections {
            prop_assert_eq!(reader.section(name).unwrap(), &contents[..]);
        }
    }

    #[test]
    fn no_changed_bit_is_taken(at in 0..example().len(), bit in 0..8_u32) {
        let mut file = example();
        file[at] ^= 1 << bit;
        prop_assert!(Reader::new(&file).is_err());
    }

    #[test]
    fn nothing_that_is_cut_off_or_too_long_is_taken(size in 0..example().len(), more in 1..100_usize) {
        let file = example();
        prop_assert!(Reader::new(&file[..size]).is_err());
        prop_assert!(Reader::new(&[&file[..], &vec![0; more]].concat()).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), entries in 0..4_u32) {
        let _ = Reader::new(&bytes);
        let _ = memory::Saved::new(&bytes);
        // The same behind a header that is right.
        let mut file = MAGIC.to_vec();
        file.extend(VERSION.to_le_bytes());
        file.extend(entries.to_le_bytes());
        file.extend((HEADER_SIZE as u64 + bytes.len() as u64).to_le_bytes());
        let table = bytes.get(..entries as usize * ENTRY_SIZE).unwrap_or_default();
        file.extend(crc32fast::hash(table).to_le_bytes());
        file.extend(crc32fast::hash(&file).to_le_bytes());
        file.extend(&bytes);
        let _ = Reader::new(&file);
    }

    #[test]
    fn memory_comes_back(pages in proptest::collection::vec(0..3_u8, 1..300)) {
        let bytes: Vec<u8> = pages.iter().flat_map(|fill| [*fill; memory::PAGE_SIZE]).collect();
        let read = |at: u64, to: &mut [u8]| {
            to.copy_from_slice(&bytes[at as usize..][..to.len()]);
            Ok::<_, ()>(())
        };
        let written = memory::write(bytes.len() as u64, read).unwrap();
        let mut back = vec![0; bytes.len()];
        for (at, run) in memory::Saved::new(&written).unwrap().runs() {
            back[*at as usize..][..run.len()].copy_from_slice(run);
        }
        prop_assert!(back == bytes);
    }
}
