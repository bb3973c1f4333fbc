//! Control messages of a console with ports, and what makes sense of them.
//!
//! Source: VIRTIO, "Multiport Device Operation".

/// Kinds of messages.
pub(crate) mod event {
    pub(crate) const DEVICE_READY: u16 = 0;
    pub(crate) const PORT_ADD: u16 = 1;
    pub(crate) const PORT_REMOVE: u16 = 2;
    pub(crate) const PORT_READY: u16 = 3;
    pub(crate) const CONSOLE_PORT: u16 = 4;
    pub(crate) const RESIZE: u16 = 5;
    pub(crate) const PORT_OPEN: u16 = 6;
    pub(crate) const PORT_NAME: u16 = 7;
}

/// Bytes of a message without what follows it.
pub(crate) const MESSAGE_BYTES: u32 = 8;

/// A message: its port, its kind, its value, and how many bytes follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) port: u32,
    pub(crate) event: u16,
    pub(crate) value: u16,
    pub(crate) nr_more: u32,
}

impl Message {
    /// Whether a device may send it, which has so many ports and told of those whose bits are set in `added`.
    pub(crate) const fn may_be_sent(self, nr_ports: u32, added: u32) -> bool {
        let is_port = self.port < nr_ports && self.port < 32;
        let is_added = is_port && added >> self.port & 1 != 0;
        match self.event {
            event::PORT_ADD => is_port && !is_added && self.nr_more == 0,
            event::PORT_REMOVE => is_added && self.nr_more == 0,
            event::CONSOLE_PORT => is_added && self.nr_more == 0,
            event::PORT_OPEN => is_added && self.value <= 1 && self.nr_more == 0,
            event::RESIZE => is_added && self.nr_more == 4,
            event::PORT_NAME => is_added && self.nr_more != 0,
            _ => false,
        }
    }
}
