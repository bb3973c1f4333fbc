//! The VMM on the host's KVM, with tiny guests that the tests assemble. One binary: it is linked once.

mod exits;
mod guest;
mod long_mode;
mod stops;
