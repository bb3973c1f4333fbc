//! What cases say: `check!`, `check_eq!`, `check_outcome!`, `skip!`, `note!`, `shutdown_due!`.

/// A static site.
#[doc(hidden)]
#[macro_export]
macro_rules! site {
    ($text:expr, $rows:expr, $style:ident) => {{
        #[expect(unsafe_code, reason = "the host reads the sites from this section")]
        // SAFETY: the section holds nothing but `Site`s, each made here.
        #[unsafe(link_section = "vmproof_sites")]
        static SITE: $crate::vocabulary::Site =
            $crate::vocabulary::Site::new(file!(), line!(), $text, $rows, $crate::vocabulary::Style::$style);
        &SITE
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! check_values {
    ($style:ident, $text:literal, [$names:expr; $row:expr], $actual:expr, $expected:expr) => {
        $crate::report::check($crate::site!($text, $names, $style), ($row) as u64, $actual, $expected)
    };
    ($style:ident, $text:literal, $actual:expr, $expected:expr) => {
        $crate::report::check(
            $crate::site!($text, &[], $style),
            $crate::vocabulary::message::NO_ROW,
            $actual,
            $expected,
        )
    };
}

/// Checks that a condition holds: `check!("carry is clear", condition)`.
///
/// The text is the check's id within its case. With `[NAMES; row]` behind the text it is a row of a table, whose names
/// are a `&'static [Text]`; an empty slice shows the row's number.
#[macro_export]
macro_rules! check {
    ($text:literal, [$names:expr; $row:expr], $condition:expr $(,)?) => {
        $crate::check_values!(Bool, $text, [$names; $row], u64::from($condition), 1)
    };
    ($text:literal, $condition:expr $(,)?) => {
        $crate::check_values!(Bool, $text, u64::from($condition), 1)
    };
}

/// Checks that two numbers are equal: `check_eq!("RAX", actual, expected)`; shown in hexadecimal. Rows as in
/// [`check!`](crate::check!).
#[macro_export]
macro_rules! check_eq {
    ($text:literal, [$names:expr; $row:expr], $actual:expr, $expected:expr $(,)?) => {
        $crate::check_values!(Hex, $text, [$names; $row], ($actual) as u64, ($expected) as u64)
    };
    ($text:literal, $actual:expr, $expected:expr $(,)?) => {
        $crate::check_values!(Hex, $text, ($actual) as u64, ($expected) as u64)
    };
}

/// The same, shown in decimal.
#[macro_export]
macro_rules! check_count {
    ($text:literal, [$names:expr; $row:expr], $actual:expr, $expected:expr $(,)?) => {
        $crate::check_values!(Decimal, $text, [$names; $row], ($actual) as u64, ($expected) as u64)
    };
    ($text:literal, $actual:expr, $expected:expr $(,)?) => {
        $crate::check_values!(Decimal, $text, ($actual) as u64, ($expected) as u64)
    };
}

/// Checks what an attempt led to: `check_outcome!("reserved bit", instruction!(…), Outcome::GP)`. Rows as in
/// [`check!`](crate::check!).
#[macro_export]
macro_rules! check_outcome {
    ($text:literal, [$names:expr; $row:expr], $actual:expr, $expected:expr $(,)?) => {
        $crate::check_values!(
            Outcome,
            $text,
            [$names; $row],
            $crate::Outcome::from($actual).0,
            $crate::Outcome::from($expected).0
        )
    };
    ($text:literal, $actual:expr, $expected:expr $(,)?) => {
        $crate::check_values!(Outcome, $text, $crate::Outcome::from($actual).0, $crate::Outcome::from($expected).0)
    };
}

/// Says that the case cannot decide on this subject, and why; return after it.
#[macro_export]
macro_rules! skip {
    ($reason:literal) => {
        $crate::report::skip($crate::site!($reason, &[], Hex))
    };
}

/// Says that the processor must shut down before the case says anything more: `shutdown_due!("why")`.
///
/// The text is the id of the check that this makes. A case that goes on fails, whatever else it says.
#[macro_export]
macro_rules! shutdown_due {
    ($why:literal) => {
        $crate::report::shutdown_due($crate::site!($why, &[], Hex))
    };
}

/// Tells a value that helps to understand a failure.
#[macro_export]
macro_rules! note {
    ($name:literal, $value:expr) => {
        $crate::report::note($crate::site!($name, &[], Hex), ($value) as u64)
    };
}

/// A static table of row names: `names!["read", "write"]` is a `&'static [Text]`.
#[macro_export]
macro_rules! names {
    ($($name:literal),* $(,)?) => {{
        const NAMES: &[$crate::vocabulary::Text] = &[$($crate::vocabulary::Text::new($name)),*];
        NAMES
    }};
}
