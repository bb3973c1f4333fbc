//! KVM's paravirtual interfaces: steal time, end of interrupt by a bit in memory, interrupts and kicks by hypercall,
//! asynchronous page faults.

mod absent_pages;
mod async_page_faults;
mod end_of_interrupt;
mod interprocessor;
mod load;
mod others;
mod steal;
mod structure;
mod tlb_flush;
