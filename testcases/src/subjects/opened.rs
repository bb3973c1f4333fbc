//! A subject that has answered the probe, so that what it offers is known.

use super::{Image, Program, Subject, SubjectError, open};
use crate::{
    cancel::Cancel,
    catalog::{Case, InterruptSetup},
    chain::chain,
    judge, select,
};
use case::Needs;
use std::sync::{Arc, OnceLock};

/// A subject and what it offers.
pub struct Opened {
    /// The hypervisor.
    pub subject: Box<dyn Subject>,
    /// What its board and its processors offer where the interrupt set-up does not matter.
    pub offers: Needs,
    /// The same in each set-up, in the order of [`InterruptSetup::ALL`]; asked for when the first case needs it, because a
    /// probe may take seconds.
    in_setups: [OnceLock<Result<Needs, String>>; InterruptSetup::ALL.len()],
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
        let offers = probe(&*subject, None, &Cancel::default())?;
        Ok(Self { subject, offers, in_setups: Default::default() })
    }

    /// The names of all that it offers, for reports: those of its needs, and of its virtio devices by their transport.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.offers.names().map(str::to_owned).chain(self.subject.virtio_devices().titles())
    }

    /// Why a case is to be skipped; nothing if it can be run.
    ///
    /// # Errors
    /// If the subject does not run the image's probe in the case's interrupt set-up: the text says what happened instead.
    pub fn reason_to_skip(&self, case: &Case, cancel: &Cancel) -> Result<Option<String>, String> {
        if let Some(reason) = self.subject.reason_to_skip(case) {
            return Ok(Some(reason.to_owned()));
        }
        let setups = self.subject.set_ups();
        let offers = match case.interrupts {
            None => self.offers,
            Some(setup) if setups.contains(&setup) => self.offers_in(setup, cancel)?,
            Some(setup) => {
                let names: Vec<_> = setups.iter().map(|setup| setup.name()).collect();
                let (name, title, others) = (setup.name(), setup.title(), names.join(", "));
                return Ok(Some(format!(
                    "needs the interrupt set-up `{name}` ({title}), which the subject does not have; it has {others}"
                )));
            }
        };
        let missing = select::missing(case, offers, self.subject.virtio_devices());
        let reason = || format!("needs {}, which the subject does not offer", missing.join(", "));
        Ok((!missing.is_empty()).then(reason))
    }

    /// What it offers in an interrupt set-up that it has.
    fn offers_in(&self, setup: InterruptSetup, cancel: &Cancel) -> Result<Needs, String> {
        let ask = || probe(&*self.subject, Some(setup), cancel).map_err(|error| chain(&error));
        match self.in_setups.get(setup as usize) {
            Some(place) => place.get_or_init(ask).clone(),
            None => ask(),
        }
    }
}

fn probe(subject: &dyn Subject, interrupts: Option<InterruptSetup>, cancel: &Cancel) -> Result<Needs, SubjectError> {
    let run = subject.run(Program::Probe(interrupts), subject.time_limit(), cancel);
    let answer = judge::offers(&run.transcript, &run.ending).map_err(|source| SubjectError::Probe {
        id: subject.id().to_owned(),
        setup: interrupts.map(|setup| format!(" in the interrupt set-up `{setup}`")).unwrap_or_default(),
        source,
    })?;
    Ok(answer.needs | subject.board())
}
