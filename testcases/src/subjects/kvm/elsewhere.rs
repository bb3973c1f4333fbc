//! Cases whose machine goes on in processes of its own, one behind the other.

use super::{
    OurVmm,
    inbox::{Inbox, SharedInbox, lock},
    pin,
};
use crate::{
    axis::{
        self, Axis, Progress,
        children::{Answer, ChildError, Children, Order},
    },
    cancel::Cancel,
    catalog::Case,
    chain::chain,
    inherited::unnamed,
    judge::{Ending, Run},
    moment::Moment,
    remote::Words,
    subjects::{Program, watchdog::Limit},
};
use std::{
    cell::Cell,
    sync::{Arc, Mutex},
    time::Instant,
};
use vmm::{Elapsed, ExitObserver, NoObserver, StopReason, Vm};

/// What becomes of a machine in one process.
enum Stage {
    /// It goes on in another one.
    Saved(Vec<u8>),
    /// The case has ended.
    Ended(Ending),
}

/// Who watches the machine, and how it is run.
type Runner<'a> = (&'a mut dyn ExitObserver, &'a mut axis::Run<'a>);

impl OurVmm {
    /// Runs a machine until its axis is due, or to its end.
    fn stage(
        &self,
        mut vm: Vm,
        (case, axis, progress): (&Case, Axis, &mut Progress),
        (observer, run): Runner<'_>,
        inbox: &SharedInbox,
        cancel: &Cancel,
    ) -> Stage {
        let program = Program::Case(case);
        let stopped = progress.run(&mut vm, observer, run);
        if !stopped.as_ref().is_ok_and(|stopped| stopped.reason == StopReason::Suspended) {
            return Stage::Ended(self.end((Some(vm), stopped), program, inbox, cancel, None));
        }
        progress.done(axis);
        let saved = vm.save(&self.hypervisor);
        self.discard(vm, program);
        match saved {
            Ok(file) => Stage::Saved(file),
            Err(error) => Stage::Ended(Ending::Harness { text: format!("{axis}: {}", chain(&error)) }),
        }
    }

    /// Runs a machine along an axis until that is due, and then in one process after the other.
    pub(super) fn run_elsewhere(
        &self,
        vm: Vm,
        (case, axis): (&Case, Axis),
        runner: Runner<'_>,
        (inbox, limit, cancel): (&SharedInbox, &Cell<Limit>, &Cancel),
        children: &Children,
    ) -> Ending {
        let mut progress = Progress::new(axis);
        let state = match self.stage(vm, (case, axis, &mut progress), runner, inbox, cancel) {
            Stage::Ended(ending) => return ending,
            Stage::Saved(file) => unnamed(&file).map_err(ChildError::Files),
        };
        let mut order = order(case, axis, progress, inbox, limit.get());
        let ended = state.and_then(|state| {
            loop {
                match children.ask(&order, &state, cancel)? {
                    Answer::Saved(next) => order = *next,
                    Answer::Ended(said) => break Ok(said.into_run()?),
                    Answer::Failed { text } => break Err(ChildError::Failed { text }),
                }
            }
        });
        let (transcript, ending) = match ended {
            Ok(Run { transcript, ending, .. }) => (Ok(transcript), ending),
            Err(ChildError::Cancelled) => (order.said.into_transcript(), Ending::Cancelled),
            Err(error) => {
                (order.said.into_transcript(), Ending::Harness { text: format!("{axis}: {}", chain(&error)) })
            }
        };
        if let Ok(transcript) = transcript {
            lock(inbox).transcript = transcript;
        }
        ending
    }

    /// Lets a machine that was saved go on, in the process that was started for it, as far as it is to; gives it to `keep` if it is
    /// saved again.
    ///
    /// # Errors
    /// What could not be done, in words.
    pub(crate) fn go_on(
        &self,
        case: &Case,
        axis: Axis,
        order: Order,
        state: &[u8],
        keep: impl FnOnce(&[u8]) -> Result<(), String>,
    ) -> Result<Answer, String> {
        let program = Program::Case(case);
        let _pinned = pin(program);
        let start = Instant::now();
        let limit = Cell::new(Limit { processor_time: order.processor_time, deadline: Moment::now() + order.time });
        let transcript = order.said.into_transcript().map_err(|error| chain(&error))?;
        let inbox = Arc::new(Mutex::new(Inbox { transcript, nr_empty_rings: order.nr_empty_rings, flood: None }));
        let config = self.config(program, &inbox, None).map_err(|error| chain(&error))?;
        let vm = Vm::restore(&self.hypervisor, &self.loaded, config, state, Elapsed::WentOn)
            .map_err(|error| format!("the machine could not be restored: {}", chain(&error)))?;
        let cancel = Cancel::default();
        let mut run = |vm: &mut Vm, observer: &mut dyn ExitObserver| self.run_watched(vm, observer, &limit, &cancel);
        let mut progress = order.progress;
        let way = (case, axis, &mut progress);
        match self.stage(vm, way, (&mut NoObserver, &mut run), &inbox, &cancel) {
            Stage::Saved(file) => {
                keep(&file)?;
                Ok(Answer::Saved(Box::new(self::order(case, axis, progress, &inbox, limit.get()))))
            }
            Stage::Ended(ending) => {
                let transcript = std::mem::take(&mut lock(&inbox).transcript);
                Ok(Answer::Ended(Run { transcript, ending, duration: start.elapsed() }.into()))
            }
        }
    }
}

fn order(case: &Case, axis: Axis, progress: Progress, inbox: &SharedInbox, limit: Limit) -> Order {
    let inbox = lock(inbox);
    Order {
        case: case.id.clone(),
        record_address: case.record_address,
        axis: axis.to_string(),
        progress,
        said: Words::from(&inbox.transcript),
        nr_empty_rings: inbox.nr_empty_rings,
        processor_time: limit.processor_time,
        time: limit.deadline.until(),
    }
}
