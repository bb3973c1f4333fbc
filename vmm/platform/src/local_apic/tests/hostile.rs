//! Guests that do their worst.

use super::*;
use crate::hostile;
use proptest::{collection::vec, prelude::*};

/// Values that a guest may write, most of them with few bits.
fn values() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0_u64..0x100, any::<u32>().prop_map(u64::from), (0_u32..64).prop_map(|bit| 1 << bit)]
}

proptest! {
    #[test]
    fn hostile_accesses_in_memory_do_no_harm(steps in hostile::strategy::steps(0x400)) {
        hostile::survive(enabled(), &steps);
    }

    #[test]
    fn hostile_timers_do_no_harm(steps in hostile::strategy::steps(0x90)) {
        // The same steps, moved to where the timer is.
        let steps: Vec<_> = steps.into_iter().map(|step| match step {
            hostile::Step::Write { offset, value, .. } if offset < 0x90 => {
                let offset = [LVT_TIMER, INITIAL, DIVIDE][offset as usize % 3];
                let value = if offset == LVT_TIMER { value & !MASKED } else { value };
                hostile::Step::Write { offset, size: 4, value }
            }
            step => step,
        }).collect();
        hostile::survive(enabled(), &steps);
    }

    #[test]
    fn hostile_msrs_interrupts_and_pins_do_no_harm(
        steps in vec((any::<u8>(), any::<u8>(), values(), any::<u32>()), 0..200),
    ) {
        let steps: Vec<_> = steps.into_iter()
            .map(|(what, number, value, time)| hostile::local_apic::Step { what, number, value, time })
            .collect();
        hostile::local_apic::survive(&steps);
    }
}
