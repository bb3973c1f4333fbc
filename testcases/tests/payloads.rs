//! Other people's payloads on our VMM, on the KVM of another kernel.
//!
//! They take the kernel that the variable `VMPROOF_KERNEL` names, a bzImage or a Debian package as behind `linux:` on the command
//! line, for both the host and the guest; without it these tests are listed as ignored. Each boots QEMU once, which takes from half
//! a minute to a few.

#![forbid(unsafe_code)]

use libtest_mimic::{Arguments, Failed, Trial};
use std::{path::Path, time::Duration};
use testcases::{
    cancel::Cancel,
    chain::chain,
    payload::{self, Form, Outcome, Payload, Request},
};

/// Names the kernel.
const VARIABLE: &str = "VMPROOF_KERNEL";
/// How long each may take; an idle machine takes a tenth.
const LIMIT: Duration = Duration::from_secs(600);
/// Firmware as Debian installs it, and what its prompt is.
const SEABIOS: (&str, &str) = ("/usr/share/seabios/bios-256k.bin", "No bootable device");
const OVMF: (&str, &str) = ("/usr/share/ovmf/OVMF.fd", "Shell>");

/// A test on the kernel of this name.
type Test = fn(&str) -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let kernel = std::env::var(VARIABLE).ok().filter(|kernel| !kernel.is_empty());
    if kernel.is_none() {
        eprintln!("{VARIABLE} is not set: these tests are ignored; set it to a bzImage or a package of a kernel");
    }
    let tests: [(&str, Test, Option<&str>); 7] = [
        ("a_bzimage_boots_to_user_space", |kernel| passes(linux(kernel, Form::BzImage, &[])), None),
        ("a_vmlinux_boots_to_user_space", |kernel| passes(linux(kernel, Form::Vmlinux, &[])), None),
        ("a_processor_comes_and_goes_while_linux_runs", |kernel| passes(hot_plug(kernel)), None),
        ("a_vmm_that_refuses_its_request_is_no_pass", refused, None),
        (
            "a_guest_that_takes_too_long_is_no_pass",
            |kernel| fails(linux(kernel, Form::BzImage, &["--timeout", "1"])),
            None,
        ),
        ("seabios_starts_to_its_prompt", |kernel| passes(firmware(kernel, SEABIOS)), Some(SEABIOS.0)),
        ("ovmf_starts_to_its_shell", |kernel| passes(firmware(kernel, OVMF)), Some(OVMF.0)),
    ];
    let tests = tests.into_iter().map(|(name, test, file)| {
        let (given, kind) = match file {
            Some(file) if !Path::new(file).exists() => (None, format!("needs {file}")),
            _ => (kernel.clone(), format!("needs {VARIABLE}")),
        };
        let is_ignored = given.is_none();
        let run = move || test(given.as_deref().ok_or("what it needs is not there")?);
        Trial::test(name, run).with_kind(kind).with_ignored_flag(is_ignored)
    });
    libtest_mimic::run(&arguments, tests.collect()).exit();
}

fn linux(kernel: &str, form: Form, arguments: &[&str]) -> Result<Outcome, Failed> {
    run(kernel, Payload::Linux { kernel: kernel.into(), modules: None, form, hot_plug: false }, arguments)
}

fn hot_plug(kernel: &str) -> Result<Outcome, Failed> {
    run(kernel, Payload::Linux { kernel: kernel.into(), modules: None, form: Form::BzImage, hot_plug: true }, &[])
}

fn firmware(kernel: &str, (path, prompt): (&str, &str)) -> Result<Outcome, Failed> {
    let payload = Payload::Firmware { path: path.into(), expected: vec![prompt.to_owned()] };
    // Without KVM's local APIC, the guest's writes to CR8 are KVM's affair: QEMU 7.2 fails an assertion of its own at one that it
    // does for OVMF.
    run(kernel, payload, &["--irqchip", "user"])
}

fn run(kernel: &str, payload: Payload, arguments: &[&str]) -> Result<Outcome, Failed> {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let request = Request { host: kernel.to_owned(), payload, arguments, limit: LIMIT };
    let outcome = payload::run(&request, &Cancel::default(), &mut |at, line| {
        eprintln!("{:>7.1} s | {line}", at.as_secs_f64());
    });
    Ok(outcome.map_err(|error| chain(&error))?)
}

fn passes(outcome: Result<Outcome, Failed>) -> Result<(), Failed> {
    let outcome = outcome?;
    if outcome.is_pass() { Ok(()) } else { Err(outcome.tell().into()) }
}

fn fails(outcome: Result<Outcome, Failed>) -> Result<(), Failed> {
    let outcome = outcome?;
    if outcome.is_pass() { Err(outcome.tell().into()) } else { Ok(()) }
}

/// A disk that is not there is a request that failed: nothing of the guest is seen.
fn refused(kernel: &str) -> Result<(), Failed> {
    let outcome = linux(kernel, Form::BzImage, &["--disk", "/nowhere"])?;
    let nothing = outcome.marks.iter().all(|mark| mark.seen.is_none());
    if nothing && !outcome.is_pass() { Ok(()) } else { Err(outcome.tell().into()) }
}
