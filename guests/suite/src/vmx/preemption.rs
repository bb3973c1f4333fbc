//! The preemption timer: what it saves, what it interrupts, and what comes before it.

use super::{
    events_gates::{self as gates, DELIVERED, ending},
    events_model::{Event, kind},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check, check_eq, names, user_code,
    vmx::{
        Guest,
        control::{activity, exit, pin, processor},
        field,
        guest::TIMER_TICKS,
        reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");
user_code!(endless: "2:", "pause", "jmp 2b");
user_code!(halt: "hlt", "vmcall");

const IF: u64 = 1 << 9;

fn timer(guest: &mut Guest, ticks: u64) {
    let _ = guest.set_bits(field::PIN_CONTROLS, pin::PREEMPTION_TIMER.into());
    let _ = guest.set(field::PREEMPTION_TIMER, ticks);
}

/// With "save VMX-preemption timer value" an exit writes what is left; 0 if the timer made the exit; without it the field stays.
#[case(feature = VmxPreemptionTimer, spec = [sdm3c("VMX-Preemption Timer"), sdm3c("Saving Non-Register State")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_PREEMPTION_TIMER | Needs::VMX_SAVES_TIMER)]
fn timer_is_saved() {
    const TICKS: [u64; 4] = [0, 1, 50, 1000];
    with_guest(end, |guest| {
        for saves in [false, true] {
            for (row, ticks) in TICKS.into_iter().enumerate() {
                guest.start_at(endless);
                timer(guest, ticks);
                if saves {
                    let _ = guest.set_bits(field::EXIT_CONTROLS, exit::SAVE_TIMER.into());
                }
                let exit = run(guest);
                let left = guest.read(field::PREEMPTION_TIMER);
                guest.reset();
                let row = row + 4 * usize::from(saves);
                check_eq!("exit reason", [&[]; row], exit.reason, reason::PREEMPTION_TIMER);
                check_eq!("timer", [&[]; row], left, if saves { 0 } else { ticks });
            }
            guest.start_at(end);
            timer(guest, TIMER_TICKS);
            if saves {
                let _ = guest.set_bits(field::EXIT_CONTROLS, exit::SAVE_TIMER.into());
            }
            let exit = run(guest);
            let left = guest.read(field::PREEMPTION_TIMER);
            guest.reset();
            check_eq!("exit reason of another exit", [&[]; u64::from(saves)], exit.reason, reason::VMCALL);
            let is_right = if saves { (1..=TIMER_TICKS).contains(&left) } else { left == TIMER_TICKS };
            check!("timer behind another exit", [&[]; u64::from(saves)], is_right);
        }
    });
}

/// A timer of 0 exits before the first instruction, whatever activity state L2 is in, which stays; wait-for-SIPI is not tried.
#[case(feature = VmxPreemptionTimer, spec = sdm3c("VMX-Preemption Timer"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_PREEMPTION_TIMER
       | Needs::VMX_ACTIVITY_HLT)]
fn timer_in_every_activity_state() {
    const NAMES: &[Text] = names!["active", "HLT", "shutdown", "active, IF", "HLT, IF", "shutdown, IF"];
    let has_shutdown = rt::vmx::capability::read(rt::vmx::capability::number::MISC) >> 7 & 1 != 0;
    with_guest(end, |guest| {
        for row in 0..6 {
            let state = [activity::ACTIVE, activity::HLT, activity::SHUTDOWN][row % 3];
            if state == activity::SHUTDOWN && !has_shutdown {
                continue;
            }
            for (ticks, which) in [(0, 0), (500, 1)] {
                guest.start_at(endless);
                timer(guest, ticks);
                let _ = guest.set(field::GUEST_ACTIVITY, state.into());
                let _ = guest.set(field::GUEST_RFLAGS, 2 | if row < 3 { 0 } else { IF });
                let exit = run(guest);
                let after = guest.read(field::GUEST_ACTIVITY);
                guest.reset();
                let at_start = exit.rip == guest.start() || ticks != 0 && state == activity::ACTIVE;
                if which == 0 {
                    check_eq!("exit reason at once", [NAMES; row], exit.reason, reason::PREEMPTION_TIMER);
                    check_eq!("activity state at once", [NAMES; row], after, state);
                    check!("no instruction at once", [NAMES; row], at_start);
                } else {
                    check_eq!("exit reason", [NAMES; row], exit.reason, reason::PREEMPTION_TIMER);
                    check_eq!("activity state", [NAMES; row], after, state);
                    check!("no instruction", [NAMES; row], at_start);
                }
            }
        }
    });
}

/// The timer ends a HLT of L2's that does not exit: RIP is behind it, and the activity state is HLT.
#[case(feature = VmxPreemptionTimer, spec = [sdm3c("VMX-Preemption Timer"), sdm3c("Saving Non-Register State")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_PREEMPTION_TIMER | Needs::VMX_ACTIVITY_HLT)]
fn timer_ends_a_halt() {
    with_guest(halt, |guest| {
        for (row, ticks) in [1_u64, 100, 3000].into_iter().enumerate() {
            timer(guest, ticks);
            let _ = guest.clear_bits(field::PROCESSOR_CONTROLS, processor::HLT.into());
            let exit = run(guest);
            let state = guest.read(field::GUEST_ACTIVITY);
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, reason::PREEMPTION_TIMER);
            // The smallest one may end before HLT.
            if row > 0 {
                check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), 1);
                check_eq!("activity state", [&[]; row], state, activity::HLT);
            }
        }
    });
}

/// A timer of 0 comes before interrupt windows and NMI windows, and behind the delivery of an injected event and a monitor trap.
#[case(feature = VmxPreemptionTimer, spec = sdm3c("VMX-Preemption Timer"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_PREEMPTION_TIMER
       | Needs::VMX_VIRTUAL_NMI | Needs::VMX_MONITOR_TRAP)]
fn priority_of_the_timer() {
    const NAMES: &[Text] =
        names!["interrupt window", "NMI window", "injected interrupt", "injected exception", "injected monitor trap"];
    with_guest(end, |guest| {
        gates::fill();
        for row in 0..NAMES.len() {
            gates::attach(guest);
            timer(guest, 0);
            let _ = guest.set(field::GUEST_RFLAGS, 2 | IF);
            let mut inject = |event: Event| _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
            match row {
                0 => _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INTERRUPT_WINDOW.into()),
                1 => {
                    let _ = guest.set_bits(field::PIN_CONTROLS, (pin::NMI | pin::VIRTUAL_NMI).into());
                    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::NMI_WINDOW.into());
                }
                2 => inject(Event::of(kind::EXTERNAL, 0x71)),
                3 => inject(Event::of(kind::HARDWARE, 6)),
                _ => inject(Event::of(kind::OTHER, 0)),
            }
            let exit = run(guest);
            guest.reset();
            let due = if row == 4 { reason::MONITOR_TRAP } else { reason::PREEMPTION_TIMER };
            check_eq!("exit reason", [NAMES; row], exit.reason, due);
            let rip = match row {
                2 => gates::target(0x71),
                3 => gates::target(6),
                _ => guest.start(),
            };
            check_eq!("RIP", [NAMES; row], exit.rip, rip);
        }
    });
}

user_code!(steps: "nop", "inc eax", "mov rcx, rax", "jmp 2f", "nop", "2: nop", "push rax", "pop rdx", "cpuid");
user_code!(repeated: "rep stosb", "vmcall");
user_code!(mov_ss: "mov ss, eax", "nop", "vmcall");
user_code!(ud2: "ud2", "vmcall");
user_code!(int3: "int3", "vmcall");
user_code!(int_n: "int 0x80", "vmcall");

fn trap(guest: &mut Guest) {
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MONITOR_TRAP.into());
}

/// "Monitor trap flag" exits behind each instruction, jumps too; one that exits itself exits for its own reason.
#[case(feature = VmxPreemptionTimer, spec = sdm3c("Monitor Trap Flag"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MONITOR_TRAP)]
fn monitor_trap_behind_each_instruction() {
    const OFFSETS: [u64; 7] = [1, 3, 6, 9, 10, 11, 12];
    with_guest(steps, |guest| {
        trap(guest);
        for (row, offset) in OFFSETS.into_iter().enumerate() {
            let exit = run(guest);
            check_eq!("exit reason", [&[]; row], exit.reason, reason::MONITOR_TRAP);
            check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), offset);
            check_eq!("exit qualification", [&[]; row], exit.qualification, 0);
        }
        let exit = run(guest);
        check_eq!("exit reason of CPUID", exit.reason, reason::CPUID);
        check_eq!("RIP of CPUID from the start", exit.rip.wrapping_sub(guest.start()), 12);
        guest.reset();
    });
}

/// A repeated string instruction traps behind each iteration.
#[case(feature = VmxPreemptionTimer, spec = sdm3c("Monitor Trap Flag"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MONITOR_TRAP)]
fn monitor_trap_behind_each_iteration() {
    use rt::user::register::{RCX, RDI};
    const COUNT: u64 = 4;
    with_guest(repeated, |guest| {
        trap(guest);
        guest.registers[RCX] = COUNT;
        guest.registers[RDI] = rt::paging::frame(2);
        for turn in 1..=COUNT {
            let exit = run(guest);
            check_eq!("exit reason", [&[]; turn], exit.reason, reason::MONITOR_TRAP);
            check_eq!("RCX", [&[]; turn], guest.registers[RCX], COUNT - turn);
            check_eq!("RDI", [&[]; turn], guest.registers[RDI], rt::paging::frame(2) + turn);
        }
        guest.reset();
    });
}

/// The trap of an instruction that raises an exception or an interrupt is that of its handler's first instruction, not yet executed; the same
/// of an event that is injected.
#[case(feature = VmxPreemptionTimer, spec = sdm3c("Monitor Trap Flag"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_MONITOR_TRAP)]
fn monitor_trap_behind_deliveries() {
    const NAMES: &[Text] =
        names!["UD2", "INT3", "INT 80H", "injected interrupt", "injected exception", "injected INT 90H"];
    with_guest(end, |guest| {
        gates::fill();
        for row in 0..NAMES.len() {
            gates::attach(guest);
            trap(guest);
            let _ = guest.set(field::GUEST_RFLAGS, 2 | IF);
            guest.start_at([ud2, int3, int_n, end, end, end][row]);
            let event =
                [Event::of(kind::EXTERNAL, 0x71), Event::of(kind::HARDWARE, 6), Event::of(kind::SOFTWARE, 0x90)];
            if row >= 3 {
                let _ = guest.set(field::ENTRY_INTERRUPTION, event[row - 3].word().into());
                let _ = guest.set(field::ENTRY_LENGTH, 2);
            }
            let exit = run(guest);
            let next = run(guest);
            guest.reset();
            let vector = [6, 3, 0x80, 0x71, 6, 0x90][row];
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::MONITOR_TRAP);
            check_eq!("RIP", [NAMES; row], exit.rip, gates::target(vector));
            check_eq!("ending of the handler", [NAMES; row], ending(&next), DELIVERED + u64::from(vector));
        }
    });
}
