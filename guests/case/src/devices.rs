//! Which virtio devices a case wants to find, and what is in them on every board.
//!
//! Source: VIRTIO, chapter 5 "Device Types".

bitflags::bitflags! {
    /// A set of kinds of virtio devices. A case whose devices its subject does not offer is a `skip` that names them.
    ///
    /// Which transport a device is on, [`crate::Needs`] may say; without a word there, it is on each that the subject has. Over
    /// MMIO there is one device at most.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Devices: u16 {
        /// An entropy device (section 5.4 "Entropy Device").
        const ENTROPY = 1 << 0;
        /// A block device (section 5.2 "Block Device") with the disk of [`disk`].
        const BLOCK = 1 << 1;
        /// The same with a disk that is read-only.
        const READ_ONLY_BLOCK = 1 << 2;
        /// A SCSI host (section 5.6 "SCSI Host Device") whose target 0 is the disk of [`disk`].
        const SCSI = 1 << 3;
        /// A network device (section 5.1 "Network Device") at the cable of [`network`].
        const NETWORK = 1 << 4;
        /// A console with two ports that give back what they get (section 5.3 "Console Device"), see [`console`].
        const CONSOLE = 1 << 5;
        /// A traditional memory balloon (section 5.5 "Traditional Memory Balloon Device").
        const BALLOON = 1 << 6;
        /// A socket device (section 5.10 "Socket Device"), with a peer as [`socket`] tells.
        const SOCKET = 1 << 7;
        /// A GPU without a display (section 5.7 "GPU Device"), see [`gpu`].
        const GPU = 1 << 8;
    }
}

impl Devices {
    /// Titles of the devices of `self`, for people.
    pub fn titles(self) -> impl Iterator<Item = &'static str> {
        self.iter().map(Self::title)
    }

    /// Title of one device.
    fn title(self) -> &'static str {
        match self {
            Self::ENTROPY => "virtio entropy device",
            Self::BLOCK => "virtio block device",
            Self::READ_ONLY_BLOCK => "virtio block device that is read-only",
            Self::SCSI => "virtio SCSI host",
            Self::NETWORK => "virtio network device",
            Self::CONSOLE => "virtio console",
            Self::BALLOON => "virtio balloon",
            Self::SOCKET => "virtio socket device",
            Self::GPU => "virtio GPU",
            // `iter` gives one bit at a time, and all have names.
            _ => "virtio device",
        }
    }
}

/// The disk of block devices and of SCSI hosts.
pub mod disk {
    /// Bytes of a sector.
    pub const SECTOR_BYTES: u64 = 512;
    /// Its size in sectors.
    pub const NR_SECTORS: u64 = 128;
    /// The identification that a block device tells, and the serial number of a SCSI disk.
    pub const ID: &str = "vmproof-disk";

    /// What each doubleword of eight bytes of a sector holds at first, little-endian.
    pub const fn word(sector: u64) -> u64 {
        0xd15c_0000_0000_5ec0 | sector << 16
    }
}

/// The cable of a network device: at its other end is a host that answers ARP and ICMP echo requests, and DHCP.
pub mod network {
    /// Ethernet address of the device.
    pub const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
    /// IPv4 address of the host, by which it answers.
    pub const HOST: [u8; 4] = [10, 0, 2, 2];
    /// IPv4 address that is the guest's.
    pub const GUEST: [u8; 4] = [10, 0, 2, 15];
}

/// The ports of a console: what the guest writes to one comes back from it.
pub mod console {
    /// How many there are: number 0 is a console, and number 1 has the name of [`NAME`].
    pub const NR_PORTS: u32 = 2;
    /// Name of port 1.
    pub const NAME: &str = "vmproof.port";
}

/// The peer of a socket device.
pub mod socket {
    /// Context identifier of the guest.
    pub const CID: u64 = 3;
    /// The port of the host where a peer gives back what it gets; nobody listens at any other.
    pub const ECHO_PORT: u32 = 1024;
}

/// The display that a GPU would have.
pub mod gpu {
    /// Its size in pixels.
    pub const SIZE: (u16, u16) = (640, 480);
}
