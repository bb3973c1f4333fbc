//! The control socket: QMP's commands on a machine.
//!
//! Sources: QEMU, "qapi/*.json", for commands, arguments and what they return.

mod arguments;
mod backends;
mod changes;
mod commands;
mod cpus;
mod devices;
mod migration;
mod nothing;
mod options;
mod query;
mod run_state;
mod types;

use crate::inventory::{Inventory, Running};
use anyhow::Context;
use arguments::Arguments;
use backends::Backends;
use qmp::{Error, Events, Handler, Map, Server, Value, Version};
use std::{
    path::Path,
    thread::{self, JoinHandle},
};
use vmm::confinement::{Confinement, ThreadKind, confine};

/// What is true of a machine for as long as this program runs.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) nr_vcpus: u8,
    /// With those that can come later.
    pub(crate) nr_vcpus_max: u8,
    pub(crate) memory_bytes: u64,
    /// Of the thread that serves the socket.
    pub(crate) confinement: Confinement,
}

/// A control socket and the thread that serves it.
pub(crate) struct Monitor {
    events: Events,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Monitor {
    /// Binds the socket.
    pub(crate) fn bind(path: &Path) -> anyhow::Result<Server> {
        Server::bind(path).context("cannot use --qmp")
    }

    /// Serves it until [`Self::end`].
    pub(crate) fn start(server: Server, inventory: Inventory, facts: Facts) -> anyhow::Result<Self> {
        let events = server.events();
        let confinement = facts.confinement;
        let mut commands = Commands { inventory, facts, events: events.clone(), backends: Backends::default() };
        let serve = move || {
            confine(ThreadKind::Control, confinement).map_err(std::io::Error::other)?;
            server.serve(&version(), &mut commands)
        };
        let thread = thread::Builder::new().name("qmp".into()).spawn(serve);
        Ok(Self { events, thread: thread.context("failed to start the thread of --qmp")? })
    }

    /// Sends what is still to be told, and removes the socket.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.events.end();
        match self.thread.join() {
            Ok(result) => result.context("failed to serve --qmp"),
            Err(_) => anyhow::bail!("the thread of --qmp panicked"),
        }
    }
}

fn version() -> Version {
    let mut numbers = env!("CARGO_PKG_VERSION").split('.').map(|number| number.parse().unwrap_or(0));
    let numbers = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    Version { numbers, package: concat!("vmm ", env!("CARGO_PKG_VERSION")).into() }
}

/// What the commands work on.
pub(crate) struct Commands {
    inventory: Inventory,
    facts: Facts,
    events: Events,
    backends: Backends,
}

type Answer = Result<Value, Error>;

impl Commands {
    fn running(&self) -> Result<Running, Error> {
        self.inventory.running().ok_or_else(|| Error::generic("the VM is being made or has ended"))
    }
}

impl Handler for Commands {
    fn knows(&self, name: &str) -> bool {
        commands::find(name).is_some()
    }

    fn execute(&mut self, name: &str, arguments: Map<String, Value>) -> Answer {
        let missing = || Error::generic(format!("there is no command {name}"));
        let command = commands::find(name).ok_or_else(missing)?;
        command.signature.check(&arguments)?;
        (command.run)(self, Arguments::new(arguments))
    }
}

#[cfg(test)]
mod tests;
