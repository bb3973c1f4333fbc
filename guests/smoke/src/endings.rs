//! Cases that do not return.

use rt::{case, check_eq, layout, misbehave, note, report::raw, shutdown_due};

/// An exception that nothing expects: told with vector and RIP.
#[case(feature = PortIo, spec = vmproof("An unexpected exception"))]
fn raises_ud() {
    misbehave::raise_ud();
}

/// A jump to an address that nothing maps: an unexpected #PF whose CR2 and RIP are that address.
#[case(feature = PortIo, spec = vmproof("An unexpected exception"))]
fn jumps_to_nowhere() {
    misbehave::jump_to(layout::UNMAPPED);
}

/// A triple fault: a crash.
#[case(feature = PortIo, spec = vmproof("A triple fault"))]
fn triple_faults() {
    misbehave::triple_fault();
}

/// A loop of one instruction with interrupts disabled: a hang.
#[case(feature = PortIo, spec = vmproof("A loop"))]
fn spins() {
    misbehave::spin();
}

/// HLT with interrupts disabled: a hang.
#[case(feature = PortIo, spec = vmproof("A halt"))]
fn halts() {
    misbehave::halt();
}

/// The end of the virtual machine before any message: not a pass.
#[case(feature = PortIo, spec = vmproof("An end without a report"))]
fn reports_nothing() {
    raw::end();
}

/// A check that passes, announced, and the end of the virtual machine without the last message: not a pass.
#[case(feature = PortIo, spec = vmproof("An end without a report"))]
fn debug_exits() {
    check_eq!("one is one", 1, 1);
    if raw::is_to_page() {
        raw::announce(raw::read_nr_in_page());
    }
    raw::end();
}

/// A shutdown that was announced: a pass.
#[case(feature = PortIo, spec = vmproof("A shutdown that is due"))]
fn shuts_down_when_due() {
    check_eq!("one is one", 1, 1);
    shutdown_due!("no handler is left");
    misbehave::triple_fault();
}

/// A shutdown that was announced and does not come: a failure.
#[case(feature = PortIo, spec = vmproof("A shutdown that is due"))]
fn goes_on_when_due() {
    shutdown_due!("no handler is left");
}

/// An exception in place of a shutdown that was announced: a failure.
#[case(feature = PortIo, spec = vmproof("A shutdown that is due"))]
fn raises_ud_when_due() {
    shutdown_due!("no handler is left");
    misbehave::raise_ud();
}

/// A shutdown that comes too late, after something else was said: a failure.
#[case(feature = PortIo, spec = vmproof("A shutdown that is due"))]
fn goes_on_and_shuts_down_later() {
    shutdown_due!("no handler is left");
    note!("still alive", 1);
    misbehave::triple_fault();
}

/// A loop in place of a shutdown that was announced: a hang.
#[case(feature = PortIo, spec = vmproof("A shutdown that is due"))]
fn spins_when_due() {
    shutdown_due!("no handler is left");
    misbehave::spin();
}

/// Another end of the virtual machine in place of a shutdown that was announced: a failure.
#[case(feature = PortIo, spec = vmproof("A shutdown that is due"))]
fn debug_exits_when_due() {
    shutdown_due!("no handler is left");
    raw::end();
}
