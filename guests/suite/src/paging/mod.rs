//! Paging.

mod accessed_dirty;
mod canonical;
mod execute_disable;
mod invalidation;
mod invpcid;
mod large_pages;
mod model;
mod permissions;
mod probe;
mod protection_keys;
mod reserved_bits;
mod shared_tables;
mod smap;
mod smep;
mod translation;
