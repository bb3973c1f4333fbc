//! The command `vmm`: runs one guest image by hand, as a user of the library.

mod arguments;
mod choices;
mod client;
mod command;
mod cpus;
mod devices;
mod inventory;
mod machine;
mod migration;
mod monitor;
mod size;
mod terminal;
mod trace;
mod whole_file;

use clap::Parser;
use std::{
    io::{self, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    // clap itself leaves with 2 for a request that it cannot read.
    let arguments = arguments::Arguments::parse();
    match command::execute(arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tell(&format!("vmm: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Writes a line to standard error. Unlike `eprintln!` it does not panic where that is closed: then no one listens.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
