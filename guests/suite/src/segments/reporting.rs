//! Reports columns of a row, each by a check of its own.

use rt::{report::check, vocabulary::Site};

/// The checks of columns: `sites![NAMES; Outcome "INT n", Hex "EIP"]`.
macro_rules! sites {
    ($names:expr; $($style:ident $text:literal),+ $(,)?) => {
        [$(rt::site!($text, $names, $style)),+]
    };
}
pub(crate) use sites;

/// Reports each column of a row.
pub(crate) fn report<const N: usize>(sites: [&'static Site; N], row: usize, columns: [(u64, u64); N]) {
    for (site, (actual, expected)) in sites.into_iter().zip(columns) {
        check(site, row as u64, actual, expected);
    }
}

/// Reports each column of what has no rows.
pub(crate) fn report_once<const N: usize>(sites: [&'static Site; N], columns: [(u64, u64); N]) {
    for (site, (actual, expected)) in sites.into_iter().zip(columns) {
        check(site, rt::vocabulary::message::NO_ROW, actual, expected);
    }
}
