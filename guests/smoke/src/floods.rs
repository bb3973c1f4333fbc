//! Cases that never stop talking: the host must neither run out of memory nor wait for ever.

use rt::{case, report::raw};

/// Bytes on COM1 without end, none of them a message.
#[case(feature = PortIo, spec = vmproof("A flood of bytes"))]
fn floods_serial() {
    loop {
        raw::write_bytes(b"flood ");
    }
}

/// Doorbell rings without end, none of them with a message.
#[case(feature = PortIo, spec = vmproof("A flood of doorbell rings"))]
fn floods_doorbell() {
    loop {
        raw::announce(0);
    }
}

/// Messages without end, each of them right: checks that pass, more than any case makes.
#[case(feature = PortIo, spec = vmproof("A flood of messages"))]
fn floods_messages() {
    loop {
        rt::check_eq!("one is one", 1, 1);
    }
}
