//! Steps by proptest.

use super::{Damage, Element, Request, Step};
use proptest::{collection::vec, prelude::*};

/// Anywhere in a state; those of most devices are small.
fn damage() -> impl Strategy<Value = Damage> {
    let at = || prop_oneof![4 => 0_u32..400, 1 => any::<u32>()];
    prop_oneof![
        3 => (at(), 0_u32..8).prop_map(|(at, bit)| Damage::Bits { at, mask: 1 << bit }),
        2 => (at(), any::<u8>()).prop_map(|(at, mask)| Damage::Bits { at, mask }),
        1 => at().prop_map(|at| Damage::Cut { at }),
    ]
}

/// Random steps; requests begin with what `head` draws, or with anything.
pub(crate) fn steps(head: impl Strategy<Value = Vec<u8>> + 'static) -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![10 => prop::sample::select(vec![1_u8, 2, 4, 8]), 1 => any::<u8>()];
    let value = || prop_oneof![3 => any::<u64>(), 3 => 0_u64..0x20, 1 => (0_u32..64).prop_map(|bit| 1 << bit)];
    let element = (
        any::<u32>(),
        prop_oneof![4 => prop::sample::select(vec![0_u32, 1, 4, 108, 511, 512, 513, 4096]), 2 => 0_u32..200, 1 => any::<u32>()],
        any::<bool>(),
    )
        .prop_map(|(address, size_bytes, writable)| Element { address, size_bytes, writable });
    let head = prop_oneof![3 => head, 1 => vec(any::<u8>(), 0..40)];
    let request = (any::<u8>(), head, vec(element, 0..5), any::<bool>(), prop::bool::weighted(0.9), any::<bool>());
    let request = request.prop_map(|(queue, head, mut elements, indirect, notify, in_order)| {
        // Half of them with what is read before what is written, as it has to be.
        if in_order {
            elements.sort_by_key(|element| element.writable);
        }
        Step::Request(Request { queue: queue % 4, head, elements, indirect, notify })
    });
    let start = (prop_oneof![Just(u64::MAX), Just(0), any::<u64>()], any::<bool>());
    let start = || start.clone().prop_map(|(features, messages)| Step::Start { features, messages });
    let step = prop_oneof![
        12 => request,
        2 => start(),
        2 => (any::<u64>(), size(), value()).prop_map(|(offset, size, value)| Step::Write { offset, size, value }),
        2 => (any::<u64>(), size()).prop_map(|(offset, size)| Step::Read { offset, size }),
        1 => (0_u8..64, any::<u32>(), any::<u8>()).prop_map(|(offset, value, size)| Step::Configure { offset, value, size }),
        1 => (0_u16..300, size(), value()).prop_map(|(offset, size, value)| Step::Space { offset, size, value }),
        1 => (0_u32..0x6000, vec(any::<u8>(), 0..16)).prop_map(|(address, bytes)| Step::Memory { address, bytes }),
        1 => (0_u16..5).prop_map(Step::Notify),
        1 => Just(Step::Wake),
        1 => any::<u32>().prop_map(Step::Host),
        1 => Just(Step::Reset),
        2 => Just(Step::Restore { damage: None }),
        1 => damage().prop_map(|damage| Step::Restore { damage: Some(damage) }),
    ];
    (start(), vec(step, 0..60)).prop_map(|(first, rest)| [vec![first], rest].concat())
}
