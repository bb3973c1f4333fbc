//! PAUSE exiting and PAUSE-loop exiting.

use super::{exit_slots::run, protected_mode::enter_user, with_guest};
use rt::{
    case, check, check_eq, names,
    user::register::RCX,
    user_code,
    vmx::{
        Guest,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

// RCX is how often it pauses.
user_code!(pauses: "2: pause", "dec rcx", "jnz 2b", "vmcall");

/// More than any gap or window.
const EVER: u64 = 0xffff_ffff;
const NR_PAUSES: u64 = 1000;

/// Lets L2 pause, with PAUSE-loop exiting by this gap and window.
fn prepare(guest: &mut Guest, gap: u64, window: u64) {
    guest.activate(secondary::PAUSE_LOOP);
    let _ = guest.set(field::PLE_GAP, gap);
    let _ = guest.set(field::PLE_WINDOW, window);
    guest.registers[RCX] = NR_PAUSES;
}

/// A loop at CPL 0 exits once it is longer than the window; pauses that lie farther apart than the gap are no loop.
#[case(feature = VmxExits, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Controls for PAUSE-Loop Exiting")], needs = Needs::INTEL | Needs::VMX
       | Needs::VMX_PAUSE_LOOP)]
fn pause_loops_exit() {
    const NAMES: &[Text] = names!["long window", "no gap", "no gap and no window", "no window"];
    let rows = [(EVER, EVER, false), (0, EVER, false), (0, 0, false), (EVER, 0, true)];
    with_guest(pauses, |guest| {
        for (row, (gap, window, exits)) in rows.into_iter().enumerate() {
            prepare(guest, gap, window);
            let exit = run(guest);
            let left = guest.registers[RCX];
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, if exits { reason::PAUSE } else { reason::VMCALL });
            if exits {
                check_eq!("exit qualification", [NAMES; row], exit.qualification, 0);
                check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
                check_eq!("instruction length", [NAMES; row], exit.length, 2);
                // The first PAUSE begins the loop, and cannot be behind its window.
                check!("the first one completed", [NAMES; row], (1..NR_PAUSES).contains(&left));
            } else {
                check_eq!("RCX", [NAMES; row], left, 0);
            }
        }
    });
}

/// A window of many cycles lets several pauses pass, and then exits.
#[case(feature = VmxExits, spec = sdm3c("Controls for PAUSE-Loop Exiting"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_PAUSE_LOOP)]
fn window_of_a_pause_loop() {
    with_guest(pauses, |guest| {
        for window in [64_u64, 256, 512] {
            prepare(guest, EVER, window);
            let before = rt::clock::now();
            let exit = run(guest);
            let taken = rt::clock::now().wrapping_sub(before);
            let left = guest.registers[RCX];
            guest.reset();
            check_eq!("exit reason", [&[]; window], exit.reason, reason::PAUSE);
            check!("some pauses completed", [&[]; window], left < NR_PAUSES);
            check!("the window has passed", [&[]; window], taken > window);
        }
    });
}

/// At CPL 3 no loop exits, but "PAUSE exiting" counts at every CPL, and comes first.
#[case(feature = VmxExits, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_PAUSE_LOOP)]
fn pauses_at_each_privilege() {
    const NAMES: &[Text] = names![
        "loop exiting, CPL 3",
        "PAUSE exiting, CPL 3",
        "PAUSE exiting, CPL 0",
        "both, CPL 3",
        "both, CPL 0",
        "neither, CPL 3"
    ];
    let rows = [
        (true, false, true, false),
        (false, true, true, true),
        (false, true, false, true),
        (true, true, true, true),
        (true, true, false, true),
        (false, false, true, false),
    ];
    with_guest(pauses, |guest| {
        for (row, (is_loop, is_each, is_user, exits)) in rows.into_iter().enumerate() {
            if is_loop {
                prepare(guest, EVER, if is_each { EVER } else { 0 });
            }
            if is_each {
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::PAUSE.into());
            }
            if is_user {
                enter_user(guest, false);
            }
            guest.registers[RCX] = NR_PAUSES;
            let exit = run(guest);
            let left = guest.registers[RCX];
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, if exits { reason::PAUSE } else { reason::VMCALL });
            check_eq!("RCX", [NAMES; row], left, if exits { NR_PAUSES } else { 0 });
        }
    });
}
