//! The Linux that is a guest: its first process, in the initial RAM disk and then on the disk.
//!
//! It says a line of everything that it finds to work, and turns the guest off. It does the least that takes a block device
//! with a file system, a network interface and ACPI's power-off.

mod network;
mod processors;

use crate::remote::{MODULES_PATH, init};
use std::{
    fs,
    io::{self, Write as _},
    os::unix::{fs::chroot, process::CommandExt as _},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// How it is called when it is started from the disk.
pub(super) const ON_DISK: &str = "/sbin/init";
/// Where the disk has the text that the harness put there.
pub(super) const TOKEN_PATH: &str = "/etc/token";
/// The disk, and where the initial RAM disk mounts it.
const DISK: &str = "/dev/vda";
const ROOT: &str = "/root";
/// The type of the file system on it.
const FILE_SYSTEM: &str = "ext4";
/// File systems that are kept when the disk becomes the root.
const KEPT: &[&str] = &["dev", "proc", "sys"];
/// How long the drivers may take to find the disk.
const DISK_LIMIT: Duration = Duration::from_secs(60);
/// How often is looked for what is to come or to go.
const SLICE: Duration = Duration::from_millis(20);

/// What stands before each of its lines.
const PREFIX: &str = "vmproof guest: ";

/// What it says of the kernel that runs it.
pub(super) fn is_up(release: &str) -> String {
    format!("{PREFIX}Linux {release} is in user space")
}

/// What it says of the disk with this token.
pub(super) fn has_root(token: &str) -> String {
    format!("{PREFIX}the root is {FILE_SYSTEM} on {DISK}, says {token}, and was written to")
}

/// What it says of the network.
pub(super) fn has_network() -> String {
    format!("{PREFIX}{} answers an echo request on {}", network::GATEWAY, network::INTERFACE)
}

/// A word of the kernel's command line: a processor is to come and to go.
pub(super) const HOT_PLUG: &str = "vmproof.hot_plug";

/// What it says when a processor may come, when one has, and when it has gone.
pub(super) fn waits_for_processor() -> String {
    format!("{PREFIX}processor {} may come", processors::SECOND)
}

/// See [`waits_for_processor`].
pub(super) fn has_processor() -> String {
    format!("{PREFIX}processor {} has come and runs this", processors::SECOND)
}

/// See [`waits_for_processor`].
pub(super) fn lost_processor() -> String {
    format!("{PREFIX}processor {} has gone", processors::SECOND)
}

/// What it says before it turns the guest off.
pub(super) fn turns_off() -> String {
    format!("{PREFIX}turns itself off")
}

/// Does everything; what goes wrong is told in a line, and the guest is turned off then, too.
pub fn run() {
    let is_on_disk = std::env::args().next().as_deref() == Some(ON_DISK);
    let result = if is_on_disk { on_disk() } else { in_memory() };
    if let Err(text) = result {
        println!("{PREFIX}failed: {text}");
    }
    // The lines are on their way to the port; the kernel writes them before it turns anything off.
    let _ = io::stdout().flush();
    if let Err(error) = init::turn_off() {
        println!("{PREFIX}cannot turn itself off: {error}");
    }
}

/// In the initial RAM disk: modules, then the disk becomes the root and its program the first process.
fn in_memory() -> Result<(), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    init::mount_all().map_err(failed("mounting"))?;
    init::load_modules(Path::new(MODULES_PATH))?;
    if !becomes(Path::new(DISK), true, DISK_LIMIT) {
        return Err(format!("no driver has made {DISK} within {} s", DISK_LIMIT.as_secs()));
    }
    fs::create_dir_all(ROOT).map_err(failed("the folder of the root"))?;
    init::mount(DISK, ROOT, FILE_SYSTEM, 0).map_err(failed("mounting the disk"))?;
    for name in KEPT {
        init::mount(&format!("/{name}"), &format!("{ROOT}/{name}"), "", libc::MS_MOVE)
            .map_err(failed("moving what is mounted"))?;
    }
    std::env::set_current_dir(ROOT).map_err(failed("entering the disk"))?;
    init::mount(".", "/", "", libc::MS_MOVE).map_err(failed("making the disk the root"))?;
    chroot(".").map_err(failed("changing the root"))?;
    std::env::set_current_dir("/").map_err(failed("entering the root"))?;
    Err(format!("starting {ON_DISK}: {}", Command::new(ON_DISK).exec()))
}

/// Waits at most so long until there is something at a path, or nothing any more; false if that did not come.
fn becomes(path: &Path, is_there: bool, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while path.exists() != is_there {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(SLICE);
    }
    true
}

/// On the disk: looks what works.
fn on_disk() -> Result<(), String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|error| error.to_string())?;
    println!("{}", is_up(release.trim()));
    let mounts = fs::read_to_string("/proc/mounts").map_err(|error| error.to_string())?;
    if !mounts.lines().any(|line| line.starts_with(&format!("{DISK} / {FILE_SYSTEM} "))) {
        return Err(format!("the root is not on {DISK}: {mounts}"));
    }
    let token = fs::read_to_string(TOKEN_PATH).map_err(|error| format!("reading {TOKEN_PATH}: {error}"))?;
    write().map_err(|error| format!("writing to the disk: {error}"))?;
    println!("{}", has_root(token.trim()));
    network::bring_up().map_err(|error| format!("bringing {} up: {error}", network::INTERFACE))?;
    network::ask_gateway().map_err(|error| format!("asking {}: {error}", network::GATEWAY))?;
    println!("{}", has_network());
    let words = fs::read_to_string("/proc/cmdline").map_err(|error| error.to_string())?;
    if words.split_whitespace().any(|word| word == HOT_PLUG) {
        let failed = |error| format!("processor {}: {error}", processors::SECOND);
        println!("{}", waits_for_processor());
        processors::comes().map_err(failed)?;
        println!("{}", has_processor());
        processors::goes().map_err(failed)?;
        println!("{}", lost_processor());
    }
    println!("{}", turns_off());
    init::mount(DISK, "/", FILE_SYSTEM, libc::MS_REMOUNT | libc::MS_RDONLY)
        .map_err(|error| format!("making the root read-only: {error}"))
}

/// Writes through to the disk: the device has flushed it when this returns.
fn write() -> io::Result<()> {
    let mut file = fs::File::create("/written")?;
    file.write_all(&[0x5a; 1 << 16])?;
    file.sync_all()
}
