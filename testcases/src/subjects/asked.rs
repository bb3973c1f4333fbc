//! What a program says of itself, such as its version.

use crate::{
    moment::Moment,
    process::{Output, Patience, Process},
};
use std::{io, process::Command, time::Duration};

/// How long a program may take to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(super) struct Said {
    /// What was said on both outputs.
    pub(super) text: String,
    /// How the program ended, in words.
    pub(super) status: String,
}

/// Runs a command and returns what it says, up to so many bytes.
///
/// # Errors
/// Those of starting a process, [`io::ErrorKind::NotFound`] if the program is missing.
pub(super) fn ask(command: &mut Command, max_bytes: usize) -> io::Result<Said> {
    let mut process = Process::start(command, None)?;
    let patience = Patience::new(&process, LIMIT);
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while !patience.is_over(&process) && text.len() < max_bytes {
        match process.read(&mut buffer)? {
            Output::Stdout(length) | Output::Stderr(length) => text.extend(buffer.iter().take(length)),
            Output::End => break,
            Output::Control(_) | Output::Nothing => {}
        }
    }
    let status = match process.wait(Moment::now() + LIMIT)? {
        Some(status) => status.to_string(),
        None => format!("no end after {} s", LIMIT.as_secs()),
    };
    Ok(Said { text: String::from_utf8_lossy(&text).into_owned(), status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_with_how_the_program_ended() {
        let said = ask(Command::new("sh").args(["-c", "echo version 7; exit 3"]), 100).unwrap();
        assert_eq!((said.text.as_str(), said.status.as_str()), ("version 7\n", "exit status: 3"));
    }

    #[test]
    fn more_than_the_limit_is_not_waited_for() {
        let said = ask(Command::new("sh").args(["-c", "yes"]), 100).unwrap();
        assert!(said.text.starts_with("y\ny\n") && said.text.len() <= 100 + 1024);
    }
}
