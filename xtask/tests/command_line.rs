//! The command line as a user meets it: bad input is named with what to do, and Ctrl-C keeps what was done.

#![forbid(unsafe_code)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// No command here may come near this, whatever the machine has to do besides.
const FAR_TOO_LONG: Duration = Duration::from_secs(120);

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    xtask(arguments).output().expect("xtask starts")
}

/// Status 2, and each of the words on standard error.
#[track_caller]
fn assert_refused(arguments: &[&str], words: &[&str]) {
    let output = output(arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
    assert!(!text.contains("panicked"), "{text}");
}

fn in_folder(name: &str, content: &[u8]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn has_kvm() -> bool {
    let has_kvm = Path::new("/dev/kvm").exists();
    if !has_kvm {
        eprintln!("no /dev/kvm: not tested here");
    }
    has_kvm
}

#[test]
fn files_that_are_no_images_are_refused() {
    let (_folder, path) = in_folder("text", b"just text");
    assert_refused(&["list", "--image", &path], &[&path, "ELF"]);
    let own = env!("CARGO_BIN_EXE_xtask");
    assert_refused(&["list", "--image", own], &[own, "vmproof"]);
    assert_refused(&["list", "--image", "/nonexistent/image"], &["/nonexistent/image"]);
}

#[test]
fn unknown_cases_are_told_with_the_nearest() {
    assert_refused(&["run", "cpuid::largest_basic_leef"], &["cpuid::largest_basic_leef", "cpuid::largest_basic_leaf"]);
    assert_refused(&["list", "nosuchfilter"], &["nosuchfilter"]);
}

#[test]
fn cases_in_several_interrupt_setups_are_told_with_their_ids() {
    let id = "msr::existence_of_apic_msrs";
    assert_refused(&["run", id], &["say which", "existence_of_apic_msrs@kernel", "existence_of_apic_msrs@user"]);
    assert_refused(&["run", &format!("{id}@usr")], &["did you mean", "existence_of_apic_msrs@user"]);
    assert_refused(&["test", "--interrupts", "kernl"], &["kernl", "kernel, split, user"]);
    assert_refused(&["list", &format!("{id}@split"), "--interrupts", "user"], &["interrupt set-up user"]);
    let output = output(&["list", "--json", id, "--interrupts", "split,user"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let setups: Vec<_> = value["cases"].as_array().unwrap().iter().map(|case| &case["setup"]).collect();
    assert_eq!(setups, ["split", "user"]);
    assert!(value["cases"].as_array().unwrap().iter().all(|case| case["plain_id"] == id));
}

#[test]
fn unknown_subjects_are_told_with_those_there_are() {
    assert_refused(&["test", "--subject", "xen", "--report", "/tmp"], &["xen", "vmm, qemu-kvm, qemu-tcg"]);
}

#[test]
fn missing_programs_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    let arguments = ["test", "--subject", "qemu-tcg=/nonexistent/qemu", "--report", report];
    assert_refused(&arguments, &["/nonexistent/qemu", "apt-get install"]);
}

#[test]
fn report_folders_that_cannot_be_written_are_refused_before_the_run() {
    let (_folder, file) = in_folder("file", b"");
    assert_refused(&["test", "--report", &file], &[&file]);
    assert_refused(&["test", "--report", &format!("{file}/below")], &[&file]);
    assert_refused(&["test", "--report", "/proc/nowhere"], &["/proc/nowhere"]);
}

#[test]
fn bad_baselines_are_refused_before_the_run() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    let refused = |content: &str, words: &[&str]| {
        let (_folder, path) = in_folder("baseline.toml", content.as_bytes());
        let mut words = words.to_vec();
        words.push(&path);
        assert_refused(&["test", "--report", report, "--baseline", &path], &words);
    };
    refused("[[known]\ncase = ", &[":1:", "expected `]`"]);
    let entry = "verdict = \"fail\"\nclause = \"c\"\nreason = \"r\"\nexpected = \"1\"\nactual = \"2\"\n";
    refused(&format!("[[known]]\ncase = \"cpuid::nothing\"\n{entry}"), &["cpuid::nothing"]);
    refused(&format!("[[known]]\ncase = \"cpuid::largest_basic_leaf\"\nsurprise = 1\n{entry}"), &["surprise"]);
    assert_refused(&["test", "--report", report, "--baseline", "/nonexistent.toml"], &["/nonexistent.toml"]);
}

#[test]
fn bad_numbers_are_refused() {
    assert_refused(&["test", "--shard", "3/2"], &["3/2"]);
    assert_refused(&["test", "--retries", "1"], &["--retries"]);
    assert_refused(&["test", "--jobs", "0"], &["--jobs"]);
}

#[test]
fn bad_fuzzing_requests_are_refused() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_refused(&["fuzz", "mmio", "--mode", "24"], &["24", "16"]);
    assert_refused(&["fuzz", "mmio", "--on", "mmio-user,nothing"], &["nothing", "mmio-supervisor", "all"]);
    if fs::read_to_string("/sys/module/kvm/parameters/force_emulation_prefix").is_ok_and(|text| text.trim() == "0") {
        assert_refused(
            &["fuzz", "mmio", "--mode", "16", "--on", "forced-user", "--folder", path],
            &["kvm.force_emulation_prefix", "cargo xtask fuzz mmio --mode 16 --on mmio-user"],
        );
    }
    assert_refused(&["fuzz", "mmio", "--forms", "Frob*", "--folder", path], &["Frob*", "Add_rm32_r32"]);
    assert_refused(&["fuzz", "mmio", "--resume", "--forms", "Add_*", "--folder", path], &[path, "--resume"]);
    assert_refused(
        &["fuzz", "mmio", "--cases", "100", "--forms", "Add_*", "--folder", "/proc/nowhere"],
        &["/proc/nowhere"],
    );
    assert_refused(&["run", "repro:0123456789abcdef"], &["0123456789abcdef", "cargo xtask fuzz mmio"]);
}

#[test]
fn lists_are_json_for_programs() {
    let output = output(&["list", "--json", "cpuid"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cases = value["cases"].as_array().unwrap();
    assert!(cases.iter().any(|case| case["id"] == "cpuid::largest_basic_leaf" && case["spec"][0].is_string()));
}

#[test]
fn interrupt_ends_at_once_and_keeps_the_results() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let image = testcases::image::build(testcases::image::Guest::Smoke).unwrap();
    // The passing case is first; the spinning one would take an hour.
    let child = xtask(&["test", "*::passes", "*::spins", "--jobs", "1", "--time-limit", "3600", "--baseline", "none"])
        .args(["--image".as_ref(), image.as_os_str(), "--report".as_ref(), report.as_os_str()])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let start = Instant::now();
    // Until the handler stands and the spinning case runs: the child's first vCPU thread says so by its processor time.
    while !is_spinning(&pid) {
        assert!(start.elapsed() < FAR_TOO_LONG, "the case does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(start.elapsed() < FAR_TOO_LONG);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("interrupted: 1 of 2"), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(report.join("report.json")).unwrap()).unwrap();
    let cases = json["subjects"][0]["cases"].as_array().unwrap();
    assert!(cases.len() == 1 && cases[0]["verdict"] == "pass", "{cases:?}");
}

/// Whether the process has used so much processor time that only a spinning guest explains it.
fn is_spinning(pid: &str) -> bool {
    const USER_TIME: usize = 11;
    const TICKS: u64 = 20;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    ticks(USER_TIME) + ticks(USER_TIME + 1) > TICKS
}
