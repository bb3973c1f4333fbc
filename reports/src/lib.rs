//! The report: its model and its forms. JSON with a schema, JUnit XML, KTAP, Markdown, HTML, and a table for the
//! terminal; the exit status that a gate derives from it; and what becomes of several: what changed between two, and parts of
//! one run put together.
//!
//! **Architecture invariant:** it never runs anything and knows no hypervisor; it turns a model into text. The text
//! depends on the model alone: no clock, no environment and no terminal is asked, so the same report is the same bytes
//! everywhere.
//!
//! Whatever a guest or a subject printed may stand in a report. Each form therefore escapes every string of the model
//! for its own syntax, after [`text`] has made control characters visible.

#![forbid(unsafe_code)]

// What the suite's lists say of exits compiles for the host too.
pub mod annotations;
pub mod changes;
pub mod compare;
#[path = "../../guests/suite/src/cover.rs"]
mod cover;
pub mod coverage;
pub mod exits;
pub mod gate;
pub mod history;
pub mod html;
pub mod json;
pub mod junit;
pub mod kcidb;
pub mod ktap;
pub mod markdown;
pub mod merge;
pub mod model;
pub mod place;
pub mod set_ups;
pub mod standing;
pub mod tally;
pub mod terminal;
pub mod text;
pub mod write;

#[cfg(test)]
mod example;
#[cfg(test)]
mod hostile;

pub use coverage::CoverageRow;
pub use gate::exit_status;
pub use history::History;
pub use json::ReadError;
pub use model::{Against, Case, Check, FeatureRow, Host, Image, Report, Shard, Subject, Verdict};
pub use standing::Standing;
pub use tally::Tally;
pub use terminal::Style;
pub use write::{WriteError, write_all, write_all_with, write_one};
