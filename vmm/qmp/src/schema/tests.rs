//! What is checked, and what is told of it.

use super::*;
use crate::json;
use serde_json::Value;

const FILE: Object = Object::new(&[needed("filename", Type::Str)]);
const ADD: Signature = Signature {
    name: "add",
    arguments: &Object {
        members: &[
            needed("driver", Type::Enum(&["disk", "random"])),
            optional("id", Type::Str),
            optional("file", Type::Object(&FILE)),
        ],
        variants: Some(Variants {
            tag: "driver",
            cases: &[("disk", &[needed("size", Type::Number)]), ("random", &[])],
        }),
    },
    returns: Type::Array(&Type::Object(&FILE)),
};

fn wrong(arguments: &Value) -> String {
    ADD.check(arguments.as_object().unwrap()).err().map(|error| error.description).unwrap_or_default()
}

#[test]
fn arguments_that_are_wrong_are_named() {
    for (arguments, expected) in [
        (json!({ "driver": "random" }), ""),
        (json!({ "driver": "disk", "size": 1, "id": "a", "file": { "filename": "f" } }), ""),
        (json!({}), "argument 'driver' is missing"),
        (json!({ "driver": 1 }), "argument 'driver' must be a string"),
        (json!({ "driver": "e1000" }), "argument 'driver' cannot be 'e1000': disk, random"),
        (json!({ "driver": "disk" }), "argument 'size' is missing"),
        (json!({ "driver": "disk", "size": -1 }), "argument 'size' must be a number of at least 0"),
        (json!({ "driver": "random", "size": 1 }), "there is no argument 'size' here"),
        (json!({ "driver": "random", "id": null }), "argument 'id' must be a string"),
        (json!({ "driver": "random", "file": 1 }), "argument 'file' must be an object"),
        (json!({ "driver": "random", "file": {} }), "argument 'file' is wrong: argument 'filename' is missing"),
    ] {
        assert_eq!(wrong(&arguments), expected, "{arguments}");
    }
}

#[test]
fn returns_that_are_wrong_are_named() {
    assert_eq!(ADD.check_return(&json!([])), Ok(()));
    assert_eq!(ADD.check_return(&json!([{ "filename": "a" }])), Ok(()));
    let error = ADD.check_return(&json!([{ "filename": 1 }])).unwrap_err();
    assert_eq!(error, "what add returns must be an array, each of an object: member 'filename' must be a string");
    assert!(ADD.check_return(&json!({})).is_err());
    for (kind, good, bad) in [
        (Type::Bool, json!(true), json!(1)),
        (Type::Integer, json!(-1), json!(1.5)),
        (Type::Number, json!(1), json!(-1)),
        (Type::Str, json!("a"), json!(["a"])),
        (Type::Enum(&["a"]), json!("a"), json!("b")),
    ] {
        let signature = Signature { returns: kind, ..ADD };
        assert_eq!((signature.check_return(&good).is_ok(), signature.check_return(&bad).is_ok()), (true, false));
    }
}

#[test]
fn a_client_is_told_of_commands_events_and_every_type_that_they_name() {
    let event = Event { name: "ADDED", data: &FILE };
    let told = introspection([&ADD], [&event]);
    let find = |name: &str| {
        let found: Vec<_> = told.as_array().unwrap().iter().filter(|entity| entity["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    };
    let (add, event) = (find("add"), find("ADDED"));
    assert_eq!((&add["meta-type"], &event["meta-type"]), (&json!("command"), &json!("event")));
    let arguments = find(add["arg-type"].as_str().unwrap());
    assert_eq!((&arguments["tag"], &arguments["variants"][0]["case"]), (&json!("driver"), &json!("disk")));
    assert_eq!(
        (arguments["members"][0].get("default"), arguments["members"][1].get("default")),
        (None, Some(&Value::Null))
    );
    let case = find(arguments["variants"][0]["type"].as_str().unwrap());
    assert_eq!(case["members"], json!([{ "name": "size", "type": "int" }]));
    let drivers = find(arguments["members"][0]["type"].as_str().unwrap());
    assert_eq!((&drivers["meta-type"], &drivers["values"]), (&json!("enum"), &json!(["disk", "random"])));
    // The array's element and the event's data are the same type.
    let returns = find(add["ret-type"].as_str().unwrap());
    assert_eq!((&returns["element-type"], &returns["meta-type"]), (&event["arg-type"], &json!("array")));
    assert_eq!(find("str")["json-type"], "string");
    assert_eq!(find("qmp_capabilities")["meta-type"], "command");
}
