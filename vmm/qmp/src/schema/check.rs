//! Whether a value is what it is to be.

use super::{Member, Object, Signature, Type};
use crate::message::Error;
use serde_json::{Map, Value};

impl Signature {
    /// Whether a request may have these arguments.
    ///
    /// # Errors
    /// Which of them is wrong, and what is right.
    pub fn check(&self, arguments: &Map<String, Value>) -> Result<(), Error> {
        check_object(self.arguments, arguments, "argument").map_err(Error::generic)
    }

    /// Whether it may return this.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_return(&self, value: &Value) -> Result<(), String> {
        check(self.returns, value, "member").map_err(|what| format!("what {} returns must be {what}", self.name))
    }
}

/// An error says what the value must be, or is a whole sentence about a part of it.
fn check(kind: Type, value: &Value, noun: &str) -> Result<(), String> {
    let is = |is_so: bool, what: &str| if is_so { Ok(()) } else { Err(what.to_owned()) };
    match kind {
        Type::Any => Ok(()),
        Type::Str => is(value.is_string(), "a string"),
        Type::Number => is(value.is_u64(), "a number of at least 0"),
        Type::Integer => is(value.is_i64() || value.is_u64(), "a number"),
        Type::Bool => is(value.is_boolean(), "true or false"),
        Type::Enum(values) => match value.as_str() {
            Some(text) if values.contains(&text) => Ok(()),
            Some(_) if values.is_empty() => Err("a value, of which there are none".to_owned()),
            Some(_) => Err(values.join(", ")),
            None => Err("a string".to_owned()),
        },
        Type::Array(kind) => {
            let items = value.as_array().ok_or("an array")?;
            items
                .iter()
                .try_for_each(|item| check(*kind, item, noun).map_err(|what| format!("an array, each of {what}")))
        }
        Type::Object(object) => {
            let members = value.as_object().ok_or("an object")?;
            check_object(object, members, noun).map_err(|why| format!("an object: {why}"))
        }
    }
}

fn check_object(object: &Object, values: &Map<String, Value>, noun: &str) -> Result<(), String> {
    let one = |member: &Member| match values.get(member.name) {
        None if member.is_optional => Ok(()),
        None => Err(format!("{noun} '{}' is missing", member.name)),
        Some(value) => check(member.kind, value, noun).map_err(|what| match (member.kind, value) {
            // What it is says more than what it could be.
            (Type::Enum(_), Value::String(text)) => format!("{noun} '{}' cannot be '{text}': {what}", member.name),
            (Type::Object(_), Value::Object(_)) => {
                format!("{noun} '{}' is wrong: {}", member.name, what.trim_start_matches("an object: "))
            }
            _ => format!("{noun} '{}' must be {what}", member.name),
        }),
    };
    object.members.iter().try_for_each(one)?;
    let more = object.members_for(values);
    more.iter().try_for_each(one)?;
    let is_known = |name: &str| object.members.iter().chain(more).any(|member| member.name == name);
    match values.keys().find(|name| !is_known(name)) {
        Some(name) => Err(format!("there is no {noun} '{name}' here")),
        None => Ok(()),
    }
}

impl Object {
    /// The members that come with the value of the tag.
    fn members_for(&self, values: &Map<String, Value>) -> &'static [Member] {
        let case = self.variants.and_then(|variants| {
            let value = values.get(variants.tag)?.as_str()?;
            variants.cases.iter().find(|(case, _)| *case == value)
        });
        case.map_or(&[], |(_, members)| members)
    }
}
