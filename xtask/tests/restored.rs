//! The axis `restore-process` as a user meets it.

#![forbid(unsafe_code)]

use std::{path::Path, process::Command};

#[test]
fn a_case_passes_in_new_processes() {
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return;
    }
    let image = testcases::image::build(testcases::image::Guest::Smoke).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output =
        command.args(["run", "pio::many_checks", "--axis", "restore-process=1", "--image"]).arg(image).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
