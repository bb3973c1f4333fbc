//! What Bochs says on its standard output: why and where a guest stopped.
//!
//! The output is the debugger's and the log's, among sequences that the display draws its screen with.

/// What is kept of the output in bytes: the end tells.
const MAX_BYTES: usize = 32 << 10;

/// The end of the output.
#[derive(Debug, Default)]
pub(super) struct Said {
    bytes: Vec<u8>,
}

/// Why Bochs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// An exception while a double fault was delivered.
    TripleFault,
    /// The loader in the ROM ran again and ended it.
    Reset,
    /// Something else.
    Other,
}

impl Said {
    /// Takes more of the output.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(MAX_BYTES);
        self.bytes.drain(..surplus);
    }

    /// Why Bochs ended.
    pub(super) fn cause(&self) -> Cause {
        let text = String::from_utf8_lossy(&self.bytes);
        if text.contains("Shutdown port: shutdown requested") {
            Cause::Reset
        } else if text.contains("exception with no resolution") {
            Cause::TripleFault
        } else {
            Cause::Other
        }
    }

    /// The instruction that the first processor stood before: its RIP and its bytes.
    pub(super) fn place(&self) -> Option<(u64, Vec<u8>)> {
        let text = String::from_utf8_lossy(&self.bytes);
        text.lines().rev().find_map(place)
    }

    /// The last panic that the log tells of.
    pub(super) fn panic(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.lines().rev().find_map(|line| line.split_once(">>PANIC<<"))?;
        Some(line.1.trim().to_owned())
    }
}

/// Reads a line such as `(0).[23795] [0x000000510000] 002b:0000000000510000 (unk. ctxt): div eax, edx ; f7f2`.
fn place(line: &str) -> Option<(u64, Vec<u8>)> {
    let (_, line) = line.split_once("(0)")?;
    let (_, line) = line.split_once("[0x")?;
    let (_, line) = line.split_once("] ")?;
    let (_, line) = line.split_once(':')?;
    let (rip, line) = line.split_once(' ')?;
    let rip = u64::from_str_radix(rip, 16).ok()?;
    let digits = line.rsplit_once("; ")?.1.trim();
    let pair = |index| u8::from_str_radix(digits.get(index..index + 2)?, 16).ok();
    Some((rip, (0..digits.len()).step_by(2).map_while(pair).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(text: &str) -> Said {
        let mut said = Said::default();
        said.feed(text.as_bytes());
        said
    }

    const TRIPLE_FAULT: &str = "\x1b[2J00000023795p[CPU0  ] >>PANIC<< exception(): 3rd (11) exception with no resolution\r\n\
        Next at t=0\n\
        (0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmp .-243  (0xffffff00)   ; e90dff\n\
        (0).[23795] [0x000000510000] 002b:0000000000510000 (unk. ctxt): div eax, edx              ; f7f2\n";

    #[test]
    fn a_triple_fault_is_told_with_its_place() {
        let said = said(TRIPLE_FAULT);
        assert_eq!(said.cause(), Cause::TripleFault);
        assert_eq!(said.place(), Some((0x51_0000, vec![0xf7, 0xf2])));
        assert_eq!(said.panic().unwrap(), "exception(): 3rd (11) exception with no resolution");
    }

    #[test]
    fn a_reset_is_told_from_everything_else() {
        assert_eq!(said("00023p[UNMAP ] >>PANIC<< Shutdown port: shutdown requested").cause(), Cause::Reset);
        let other = said("no more");
        assert_eq!((other.cause(), other.place(), other.panic()), (Cause::Other, None, None));
    }

    #[test]
    fn the_end_of_a_long_output_is_kept() {
        let mut said = said(&"x".repeat(3 * MAX_BYTES));
        said.feed(TRIPLE_FAULT.as_bytes());
        assert_eq!(said.bytes.len(), MAX_BYTES);
        assert!(said.place().is_some());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\(0\\)|\\[0x|\\] |:|; |[0-9a-fé]| |\n){0,30}") {
            let said = said(&text);
            let _ = (said.cause(), said.place(), said.panic());
        }
    }
}
