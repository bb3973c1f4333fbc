//! Rules that a device can be told to break, one at a time: with them a test suite is tried, as no device that is in use breaks
//! just one rule.
//!
//! Each is a test at the place of its rule. What belongs to one kind of device is data: which byte of its buffers or of its
//! configuration is another one. Who sets none gets a device as it is described elsewhere.

mod buffer;
mod common;
mod ring;

pub use buffer::{BufferFault, ConfigFault, FeatureFault, Place, Way};
pub(crate) use buffer::{changed_read, changed_write};
pub use common::{CommonFault, TransportFault};
pub use pci::Fault as PciFault;
pub use ring::RingFault;
pub(crate) use ring::RingFaults;

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of every ring.
    Ring(RingFault),
    /// Of status, features, queues and configuration.
    Common(CommonFault),
    /// Of the registers of a transport.
    Transport(TransportFault),
    /// Of PCI.
    Pci(pci::Fault),
    /// What a device takes from its buffers, or writes there.
    Buffer(BufferFault),
    /// What its configuration tells.
    Config(ConfigFault),
    /// What it offers.
    Features(FeatureFault),
}

impl Fault {
    /// The rule, if it is one of [`CommonFault`].
    pub(crate) const fn common(fault: Option<Self>) -> Option<CommonFault> {
        match fault {
            Some(Self::Common(fault)) => Some(fault),
            _ => None,
        }
    }

    /// The rule, if it is one of [`TransportFault`].
    pub(crate) const fn transport(fault: Option<Self>) -> Option<TransportFault> {
        match fault {
            Some(Self::Transport(fault)) => Some(fault),
            _ => None,
        }
    }
}

macro_rules! faults {
    ($(#[$of:meta])* $name:ident: $($(#[$what:meta])* $variant:ident;)*) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$what])* $variant),* }

        impl $name {
            /// Whether this is what a device was told to do.
            pub(crate) const fn is_set(self, fault: Option<Self>) -> bool {
                matches!(fault, Some(set) if set as u8 == self as u8)
            }
        }
    };
}
use faults;
