//! What every model is put through: random accesses, sizes, values and times.
//!
//! The tests beside the models draw the steps by proptest; the fuzz targets (`vmm/platform/fuzz`, with the feature `hostile`)
//! by what coverage tells.

pub mod local_apic;

use crate::{
    model::{Model, Signal},
    time::{MIN_PERIOD, Nanoseconds},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug};

/// One thing that happens to a model.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "hostile", derive(arbitrary::Arbitrary))]
pub enum Step {
    /// The guest reads.
    Read {
        /// Where, from the start of the device's range.
        offset: u64,
        /// How many bytes.
        size: u8,
    },
    /// The guest writes.
    Write {
        /// Where, from the start of the device's range.
        offset: u64,
        /// How many bytes.
        size: u8,
        /// What.
        value: u64,
    },
    /// Time passes, in which the owner keeps every appointment that [`Model::next_change`] makes, up to a number.
    Pass(Nanoseconds),
    /// The owner's clock is behind.
    Back(Nanoseconds),
}

/// Appointments that are kept within one [`Step::Pass`].
const APPOINTMENTS: usize = 50;
/// More than any model has pins and places.
const OUTPUTS: usize = 2_048;
/// The most time that a step lets pass: four months.
const PASS_MAX: Nanoseconds = 10_000_000_000_000_000;

/// Takes all outputs, of which there must be an end.
fn drain<M: Model>(model: &mut M) -> Vec<M::Output> {
    let outputs: Vec<_> = std::iter::from_fn(|| model.take()).take(OUTPUTS).collect();
    assert!(outputs.len() < OUTPUTS, "outputs have no end");
    outputs
}

/// A model in the state that another one was saved in.
#[cfg(test)]
pub fn restored<M: Serialize + DeserializeOwned>(model: &M) -> M {
    let saved = postcard::to_allocvec(model).expect("a model can be saved");
    let (restored, rest) = postcard::take_from_bytes(&saved).expect("what was saved can be restored");
    assert!(rest.is_empty());
    restored
}

/// A copy of it: fuzz targets know no format of a saved state.
#[cfg(not(test))]
fn restored<M: Clone>(model: &M) -> M {
    model.clone()
}

/// Does the steps.
///
/// # Panics
/// If a wake-up is in the past or sooner than allowed, or has no end of outputs, or if one that was saved and restored
/// goes on differently.
pub fn survive<M: Model + Clone + PartialEq + Debug + Serialize + DeserializeOwned>(mut model: M, steps: &[Step]) {
    let mut now = 0;
    let mut copy = None;
    for (number, step) in steps.iter().enumerate() {
        if number == steps.len() / 2 {
            copy = Some(restored(&model));
        }
        one(&mut model, step, &mut now.clone());
        if let Some(copy) = &mut copy {
            one(copy, step, &mut now.clone());
            assert_eq!(*copy, model);
        }
        if let Step::Pass(time) = step {
            now += time.min(&PASS_MAX);
        }
    }
}

fn one<M: Model>(model: &mut M, step: &Step, now: &mut Nanoseconds) {
    match *step {
        Step::Read { offset, size } => {
            model.read(*now, offset, size);
        }
        Step::Write { offset, size, value } => model.write(*now, offset, size, value),
        Step::Back(by) => model.advance(now.saturating_sub(by)),
        Step::Pass(time) => {
            let end = *now + time.min(PASS_MAX);
            let mut last = None;
            for _ in 0..APPOINTMENTS {
                let Some(wake) = model.next_change(*now) else { break };
                if let Some(last) = last {
                    assert!(wake >= last + MIN_PERIOD, "woken at {last} and then at {wake}");
                }
                if wake > end {
                    break;
                }
                *now = wake.max(*now);
                last = Some(*now);
                model.advance(*now);
                drain(model);
            }
            model.advance(end);
        }
    }
    drain(model);
}

/// Does the steps twice: once telling a model the time only where it must be told, once as often as possible. What the
/// guest reads must be the same. Returns the outputs of both.
///
/// # Panics
/// If it is not.
pub fn reads_same_however_often_advanced<M: Model + Clone>(mut model: M, steps: &[Step]) -> [Vec<M::Output>; 2] {
    const PARTS: u64 = 13;
    let mut often = model.clone();
    let mut now = 0;
    let mut outputs_often = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Read { offset, size } => {
                let (one, other) = (model.read(now, offset, size), often.read(now, offset, size));
                assert_eq!(one, other, "read of {offset:#x}, step {number}");
            }
            Step::Write { offset, size, value } => {
                model.write(now, offset, size, value);
                often.write(now, offset, size, value);
            }
            Step::Pass(time) => {
                let time = time.min(PASS_MAX);
                for part in 0..PARTS {
                    often.advance(now + time / PARTS * part);
                    outputs_often.append(&mut drain(&mut often));
                }
                now += time;
            }
            Step::Back(by) => often.advance(now.saturating_sub(by)),
        }
    }
    for model in [&mut model, &mut often] {
        model.advance(now);
    }
    outputs_often.append(&mut drain(&mut often));
    [drain(&mut model), outputs_often]
}

/// As [`reads_same_however_often_advanced`]; how often each pin rises must be the same too.
///
/// # Panics
/// If it is not.
pub fn same_however_often_advanced<M: Model<Output = Signal> + Clone>(model: M, steps: &[Step]) {
    let [pins, pins_often] = reads_same_however_often_advanced(model, steps).map(|signals| {
        signals.iter().fold(BTreeMap::new(), |mut pins, signal| {
            let pin = pins.entry(signal.pin).or_insert((0, false));
            *pin = (pin.0 + signal.rises, signal.high);
            pins
        })
    });
    let ever_high = |pins: BTreeMap<u8, (u64, bool)>| {
        pins.into_iter().filter(|(_, (rises, high))| *rises > 0 || *high).collect::<Vec<_>>()
    };
    assert_eq!(ever_high(pins), ever_high(pins_often));
}

/// Steps by proptest.
#[cfg(test)]
pub(crate) mod strategy {
    use super::{PASS_MAX, Step};
    use proptest::{collection::vec, prelude::*};

    /// Random steps whose accesses lie in the first `range` bytes, now and then anywhere.
    pub(crate) fn steps(range: u64) -> impl Strategy<Value = Vec<Step>> {
        let offset = move || prop_oneof![20 => 0..range, 1 => any::<u64>()];
        let size = || prop_oneof![10 => prop::sample::select(vec![1_u8, 2, 4, 8]), 1 => any::<u8>()];
        let value = || {
            prop_oneof![
                3 => any::<u64>(),
                3 => 0_u64..0x100,
                2 => (0_u32..64).prop_map(|bit| 1 << bit),
                1 => Just(0),
                1 => Just(u64::MAX),
            ]
        };
        let time = prop_oneof![
            4 => 0_u64..5_000,
            4 => 0_u64..5_000_000,
            2 => 0_u64..5_000_000_000,
            1 => 0_u64..PASS_MAX,
        ];
        let step = prop_oneof![
            6 => (offset(), size(), value()).prop_map(|(offset, size, value)| Step::Write { offset, size, value }),
            3 => (offset(), size()).prop_map(|(offset, size)| Step::Read { offset, size }),
            3 => time.prop_map(Step::Pass),
            1 => (0_u64..1_000_000).prop_map(Step::Back),
        ];
        vec(step, 1..60)
    }
}
