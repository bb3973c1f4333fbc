//! How a virtual machine ended.

/// How a virtual machine ended. A `place` is function, offset and instruction, or empty if it is not known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ending {
    /// The harness ended it, because the transcript was complete.
    Reported,
    /// The guest wrote to the debug-exit port.
    DebugExit {
        /// What it wrote.
        value: u32,
    },
    /// The guest asked for a reset.
    Reset,
    /// The processor shut down: a triple fault.
    Shutdown {
        /// Where the guest stood.
        place: String,
    },
    /// The guest halted, and nothing can wake it.
    Halted {
        /// Where the guest stood.
        place: String,
    },
    /// The hypervisor gave up on the guest.
    InternalError {
        /// What it said.
        text: String,
        /// Where the guest stood.
        place: String,
    },
    /// The hypervisor's process ended by itself.
    Died {
        /// Its status and its last words.
        text: String,
    },
    /// The time was over; the harness ended it.
    Timeout {
        /// Where the guest stood.
        place: String,
    },
    /// The guest wrote more than is taken; the harness ended it.
    Flood {
        /// How much of what.
        text: String,
    },
    /// The user ended the session.
    Cancelled,
    /// The harness failed.
    Harness {
        /// Why.
        text: String,
    },
}
