//! Messages of a function on their way to local APICs: those that come again and again by an irqfd.
//!
//! A route is made true before it is used: a message that the driver changed is another one, with a route of its own, and a vector
//! that is masked sends none (see `pci::MsiX`, which keeps it pending).

use crate::interrupts::{InterruptError, Interrupts, Irqfd, MsiMessage};

/// How often a message is sent before it gets a route: to make one costs more than many messages.
const NR_BEFORE_ROUTE: u32 = 16;

/// What sends the messages of a function.
pub(super) struct Messages {
    interrupts: Interrupts,
    known: Vec<Known>,
    nr_max: usize,
}

/// A message that was sent.
struct Known {
    message: MsiMessage,
    nr_sent: u32,
    route: Option<Irqfd>,
}

impl Messages {
    /// One that gives routes to so many messages at most.
    pub(super) fn new(interrupts: Interrupts, nr_max: usize) -> Self {
        Self { interrupts, known: Vec::new(), nr_max }
    }

    /// Gives up all routes, which get lost with the VM: when this returns, what was sent by them has arrived.
    pub(super) fn settle(&mut self) {
        self.known.clear();
    }

    /// Sends a message. Whether somebody takes it is the guest's affair.
    ///
    /// # Errors
    /// Those of [`Interrupts::signal_msi`].
    pub(super) fn send(&mut self, message: MsiMessage) -> Result<(), InterruptError> {
        if self.nr_max == 0 {
            return self.interrupts.signal_msi(message).map(drop);
        }
        let index = match self.known.iter().position(|known| known.message == message) {
            Some(index) => index,
            None => {
                if self.known.len() >= self.nr_max {
                    // The driver uses no more at a time than it has vectors.
                    self.known.remove(0);
                }
                self.known.push(Known { message, nr_sent: 0, route: None });
                self.known.len() - 1
            }
        };
        let known = &mut self.known[index];
        known.nr_sent = known.nr_sent.saturating_add(1);
        if known.nr_sent == NR_BEFORE_ROUTE {
            // Without a route it goes as before.
            known.route = self.interrupts.msi_irqfd(message).ok();
        }
        match &known.route {
            Some(route) => route.signal(),
            None => self.interrupts.signal_msi(message).map(drop),
        }
    }
}
