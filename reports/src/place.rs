//! Where a guest stood when it failed, found in the words of a reason: function, offset, and the instruction there.
//!
//! The judge writes `… at suite::paging::stale+0x1c: mov rax, [rdi]`, and goes on with ` (RIP …)`, with `; …` or not at all.

/// A place in the guest's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Function and offset, or the address.
    pub at: &'a str,
    /// The instruction.
    pub instruction: &'a str,
}

/// The first place of a reason whose instruction is known; nothing if there is none.
pub fn find(reason: &str) -> Option<Place<'_>> {
    reason.match_indices(" at ").find_map(|(start, word)| parse(reason.get(start + word.len()..)?))
}

fn parse(rest: &str) -> Option<Place<'_>> {
    let end = [" (RIP ", "; ", "\n"].iter().filter_map(|stop| rest.find(stop)).min().unwrap_or(rest.len());
    // No instruction has a colon and a space, and function names may.
    let (at, instruction) = rest.get(..end)?.rsplit_once(": ")?;
    let is_address = at.starts_with("0x") || at.contains("::") || at.contains("+0x") || is_word(at);
    let is_instruction = instruction.starts_with(|first: char| first.is_ascii_lowercase()) || instruction == "(bad)";
    (is_address && is_instruction).then_some(Place { at, instruction })
}

/// Whether it is a plain name, as that of a function of assembly.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::{Place, find};

    #[test]
    fn places_are_found_in_what_the_judge_writes() {
        let places = [
            (
                "unexpected #GP(0x0) at suite::msr::x+0x1c: wrmsr (RIP 0x201c, CR2 0x0, RSP 0x8)",
                ("suite::msr::x+0x1c", "wrmsr"),
            ),
            ("triple fault at <A as B>::f+0x4: lidt [rdi]; it reported nothing", ("<A as B>::f+0x4", "lidt [rdi]")),
            ("no verdict in time at 0x12345678: jmp 0x12345678", ("0x12345678", "jmp 0x12345678")),
            ("no verdict in 50 ms; stood at rt::idle+0x3: hlt", ("rt::idle+0x3", "hlt")),
            ("triple fault at suite::x: mov rax, [rel 0x2000]\n  more", ("suite::x", "mov rax, [rel 0x2000]")),
            ("the guest halted for ever at pvh_entry: hlt", ("pvh_entry", "hlt")),
        ];
        for (reason, (at, instruction)) in places {
            assert_eq!(find(reason), Some(Place { at, instruction }), "{reason}");
        }
    }

    #[test]
    fn other_words_are_no_place() {
        for reason in ["", "triple fault at suite::x", "it was there at noon: Who knows", "needs AVX", "at x: nop"] {
            assert_eq!(find(reason), None, "{reason}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_searched(text in crate::hostile::text()) {
            let _ = find(&text);
            let _ = find(&format!("triple fault at {text}: nop"));
        }
    }
}
