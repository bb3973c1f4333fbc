//! Messages that no runtime would send. Each case ends as if nothing were wrong, so a host that overlooks the message
//! would take it for a pass.

use rt::{
    case, check_eq,
    report::raw::{self, Raw},
    vocabulary::message::{Kind, MAX_VALUES, line},
};

/// A message that breaks off: half a line on COM1, an empty slot in the shared pages.
#[case(feature = PortIo, spec = vmproof("A message that breaks off"))]
fn torn_message() {
    check_eq!("one is one", 1, 1);
    if raw::is_to_page() {
        raw::announce(raw::read_nr_in_page() + 1);
    } else {
        raw::write_bytes(b"\n~vp:1,1,20");
    }
}

/// A message of a kind that does not exist.
#[case(feature = PortIo, spec = vmproof("A message of an unknown kind"))]
fn unknown_kind() {
    check_eq!("one is one", 1, 1);
    Raw { kind: 99, ..Raw::next(Kind::Note) }.send();
}

/// More messages announced than the shared pages hold; on COM1, a line longer than any message.
#[case(feature = PortIo, spec = vmproof("More messages than there can be"))]
fn too_many_messages() {
    check_eq!("one is one", 1, 1);
    if raw::is_to_page() {
        raw::announce(u32::MAX);
    } else {
        raw::write_bytes(b"\n");
        raw::write_bytes(line::PREFIX.as_bytes());
        for _ in 0..line::MAX_BYTES {
            raw::write_bytes(b"1,");
        }
        raw::write_bytes(&[line::END, b'\n']);
    }
}

/// A check whose site is no site of the image.
#[case(feature = PortIo, spec = vmproof("A message from nowhere"))]
fn unknown_site() {
    check_eq!("one is one", 1, 1);
    Raw { site: 0x1234, ..Raw::next(Kind::Check) }.send();
}

/// A check whose sequence number is not the next one: messages seem lost.
#[case(feature = PortIo, spec = vmproof("A message out of sequence"))]
fn wrong_sequence() {
    check_eq!("one is one", 1, 1);
    let next = Raw::next(Kind::Note);
    Raw { sequence: next.sequence + 7, ..next }.send();
}

/// A message with the wrong number of values.
#[case(feature = PortIo, spec = vmproof("A message of a wrong size"))]
fn wrong_number_of_values() {
    check_eq!("one is one", 1, 1);
    Raw { nr_values: MAX_VALUES as u8, ..Raw::next(Kind::Note) }.send();
}

/// Two last messages.
#[case(feature = PortIo, spec = vmproof("Two reports"))]
fn reports_twice() {
    check_eq!("one is one", 1, 1);
    Raw { values: [1, 0, 0, 0, 0], ..Raw::next(Kind::Done) }.send();
}

/// A last message that counts more checks than were sent.
#[case(feature = PortIo, spec = vmproof("A wrong number of checks"))]
fn wrong_count() {
    check_eq!("one is one", 1, 1);
    Raw { values: [2, 0, 0, 0, 0], ..Raw::next(Kind::Done) }.send();
    if raw::is_to_page() {
        raw::announce(raw::read_nr_in_page());
    }
    raw::end();
}
