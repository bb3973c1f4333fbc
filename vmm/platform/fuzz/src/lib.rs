//! How the targets make a guest's accesses out of what libFuzzer gives.

use platform::hostile::Step;

/// Most accesses lie within the device's registers: those at other offsets say little, one after another.
const ANYWHERE: u64 = 16;

/// The steps with their offsets folded into the first `range` bytes, but for one in sixteen.
pub fn within(range: u64, steps: Vec<Step>) -> Vec<Step> {
    let fold = |offset: u64| if offset >> 60 == ANYWHERE - 1 { offset } else { offset % range };
    steps
        .into_iter()
        .map(|step| match step {
            Step::Read { offset, size } => Step::Read { offset: fold(offset), size },
            Step::Write { offset, size, value } => Step::Write { offset: fold(offset), size, value },
            Step::Pass(_) | Step::Back(_) => step,
        })
        .collect()
}
