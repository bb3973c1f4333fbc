//! The console of a kernel under test: its end is kept, because a kernel that dies says why.

/// What is kept in bytes.
const MAX_BYTES: usize = 64 << 10;
/// What begins the lines that tell why a kernel died, the most telling first.
const TELLING: &[&str] =
    &["BUG: ", "Oops: ", "general protection fault", "kernel BUG at", "RIP: ", "Kernel panic - not syncing"];
/// What the agent says.
const OF_AGENT: &str = "vmproof agent: ";
/// How many of the last lines are shown where none is telling.
const NR_SHOWN: usize = 3;
/// How much of a line is shown, in characters.
const MAX_SHOWN: usize = 160;

/// The end of what was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Console {
    bytes: Vec<u8>,
}

impl Console {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        if self.bytes.len() > 2 * MAX_BYTES {
            self.bytes.drain(..self.bytes.len() - MAX_BYTES);
        }
    }

    /// Forgets what was written: it has nothing to do with what comes.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Why the kernel died, as far as it says so; else its last lines.
    pub(crate) fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<_> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
        let telling =
            lines.iter().filter(|line| line.starts_with(OF_AGENT) || TELLING.iter().any(|start| line.contains(start)));
        let mut shown: Vec<_> = telling.take(2 * NR_SHOWN).collect();
        if shown.is_empty() {
            shown = lines.iter().rev().take(NR_SHOWN).collect();
            shown.reverse();
        }
        if shown.is_empty() {
            return "the kernel said nothing".to_owned();
        }
        let shown: Vec<String> = shown.iter().map(|line| line.chars().take(MAX_SHOWN).collect()).collect();
        shown.join(" | ")
    }
}

/// A line without its time and control characters.
fn plain(line: &str) -> String {
    let line: String = line.chars().filter(|character| !character.is_control()).collect();
    let rest = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match rest {
        Some((time, rest)) if time.trim().parse::<f64>().is_ok() => rest.trim().to_owned(),
        _ => line.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(text: &str) -> String {
        let mut console = Console::default();
        console.feed(text.as_bytes());
        console.last_words()
    }

    #[test]
    fn a_panic_is_told_with_its_cause() {
        let text = "[    1.0] kvm: hello\r\n[    2.5] BUG: kernel NULL pointer dereference, address: 0\r\n\
            [    2.5] #PF: error_code(0x0000)\r\n[    2.6] RIP: 0010:svm_vcpu_run+0x10/0x20 [kvm_amd]\r\n\
            [    2.7] Kernel panic - not syncing: Fatal exception\r\n[    2.8] ---[ end Kernel panic ]---\r\n";
        let expected = "BUG: kernel NULL pointer dereference, address: 0 | RIP: 0010:svm_vcpu_run+0x10/0x20 [kvm_amd] | \
            Kernel panic - not syncing: Fatal exception";
        assert_eq!(said(text), expected);
    }

    #[test]
    fn without_a_panic_the_last_lines_are_told() {
        assert_eq!(said("a\nb\nc\n\nd\n"), "b | c | d");
        assert_eq!(said(""), "the kernel said nothing");
    }

    proptest! {
        #[test]
        fn memory_is_bounded(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70_000), 0..6)) {
            let mut console = Console::default();
            for piece in &pieces {
                console.feed(piece);
                prop_assert!(console.bytes.len() <= 2 * MAX_BYTES);
            }
            console.last_words();
        }
    }
}
