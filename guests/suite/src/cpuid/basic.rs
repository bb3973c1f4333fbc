//! Basic leaves.

use rt::{case, check, cpu::cpuid::read_leaf};

/// The largest basic leaf is at least 1, and leaf 1 is not zero.
#[case(feature = CpuidBasicLeaves, spec = sdm2("CPUID—CPU Identification"))]
fn largest_basic_leaf() {
    check!("leaf 0 EAX is at least 1", read_leaf(0, 0).eax >= 1);
    check!("leaf 1 EAX is not zero", read_leaf(1, 0).eax != 0);
}
