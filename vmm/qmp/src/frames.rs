//! Where one JSON text ends and the next begins: clients need not write lines.

/// The longest message in bytes that is looked at.
pub const MESSAGE_MAX_BYTES: usize = 1 << 16;

/// What was found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Brackets are balanced; whether the rest is JSON is still to be seen.
    Text(Vec<u8>),
    /// It cannot be a message.
    Bad(&'static str),
}

/// Splits a stream of bytes; it keeps [`MESSAGE_MAX_BYTES`] at most.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    text: Vec<u8>,
    /// Brackets and braces that are open.
    nesting: u64,
    in_string: bool,
    is_escaped: bool,
    is_too_long: bool,
    /// What cannot begin a message was told of, and goes on.
    is_skipping: bool,
}

impl Frames {
    /// Takes a byte, and gives what ends with it.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Frame> {
        if self.nesting == 0 {
            return self.begin(byte);
        }
        if self.text.len() < MESSAGE_MAX_BYTES {
            self.text.push(byte);
        } else {
            self.is_too_long = true;
        }
        if self.in_string { self.push_in_string(byte) } else { self.push_outside_of_strings(byte) }
    }

    fn begin(&mut self, byte: u8) -> Option<Frame> {
        match byte {
            b'{' | b'[' => {
                *self = Self { text: vec![byte], nesting: 1, ..Self::default() };
                None
            }
            b'\n' => {
                self.is_skipping = false;
                None
            }
            byte if byte.is_ascii_whitespace() || self.is_skipping => None,
            _ => {
                self.is_skipping = true;
                Some(Frame::Bad("a message is a JSON object, which begins with a brace"))
            }
        }
    }

    fn push_in_string(&mut self, byte: u8) -> Option<Frame> {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            b'"' => self.in_string = false,
            // RFC 8259 § 7: they must be escaped. A string that is never closed ends with its line.
            0..=0x1f => {
                *self = Self { is_skipping: byte != b'\n', ..Self::default() };
                return Some(Frame::Bad("a string of a message has a control character, or does not end"));
            }
            _ => {}
        }
        None
    }

    fn push_outside_of_strings(&mut self, byte: u8) -> Option<Frame> {
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.nesting += 1,
            b'}' | b']' => self.nesting -= 1,
            _ => {}
        }
        if self.nesting != 0 {
            return None;
        }
        let whole = std::mem::take(self);
        Some(match whole.is_too_long {
            true => Frame::Bad("a message is longer than 65536 bytes"),
            false => Frame::Text(whole.text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(input: &[u8]) -> Vec<Frame> {
        let mut frames = Frames::default();
        input.iter().filter_map(|byte| frames.push(*byte)).collect()
    }

    fn text(text: &str) -> Frame {
        Frame::Text(text.as_bytes().to_vec())
    }

    fn nr_bad(input: &[u8]) -> usize {
        frames(input).iter().filter(|frame| matches!(frame, Frame::Bad(_))).count()
    }

    #[test]
    fn messages_need_no_lines() {
        assert_eq!(frames(br#" {"a": "}\"{"}{}["#), [text(r#"{"a": "}\"{"}"#), text("{}")]);
        assert_eq!(frames(b"{\n}\r\n[1]"), [text("{\n}"), text("[1]")]);
    }

    #[test]
    fn what_is_no_message_is_told_once_and_the_next_is_found() {
        assert_eq!(nr_bad(b"hello, world\n"), 1);
        assert_eq!(nr_bad(b"hello\nworld\n"), 2);
        for garbage in [&b"nonsense {}"[..], b"}}}\n{}", b"\xff\xfe\x00{}", b"{\"a\n{}", b"{\"a\0b\"}\n{}"] {
            let found = frames(garbage);
            assert_eq!((found.len(), found.last()), (2, Some(&text("{}"))), "{garbage:?}");
            assert_eq!(nr_bad(garbage), 1, "{garbage:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_told_when_it_ends_and_nothing_is_kept() {
        let mut frames = Frames::default();
        let long = [b"{\"a\": \"", &vec![b'x'; 3 * MESSAGE_MAX_BYTES][..], b"\"}"].concat();
        let found: Vec<_> = long.iter().filter_map(|byte| frames.push(*byte)).collect();
        assert!(matches!(&found[..], [Frame::Bad(why)] if why.contains("65536")), "{found:?}");
        assert_eq!((frames.push(b'{'), frames.push(b'}')), (None, Some(text("{}"))));
    }

    proptest! {
        #[test]
        fn nothing_grows(input in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let mut frames = Frames::default();
            for byte in input {
                frames.push(byte);
                prop_assert!(frames.text.len() <= MESSAGE_MAX_BYTES);
            }
            // A line's end and a message are understood after whatever came, once it has ended.
            frames.in_string = false;
            frames.nesting = 0;
            frames.push(b'\n');
            frames.push(b'{');
            prop_assert_eq!(frames.push(b'}'), Some(text("{}")));
        }
    }
}
