//! Our VMM on this host's KVM, along each axis that a trial wants.

use super::{Trial, Wrong, elsewhere::longest};
use crate::{
    catalog::Case,
    subjects::{Image, Opened, OurVmm, Subject as _, SubjectError},
};
use reports::model;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// What a case with a fault gets of processor time at least: many times what nearly all take.
const LIMIT_MIN: Duration = Duration::from_millis(150);
/// How many times what it took without one.
const LIMIT_FACTOR: u32 = 5;

/// Our VMM, which is not needed for tables alone.
pub(super) struct OnKvm {
    pub(super) opened: Opened,
    pub(super) vmm: OurVmm,
    /// The same along each axis that a trial wants.
    pub(super) along: HashMap<&'static str, OurVmm>,
}

impl OnKvm {
    /// What these trials need; nothing if they do without.
    ///
    /// # Errors
    /// If KVM cannot be used.
    pub(super) fn open(image: &Arc<Image>, trials: &[Trial]) -> Result<Option<Self>, SubjectError> {
        let of_kvm = |trial: &Trial| matches!(trial.wrong, Wrong::Vmm(_) | Wrong::Host(_) | Wrong::Along { .. });
        if !trials.iter().any(of_kvm) {
            return Ok(None);
        }
        let mut along = HashMap::new();
        for trial in trials {
            if let Wrong::Along { axis, .. } = trial.wrong {
                along.insert(axis, along_axis(image, axis)?);
            }
        }
        Ok(Some(Self { opened: Opened::open("vmm", image)?, vmm: OurVmm::open("vmm", image)?, along }))
    }
}

/// How long a case may take with a fault.
pub(super) fn limit(vmm: &OurVmm, case: &Case, right: &model::Case) -> Duration {
    let longest = longest(vmm, case);
    (Duration::from_micros(right.duration_us) * LIMIT_FACTOR).clamp(LIMIT_MIN, longest.max(LIMIT_MIN))
}

/// Our VMM along an axis.
fn along_axis(image: &Arc<Image>, axis: &'static str) -> Result<OurVmm, SubjectError> {
    let unfit = |said: String| SubjectError::Unfit { program: format!("--axis {axis}"), said };
    let mut vmm = OurVmm::open("vmm", image)?;
    vmm.set_axis(axis.parse().map_err(|error| unfit(format!("{error}")))?).map_err(|error| unfit(error.to_string()))?;
    Ok(vmm)
}
