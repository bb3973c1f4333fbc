//! Messages as a guest would send them, for tests.

use super::Message;
use case::message::{self, Kind, MAX_VALUES, NO_ROW, checksum, line, page};
use proptest::prelude::*;
use std::mem::offset_of;

pub(crate) fn message(kind: Kind, sequence: u32, site: u64, values: &[u64]) -> Message {
    Message::new(kind as u64, sequence, site, NO_ROW, values).unwrap()
}

pub(crate) fn message_in_row(kind: Kind, sequence: u32, site: u64, row: u64, values: &[u64]) -> Message {
    Message::new(kind as u64, sequence, site, row, values).unwrap()
}

pub(crate) fn any_message() -> impl Strategy<Value = Message> {
    let values = prop::collection::vec(any::<u64>(), MAX_VALUES);
    (prop::sample::select(Kind::ALL), any::<u32>(), any::<u64>(), any::<u64>(), values).prop_map(
        |(kind, sequence, site, row, values)| {
            message_in_row(kind, sequence, site, row, &values[..usize::from(kind.nr_values())])
        },
    )
}

pub(crate) fn encode_line(sent: &Message) -> Vec<u8> {
    let head = [sent.kind as u64, u64::from(sent.sequence), sent.site, sent.row];
    let words = [&head, sent.values()].concat();
    let words: Vec<_> = words.iter().chain([&checksum(&words)]).map(|word| format!("{word:x}")).collect();
    format!("\n{}{}{}\n", line::PREFIX, words.join(","), char::from(line::END)).into_bytes()
}

pub(crate) fn encode_page(messages: &[Message]) -> Vec<u8> {
    let mut bytes = vec![0; page::SIZE];
    bytes[page::COUNT..][..4].copy_from_slice(&(messages.len() as u32).to_le_bytes());
    for (sent, slot) in messages.iter().zip(bytes[page::FIRST..].chunks_exact_mut(size_of::<message::Message>())) {
        // A guest does not clear what an earlier message left.
        slot.fill(0xee);
        slot[..8].fill(0);
        slot[offset_of!(message::Message, kind)] = sent.kind as u8;
        slot[offset_of!(message::Message, nr_values)] = sent.kind.nr_values();
        slot[offset_of!(message::Message, sequence)..][..4].copy_from_slice(&sent.sequence.to_le_bytes());
        slot[offset_of!(message::Message, site)..][..8].copy_from_slice(&sent.site.to_le_bytes());
        slot[offset_of!(message::Message, row)..][..8].copy_from_slice(&sent.row.to_le_bytes());
        for (index, value) in sent.values().iter().enumerate() {
            slot[offset_of!(message::Message, values) + index * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}
