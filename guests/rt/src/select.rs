//! From the entry to the case: start info, command line, record.

#![expect(unsafe_code, reason = "the start info and the records are memory that others wrote")]
// UNSAFETY: reads of the start info at the address the loader gave, and of the section of records.

use crate::{cpu::cpuid, observed, program, report};
use case::{CaseRecord, image::command_line, observation};
use core::{
    slice,
    sync::atomic::{AtomicU64, Ordering},
};

/// Magic of a PVH start info (Xen PVH, "start_info.h").
const START_INFO_MAGIC: u32 = 0x336e_c578;
/// Offset of the command line's physical address in it.
const COMMAND_LINE_ADDRESS: u64 = 24;

unsafe extern "C" {
    #[link_name = "__start_vmproof_cases"]
    static FIRST_RECORD: u8;
    #[link_name = "__stop_vmproof_cases"]
    static END_OF_RECORDS: u8;
}

/// Runs what the command line names. Both entries come here.
///
/// # Safety
/// Called once, by the entry code, with the address of the start info.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn runtime_start(start_info: u64) -> ! {
    // SAFETY: the loader put the start info there; its magic is checked before anything else of it is used.
    let command_line = unsafe { command_line_of(start_info) };
    let words = Words { rest: command_line };
    let (mut name, mut record_address, mut has_transport) = (&[][..], 0, false);
    for word in words {
        if has_transport && record_address != 0 && !name.is_empty() {
            // What else stands there is looked for by whoever wants it.
            break;
        }
        if let Some(value) = value_of(word, b"vp.report=") {
            has_transport = true;
            report::use_page(value == command_line::REPORT_PAGE.as_bytes());
        } else if let Some(value) = value_of(word, b"vp.at=") {
            record_address = hexadecimal(value);
        } else if let Some(value) = value_of(word, b"vp.case=") {
            name = value;
        } else if let Some(value) = value_of(word, observation::WORD.as_bytes()) {
            observed::set(value);
        }
    }
    if name == command_line::PROBE.as_bytes() {
        let (offers, leaf) = cpuid::read_offers();
        report::offers(offers.bits(), [leaf.ebx, leaf.edx, leaf.ecx]);
        report::done()
    }
    match find(name, record_address) {
        Some(record) => {
            (record.entry)();
            report::done()
        }
        None => match program::find(name) {
            Some(entry) => {
                entry(&program::Request::read());
                report::done()
            }
            None => report::no_such_case(),
        },
    }
}

/// # Safety
/// `start_info` is the address of a PVH start info, or of readable memory that is none.
unsafe fn command_line_of(start_info: u64) -> &'static [u8] {
    // SAFETY: by the contract; the first 4 GiB are mapped.
    let magic = unsafe { (start_info as *const u32).read() };
    if magic != START_INFO_MAGIC {
        return &[];
    }
    // SAFETY: it is a start info, which has this field.
    let address = unsafe { ((start_info + COMMAND_LINE_ADDRESS) as *const u64).read() };
    if address == 0 {
        return &[];
    }
    COMMAND_LINE.store(address, Ordering::Relaxed);
    // SAFETY: the field points to a string that ends in a zero byte; the bound holds for one that does not. Eight
    // bytes behind its end belong to RAM.
    unsafe { slice::from_raw_parts(address as *const u8, command_line::MAX_BYTES) }
}

/// Where the command line stands, or 0 if there is none.
static COMMAND_LINE: AtomicU64 = AtomicU64::new(0);

/// The rest of the command line's word that starts with `key`.
pub(crate) fn value_of_key(key: &[u8]) -> Option<&'static [u8]> {
    let address = COMMAND_LINE.load(Ordering::Relaxed);
    if address == 0 {
        return None;
    }
    // SAFETY: as in `command_line_of`, which stored the address; nothing writes the command line.
    let rest = unsafe { slice::from_raw_parts(address as *const u8, command_line::MAX_BYTES) };
    Words { rest }.find_map(|word| word.strip_prefix(key))
}

struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut length = 0;
        for &byte in self.rest {
            if byte <= b' ' {
                break;
            }
            length += 1;
        }
        if length == 0 {
            return None;
        }
        let (word, rest) = self.rest.split_at_checked(length)?;
        // A zero byte ends the command line.
        self.rest = match rest.split_first() {
            Some((0, _)) | None => &[],
            Some((_, rest)) => rest,
        };
        Some(word)
    }
}

fn value_of<'a>(word: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    // The first four bytes of every key are the same, so a wrong key is told apart by its fifth and sixth; comparing
    // them first keeps the interpreted instructions few.
    if word.get(3) != key.get(3) || word.get(4) != key.get(4) { None } else { word.strip_prefix(key) }
}

pub(crate) fn hexadecimal(digits: &[u8]) -> u64 {
    let mut value = 0;
    for &digit in digits {
        let nibble = if digit <= b'9' { digit.wrapping_sub(b'0') } else { (digit | 0x20).wrapping_sub(b'a' - 10) };
        value = value << 4 | u64::from(nibble & 0xf);
    }
    value
}

/// The record at `address` if it has that name, else the first that has.
fn find(name: &[u8], address: u64) -> Option<&'static CaseRecord> {
    // SAFETY: the linker defines both symbols as start and end of the section, which holds records only.
    let records = unsafe {
        let first = (&raw const FIRST_RECORD).cast::<CaseRecord>();
        let length = (&raw const END_OF_RECORDS as usize - first as usize) / size_of::<CaseRecord>();
        slice::from_raw_parts(first, length)
    };
    let index = address.wrapping_sub(records.as_ptr() as u64) / size_of::<CaseRecord>() as u64;
    match records.get(index as usize) {
        Some(record) if core::ptr::from_ref(record) as u64 == address && is_named(record, name) => Some(record),
        _ => records.iter().find(|record| is_named(record, name)),
    }
}

/// Whether `id` is `<area>::<name>` of the record.
fn is_named(record: &CaseRecord, id: &[u8]) -> bool {
    let (area, name) = (record.area.get().as_bytes(), record.name.get().as_bytes());
    id.len() == area.len() + 2 + name.len()
        && id.ends_with(name)
        && id.starts_with(area)
        && id.get(area.len()..area.len() + 2) == Some(b"::")
}
