//! On the kernel whose KVM is used: the agent starts the VMM and says how it ended.

use super::{guest, lines::Lines};
use crate::{chain::chain, remote::init};
use qmp::{Client, ClientError, json};
use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Where the initramfs has the VMM.
pub(super) const VMM_PATH: &str = "/vmm";
/// Where it has the VMM's arguments, one a line. If it is there, the agent is here for that.
pub(super) const ARGUMENTS_PATH: &str = "/payload/arguments";
/// Where the VMM has its control socket, if it has one.
pub(super) const CONTROL_PATH: &str = "/payload/qmp";
/// How the processor is called that comes and goes.
const PROCESSOR: &str = "second";
/// What stands before the status at the start of the last line.
pub(super) const STATUS: &str = "vmproof payload: the VMM ends with ";
/// How long the other side has to read that before the machine is turned off.
const LINGER: Duration = Duration::from_secs(30);

/// Whether this machine was booted to run a payload.
pub fn has_payload() -> bool {
    Path::new(ARGUMENTS_PATH).exists()
}

/// Runs the VMM with both outputs on `line`, does what the guest waits for, and ends with the machine.
///
/// # Errors
/// Those of starting the VMM and of writing to the line.
pub fn run(mut line: File) -> io::Result<()> {
    let arguments = fs::read_to_string(ARGUMENTS_PATH)?;
    let mut process = Command::new(VMM_PATH)
        .args(arguments.lines())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(line.try_clone()?)
        .spawn()?;
    if let Some(output) = process.stdout.take() {
        pass_on(output, &mut line)?;
    }
    let status = process.wait()?;
    // The guest may have left off in a line.
    writeln!(line, "\n{STATUS}{status}")?;
    thread::sleep(LINGER);
    init::turn_off()
}

/// Copies what the guest says, and listens to it.
fn pass_on(mut output: impl Read, line: &mut File) -> io::Result<()> {
    let (mut lines, mut buffer) = (Lines::default(), vec![0; 4096]);
    loop {
        let bytes = match output.read(&mut buffer)? {
            0 => return Ok(()),
            length => buffer.get(..length).unwrap_or_default(),
        };
        line.write_all(bytes)?;
        for text in lines.feed(bytes) {
            // What fails is told; the guest then waits in vain, and says so.
            if let Err(error) = answer(&text) {
                writeln!(line, "vmproof payload: {}", chain(&error))?;
            }
        }
    }
}

/// Does what the guest waits for, if this line says that it does.
fn answer(text: &str) -> Result<(), ClientError> {
    let (command, arguments) = if text == guest::waits_for_processor() {
        let place =
            json!({ "driver": "host-x86_64-cpu", "id": PROCESSOR, "socket-id": 1, "core-id": 0, "thread-id": 0 });
        ("device_add", place)
    } else if text == guest::has_processor() {
        ("device_del", json!({ "id": PROCESSOR }))
    } else {
        return Ok(());
    };
    Client::connect(Path::new(CONTROL_PATH))?.execute(command, arguments).map(drop)
}
