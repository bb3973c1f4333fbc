//! Memory-mapped I/O.

mod addressing;
mod byte_registers;
mod paging;
mod read_modify_write;
mod read_only;
mod ring3;
mod string;
mod unbacked;
mod width;
