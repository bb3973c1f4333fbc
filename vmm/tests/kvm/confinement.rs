//! Threads that ask the kernel for what they do not need end the process.

use std::{
    env,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::Command,
};
use vmm::confinement::{Confinement, ThreadKind, confine};

/// Says to a child process which kind of thread it is to be, and whether it is to do what is forbidden.
const KIND: &str = "VMM_TEST_CONFINED";

/// What a child process does: it is this test again.
fn child(kind: &str) -> ! {
    let (index, is_forbidden) = kind.split_once(',').unwrap();
    let kind = ThreadKind::ALL[index.parse::<usize>().unwrap()];
    confine(kind, Confinement::Enforced).unwrap();
    if is_forbidden == "true" {
        let _ = Command::new("/bin/true").exec();
    }
    std::process::exit(77)
}

#[test]
fn a_call_that_is_not_on_the_list_ends_the_process() {
    if let Ok(kind) = env::var(KIND) {
        child(&kind);
    }
    for index in 0..ThreadKind::ALL.len() {
        for is_forbidden in [false, true] {
            let status = Command::new(env::current_exe().unwrap())
                .args(["--exact", "confinement::a_call_that_is_not_on_the_list_ends_the_process", "--nocapture"])
                .env(KIND, format!("{index},{is_forbidden}"))
                .status()
                .unwrap();
            let ended = if is_forbidden { (None, Some(libc::SIGSYS)) } else { (Some(77), None) };
            assert_eq!((status.code(), status.signal()), ended, "{:?}", ThreadKind::ALL[index]);
        }
    }
}
