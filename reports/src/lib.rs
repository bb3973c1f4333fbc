//! The report: its model and its forms. JSON with a schema, JUnit XML, KTAP, Markdown, and a table for the terminal.
//!
//! **Architecture invariant:** it never runs anything and knows no hypervisor; it turns a model into text.

#![forbid(unsafe_code)]

pub mod model;
