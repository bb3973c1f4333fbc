//! The transport by shared pages.

use super::{Fault, Message, Received};
use crate::catalog::fields::Fields;
use case::message::{self, MAX_VALUES, page};
use std::mem::offset_of;

/// The messages in the pages, which are read when the guest has written to the doorbell port. `read` fills a buffer from an
/// offset in the pages; it is asked for no more than the guest says that it has written.
///
/// A fault in the header is the only element; one in a message stands where the message would.
///
/// # Errors
/// Those of `read`.
pub fn decode<E>(mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>) -> Result<Vec<Received>, E> {
    let mut header = [0; page::FIRST];
    read(0, &mut header)?;
    let count = Fields(&header).u32(page::COUNT);
    if count as usize > page::CAPACITY {
        return Ok(vec![Err(Fault::Count { count })]);
    }
    let mut messages = vec![0; count as usize * size_of::<message::Message>()];
    read(page::FIRST as u64, &mut messages)?;
    let messages = messages.chunks_exact(size_of::<message::Message>());
    Ok(messages.map(|bytes| decode_message(Fields(bytes))).collect())
}

fn decode_message(fields: Fields<'_>) -> Received {
    let sequence = fields.u32(offset_of!(message::Message, sequence));
    let reserved = fields.u16(offset_of!(message::Message, reserved));
    if reserved != 0 {
        return Err(Fault::Reserved { sequence, value: reserved });
    }
    let kind = fields.u8(offset_of!(message::Message, kind));
    let nr_values = fields.u8(offset_of!(message::Message, nr_values));
    let mut values = [0; MAX_VALUES];
    for (index, value) in values.iter_mut().enumerate() {
        *value = fields.u64(offset_of!(message::Message, values) + index * size_of::<u64>());
    }
    let Some(values) = values.get(..usize::from(nr_values)) else {
        return Err(Fault::TooManyValues { sequence, found: nr_values });
    };
    let site = fields.u64(offset_of!(message::Message, site));
    let row = fields.u64(offset_of!(message::Message, row));
    Message::new(u64::from(kind), sequence, site, row, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::testing::{any_message, encode_page, message};
    use case::message::Kind;
    use proptest::prelude::*;

    /// Of whole pages.
    fn decode(pages: &[u8]) -> Vec<Received> {
        let read = |offset, bytes: &mut [u8]| {
            bytes.copy_from_slice(&pages[offset as usize..][..bytes.len()]);
            Ok::<_, std::convert::Infallible>(())
        };
        super::decode(read).unwrap()
    }

    #[test]
    fn an_empty_page_holds_nothing() {
        assert_eq!(decode(&[0; page::SIZE]), []);
    }

    #[test]
    fn what_stands_behind_the_counter_is_not_read() {
        let mut bytes = encode_page(&[message(Kind::Note, 0, 7, &[1]), message(Kind::Done, 1, 0, &[0])]);
        bytes[page::COUNT] = 1;
        assert_eq!(decode(&bytes), [Ok(message(Kind::Note, 0, 7, &[1]))]);
    }

    #[test]
    fn pages_that_cannot_be_read_are_told() {
        assert_eq!(super::decode(|offset, _| Err(offset)), Err(0));
        let header_only = |offset, bytes: &mut [u8]| {
            bytes.fill(1);
            bytes[page::COUNT + 1..].fill(0);
            if offset == 0 { Ok(()) } else { Err(offset) }
        };
        assert_eq!(super::decode(header_only), Err(page::FIRST as u64));
    }

    #[test]
    fn a_counter_above_the_capacity_is_a_fault() {
        let mut bytes = encode_page(&[message(Kind::Done, 0, 0, &[0])]);
        bytes[page::COUNT..page::COUNT + 4].copy_from_slice(&(page::CAPACITY as u32 + 1).to_le_bytes());
        assert_eq!(decode(&bytes), [Err(Fault::Count { count: page::CAPACITY as u32 + 1 })]);
        bytes[page::COUNT..page::COUNT + 4].fill(0xff);
        assert_eq!(decode(&bytes), [Err(Fault::Count { count: u32::MAX })]);
    }

    #[test]
    fn a_message_that_is_none_is_a_fault_in_its_place() {
        let sent = [message(Kind::Note, 0, 7, &[1]), message(Kind::Done, 1, 0, &[0])];
        let faults = [
            (0, 0, Fault::UnknownKind { kind: 0, sequence: 0 }),
            (0, 99, Fault::UnknownKind { kind: 99, sequence: 0 }),
            (1, 2, Fault::NrValues { kind: Kind::Note, sequence: 0, found: 2, expected: 1 }),
            (1, 6, Fault::TooManyValues { sequence: 0, found: 6 }),
            (3, 1, Fault::Reserved { sequence: 0, value: 0x100 }),
        ];
        for (offset, value, fault) in faults {
            let mut bytes = encode_page(&sent);
            bytes[page::FIRST + offset] = value;
            assert_eq!(decode(&bytes), [Err(fault), Ok(sent[1])]);
        }
    }

    proptest! {
        #[test]
        fn what_was_sent_arrives(messages in prop::collection::vec(any_message(), 0..=100)) {
            let received: Result<Vec<_>, _> = decode(&encode_page(&messages)).into_iter().collect();
            prop_assert_eq!(received.unwrap(), messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..9000), count in 0..2100_u32) {
            let mut page = bytes;
            page.resize(page::SIZE, 0xa5);
            decode(&page);
            page[page::COUNT..page::COUNT + 4].copy_from_slice(&count.to_le_bytes());
            prop_assert!(decode(&page).len() <= page::CAPACITY);
        }
    }
}
