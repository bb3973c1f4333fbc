//! What a process answers that is to go on with a saved machine: the case's end, or what is wrong with what it was given.

#![forbid(unsafe_code)]

mod smoke;

use serde_json::{Value, json};
use smoke::image;
use std::{ffi::OsStr, fs, path::Path};
use testcases::{
    axis,
    remote::frame::FrameDecoder,
    subjects::{OurVmm, Program},
};
use vm_state::{Reader, Writer};

const CASE: &str = "pio::passes";

/// The state of the machine of a case that has not run yet; nothing without KVM.
fn state(id: &str) -> Option<Vec<u8>> {
    if !Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return None;
    }
    let image = image();
    let subject = OurVmm::open("vmm", &image).unwrap();
    let mut vm = subject.prepare(Program::Case(image.catalog.case(id).unwrap())).unwrap();
    Some(vm.save(&vmm::Hypervisor::open().unwrap()).unwrap())
}

/// The answer to an order to run a case to its end.
fn answer(id: &str, state: &[u8]) -> Value {
    let image = image();
    let case = image.catalog.case(CASE).unwrap();
    let span = |seconds: u64| json!({ "secs": seconds, "nanos": 0 });
    let order = json!({
        "case": id, "record_address": case.record_address, "axis": "restore-process",
        "progress": { "nr_exits": 1, "next": 1_u64 << 40, "nr_times": 1 },
        "said": { "messages": [], "fault": null }, "nr_empty_rings": 0,
        "processor_time": span(2), "time": span(20),
    });
    let folder = tempfile::tempdir().unwrap();
    let paths = ["state", "order"].map(|name| folder.path().join(name));
    fs::write(&paths[0], state).unwrap();
    fs::write(&paths[1], order.to_string()).unwrap();
    let mut output = Vec::new();
    let files: [&OsStr; 3] = [image.path.as_os_str(), paths[0].as_os_str(), paths[1].as_os_str()];
    axis::serve(files, &mut output).unwrap();
    let mut decoder = FrameDecoder::default();
    decoder.feed(&output);
    serde_json::from_slice(&decoder.next_payload().unwrap().unwrap()).unwrap()
}

/// The file with another section of this name.
fn with(state: &[u8], name: &str, contents: &[u8]) -> Vec<u8> {
    let (reader, mut writer) = (Reader::new(state).unwrap(), Writer::new());
    for section in reader.names() {
        let own = reader.section(section).unwrap();
        writer.add(section, if section == name { contents } else { own }.to_vec()).unwrap();
    }
    writer.finish()
}

#[track_caller]
fn assert_failed(answer: &Value, words: &[&str]) {
    let text = answer["Failed"]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
}

#[test]
fn a_whole_machine_runs_its_case_to_the_end() {
    let Some(state) = state(CASE) else { return };
    let answer = answer(CASE, &state);
    assert_eq!(answer["Ended"]["ending"], "Reported", "{answer}");
    assert!(!answer["Ended"]["words"]["messages"].as_array().unwrap().is_empty());
}

#[test]
fn a_damaged_state_is_refused_with_what_is_wrong() {
    let Some(state) = state(CASE) else { return };
    assert_failed(&answer(CASE, &state[..state.len() - 1]), &["could not be restored", "bytes"]);
    let mut flipped = state.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_failed(&answer(CASE, &flipped), &["could not be restored", "memory"]);
    assert_failed(&answer(CASE, &with(&state, "vcpu/0", b"")), &["could not be restored", "vcpu/0"]);
    assert_failed(&answer("pio::fails", &state), &["no case `pio::fails`"]);
}

#[test]
fn a_state_whose_memory_is_lost_does_not_pass() {
    let Some(state) = state(CASE) else { return };
    let size =
        vm_state::memory::Saved::new(Reader::new(&state).unwrap().section("memory").unwrap()).unwrap().size_bytes();
    let empty = vm_state::memory::write::<()>(size, |_, bytes| {
        bytes.fill(0);
        Ok(())
    });
    let answer = answer(CASE, &with(&state, "memory", &empty.unwrap()));
    assert!(answer["Ended"].is_object() && answer["Ended"]["ending"] != "Reported", "{answer}");
}
