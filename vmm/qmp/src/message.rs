//! Requests and answers.

use serde_json::{Map, Value, json};

/// Kinds of errors that clients tell apart (QEMU, "qapi/error.json", QapiErrorClass).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// All that no other class is for.
    Generic,
    /// There is no such command, or not now.
    CommandNotFound,
    /// The VM has nothing that could do it.
    DeviceNotActive,
    /// No device has this id.
    DeviceNotFound,
}

impl ErrorClass {
    const fn name(self) -> &'static str {
        match self {
            Self::Generic => "GenericError",
            Self::CommandNotFound => "CommandNotFound",
            Self::DeviceNotActive => "DeviceNotActive",
            Self::DeviceNotFound => "DeviceNotFound",
        }
    }
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct Error {
    /// What kind it is of.
    pub class: ErrorClass,
    /// For a person.
    pub description: String,
}

impl Error {
    /// One of a class.
    pub fn new(class: ErrorClass, description: impl Into<String>) -> Self {
        Self { class, description: description.into() }
    }

    /// One that no other class is for.
    pub fn generic(description: impl Into<String>) -> Self {
        Self::new(ErrorClass::Generic, description)
    }
}

/// A command and what came with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) command: String,
    pub(crate) arguments: Map<String, Value>,
}

/// Reads a request; what its answer has to echo comes in any case where it can be told.
pub(crate) fn parse(text: &[u8]) -> (Option<Value>, Result<Request, Error>) {
    let mut object = match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return (None, Err(Error::generic("a message must be a JSON object"))),
        Err(error) => return (None, Err(Error::generic(format!("a message is not JSON: {error}")))),
    };
    let id = object.remove("id");
    (id, request(object))
}

fn request(mut object: Map<String, Value>) -> Result<Request, Error> {
    let command = match object.remove("execute") {
        Some(Value::String(command)) => command,
        Some(_) => return Err(Error::generic("member 'execute' of a message must be a string")),
        None => return Err(Error::generic("a message lacks member 'execute'")),
    };
    let arguments = match object.remove("arguments") {
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Error::generic("member 'arguments' of a message must be an object")),
        None => Map::new(),
    };
    match object.keys().next() {
        Some(other) => Err(Error::generic(format!("a message has no member '{other}'"))),
        None => Ok(Request { command, arguments }),
    }
}

/// The answer to a request.
pub(crate) fn answer(id: Option<Value>, result: Result<Value, Error>) -> Value {
    let mut answer = match result {
        Ok(value) => json!({ "return": value }),
        Err(error) => json!({ "error": { "class": error.class.name(), "desc": error.description } }),
    };
    if let Some(id) = id {
        answer["id"] = id;
    }
    answer
}

/// A message as it is sent.
pub(crate) fn line(message: &Value) -> Vec<u8> {
    format!("{message}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_what_is_wrong_is_named() {
        let (id, request) = parse(br#"{"execute": "stop", "id": [1, "a"], "arguments": {"b": 2}}"#);
        assert_eq!(id, Some(json!([1, "a"])));
        let request = request.unwrap();
        assert_eq!((request.command.as_str(), &request.arguments["b"]), ("stop", &json!(2)));
        for (text, wrong) in [
            ("[]", "must be a JSON object"),
            ("{\"execute\": stop}", "not JSON"),
            ("{]", "not JSON"),
            ("{}", "lacks member 'execute'"),
            (r#"{"execute": 1}"#, "'execute' of a message must be a string"),
            (r#"{"execute": "stop", "arguments": []}"#, "'arguments' of a message must be an object"),
            (r#"{"execute": "stop", "args": {}}"#, "no member 'args'"),
            (r#"{"exec-oob": "stop"}"#, "lacks member 'execute'"),
        ] {
            let error = parse(text.as_bytes()).1.unwrap_err();
            assert!(error.class == ErrorClass::Generic && error.description.contains(wrong), "{text}: {error}");
        }
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        assert!(parse(&deep).1.is_err());
        assert_eq!(parse(br#"{"id": 7}"#).0, Some(json!(7)));
    }

    #[test]
    fn answers_echo_the_id() {
        assert_eq!(answer(None, Ok(json!({}))), json!({ "return": {} }));
        let error = Error::new(ErrorClass::DeviceNotFound, "none");
        let expected = json!({ "error": { "class": "DeviceNotFound", "desc": "none" }, "id": "x" });
        assert_eq!(answer(Some(json!("x")), Err(error)), expected);
    }
}
