//! Arguments of commands.

use qmp::{Error, Map, Value};

/// What came with a command; what is taken is no longer here.
pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    pub(super) fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    fn take<T>(&mut self, name: &str, what: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, Error> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(value) => {
                read(&value).map(Some).ok_or_else(|| Error::generic(format!("argument '{name}' must be {what}")))
            }
        }
    }

    /// A string, if it is there.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A string that has to be there.
    pub(super) fn needed_string(&mut self, name: &str) -> Result<String, Error> {
        self.string(name)?.ok_or_else(|| missing(name))
    }

    /// A number, if it is there.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<u64>, Error> {
        self.take(name, "a number of at least 0", Value::as_u64)
    }

    /// A number that has to be there.
    pub(super) fn needed_number(&mut self, name: &str) -> Result<u64, Error> {
        self.number(name)?.ok_or_else(|| missing(name))
    }

    /// Whether something is to be; not, if it is not there.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.take(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    /// Whether something is to be, which has to be said.
    pub(super) fn needed_flag(&mut self, name: &str) -> Result<bool, Error> {
        self.take(name, "true or false", Value::as_bool)?.ok_or_else(|| missing(name))
    }

    /// An object that has to be there.
    pub(super) fn needed_object(&mut self, name: &str) -> Result<Self, Error> {
        let object = self.take(name, "an object", |value| value.as_object().cloned())?;
        object.map(Self).ok_or_else(|| missing(name))
    }

    /// There are no others.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.0.keys().next() {
            Some(name) => Err(Error::generic(format!("there is no argument '{name}' here"))),
            None => Ok(()),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::generic(format!("argument '{name}' is missing"))
}
