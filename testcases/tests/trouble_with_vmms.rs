//! Firecracker, Cloud Hypervisor and crosvm by programs that behave as they do: a shell script takes the command line apart as the
//! VMM would, and QEMU's translator runs the guest behind it, or nothing does. Each gives a clear error or the right verdict, and
//! nothing hangs.
//!
//! The subjects ask for KVM before they start anything; where there is none, or no QEMU, the tests that start guests say so.

#![forbid(unsafe_code)]

mod smoke;

use reports::model::{Case, Verdict};
use smoke::image;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};
use testcases::{
    cancel::Cancel,
    chain::chain,
    judge,
    subjects::{self, Opened, Program},
};

/// Each VMM with what it says of its version, and how it finds image and command line among its arguments.
const VMMS: [(&str, &str, &str); 3] = [
    (
        "firecracker",
        "[ \"$*\" = --version ] && echo 'Firecracker v0.0.0' && exit 0",
        "[ \"$1 $2 $4 $5\" = '--no-api --config-file --level Error' ] || exit 9
         [ $(grep -c '\"vcpu_count\":1' \"$3\") = 1 ] || exit 9
         IMAGE=$(sed 's/.*\"kernel_image_path\":\"\\([^\"]*\\)\".*/\\1/' \"$3\")
         LINE=$(sed 's/.*\"boot_args\":\"\\([^\"]*\\)\".*/\\1/' \"$3\")",
    ),
    (
        "cloud-hypervisor",
        "[ \"$*\" = --version ] && echo 'cloud-hypervisor v0.0' && exit 0",
        "[ \"$1 $3 $5 $6 $7 $8\" = '--kernel --cmdline --cpus boot=1 --memory size=128M' ] || exit 9
         [ \"$9 ${10} ${11} ${12}\" = '--serial tty --console off' ] || exit 9
         IMAGE=$2 LINE=$4",
    ),
    (
        "crosvm",
        "[ \"$*\" = version ] && echo 'crosvm 0.0.0' && exit 0",
        "[ \"$1 $2 $3 $4\" = '--log-level=error --extended-status run --disable-sandbox' ] || exit 9
         [ \"$5 $6 $7 $8 $9\" = '-m 128 -c 1 --serial' ] || exit 9
         [ \"${11}\" = -p ] || exit 9
         IMAGE=${13} LINE=${12}",
    ),
];
/// Time limit of a case here; what is shorter does not wait for it.
const SHORT: Duration = Duration::from_millis(300);
/// Time limit of a case that ends by itself.
const LONG: Duration = Duration::from_secs(120);
/// No run of the short limit may come near this, whatever the machine has to do besides.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);
/// A guest behind the script; its serial port is the standard output.
const QEMU: &str = "exec qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 128 -nodefaults -no-user-config -display none \
    -serial stdio -kernel \"$IMAGE\" -append \"$LINE\"";

/// Whether guests can be started at all; says why not.
fn can_start() -> bool {
    if let Err(error) = vmm::Hypervisor::open() {
        eprintln!("skipped: the subjects need KVM: {}", chain(&error));
        return false;
    }
    true
}

fn has_qemu() -> bool {
    let found = std::process::Command::new("qemu-system-x86_64").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: QEMU is not installed; `apt-get install qemu-system-x86`");
    }
    found
}

/// A program that behaves as a VMM.
struct Fake {
    id: &'static str,
    folder: tempfile::TempDir,
}

impl Fake {
    /// `script` runs with the variables IMAGE and LINE.
    fn new((id, version, arguments): (&'static str, &str, &str), script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fake = Self { id, folder };
        fs::write(fake.path(), format!("#!/bin/bash\n{version}\n{arguments}\n{script}\n")).unwrap();
        fs::set_permissions(fake.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fake
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn name(&self) -> String {
        format!("{}={}", self.id, self.path().display())
    }

    /// The verdict of a case on it.
    fn run(&self, case: &str, limit: Duration) -> Case {
        let image = image();
        let subject = subjects::open(&self.name(), &image).unwrap_or_else(|error| panic!("{}", chain(&error)));
        let case = image.catalog.cases().iter().find(|known| known.name == case).expect("a case of the image");
        let start = Instant::now();
        let run = subject.run(Program::Case(case), limit, &Cancel::default());
        assert!(start.elapsed() < limit + FAR_TOO_LONG);
        judge::judge(case, run, &image.catalog)
    }
}

#[track_caller]
fn assert_result(id: &str, result: &Case, verdict: Verdict, words: &str) {
    let reason = result.reason.as_deref().unwrap_or("");
    assert!(result.verdict == verdict && reason.contains(words), "{id}: {:?}: {reason}", result.verdict);
}

fn error(name: &str) -> String {
    chain(&Opened::open(name, &image()).err().expect("no such subject"))
}

#[test]
fn a_program_that_cannot_be_used_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "#!/bin/sh\necho firecracker crosvm cloud-hypervisor\n").unwrap();
    for (id, ..) in VMMS {
        let text = error(&format!("{id}=/nonexistent/{id}"));
        assert!(text.contains(&format!("`/nonexistent/{id}`")) && text.contains(&format!("{id}=PATH")), "{text}");
        let text = error(&format!("{id}={}", plain.display()));
        assert!(text.contains("may not be executed") && text.contains("chmod +x"), "{text}");
        let text = error(&format!("{id}={}", folder.path().display()));
        assert!(text.contains("may not be executed"), "{text}");
        let text = error(&format!("{id}=/bin/false"));
        assert!(text.contains(&format!("does not call itself `{id}`")) && text.contains("exit status: 1"), "{text}");
        let text = error(&format!("{id}=/bin/pwd"));
        assert!(text.contains("`/bin/pwd` is of no use"), "{text}");
    }
}

#[test]
fn a_guest_reports_through_each_of_them() {
    if !can_start() || !has_qemu() {
        return;
    }
    for vmm in VMMS {
        let fake = Fake::new(vmm, &format!("{QEMU} -no-reboot"));
        let result = fake.run("passes", LONG);
        assert_result(vmm.0, &result, Verdict::Pass, "");
        assert!(!result.checks.is_empty());
        // Exit statuses mean nothing, and a guest that said that it must shut down is believed.
        assert_result(vmm.0, &fake.run("shuts_down_when_due", LONG), Verdict::Pass, "");
        assert_result(vmm.0, &fake.run("raises_ud", LONG), Verdict::Crash, "unexpected #UD");
        assert_result(vmm.0, &fake.run("triple_faults", LONG), Verdict::Crash, "");
    }
}

#[test]
fn a_vmm_that_boots_its_guest_again_for_ever_is_found_out() {
    if !can_start() || !has_qemu() {
        return;
    }
    for vmm in VMMS {
        let result = Fake::new(vmm, QEMU).run("shuts_down_when_due", LONG);
        assert_result(vmm.0, &result, Verdict::Pass, "");
    }
}

#[test]
fn a_vmm_that_prints_nothing_is_a_hang_within_the_limit() {
    if !can_start() {
        return;
    }
    for vmm in VMMS {
        assert_result(
            vmm.0,
            &Fake::new(vmm, "exec sleep 1000").run("passes", SHORT),
            Verdict::Hang,
            "reported nothing",
        );
        let words = "while :; do echo 'SeaBIOS ~vp ~v~'; sleep 0.05; done";
        assert_result(vmm.0, &Fake::new(vmm, words).run("passes", SHORT), Verdict::Hang, "");
    }
}

#[test]
fn a_vmm_that_dies_is_a_crash_with_status_and_last_words() {
    if !can_start() {
        return;
    }
    for vmm in VMMS {
        let result = Fake::new(vmm, "echo first >&2; echo 'no such memory' >&2; exit 1").run("passes", LONG);
        assert_result(vmm.0, &result, Verdict::Crash, "exit status: 1: no such memory");
        assert_result(vmm.0, &Fake::new(vmm, "exit 0").run("passes", LONG), Verdict::Crash, "it said nothing");
        assert_result(vmm.0, &Fake::new(vmm, "kill -SEGV $$").run("passes", LONG), Verdict::Crash, "signal: 11");
        let result = Fake::new(vmm, "exec >&- 2>&-; exec sleep 1000").run("passes", LONG);
        assert_result(vmm.0, &result, Verdict::Crash, "lives on");
    }
}

#[test]
fn what_is_said_without_end_is_ended() {
    if !can_start() {
        return;
    }
    for vmm in VMMS {
        assert_result(vmm.0, &Fake::new(vmm, "exec yes complaint").run("passes", LONG), Verdict::Error, "outputs");
        assert_result(vmm.0, &Fake::new(vmm, "exec yes complaint >&2").run("passes", LONG), Verdict::Error, "outputs");
        let torn = "printf '\\n~vp:1,0,2034c0,fff'; exit 0";
        let result = Fake::new(vmm, torn).run("passes", LONG);
        assert!(!matches!(result.verdict, Verdict::Pass | Verdict::Skip), "{result:?}");
    }
}

#[test]
fn a_vmm_on_which_the_probe_says_nothing_is_no_subject() {
    if !can_start() {
        return;
    }
    for vmm in VMMS {
        let text = error(&Fake::new(vmm, "echo 'cannot open /dev/kvm' >&2; exit 1").name());
        assert!(text.contains("probe") && text.contains("cannot open /dev/kvm"), "{text}");
    }
}
