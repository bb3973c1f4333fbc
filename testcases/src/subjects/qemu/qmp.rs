//! The little of QEMU's machine protocol that tells how and where a guest stopped.
//!
//! Source: QEMU, "QEMU Machine Protocol Specification" and "QEMU QMP Reference Manual", § SHUTDOWN, § STOP,
//! § cont, § human-monitor-command.

use serde_json::Value;

/// Longest answer that is kept, in bytes; QEMU's answers here have a few hundred.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// What starts a conversation, and then the guest; may be sent before the greeting was read. A guest that stopped before QEMU has
/// someone to tell would not be told of.
pub(super) const START: &[u8] = b"{\"execute\":\"qmp_capabilities\",\"id\":\"negotiate\"}\n\
    {\"execute\":\"cont\",\"id\":\"cont\"}\n";

/// Stops the guest and asks where it stands: the state it is in, and the bytes at its program counter.
pub(super) const WHERE: &[u8] = b"{\"execute\":\"query-status\",\"id\":\"status\"}\n\
    {\"execute\":\"stop\",\"id\":\"stop\"}\n\
    {\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"x /16xb $pc\"},\"id\":\"code\"}\n";

/// Reason of a shutdown: the guest reset the machine, by a triple fault or by a device.
pub(super) const GUEST_RESET: &str = "guest-reset";

/// What QEMU said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The guest was stopped by QEMU, for a reset, a shutdown or an internal error.
    Stopped,
    /// The machine is shut down, for this reason: a triple fault has that of a reset, [`GUEST_RESET`].
    Shutdown(String),
    /// The run state, such as `running`, `shutdown` or `internal-error`.
    Status(String),
    /// The linear address of the next instruction and the bytes there, or nothing if they cannot be read.
    Code(Option<(u64, Vec<u8>)>),
}

/// Puts lines together and understands those that matter.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    line: Vec<u8>,
}

impl Monitor {
    /// Takes bytes as they come.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Said> {
        let mut said = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                said.extend(understand(&self.line));
                self.line.clear();
            } else if self.line.len() < MAX_LINE_BYTES {
                self.line.push(byte);
            }
        }
        said
    }
}

fn understand(line: &[u8]) -> Option<Said> {
    let value: Value = serde_json::from_slice(line).ok()?;
    if let Some(event) = value.get("event").and_then(Value::as_str) {
        return match event {
            "SHUTDOWN" => {
                let reason = value.pointer("/data/reason").and_then(Value::as_str).unwrap_or("unknown");
                Some(Said::Shutdown(reason.to_owned()))
            }
            "STOP" | "GUEST_PANICKED" => Some(Said::Stopped),
            _ => None,
        };
    }
    match value.get("id").and_then(Value::as_str)? {
        "status" => Some(Said::Status(value.pointer("/return/status").and_then(Value::as_str)?.to_owned())),
        "code" => Some(Said::Code(value.get("return").and_then(Value::as_str).and_then(bytes_at))),
        _ => None,
    }
}

/// Reads `0000000000201000: 0xfa 0xeb …`, one line for each eight bytes.
fn bytes_at(text: &str) -> Option<(u64, Vec<u8>)> {
    let mut start = None;
    let mut bytes = Vec::new();
    for line in text.lines() {
        let (address, values) = line.split_once(':')?;
        let address = u64::from_str_radix(address.trim(), 16).ok()?;
        start.get_or_insert(address);
        for value in values.split_whitespace() {
            bytes.push(u8::from_str_radix(value.strip_prefix("0x")?, 16).ok()?);
        }
    }
    Some((start?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood_in_any_chunks() {
        let talk = b"{\"QMP\": {\"version\": {}}}\r\n{\"return\": {}, \"id\": \"negotiate\"}\r\n\
            {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\n\
            {\"event\": \"SHUTDOWN\"}\r\n\
            {\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n\
            {\"return\": {\"status\": \"shutdown\", \"running\": false}, \"id\": \"status\"}\r\n\
            {\"return\": \"0000000000201000: 0xfa 0xeb\\r\\n0000000000201002: 0xfe 0x90\\r\\n\", \"id\": \"code\"}\r\n";
        let expected = [
            Said::Shutdown(GUEST_RESET.to_owned()),
            Said::Shutdown("unknown".to_owned()),
            Said::Stopped,
            Said::Status("shutdown".to_owned()),
            Said::Code(Some((0x20_1000, vec![0xfa, 0xeb, 0xfe, 0x90]))),
        ];
        for chunk in [1, 7, talk.len()] {
            let mut monitor = Monitor::default();
            let said: Vec<_> = talk.chunks(chunk).flat_map(|chunk| monitor.feed(chunk)).collect();
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn unreadable_code_is_an_answer_too() {
        let mut monitor = Monitor::default();
        let line = b"{\"return\": \"0000000000000000: Cannot access memory\\r\\n\", \"id\": \"code\"}\n";
        assert_eq!(monitor.feed(line), [Said::Code(None)]);
    }

    #[test]
    fn garbage_and_endless_lines_are_passed_over() {
        let mut monitor = Monitor::default();
        assert_eq!(monitor.feed(b"}{\n\n[]\n\"event\"\n\xff\n"), []);
        for _ in 0..3 {
            monitor.feed(&[b'x'; MAX_LINE_BYTES]);
        }
        assert!(monitor.line.len() <= MAX_LINE_BYTES);
        assert_eq!(monitor.feed(b"\n{\"event\":\"STOP\"}\n"), [Said::Stopped]);
    }
}
