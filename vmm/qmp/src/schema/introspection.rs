//! The answer to `query-qmp-schema`.
//!
//! Types have no names of their own there but numbers, as in QEMU, where the names of its sources are not part of the interface; built-in
//! types have their names, and an array that of its element in brackets.

use super::{Event, Member, NEGOTIATION, Object, Signature, Type};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What `query-qmp-schema` returns for these commands, the negotiation, and these events.
pub fn introspection<'a>(
    commands: impl IntoIterator<Item = &'a Signature>,
    events: impl IntoIterator<Item = &'a Event>,
) -> Value {
    let mut types = Types::default();
    let mut entities: Vec<Value> = Vec::new();
    for command in [&NEGOTIATION].into_iter().chain(commands) {
        let (arguments, returns) = (types.object(command.arguments), types.name(command.returns));
        entities
            .push(json!({ "name": command.name, "meta-type": "command", "arg-type": arguments, "ret-type": returns }));
    }
    for event in events {
        entities.push(json!({ "name": event.name, "meta-type": "event", "arg-type": types.object(event.data) }));
    }
    entities.extend(types.known.into_values());
    entities.into()
}

/// The types that were named, and how each is told.
#[derive(Default)]
struct Types {
    known: BTreeMap<String, Value>,
    /// The numbers of those without a name, by what they are.
    numbers: BTreeMap<String, usize>,
}

impl Types {
    /// The name of a type, which is told from now on.
    fn name(&mut self, kind: Type) -> String {
        match kind {
            Type::Str => self.builtin("str", "string"),
            Type::Number | Type::Integer => self.builtin("int", "int"),
            Type::Bool => self.builtin("bool", "boolean"),
            Type::Any => self.builtin("any", "value"),
            Type::Array(kind) => {
                let element = self.name(*kind);
                let name = format!("[{element}]");
                self.known(name, json!({ "meta-type": "array", "element-type": element }))
            }
            Type::Enum(values) => {
                let members: Vec<_> = values.iter().map(|value| json!({ "name": value })).collect();
                self.numbered(json!({ "meta-type": "enum", "members": members, "values": values }))
            }
            Type::Object(object) => self.object(object),
        }
    }

    fn object(&mut self, object: &Object) -> String {
        let mut told = json!({ "meta-type": "object", "members": self.members(object.members) });
        if let Some(variants) = object.variants {
            told["tag"] = variants.tag.into();
            let case = |(case, members): &(&str, &'static [Member])| {
                let members = json!({ "meta-type": "object", "members": self.members(members) });
                json!({ "case": case, "type": self.numbered(members) })
            };
            told["variants"] = variants.cases.iter().map(case).collect();
        }
        self.numbered(told)
    }

    fn members(&mut self, members: &[Member]) -> Value {
        let told = |member: &Member| {
            let mut told = json!({ "name": member.name, "type": self.name(member.kind) });
            if member.is_optional {
                // QEMU's way to say that it may be left out.
                told["default"] = Value::Null;
            }
            told
        };
        members.iter().map(told).collect()
    }

    fn builtin(&mut self, name: &str, json_type: &str) -> String {
        self.known(name.to_owned(), json!({ "meta-type": "builtin", "json-type": json_type }))
    }

    /// One that is told by a number; the same types have the same.
    fn numbered(&mut self, told: Value) -> String {
        let next = self.numbers.len();
        let number = *self.numbers.entry(told.to_string()).or_insert(next);
        self.known(number.to_string(), told)
    }

    fn known(&mut self, name: String, mut told: Value) -> String {
        told["name"] = name.as_str().into();
        self.known.insert(name.clone(), told);
        name
    }
}
