//! Port I/O.

mod bitmap;
mod i8042;
mod port;
mod privilege;
mod string;
mod string_faults;
mod uart;
mod uart_loopback;
