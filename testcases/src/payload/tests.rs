//! Payloads without a machine: what is asked for, and what their lines on the serial port make of it.

use super::*;
use crate::chain::chain;

fn outcome(seen: [bool; 2], ending: Ending) -> Outcome {
    let second = Duration::from_secs(1);
    let mark = |text: &str, seen: bool| Mark { text: text.to_owned(), seen: seen.then_some(second) };
    Outcome { marks: vec![mark("root", seen[0]), mark("network", seen[1])], ending, duration: 3 * second }
}

#[test]
fn only_a_run_that_showed_everything_and_ended_well_passes() {
    let ended = |status: &str| Ending::Ended(status.to_owned());
    assert!(outcome([true, true], ended("exit status: 0")).is_pass());
    assert!(outcome([true, true], Ending::Seen).is_pass());
    assert!(!outcome([true, false], ended("exit status: 0")).is_pass());
    assert!(!outcome([true, true], ended("exit status: 1")).is_pass());
    for ending in [Ending::TimedOut, Ending::Died(String::new()), Ending::Cancelled] {
        assert!(!outcome([true, true], ending).is_pass());
    }
}

#[test]
fn what_is_missing_is_told_among_what_came() {
    let text = outcome([true, false], Ending::Ended("exit status: 1".to_owned())).tell();
    let expected = "    1.0 s  root\n  missing  network\n    3.0 s  the VMM ended with exit status: 1\n";
    assert_eq!(text, expected);
}

#[test]
fn the_status_is_no_line_of_the_payload() {
    let mut watched = Watched {
        marks: Marks::new(["the VMM".to_owned()]),
        lines: Lines::default(),
        status: None,
        start: Instant::now(),
    };
    let mut told = Vec::new();
    let text = format!("boot\n{}exit status: 0\nprompt> ", host::STATUS);
    watched.feed(text.as_bytes(), &mut |_, line| told.push(line.to_owned()));
    assert_eq!((told.len(), watched.status.as_deref()), (2, Some("exit status: 0")));
    assert!(!watched.marks.are_all_seen());
    watched.marks = Marks::new(["prompt>".to_owned()]);
    watched.feed(b"", &mut |_, _| ());
    assert!(watched.marks.are_all_seen());
}

#[test]
fn what_cannot_be_run_is_told_before_anything_is_built() {
    let refused = |host: &str| {
        let request = Request {
            host: host.to_owned(),
            payload: Payload::Firmware { path: "/nowhere".into(), expected: Vec::new() },
            arguments: Vec::new(),
            limit: Duration::ZERO,
        };
        chain(&run(&request, &Cancel::default(), &mut |_, _| ()).unwrap_err())
    };
    assert!(refused("").contains("no kernel is named"));
    assert!(refused("k,ntp=1").contains("`ntp` is no option"));
    assert!(refused("k,qemu=/nowhere/qemu").contains("apt-get install qemu-system-x86"));
}
