//! A subject that has answered the probe, so that what it offers is known.

use super::{Image, Program, Subject, SubjectError, open};
use crate::{cancel::Cancel, judge};
use case::Needs;
use std::sync::Arc;

/// A subject and what it offers.
pub struct Opened {
    /// The hypervisor.
    pub subject: Box<dyn Subject>,
    /// What its board and its processors offer.
    pub offers: Needs,
}

impl Opened {
    /// Opens what the command line names, `ID` or `ID=PROGRAM`, and runs the image's probe on it.
    ///
    /// # Errors
    /// [`SubjectError`]; a subject that cannot run the probe cannot run a case either.
    pub fn open(name: &str, image: &Arc<Image>) -> Result<Self, SubjectError> {
        Self::new(open(name, image)?)
    }

    /// Runs the probe on a subject.
    ///
    /// # Errors
    /// [`SubjectError::Probe`].
    pub fn new(subject: Box<dyn Subject>) -> Result<Self, SubjectError> {
        let run = subject.run(Program::Probe, subject.time_limit(), &Cancel::default());
        let answer = judge::offers(&run.transcript, &run.ending)
            .map_err(|source| SubjectError::Probe { id: subject.id().to_owned(), source })?;
        let offers = answer.needs | subject.board();
        Ok(Self { subject, offers })
    }
}
