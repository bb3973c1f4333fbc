//! The QEMU Machine Protocol (QMP): how a program controls a running VM by JSON over a socket.
//!
//! Nothing here knows of a VM: commands are a [`Handler`]'s. Whatever a client sends, nothing panics, grows beyond a bound, or ends the
//! connection; a client that does not read is let go. Own code, because the crates that exist are clients; [`Client`] is what two programs
//! of ours need of one.
//!
//! Source: QEMU, "docs/interop/qmp-spec.rst" (QEMU Machine Protocol Specification), § 2.2 "Server greeting" to § 3 "QMP examples".
#![forbid(unsafe_code)]

mod client;
mod events;
mod frames;
mod message;
pub mod schema;
mod server;
mod session;

pub use client::{Client, ClientError};
pub use events::Events;
pub use frames::MESSAGE_MAX_BYTES;
pub use message::{Error, ErrorClass};
pub use serde_json::{Map, Value, json};
pub use server::{Server, ServerError};
pub use session::{Handler, Session, Version};
