//! Each bit of CR4 follows its own feature, and no other.

#[path = "../src/cpuid"]
mod cpuid {
    #[expect(dead_code, reason = "the cases use the rest")]
    pub(crate) mod bit;
    pub(crate) mod control_rules;
}

use case::message::outcome::{COMPLETED, exception};
use cpuid::{
    bit::{Bit, Processor},
    control_rules::{CR4_BITS, expected_outcome},
};

/// A processor with these bits alone.
struct Made(Vec<Bit>);

impl Processor for Made {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let mut outputs = if leaf & 0x7fff_ffff == 0 { [leaf | 0x24, 0, 0, 0] } else { [0; 4] };
        for bit in self.0.iter().filter(|bit| (bit.leaf, bit.subleaf) == (leaf, subleaf)) {
            outputs[bit.output as usize] |= 1 << bit.number;
        }
        outputs
    }

    fn msr(&self, _number: u32) -> u64 {
        0
    }
}

#[test]
fn a_bit_can_be_set_with_each_of_its_features_and_with_no_other() {
    for control in CR4_BITS {
        let told = if control.obstacle.is_empty() { Some(COMPLETED) } else { None };
        for feature in control.features {
            assert_eq!(expected_outcome(control, &Made(vec![*feature])), told, "{}", control.name);
        }
        let others = CR4_BITS.iter().flat_map(|other| other.features).filter(|bit| !control.features.contains(bit));
        let outcome = expected_outcome(control, &Made(others.copied().collect()));
        assert_eq!(outcome, Some(exception(13, 0)), "{}", control.name);
    }
}

#[test]
fn no_bit_stands_twice() {
    let mut numbers: Vec<_> = CR4_BITS.iter().map(|control| control.number).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
}
