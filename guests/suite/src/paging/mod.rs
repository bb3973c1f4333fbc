//! Paging.

mod accessed_dirty;
mod canonical;
mod combination_flags;
mod combinations;
mod combinations_supervisor;
mod combinations_user;
mod consistency;
mod consistency_cases;
mod contexts;
pub(crate) mod decision;
mod execute_disable;
mod five_level;
mod flush_rules;
mod invalidation;
mod invpcid;
mod key_sweeps;
mod large_pages;
mod legacy;
mod legacy_32_bit;
mod legacy_flushes;
mod legacy_pae;
mod legacy_pointers;
mod legacy_user_flushes;
mod masking;
mod masking_rules;
mod mode_switches;
mod model;
mod permissions;
mod pointer_loads;
mod pointer_rules;
mod probe;
mod protection_keys;
mod reserved_bits;
mod shadow_rules;
mod shadow_stack;
mod shadow_stack_frames;
mod shadow_stack_tokens;
mod shared_tables;
mod smap;
mod smep;
mod supervisor_shadow_stack;
mod token_model;
mod translation;

use crate::segments::{columns, reporting};
// The models name the runtime by this, so that tests on the host can put their own in its place.
use rt as runtime;
