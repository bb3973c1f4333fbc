//! Cases that do not return.

use rt::{case, check_eq, layout, misbehave, report::raw};

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
