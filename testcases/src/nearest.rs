//! Names that somebody may have meant.

use crate::catalog::plain_id;

/// How alike two names must be, from 0 to 1, to be suggested.
const ALIKE: f64 = 0.6;
/// The most names that are suggested.
const MAX_SUGGESTIONS: usize = 3;

/// The names most like `wanted`, the best first; empty if none is alike.
///
/// A name of several parts (`area::name@set-up`) is also compared by its last part and without its set-up, because that
/// is what people remember.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let last = |name: &'a str| name.rsplit("::").next().unwrap_or(name);
    let alike = |name: &str| strsim::normalized_damerau_levenshtein(wanted, name);
    let best = |name| {
        let plain = plain_id(name);
        [name, last(name), plain, last(plain)].into_iter().map(alike).fold(0.0, f64::max)
    };
    let mut scored: Vec<_> = names.map(|name| (best(name), name)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|(left, a), (right, b)| right.total_cmp(left).then_with(|| a.cmp(b)));
    scored.dedup();
    scored.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
}

/// The suggestion as the end of a sentence: `; did you mean …?`, or nothing.
pub(crate) fn suggestion(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["msr::efer_reserved", "paging::write_protect", "paging", "MsrEfer"];

    #[test]
    fn a_slip_is_recognized() {
        let nearest = |wanted| nearest(wanted, NAMES.into_iter());
        assert_eq!(nearest("msr::efer_reservd"), ["msr::efer_reserved"]);
        assert_eq!(nearest("efer_resreved"), ["msr::efer_reserved"]);
        assert_eq!(nearest("pagin"), ["paging"]);
        assert_eq!(nearest("teleport"), Vec::<String>::new());
    }

    #[test]
    fn a_suggestion_is_a_question() {
        assert_eq!(suggestion(&[]), "");
        assert_eq!(suggestion(&["a".to_owned(), "b".to_owned()]), "; did you mean a or b?");
    }
}
