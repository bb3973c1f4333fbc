//! The socket as clients see it.

use super::*;
use crate::{Error, Map, Value, json};
use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    thread,
};

struct Nothing(Events);

impl Handler for Nothing {
    fn knows(&self, command: &str) -> bool {
        matches!(command, "tell" | "quit")
    }

    fn execute(&mut self, command: &str, _: Map<String, Value>) -> Result<Value, Error> {
        self.0.send("TOLD", json!({ "by": command }));
        if command == "quit" {
            self.0.end();
        }
        Ok(json!({}))
    }
}

fn with_server<T>(work: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let server = Server::bind(&path).unwrap();
    let events = server.events();
    let version = Version { numbers: [0, 1, 0], package: String::new() };
    let mut handler = Nothing(server.events());
    let result = thread::scope(|scope| {
        let served = scope.spawn(move || server.serve(&version, &mut handler));
        let result = work(&path);
        events.end();
        served.join().unwrap().unwrap();
        result
    });
    assert!(!path.exists(), "the file goes with the server");
    result
}

fn connect(path: &Path) -> BufReader<UnixStream> {
    BufReader::new(UnixStream::connect(path).unwrap())
}

fn next(client: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or(Value::Null)
}

fn say(client: &mut BufReader<UnixStream>, text: &str) -> Value {
    client.get_mut().write_all(text.as_bytes()).unwrap();
    next(client)
}

#[test]
fn clients_come_one_after_the_other_and_only_the_owner_may() {
    with_server(|path| {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut first = connect(path);
        assert!(next(&mut first)["QMP"].is_object());
        let mut second = connect(path);
        assert_eq!(say(&mut first, "{\"execute\": \"qmp_capabilities\"}")["return"], json!({}));
        assert_eq!(say(&mut first, "{\"execute\": \"tell\", \"id\": 1}")["event"], "TOLD");
        assert_eq!(next(&mut first)["id"], 1);
        drop(first);
        assert!(next(&mut second)["QMP"].is_object());
        assert_eq!(say(&mut second, "{\"execute\": \"tell\"}")["error"]["class"], "CommandNotFound");
    });
}

#[test]
fn what_was_told_before_the_end_arrives() {
    with_server(|path| {
        let mut client = connect(path);
        next(&mut client);
        say(&mut client, "{\"execute\": \"qmp_capabilities\"}");
        assert_eq!(say(&mut client, "{\"execute\": \"quit\"}")["data"]["by"], "quit");
        assert_eq!(next(&mut client)["return"], json!({}));
        assert_eq!(next(&mut client), Value::Null);
    });
}

#[test]
fn a_path_that_is_taken_says_by_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let listener = UnixListener::bind(&path).unwrap();
    assert!(matches!(Server::bind(&path), Err(ServerError::Busy { .. })));
    drop(listener);
    let error = Server::bind(&path).unwrap_err();
    assert!(matches!(error, ServerError::Stale { .. }) && error.to_string().contains("remove it"), "{error}");
    assert!(path.exists(), "what belongs to another is left alone");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(matches!(Server::bind(&path), Err(ServerError::Exists { .. })));
    assert!(matches!(Server::bind(&folder.path().join("no/such")), Err(ServerError::Listen { .. })));
}

#[test]
fn the_file_of_another_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let server = Server::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(server);
    assert!(path.exists());
    drop(other);
}
