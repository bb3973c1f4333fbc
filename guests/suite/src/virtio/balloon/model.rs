//! What may become of pages.
//!
//! Sources: VIRTIO, "Traditional Memory Balloon Device", "Free Page Reporting".

/// Feature bits.
pub(crate) mod feature {
    pub(crate) const MUST_TELL_HOST: u64 = 1 << 0;
    pub(crate) const STATISTICS: u64 = 1 << 1;
    pub(crate) const POISON: u64 = 1 << 4;
    pub(crate) const REPORTING: u64 = 1 << 5;
}

/// Whether a word of a page that was reported as free, and held `before`, may hold `now`: the page keeps what it holds, or is
/// filled anew, with the value that the driver poisons its pages with, or with zeros if it told none.
pub(crate) const fn may_be_reported(before: u64, now: u64, poison: u32) -> bool {
    let poisoned = (poison as u64) << 32 | poison as u64;
    now == before || now == poisoned
}
