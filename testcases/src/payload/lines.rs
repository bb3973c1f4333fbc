//! What a payload says, line by line, and what it is expected to say.

use std::time::Duration;

/// The longest line that is kept in bytes; what is longer is cut there.
const MAX_LINE_BYTES: usize = 4096;

/// Cuts what comes from a serial port into lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes, cut anywhere; gives the lines that are whole by now, without what moves a terminal's cursor.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' || self.rest.len() == MAX_LINE_BYTES {
                lines.push(plain(&std::mem::take(&mut self.rest)));
            }
            if byte != b'\n' {
                self.rest.push(byte);
            }
        }
        lines
    }

    /// The line that has not ended yet: a prompt, for example.
    pub(super) fn open(&self) -> String {
        plain(&self.rest)
    }
}

/// Text without control characters and the sequences that begin with an escape (ECMA-48 § 5.4 "Control sequences").
fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    let lossy = String::from_utf8_lossy(bytes);
    let mut characters = lossy.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            if characters.next_if_eq(&'[').is_some() {
                // Parameters and intermediates up to the final byte.
                while characters.next().is_some_and(|next| !('@'..='~').contains(&next)) {}
            } else {
                characters.next();
            }
        } else if !character.is_control() {
            text.push(character);
        }
    }
    text
}

/// What is expected, and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// A part of a line.
    pub text: String,
    /// How long after the start it came; nothing if it did not.
    pub seen: Option<Duration>,
}

/// Marks that are to come in their order.
#[derive(Clone, Debug)]
pub(super) struct Marks(pub(super) Vec<Mark>);

impl Marks {
    pub(super) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        Self(texts.into_iter().map(|text| Mark { text, seen: None }).collect())
    }

    /// Looks for the next ones in a line.
    pub(super) fn look(&mut self, line: &str, at: Duration) {
        while let Some(next) = self.0.iter_mut().find(|mark| mark.seen.is_none())
            && line.contains(&next.text)
        {
            next.seen = Some(at);
        }
    }

    pub(super) fn are_all_seen(&self) -> bool {
        self.0.iter().all(|mark| mark.seen.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_and_returns_are_left_out_of_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.feed(b"\x1b[2J\x1b[01;01HBoot\r\n\x1b=Shell> "), ["Boot"]);
        assert_eq!(lines.open(), "Shell> ");
    }

    #[test]
    fn marks_are_seen_in_their_order_alone() {
        let second = Duration::from_secs(1);
        let mut marks = Marks::new(["root".to_owned(), "off".to_owned()]);
        marks.look("off", second);
        assert!(!marks.are_all_seen());
        marks.look("the root", second);
        assert_eq!(marks.0[0].seen, Some(second));
        marks.look("turned off", 2 * second);
        assert!(marks.are_all_seen());
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            size in 1_usize..20,
        ) {
            let mut whole = Lines::default();
            let at_once = whole.feed(&bytes);
            let mut cut = Lines::default();
            let by_pieces: Vec<_> = bytes.chunks(size).flat_map(|piece| cut.feed(piece)).collect();
            prop_assert_eq!(at_once, by_pieces);
            prop_assert_eq!(whole.open(), cut.open());
        }

        #[test]
        fn a_line_without_end_is_cut(length in 0_usize..20_000) {
            let mut lines = Lines::default();
            lines.feed(&vec![b'x'; length]);
            prop_assert!(lines.rest.len() <= MAX_LINE_BYTES);
        }
    }
}
