//! The transport by lines on COM1.

use super::{Fault, Message, Received, fault::shown};
use case::message::{checksum, line};

/// Finds messages in a stream of bytes that also holds whatever else is written to COM1: a firmware's greeting,
/// control sequences, the output of a hypervisor.
///
/// It keeps at most one line.
#[derive(Clone, Debug, Default)]
pub struct LineDecoder {
    /// What has been seen of a message, prefix included; empty between messages.
    line: Vec<u8>,
}

const PREFIX: &[u8] = line::PREFIX.as_bytes();

// A mismatch can only be the start of another prefix if it is the first byte of one, which stands nowhere else in it.
const _: () = {
    let mut index = 1;
    while index < PREFIX.len() {
        assert!(PREFIX[index] != PREFIX[0]);
        index += 1;
    }
};

impl LineDecoder {
    /// Takes the next bytes, cut anywhere, and returns what they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Received> {
        bytes.iter().filter_map(|&byte| self.take(byte)).collect()
    }

    /// Says that nothing follows. A message that has begun is then an [`Fault::Unfinished`].
    ///
    /// # Errors
    /// That fault.
    pub fn finish(&mut self) -> Result<(), Fault> {
        let line = std::mem::take(&mut self.line);
        if line.len() < PREFIX.len() { Ok(()) } else { Err(Fault::Unfinished { text: shown(&line) }) }
    }

    fn take(&mut self, byte: u8) -> Option<Received> {
        if let Some(expected) = PREFIX.get(self.line.len()) {
            if byte != *expected {
                self.line.clear();
            }
            if PREFIX.get(self.line.len()) == Some(&byte) {
                self.line.push(byte);
            }
            return None;
        }
        if byte == line::END {
            let result = decode(&self.line);
            self.line.clear();
            return Some(result);
        }
        if !matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b',') {
            let fault = Fault::Torn { text: shown(&self.line) };
            self.line.clear();
            // What tears a message may be the next one.
            self.take(byte);
            return Some(Err(fault));
        }
        // The end must still fit.
        if self.line.len() + 1 >= line::MAX_BYTES {
            let fault = Fault::Overlong { text: shown(&self.line) };
            self.line.clear();
            return Some(Err(fault));
        }
        self.line.push(byte);
        None
    }
}

/// Decodes a line without its end.
fn decode(line: &[u8]) -> Received {
    let torn = || Fault::Torn { text: shown(line) };
    let fields = line.strip_prefix(PREFIX).unwrap_or(line).split(|&byte| byte == b',');
    let words = fields.map(word).collect::<Option<Vec<_>>>().ok_or_else(torn)?;
    let Some((&found, words)) = words.split_last() else { return Err(torn()) };
    let computed = checksum(words);
    if computed != found {
        return Err(Fault::Checksum { computed, found, text: shown(line) });
    }
    let &[kind, sequence, site, row, ref values @ ..] = words else { return Err(torn()) };
    let sequence = u32::try_from(sequence).map_err(|_| torn())?;
    Message::new(kind, sequence, site, row, values)
}

/// A number without leading zeros. That its digits are hexadecimal and lower-case was seen when they arrived.
fn word(digits: &[u8]) -> Option<u64> {
    match digits {
        [] | [b'0', _, ..] => None,
        digits => u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::testing::{any_message, encode_line, message};
    use case::message::Kind;
    use proptest::prelude::*;

    fn decode_all(bytes: &[u8]) -> Vec<Received> {
        let mut decoder = LineDecoder::default();
        let mut received = decoder.feed(bytes);
        received.extend(decoder.finish().err().map(Err));
        received
    }

    fn done() -> Message {
        message(Kind::Done, 0, 0, &[0])
    }

    #[test]
    fn messages_are_found_among_garbage() {
        let line = encode_line(&done());
        let text = [b"\x1b[2JSeaBIOS ~v~~vp ~", &line[..], b"\r\n~vp\xff", &line, b"qemu: warning\n"].concat();
        assert_eq!(decode_all(&text), [Ok(done()), Ok(done())]);
    }

    #[test]
    fn a_torn_message_is_a_fault_and_the_next_one_is_found() {
        let line = encode_line(&done());
        // Cut off in the middle, one byte after the prefix, and directly before the end.
        for cut in [1 + PREFIX.len() + 1, line.len() / 2, line.len() - 2] {
            let received = decode_all(&[&line[..cut], &line].concat());
            assert!(matches!(&received[..], [Err(Fault::Torn { .. }), Ok(_)]), "{cut}: {received:?}");
        }
        // Torn by the next message's prefix itself, without the line feed before it.
        let received = decode_all(&[&line[..line.len() / 2], &line[1..]].concat());
        assert!(matches!(&received[..], [Err(Fault::Torn { .. }), Ok(_)]), "{received:?}");
    }

    #[test]
    fn a_flipped_digit_is_a_fault() {
        let line = encode_line(&message(Kind::Note, 5, 0x21_0000, &[0x1234]));
        for index in PREFIX.len() + 1..line.len() - 2 {
            let mut line = line.clone();
            line[index] = match line[index] {
                b',' => continue,
                b'1' => b'2',
                _ => b'1',
            };
            let received = decode_all(&line);
            assert!(matches!(&received[..], [Err(Fault::Checksum { .. })]), "{index}: {received:?}");
        }
    }

    #[test]
    fn a_lost_byte_is_a_fault() {
        let line = encode_line(&message(Kind::Note, 5, 0x21_0000, &[0x1234]));
        for index in 1 + PREFIX.len()..line.len() - 1 {
            let mut line = line.clone();
            line.remove(index);
            let received = decode_all(&line);
            assert!(matches!(&received[..], [Err(_)]), "{index}: {received:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_a_fault_of_bounded_size() {
        let text = [PREFIX, &[b'1'; 100_000], &encode_line(&done())].concat();
        let received = decode_all(&text);
        let [Err(Fault::Overlong { text }), Ok(message)] = &received[..] else { panic!("{received:?}") };
        assert!(text.len() < 100);
        assert_eq!(*message, done());
    }

    #[test]
    fn a_line_is_too_long_from_one_byte_above_the_limit() {
        let line = |size: usize| [PREFIX, &vec![b'1'; size - PREFIX.len() - 1], b";"].concat();
        assert!(matches!(&decode_all(&line(line::MAX_BYTES))[..], [Err(Fault::Torn { .. })]));
        assert!(matches!(&decode_all(&line(line::MAX_BYTES + 1))[..], [Err(Fault::Overlong { .. })]));
    }

    #[test]
    fn output_that_ends_in_a_message_is_unfinished() {
        let line = encode_line(&done());
        assert!(matches!(&decode_all(&line[..8])[..], [Err(Fault::Unfinished { text })] if text == "~vp:4,0"));
        assert_eq!(decode_all(b"boot\n~vp"), []);
    }

    #[test]
    fn numbers_have_one_form() {
        for digits in ["", "00", "01", "10000000000000000"] {
            assert_eq!(word(digits.as_bytes()), None, "{digits}");
        }
        assert_eq!(word(b"0"), Some(0));
        assert_eq!(word(b"ffffffffffffffff"), Some(u64::MAX));
        for line in ["~vp:A;", "~vp:+1;", "~vp:-1;", "~vp: 1;"] {
            let received = decode_all(line.as_bytes());
            assert!(matches!(&received[..], [Err(Fault::Torn { .. })]), "{line}: {received:?}");
        }
    }

    #[test]
    fn fields_that_are_whole_but_wrong_are_faults() {
        let line = |words: &[u64]| {
            let words = [words, &[checksum(words)]].concat();
            let words: Vec<_> = words.iter().map(|word| format!("{word:x}")).collect();
            decode_all(format!("~vp:{};", words.join(",")).as_bytes())
        };
        assert_eq!(line(&[99, 3, 0, 0]), [Err(Fault::UnknownKind { kind: 99, sequence: 3 })]);
        let fault = Fault::NrValues { kind: Kind::Done, sequence: 3, found: 0, expected: 1 };
        assert_eq!(line(&[4, 3, 0, 0]), [Err(fault)]);
        assert!(matches!(&line(&[4, 1 << 32, 0, 0, 0])[..], [Err(Fault::Torn { .. })]));
        assert!(matches!(&line(&[4, 3])[..], [Err(Fault::Torn { .. })]));
    }

    #[test]
    fn the_longest_message_fits() {
        let longest = message(Kind::Exception, u32::MAX, u64::MAX, &[u64::MAX; 5]);
        let line = encode_line(&longest);
        assert!(line.len() <= line::MAX_BYTES);
        assert_eq!(decode_all(&line), [Ok(longest)]);
    }

    proptest! {
        #[test]
        fn what_was_sent_arrives_however_it_is_cut(
            messages in prop::collection::vec(any_message(), 0..8),
            garbage in "[ -}\r\n]{0,20}",
            size in 1_usize..100,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|sent| [garbage.as_bytes(), &encode_line(sent)].concat()).collect();
            let mut decoder = LineDecoder::default();
            let received: Vec<_> = bytes.chunks(size).flat_map(|chunk| decoder.feed(chunk)).collect();
            prop_assert_eq!(received, messages.into_iter().map(Ok).collect::<Vec<_>>());
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn no_bytes_make_it_panic_and_chunks_do_not_matter(
            parts in prop::collection::vec(prop_oneof![
                any::<Vec<u8>>(), Just(PREFIX.to_vec()), Just(b";".to_vec()), "[0-9a-f,]{0,40}".prop_map(String::into_bytes),
                any_message().prop_map(|sent| encode_line(&sent)),
            ], 0..30),
            size in 1_usize..50,
        ) {
            let bytes = parts.concat();
            let mut decoder = LineDecoder::default();
            let mut received: Vec<_> = bytes.chunks(size).flat_map(|chunk| decoder.feed(chunk)).collect();
            prop_assert!(decoder.line.len() < line::MAX_BYTES);
            received.extend(decoder.finish().err().map(Err));
            prop_assert_eq!(received, decode_all(&bytes));
        }
    }
}
