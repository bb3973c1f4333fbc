//! Which of the host's processors a case runs on.
//!
//! A hypervisor may behave differently on different processors of one host, as KVM's kernels have done whose page
//! tables differ between them. So that the same case gives the same verdict each time, its virtual processor always
//! runs on the same one, which the case's id decides.

#![expect(unsafe_code, reason = "the affinity of a thread is set by system calls")]
// UNSAFETY: sched_getaffinity and sched_setaffinity of the calling thread, with sets on the stack.

use case::message::checksum;
use std::{mem, sync::OnceLock};

/// While it lives, the calling thread runs on one processor; then on those it ran on before.
#[derive(Debug)]
pub struct Pinned {
    before: Option<libc::cpu_set_t>,
}

/// Processors that this process might use when it was first asked.
fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| {
        let set = affinity();
        // SAFETY: the index is below the size of a set.
        (0..libc::CPU_SETSIZE as usize)
            .filter(|&index| set.is_some_and(|set| unsafe { libc::CPU_ISSET(index, &set) }))
            .collect()
    })
}

/// The lane of a case: an index of a processor, the same in every run. Cases of different lanes do not disturb each
/// other.
pub fn lane(id: &str) -> usize {
    // FNV-1a, because it must not change with the toolchain.
    let bytes: Vec<u64> = id.bytes().map(u64::from).collect();
    let hash = checksum(&bytes);
    // Names of one length differ in few bits of that hash: this spreads them (the finalizer of MurmurHash3).
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash ^ hash >> 33) as usize % allowed().len().max(1)
}

/// Puts the calling thread on the processor of a lane. Where the system refuses, the thread runs as before.
pub fn pin(lane: usize) -> Pinned {
    let before = affinity();
    if let Some(&processor) = allowed().get(lane) {
        // SAFETY: an empty set is all zeros.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: the processor is below the size of a set, see `allowed`.
        unsafe { libc::CPU_SET(processor, &mut set) };
        set_affinity(&set);
    }
    Pinned { before }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            set_affinity(before);
        }
    }
}

fn affinity() -> Option<libc::cpu_set_t> {
    // SAFETY: an empty set is all zeros.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is as large as is said; 0 is the calling thread.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    (result == 0).then_some(set)
}

fn set_affinity(set: &libc::cpu_set_t) {
    // SAFETY: the set is as large as is said; 0 is the calling thread. A processor that was taken away meanwhile is
    // refused, and the thread runs as before.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processors() -> usize {
        // SAFETY: only reads the set.
        affinity().map_or(0, |set| unsafe { libc::CPU_COUNT(&set) } as usize)
    }

    #[test]
    fn a_thread_is_pinned_and_released() {
        let before = processors();
        let pinned = pin(0);
        assert_eq!(processors(), 1);
        drop(pinned);
        assert_eq!(processors(), before);
    }

    #[test]
    fn lanes_are_stable_and_used_evenly() {
        assert_eq!(lane("paging::walk"), lane("paging::walk"));
        let nr_lanes = allowed().len();
        let mut used = vec![0_usize; nr_lanes];
        let nr_cases = 400 * nr_lanes;
        (0..nr_cases).for_each(|number| used[lane(&format!("area::case_{number}"))] += 1);
        assert!(used.iter().all(|&count| count > 300), "{used:?}");
    }
}
