//! What the control socket and the thread that runs VMs tell each other of migrations.

use crate::choices::MigrationUri;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What became of the last migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// There was none.
    #[default]
    None,
    /// It is under way.
    Active,
    /// The VM stands elsewhere, or in a file.
    Completed,
    /// It goes on here.
    Failed(String),
}

/// What the control socket asks of the thread that runs VMs; a clone is another reference.
#[derive(Clone, Default)]
pub(crate) struct Migrations(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when something is asked for, or when there is nothing more to ask.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: Option<MigrationUri>,
    has_ended: bool,
    status: Status,
    nr_bytes: u64,
}

impl Migrations {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole at every point where a thread could have panicked.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for one; whether there is none under way, and none that is over and done.
    pub(crate) fn ask(&self, uri: MigrationUri) -> bool {
        let mut state = self.state();
        if matches!(state.status, Status::Active | Status::Completed) {
            return false;
        }
        (state.asked, state.status, state.nr_bytes) = (Some(uri), Status::Active, 0);
        drop(state);
        self.0.changed.notify_all();
        true
    }

    /// What became of the last one, and how many bytes of memory went.
    pub(crate) fn status(&self) -> (Status, u64) {
        let state = self.state();
        (state.status.clone(), state.nr_bytes)
    }

    /// A run begins.
    pub(crate) fn begin(&self) {
        self.state().has_ended = false;
    }

    /// The run has ended.
    pub(crate) fn end(&self) {
        self.state().has_ended = true;
        self.0.changed.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// Whether the run has ended, or does within some time.
    pub(super) fn has_ended_within(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self.0.changed.wait_timeout_while(state, time, |state| !state.has_ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.has_ended
    }

    /// Waits for what is asked for, or for the end of the run.
    pub(crate) fn wait(&self) -> Option<MigrationUri> {
        let mut state = self.state();
        loop {
            if state.has_ended {
                return None;
            }
            if let Some(uri) = state.asked.take() {
                return Some(uri);
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says what became of it.
    pub(crate) fn tell<T>(&self, result: &anyhow::Result<T>) {
        let mut state = self.state();
        state.status = match result {
            Ok(_) => Status::Completed,
            Err(error) => Status::Failed(format!("{error:#}")),
        };
        state.asked = None;
    }

    pub(super) fn set_bytes(&self, nr_bytes: u64) {
        self.state().nr_bytes = nr_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_migration_at_a_time() {
        let migrations = Migrations::default();
        let uri = || MigrationUri::File("/a".into());
        assert!(migrations.ask(uri()) && !migrations.ask(uri()));
        assert_eq!(migrations.wait(), Some(uri()));
        migrations.tell::<()>(&Err(anyhow::anyhow!("no")));
        assert_eq!(migrations.status().0, Status::Failed("no".into()));
        assert!(migrations.ask(uri()));
        migrations.tell(&Ok(()));
        assert!(!migrations.ask(uri()));
        migrations.end();
        assert_eq!(migrations.wait(), None);
    }
}
