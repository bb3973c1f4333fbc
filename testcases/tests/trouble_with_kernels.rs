//! Kernels under test that are none, do not come up or die: each gives a clear error or the right verdict.
//!
//! What needs a kernel takes the one that the variable `VMPROOF_KERNEL` names, a bzImage or a Debian package as behind
//! `linux:` on the command line; without it these tests are listed as ignored. Each boots QEMU once or twice.

#![forbid(unsafe_code)]

use libtest_mimic::{Arguments, Failed, Trial};
use reports::model::Verdict;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, OnceLock},
    time::Duration,
};
use testcases::{
    cancel::Cancel,
    chain::chain,
    image::{self, Guest},
    judge,
    remote::init::PANIC_WORD,
    subjects::{self, Image, Opened, Program},
};

/// Names the kernel.
const VARIABLE: &str = "VMPROOF_KERNEL";
/// Time limit of a case, which is more than any here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A test that needs no kernel.
type Pure = fn() -> Result<(), Failed>;
/// A test that boots the kernel of this name.
type Booting = fn(&str) -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let kernel = std::env::var(VARIABLE).ok().filter(|kernel| !kernel.is_empty());
    if kernel.is_none() {
        eprintln!("{VARIABLE} is not set: the tests that boot a kernel are ignored; set it to a bzImage or a package");
    }
    let pure: [(&str, Pure); 4] = [
        ("a_file_that_is_no_kernel_is_told_with_what_would_be_one", no_kernel),
        ("a_missing_qemu_is_named_with_what_to_type", qemu_missing),
        ("a_program_that_does_not_say_its_version_is_refused", qemu_unknown),
        ("options_that_are_none_are_told_with_those_there_are", options_unknown),
    ];
    let booting: [(&str, Booting); 4] = [
        ("a_kernel_without_kvm_is_told", without_kvm),
        ("an_init_that_dies_is_told_with_its_words", dying_init),
        ("a_panic_is_the_crash_of_the_case_that_was_on", panic_in_mid_run),
        ("a_kernel_that_dies_at_boot_is_told_with_its_words", dying_kernel),
    ];
    let pure = pure.into_iter().map(|(name, test)| Trial::test(name, test));
    let booting = booting.into_iter().map(|(name, test)| {
        let kernel = kernel.clone();
        let is_ignored = kernel.is_none();
        let given = move || test(kernel.as_deref().ok_or_else(|| format!("{VARIABLE} is not set"))?);
        Trial::test(name, given).with_kind(format!("needs {VARIABLE}")).with_ignored_flag(is_ignored)
    });
    libtest_mimic::run(&arguments, pure.chain(booting).collect()).exit();
}

fn image() -> Result<Arc<Image>, String> {
    static IMAGE: OnceLock<Result<Arc<Image>, String>> = OnceLock::new();
    let open = || {
        let path = image::build(Guest::Smoke).map_err(|error| chain(&error))?;
        Image::open(&path).map(Arc::new).map_err(|error| chain(&error))
    };
    IMAGE.get_or_init(open).clone()
}

/// Opens a subject that cannot be used, and compares what is said of it.
fn refused(name: &str, words: &[&str]) -> Result<(), Failed> {
    let Err(error) = Opened::open(name, &image()?) else { return Err(format!("`{name}` can be used").into()) };
    let text = chain(&error);
    let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} are missing in: {text}").into()) }
}

fn no_kernel() -> Result<(), Failed> {
    // QEMU is looked for first, and need not be installed here.
    let folder = tempfile::tempdir()?;
    let qemu = folder.path().join("qemu");
    fs::write(&qemu, "#!/bin/sh\necho 'QEMU emulator version 0.0'\n")?;
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755))?;
    let qemu = format!("qemu={}", qemu.display());
    refused(&format!("linux:/bin/sh,{qemu}"), &["/bin/sh", "neither a bzImage", "nor a Debian package"])?;
    refused(&format!("linux:/nowhere/bzImage,{qemu}"), &["failed to read /nowhere/bzImage"])?;
    refused("linux", &["no kernel is named", "linux:PATH"])
}

fn qemu_missing() -> Result<(), Failed> {
    refused("linux:/bin/sh,qemu=/nowhere/qemu", &["`/nowhere/qemu`", "apt-get install qemu-system-x86", "qemu=PATH"])
}

fn qemu_unknown() -> Result<(), Failed> {
    refused("linux:/bin/sh,qemu=/bin/false", &["`/bin/false --version` failed"])
}

fn options_unknown() -> Result<(), Failed> {
    refused("linux:/bin/sh,ntp=1", &["`ntp` is no option", "npt (0 for shadow paging"])
}

fn without_kvm(kernel: &str) -> Result<(), Failed> {
    let empty = tempfile::tempdir()?;
    refused(&format!("linux:{kernel},modules={}", empty.path().display()), &["/dev/kvm", "does not get as far"])
}

fn dying_init(kernel: &str) -> Result<(), Failed> {
    // The agent does not know what is meant, and ends.
    let words = ["vmproof agent: ", "names no case", "Attempted to kill init!", "does not get as far"];
    refused(&format!("linux:{kernel},append={PANIC_WORD}"), &words)
}

fn dying_kernel(kernel: &str) -> Result<(), Failed> {
    refused(&format!("linux:{kernel},append=rdinit=/nowhere"), &["Kernel panic - not syncing: ", "does not get as far"])
}

fn panic_in_mid_run(kernel: &str) -> Result<(), Failed> {
    let image = image()?;
    let find = |name: &str| {
        let found = image.catalog.cases().iter().find(|case| case.name == name);
        found.ok_or_else(|| Failed::from(format!("the image has no case `{name}`")))
    };
    let (before, doomed, after) = (find("passes")?, find("many_checks")?, find("passes")?);
    let name = format!("linux:{kernel},append={PANIC_WORD}{}", doomed.id);
    let subject = subjects::open(&name, &image).map_err(|error| chain(&error))?;
    let panicked = "Kernel panic - not syncing: sysrq triggered crash";
    for (case, verdict, words) in
        [(before, Verdict::Pass, ""), (doomed, Verdict::Crash, panicked), (after, Verdict::Pass, "")]
    {
        let result = judge::judge(case, subject.run(Program::Case(case), LIMIT, &Cancel::default()), &image.catalog);
        let reason = result.reason.unwrap_or_default();
        if result.verdict != verdict || !reason.contains(words) || result.id != case.id {
            return Err(format!("{}: {:?}: {reason}", case.id, result.verdict).into());
        }
    }
    Ok(())
}
