//! On the kernel whose KVM is used: the agent starts the VMM and says how it ended.

use crate::remote::init;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Where the initramfs has the VMM.
pub(super) const VMM_PATH: &str = "/vmm";
/// Where it has the VMM's arguments, one a line. If it is there, the agent is here for that.
pub(super) const ARGUMENTS_PATH: &str = "/payload/arguments";
/// What stands before the status at the start of the last line.
pub(super) const STATUS: &str = "vmproof payload: the VMM ends with ";
/// How long the other side has to read that before the machine is turned off.
const LINGER: Duration = Duration::from_secs(30);

/// Whether this machine was booted to run a payload.
pub fn has_payload() -> bool {
    Path::new(ARGUMENTS_PATH).exists()
}

/// Runs the VMM with both outputs on `line`, and ends with the machine.
///
/// # Errors
/// Those of starting the VMM and of writing to the line.
pub fn run(mut line: File) -> io::Result<()> {
    let arguments = fs::read_to_string(ARGUMENTS_PATH)?;
    let status = Command::new(VMM_PATH)
        .args(arguments.lines())
        .stdin(Stdio::null())
        .stdout(line.try_clone()?)
        .stderr(line.try_clone()?)
        .status()?;
    // The guest may have left off in a line.
    writeln!(line, "\n{STATUS}{status}")?;
    thread::sleep(LINGER);
    init::turn_off()
}
