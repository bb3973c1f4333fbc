//! One client from the greeting on.

use crate::{
    frames::{Frame, Frames},
    message::{Error, ErrorClass, answer, line, parse},
};
use serde_json::{Map, Value, json};

/// The command that ends the negotiation.
const NEGOTIATE: &str = "qmp_capabilities";

/// What does the commands.
pub trait Handler {
    /// Whether there is such a command.
    fn knows(&self, command: &str) -> bool;

    /// Does it.
    ///
    /// # Errors
    /// Why it was not done.
    fn execute(&mut self, command: &str, arguments: Map<String, Value>) -> Result<Value, Error>;
}

/// What the greeting says of the server.
#[derive(Clone, Debug)]
pub struct Version {
    /// Major, minor and micro version.
    pub numbers: [u64; 3],
    /// Which program it is.
    pub package: String,
}

impl Version {
    /// As the greeting and `query-version` have it.
    pub fn to_json(&self) -> Value {
        let [major, minor, micro] = self.numbers;
        json!({ "qemu": { "major": major, "minor": minor, "micro": micro }, "package": self.package })
    }
}

/// The state of a connection.
#[derive(Debug, Default)]
pub struct Session {
    frames: Frames,
    is_negotiated: bool,
}

impl Session {
    /// What a client is sent first.
    pub fn greeting(version: &Version) -> Vec<u8> {
        line(&json!({ "QMP": { "version": version.to_json(), "capabilities": [] } }))
    }

    /// Whether it is in command mode: before, a client is sent no events.
    pub fn is_negotiated(&self) -> bool {
        self.is_negotiated
    }

    /// Takes what a client sent, and gives what it is to be sent.
    pub fn take(&mut self, bytes: &[u8], handler: &mut dyn Handler) -> Vec<u8> {
        let mut output = Vec::new();
        for byte in bytes {
            let message = match self.frames.push(*byte) {
                None => continue,
                Some(Frame::Bad(why)) => answer(None, Err(Error::generic(why))),
                Some(Frame::Text(text)) => {
                    let (id, request) = parse(&text);
                    answer(id, request.and_then(|request| self.execute(&request.command, request.arguments, handler)))
                }
            };
            output.extend(line(&message));
        }
        output
    }

    fn execute(
        &mut self,
        command: &str,
        arguments: Map<String, Value>,
        handler: &mut dyn Handler,
    ) -> Result<Value, Error> {
        let not_now = |why: String| Err(Error::new(ErrorClass::CommandNotFound, why));
        match (self.is_negotiated, command) {
            (false, NEGOTIATE) => {
                self.negotiate(arguments)?;
                Ok(json!({}))
            }
            (false, _) => not_now(format!("command {command} comes before the capabilities: {NEGOTIATE} is first")),
            (true, NEGOTIATE) => not_now(format!("the capabilities are negotiated: {NEGOTIATE} is not for later")),
            (true, _) if handler.knows(command) => handler.execute(command, arguments),
            (true, _) => not_now(format!("there is no command {command}")),
        }
    }

    fn negotiate(&mut self, mut arguments: Map<String, Value>) -> Result<(), Error> {
        match arguments.remove("enable") {
            None => {}
            Some(Value::Array(list)) if list.is_empty() => {}
            Some(other) => return Err(Error::generic(format!("none of the capabilities {other} was offered"))),
        }
        if let Some(name) = arguments.keys().next() {
            return Err(Error::generic(format!("{NEGOTIATE} has no argument '{name}'")));
        }
        self.is_negotiated = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Handler for Echo {
        fn knows(&self, command: &str) -> bool {
            command == "echo"
        }

        fn execute(&mut self, _: &str, arguments: Map<String, Value>) -> Result<Value, Error> {
            Ok(arguments.into())
        }
    }

    fn answers(session: &mut Session, input: &str) -> Vec<Value> {
        let output = String::from_utf8(session.take(input.as_bytes(), &mut Echo)).unwrap();
        output.split_terminator("\r\n").map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn class(answer: &Value) -> &str {
        answer["error"]["class"].as_str().unwrap_or("none")
    }

    #[test]
    fn capabilities_come_first_and_once() {
        let mut session = Session::default();
        let input = r#"{"execute": "echo", "id": 1}{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}"#;
        let before = answers(&mut session, input);
        assert_eq!(
            (class(&before[0]), &before[0]["id"], class(&before[1])),
            ("CommandNotFound", &json!(1), "GenericError")
        );
        assert!(!session.is_negotiated());
        let input = r#"{"execute": "qmp_capabilities", "arguments": {"enable": []}}{"execute": "qmp_capabilities"}"#;
        let after = answers(&mut session, input);
        assert_eq!((&after[0], class(&after[1])), (&json!({ "return": {} }), "CommandNotFound"));
    }

    #[test]
    fn nothing_that_is_malformed_ends_the_session() {
        let mut session = Session::default();
        answers(&mut session, r#"{"execute": "qmp_capabilities"}"#);
        for (input, expected) in [
            ("{\"execute\": }", "GenericError"),
            ("nonsense\n", "GenericError"),
            ("[1, 2]", "GenericError"),
            ("{\"execute\": \"no-such-command\"}", "CommandNotFound"),
            ("{\"execute\": \"echo\", \"arguments\": 5}", "GenericError"),
            ("{\"execute\": \"ec\u{1}ho\"}\n", "GenericError"),
        ] {
            let answers = answers(&mut session, input);
            assert_eq!((answers.len(), class(&answers[0])), (1, expected), "{input}");
        }
        let echoed = answers(&mut session, r#"{"execute": "echo", "arguments": {"a": "\u20ac"}, "id": {"b": null}}"#);
        assert_eq!(echoed, [json!({ "return": { "a": "€" }, "id": { "b": null } })]);
    }

    #[test]
    fn a_message_may_come_in_pieces() {
        let mut session = Session::default();
        let input = br#"{"execute": "qmp_capabilities"}"#;
        let output: Vec<u8> = input.iter().flat_map(|byte| session.take(&[*byte], &mut Echo)).collect();
        assert_eq!(output, b"{\"return\":{}}\r\n");
    }

    #[test]
    fn the_greeting_tells_version_and_capabilities() {
        let version = Version { numbers: [1, 2, 3], package: "p".into() };
        let greeting: Value = serde_json::from_slice(&Session::greeting(&version)).unwrap();
        assert_eq!(greeting["QMP"]["version"]["qemu"]["minor"], 2);
        assert_eq!(greeting["QMP"]["capabilities"], json!([]));
    }
}
