//! The control socket: QMP's commands on a machine.
//!
//! Sources: QEMU, "qapi/*.json", for commands, arguments and what they return.

mod arguments;
mod backends;
mod devices;
mod query;
mod run_state;

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
type Command = fn(&mut Commands, Arguments) -> Answer;

/// All commands but `qmp_capabilities`.
const COMMANDS: &[(&str, Command)] = &[
    ("balloon", devices::balloon),
    ("blockdev-add", backends::add_disk),
    ("blockdev-del", backends::remove_disk),
    ("cont", run_state::resume),
    ("device_add", devices::add),
    ("device_del", devices::remove),
    ("netdev_add", backends::add_network),
    ("netdev_del", backends::remove_network),
    ("query-balloon", devices::query_balloon),
    ("query-block", query::block),
    ("query-commands", query::commands),
    ("query-cpus-fast", query::cpus),
    ("query-hotpluggable-cpus", query::hotpluggable_cpus),
    ("query-kvm", query::kvm),
    ("query-memory-size-summary", query::memory),
    ("query-name", query::name),
    ("query-pci", query::pci),
    ("query-status", run_state::query),
    ("query-version", query::version),
    ("quit", run_state::quit),
    ("screendump", devices::screendump),
    ("stop", run_state::stop),
    ("system_powerdown", run_state::power_down),
    ("system_reset", run_state::reset),
];

fn command(name: &str) -> Option<Command> {
    COMMANDS.iter().find(|(known, _)| *known == name).map(|(_, command)| *command)
}

impl Commands {
    fn running(&self) -> Result<Running, Error> {
        self.inventory.running().ok_or_else(|| Error::generic("the VM is being made or has ended"))
    }
}

impl Handler for Commands {
    fn knows(&self, name: &str) -> bool {
        command(name).is_some()
    }

    fn execute(&mut self, name: &str, arguments: Map<String, Value>) -> Answer {
        match command(name) {
            Some(command) => command(self, Arguments::new(arguments)),
            None => Err(Error::generic(format!("there is no command {name}"))),
        }
    }
}

#[cfg(test)]
mod tests;
