//! Strings of a report made safe to print: control characters become visible, durations become short.

use std::{borrow::Cow, fmt::Write};

/// Appends a line to a string, formatted as by `writeln!`, which cannot fail on a string.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => {{
        use std::fmt::Write as _;
        _ = writeln!($text, $($arguments)*);
    }};
}
pub(crate) use line;

/// The text on one line: line breaks and tabs as `\n`, `\r` and `\t`, other characters that a terminal, an XML parser or
/// an editor would not show as `\u{1b}`.
///
/// Not reversible (a backslash stays a backslash); whoever needs the exact string reads the JSON.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// The same with line feeds kept, for forms that have a place for more than one line. `\r\n` counts as one line feed.
pub fn lines(text: &str) -> Cow<'_, str> {
    match escape(text, true) {
        Cow::Owned(text) if text.contains("\\r\n") => Cow::Owned(text.replace("\\r\n", "\n")),
        text => text,
    }
}

fn escape(text: &str, keeps_line_feeds: bool) -> Cow<'_, str> {
    let is_plain = |character: char| !is_invisible(character) || (keeps_line_feeds && character == '\n');
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            character if is_plain(character) => result.push(character),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            // Writing to a string cannot fail.
            character => _ = write!(result, "\\u{{{:x}}}", u32::from(character)),
        }
    }
    Cow::Owned(result)
}

/// Whether a character steers instead of being seen: C0 and C1 controls, line and paragraph separators, overrides of the
/// writing direction (which can make a line read as another one), and what XML 1.0 section 2.2 does not count as a
/// character.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}'
            | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A duration for people, rounded, from microseconds: `850 µs`, `12.3 ms`, `1.4 s`, `2 min 5 s`.
pub fn duration(duration_us: u64) -> String {
    // Each unit ends where its rounded value would reach the next one.
    match duration_us {
        0..1_000 => format!("{duration_us} µs"),
        1_000..999_950 => with_tenths((duration_us + 50) / 100, "ms"),
        999_950..59_950_000 => with_tenths((duration_us + 50_000) / 100_000, "s"),
        _ => {
            let seconds = duration_us / 1_000_000 + u64::from(duration_us % 1_000_000 >= 500_000);
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

fn with_tenths(tenths: u64, unit: &str) -> String {
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A word as a POSIX shell reads it: as it is where that is safe, else in single quotes.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let is_safe = |character: char| character.is_ascii_alphanumeric() || "_-./:@%+,=".contains(character);
    if !word.is_empty() && word.chars().all(is_safe) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", one_line(word).replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::{duration, lines, one_line, shell_word};
    use std::borrow::Cow;

    #[test]
    fn plain_text_is_untouched() {
        assert!(matches!(one_line("#GP(0) — é ✓ | <b>"), Cow::Borrowed(_)));
        assert!(matches!(lines("a\nb"), Cow::Borrowed(_)));
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(
            one_line("a\nb\r\tc\u{1b}[31m\0\u{85}\u{202e}\u{ffff}"),
            r"a\nb\r\tc\u{1b}[31m\u{0}\u{85}\u{202e}\u{ffff}"
        );
        assert_eq!(lines("a\r\nb\rc\n\u{7}"), "a\nb\\rc\n\\u{7}");
    }

    #[test]
    fn durations_have_one_unit_until_they_reach_a_minute() {
        let cases = [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.0 ms"),
            (999_949, "999.9 ms"),
            (999_950, "1.0 s"),
            (1_360_000, "1.4 s"),
            (59_949_999, "59.9 s"),
            (59_950_000, "1 min 0 s"),
            (125_400_000, "2 min 5 s"),
            (u64::MAX, "307445734561 min 50 s"),
        ];
        for (duration_us, text) in cases {
            assert_eq!(duration(duration_us), text);
        }
    }

    #[test]
    fn shell_words_are_quoted_only_when_they_must_be() {
        assert_eq!(shell_word("linux:6.12-rc1"), "linux:6.12-rc1");
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word(""), "''");
    }
}
