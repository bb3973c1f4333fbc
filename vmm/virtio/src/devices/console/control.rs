//! Control messages (§ 5.3.6.2 "Multiport Device Operation").

/// What a control message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Event {
    DeviceReady = 0,
    PortAdd = 1,
    PortReady = 3,
    ConsolePort = 4,
    Resize = 5,
    PortOpen = 6,
    PortName = 7,
}

impl Event {
    pub(super) fn from_driver(event: u16) -> Option<Self> {
        // Others are the device's to send.
        [Self::DeviceReady, Self::PortReady, Self::PortOpen].into_iter().find(|known| *known as u16 == event)
    }

    /// In the order in which a driver expects what it is owed: a port is told of before anything about it.
    pub(super) const OWED: [Self; 5] = [Self::PortAdd, Self::ConsolePort, Self::Resize, Self::PortName, Self::PortOpen];
}

/// Size of a control message without what follows it.
pub(super) const MESSAGE_BYTES: usize = 8;

/// A control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Number of the port.
    pub(super) port: u32,
    pub(super) event: u16,
    pub(super) value: u16,
}

impl Message {
    pub(super) fn from_bytes(bytes: [u8; MESSAGE_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            port: u32::from_le_bytes([a, b, c, d]),
            event: u16::from_le_bytes([e, f]),
            value: u16::from_le_bytes([g, h]),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; MESSAGE_BYTES] {
        let ([a, b, c, d], [e, f], [g, h]) =
            (self.port.to_le_bytes(), self.event.to_le_bytes(), self.value.to_le_bytes());
        [a, b, c, d, e, f, g, h]
    }
}

/// Messages that a driver is owed about a port: each at most once, so that a driver that never takes any costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed(u16);

impl Owed {
    pub(super) fn add(&mut self, event: Event) {
        self.0 |= 1 << event as u16;
    }

    pub(super) fn remove(&mut self, event: Event) {
        self.0 &= !(1 << event as u16);
    }

    /// A bit for each.
    pub(super) fn bits(self) -> u16 {
        self.0
    }

    /// Those of these bits, if each of them can be owed.
    pub(super) fn from_bits(bits: u16) -> Option<Self> {
        let all = Event::OWED.into_iter().fold(0, |all, event| all | 1 << event as u16);
        (bits & !all == 0).then_some(Self(bits))
    }

    /// The next one to send.
    pub(super) fn first(self) -> Option<Event> {
        Event::OWED.into_iter().find(|event| self.0 >> *event as u16 & 1 != 0)
    }
}
