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
    fn hostile_accesses_in_memory_do_no_harm(steps in hostile::steps(0x400)) {
        hostile::survive(enabled(), &steps);
    }

    #[test]
    fn hostile_timers_do_no_harm(steps in hostile::steps(0x90)) {
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
        steps in vec((0_u8..7, any::<u8>(), values(), 0_u64..1_000_000), 0..200),
    ) {
        let mut apic = enabled();
        let mut now = 0;
        for (what, number, value, time) in steps {
            now += time;
            let msr = match number % 8 {
                0 => MSR_APIC_BASE,
                1 => MSR_TSC_DEADLINE,
                _ => MSR_X2APIC_FIRST + u32::from(number % 0x41),
            };
            match what {
                0 => {
                    let before = apic.clone();
                    apic.advance(now);
                    let advanced = apic.clone();
                    let mut apic_again = before;
                    let refused = apic_again.write_msr(now, msr, value).is_err();
                    prop_assert!(!refused || apic_again == advanced, "what is refused changes nothing");
                    apic = apic_again;
                }
                1 => drop(apic.read_msr(now, msr)),
                2 => drop(apic.write_msr(now, MSR_APIC_BASE, DEFAULT_ADDRESS | (value & 3) << 10)),
                3 => {
                    let delivery = DeliveryMode::from_bits(value as u32).unwrap_or(DeliveryMode::Fixed);
                    let trigger = if value & 0x100 == 0 { Trigger::Edge } else { Trigger::Level };
                    apic.deliver(now, delivery, number, trigger);
                }
                4 => apic.set_pin(now, number % 3, value & 1 == 1),
                5 => apic.write(now, u64::from(number) * 16, 4, value),
                _ => apic.set_tsc_offset(now, value),
            }
            if let Some(vector) = apic.highest_pending() {
                prop_assert!(vector >= 16);
                apic.accept(vector);
                prop_assert!(apic.processor_priority() >= vector & 0xf0);
            }
            prop_assert!(std::iter::from_fn(|| apic.take()).take(4).count() <= 2);
            prop_assert!(std::iter::from_fn(|| apic.take_request()).take(5).count() <= 4);
        }
    }
}
