//! What axes are called on the command line.

use super::{Axis, Pace};
use std::{fmt, str::FromStr, time::Duration};
use vmm::DirtyMethod;

/// Why something is no axis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no axis: there are restore, restore=N with N from 1, restore-process, restore-process=N, pause=MS with MS from 1 \
     to 1000, dirty, dirty=ring, migrate and migrate=ring"
)]
pub struct ParseError {
    /// What was asked for.
    pub text: String,
}

impl Axis {
    /// What a shell can complete, with what each does; there are more with numbers.
    pub const COMPLETED: &[(&str, &str)] = &[
        ("restore", "save, drop and restore the machine at exits 1, 2, 4, 8 …"),
        ("restore-process", "the same at exits 1, 8, 64, 512 …, each time into a new process"),
        ("pause=10", "pause it for so many milliseconds"),
        ("dirty", "compare its memory with a copy that only the log of dirty pages keeps up to date"),
        ("dirty=ring", "the same with dirty rings"),
        ("migrate", "move it to another one while it runs"),
        ("migrate=ring", "the same with dirty rings"),
    ];
}

impl FromStr for Axis {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let none = || ParseError { text: text.to_owned() };
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(none);
        match text.split_once('=') {
            None if text == "restore" => Ok(Self::Restore(Pace::Growing)),
            None if text == "restore-process" => Ok(Self::RestoreProcess(Pace::Growing)),
            None if text == "dirty" => Ok(Self::Dirty(DirtyMethod::Log)),
            None if text == "migrate" => Ok(Self::Migrate(DirtyMethod::Log)),
            Some(("dirty", "ring")) => Ok(Self::Dirty(DirtyMethod::Ring)),
            Some(("migrate", "ring")) => Ok(Self::Migrate(DirtyMethod::Ring)),
            Some(("restore", every)) => Ok(Self::Restore(Pace::Every(number(every)?))),
            Some(("restore-process", every)) => Ok(Self::RestoreProcess(Pace::Every(number(every)?))),
            Some(("pause", milliseconds)) => match number(milliseconds)? {
                milliseconds @ ..=1000 => Ok(Self::Pause(Duration::from_millis(milliseconds))),
                _ => Err(none()),
            },
            _ => Err(none()),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore(Pace::Growing) => f.write_str("restore"),
            Self::Restore(Pace::Every(nr)) => write!(f, "restore={nr}"),
            Self::RestoreProcess(Pace::Growing) => f.write_str("restore-process"),
            Self::RestoreProcess(Pace::Every(nr)) => write!(f, "restore-process={nr}"),
            Self::Pause(duration) => write!(f, "pause={}", duration.as_millis()),
            Self::Dirty(DirtyMethod::Log) => f.write_str("dirty"),
            Self::Dirty(DirtyMethod::Ring) => f.write_str("dirty=ring"),
            Self::Migrate(DirtyMethod::Log) => f.write_str("migrate"),
            Self::Migrate(DirtyMethod::Ring) => f.write_str("migrate=ring"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_read_as_they_are_written() {
        for text in [
            "restore",
            "restore=1",
            "restore=7",
            "restore-process",
            "restore-process=7",
            "pause=1",
            "pause=1000",
            "dirty",
            "dirty=ring",
            "migrate",
            "migrate=ring",
        ] {
            let axis = text.parse::<Axis>().unwrap();
            assert_eq!(axis.to_string(), text);
            assert!(text.starts_with(axis.kind()), "{text}");
        }
        assert!(Axis::COMPLETED.iter().all(|(text, _)| text.parse::<Axis>().is_ok()));
        for text in [
            "",
            "restore=",
            "restore=0",
            "restore=x",
            "restore-process=0",
            "restore-",
            "pause",
            "pause=0",
            "pause=1001",
            "dirty=log",
            "migrate=",
        ] {
            assert_eq!(text.parse::<Axis>().unwrap_err().text, text);
        }
    }
}
