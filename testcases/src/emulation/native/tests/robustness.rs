//! What must not harm the harness, the child, or the next input.

use super::{number::*, *};
use crate::emulation::native::{NativeError, layout, start};
use iced_decoder::{iced_x86::code_asm::*, machine::fill};
use std::{fs, path::Path, thread};

const NR_RANDOM: usize = 5_000;

fn pid(native: &Native) -> u32 {
    native.child.as_ref().unwrap().pid()
}

#[track_caller]
fn assert_works(native: &mut Native) {
    let output = completed(native, &with(with(input(|a| a.add(rax, rbx)), RAX, 40), RBX, 2));
    assert_eq!(output.registers.general[RAX], 42);
}

#[test]
fn a_jump_to_itself_hangs_and_the_child_goes_on() {
    let mut native = Native::start().unwrap();
    let before = pid(&native);
    let hung = native.execute(&with(bytes(&[0xeb, 0xfe]), RAX, 7)).unwrap();
    assert_eq!((hung.end, hung.registers.rip, hung.registers.general[RAX]), (End::Hung, RIP, 7));
    assert_works(&mut native);
    assert_eq!(pid(&native), before);
}

#[test]
fn a_hang_costs_only_its_own_input() {
    let mut native = Native::start().unwrap();
    let inputs: Vec<_> = (0..70).map(|index| if index == 40 { bytes(&[0xeb, 0xfe]) } else { bytes(&[0x90]) }).collect();
    for (index, output) in native.execute_many(&inputs).into_iter().enumerate() {
        let expected = if index == 40 { End::Hung } else { End::Completed };
        assert_eq!(output.unwrap().end, expected, "input {index}");
    }
}

#[test]
fn system_calls_are_refused() {
    let mut native = Native::start().unwrap();
    let before = pid(&native);
    let exit = libc::SYS_exit_group as u64;
    let is_refused = |native: &mut Native, input: &Input| matches!(native.execute(input).unwrap().end, End::Refused(_));
    assert!(is_refused(&mut native, &with(input(|a| a.syscall()), RAX, exit)));
    assert!(is_refused(&mut native, &with(input(|a| a.int(0x80)), RAX, 1)));
    // What the runner itself may call, from elsewhere.
    for call in [libc::SYS_futex, libc::SYS_rt_sigreturn, libc::SYS_futex | 0x4000_0000] {
        assert!(is_refused(&mut native, &with(input(|a| a.syscall()), RAX, call as u64)), "{call}");
    }
    assert_works(&mut native);
    assert_eq!(pid(&native), before);
}

#[test]
fn instructions_that_the_kernel_executes_are_refused() {
    let output = execute(&bytes(&[0x0f, 0x01, 0x07]));
    assert!(matches!(output.end, End::Refused(_)), "{:?}", output.end);
}

#[test]
fn a_child_that_is_destroyed_costs_only_its_input() {
    let mut native = Native::start().unwrap();
    let before = pid(&native);
    // The control words and all that follows them, so that the runner goes astray.
    let mut destroys = with(input(|a| a.rep().stosq()), RCX, (layout::shared::SIZE / 8) as u64);
    destroys.registers.general[RDI] = layout::SHARED;
    destroys.registers.general[RAX] = 0x4141_4141_4141_4141;
    let inputs = [bytes(&[0x90]), destroys, bytes(&[0x90])];
    let outputs = native.execute_many(&inputs);
    assert!(outputs[1].as_ref().is_err_and(|error| error.text.contains("f3 48 ab")), "{outputs:?}");
    assert_works(&mut native);
    assert_ne!(pid(&native), before);
    assert!(!Path::new(&format!("/proc/{before}")).exists(), "the destroyed child was not waited for");
}

#[test]
fn a_killed_child_is_replaced_without_an_error() {
    let mut native = Native::start().unwrap();
    let before = pid(&native);
    let status = std::process::Command::new("kill").args(["-KILL", &before.to_string()]).status().unwrap();
    assert!(status.success());
    assert_works(&mut native);
    assert_ne!(pid(&native), before);
}

#[test]
fn another_thread_may_go_on_with_it() {
    let mut native = thread::spawn(|| Native::start().unwrap()).join().unwrap();
    assert_works(&mut native);
}

#[test]
fn random_bytes_break_nothing() {
    let mut native = Native::start().unwrap();
    let mut random = vec![0; NR_RANDOM * 16];
    fill(3, &mut random);
    let inputs: Vec<_> = random
        .chunks(16)
        .map(|chunk| {
            let mut input = bytes(&chunk[..usize::from(chunk[15] % 15) + 1]);
            let mut general = [0; 128];
            fill(word(chunk, 0), &mut general);
            input.registers.general = std::array::from_fn(|number| word(&general, 8 * number));
            input
        })
        .collect();
    let outputs = native.execute_many(&inputs);
    let failed: Vec<_> = outputs.iter().filter_map(|output| output.as_ref().err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(outputs.iter().flatten().any(|output| output.end == End::Completed));
    assert!(outputs.iter().flatten().all(|output| output.end != End::Hung));
    assert_works(&mut native);
    assert_eq!(native.execute_many(&inputs[..500]).len(), 500);
}

#[test]
fn results_do_not_depend_on_the_batch() {
    let mut native = Native::start().unwrap();
    let inputs: Vec<_> = (0..100)
        .map(|index| Input { memory_seed: index, ..with(input(|a| a.add(qword_ptr(rdi), rax)), RAX, index) })
        .collect();
    let together = native.execute_many(&inputs);
    for (input, output) in inputs.iter().zip(together) {
        assert_eq!(native.execute(input).unwrap(), output.unwrap());
    }
}

#[test]
fn nothing_is_left_behind() {
    let native = Native::start().unwrap();
    let directory = format!("/proc/{}", pid(&native));
    let nr_files = fs::read_dir(format!("{directory}/fd")).unwrap().count();
    assert_eq!(nr_files, 0, "the child holds no files");
    let group = fs::read_to_string(format!("{directory}/stat")).unwrap();
    let group = group.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(group, pid(&native).to_string(), "it has a process group of its own");
    drop(native);
    assert!(!Path::new(&directory).exists());
}

#[test]
fn only_the_windows_and_the_runner_are_mapped() {
    let native = Native::start().unwrap();
    let maps = fs::read_to_string(format!("/proc/{}/maps", pid(&native))).unwrap();
    let stays = |line: &&str| !line.contains("memfd:native") && !line.contains("[vsyscall]");
    assert_eq!(maps.lines().filter(stays).count(), 0, "{maps}");
    assert_eq!(maps.lines().filter(|line| line.contains("rwx")).count(), 0, "{maps}");
}

#[test]
fn inputs_that_are_no_instruction_are_errors() {
    let mut native = Native::start().unwrap();
    for code in [&[][..], &[0x90; 16]] {
        assert!(native.execute(&bytes(code)).unwrap_err().text.contains("bytes are no instruction"));
    }
    let mut elsewhere = bytes(&[0x90]);
    elsewhere.registers.rip = window::CODE + window::PAGE;
    assert!(native.execute(&elsewhere).unwrap_err().text.contains("0x10001000"));
    assert_works(&mut native);
}

#[test]
fn the_steps_of_the_start_fit_before_what_they_point_to() {
    let places = start::Places { tables: 0, handler: 1, restorer: 2, futex: 3 };
    let start = start::start(&places, 1);
    let size = start.names.len() * start::STEP_WORDS * 8;
    assert_eq!(start.tables[size..size + 8], [0xff; 8], "the end of the steps");
}

#[test]
fn a_failed_step_is_named() {
    let extended = super::super::extended::Layout::of_host().unwrap();
    // Nobody's parent is this process.
    let runner = super::super::runner::Runner::assemble(extended.state, u32::MAX).unwrap();
    let error = super::super::child::Child::start(&runner, &extended).unwrap_err();
    assert!(matches!(error, NativeError::Start { step: "find its parent", .. }), "{error}");
}
