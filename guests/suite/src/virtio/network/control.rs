//! Commands of the control queue.

use super::{
    CONTROL, CONTROLLED, Interface, MAC, NOTHING, OTHER, ROWS, bytes, each_interface, feature, outgoing, works_again,
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element, status},
    vocabulary::Devices,
};

/// Classes of commands.
pub(super) const RX: u8 = 0;
pub(super) const ADDRESSES: u8 = 1;
pub(super) const VLAN: u8 = 2;
/// VIRTIO_NET_OK and VIRTIO_NET_ERR.
pub(super) const OK: u8 = 0;
pub(super) const ERROR: u8 = 1;

/// Where the device acknowledges.
fn acknowledgement() -> u64 {
    virtio::buffer(1)
}

impl Interface<3> {
    /// Gives a command of a class with its data: how it was acknowledged.
    pub(super) fn command(&mut self, class: u8, command: u8, data: &[u8]) -> u8 {
        let all = [class, command].into_iter().chain(data.iter().copied());
        (outgoing()..).zip(all).for_each(|(at, byte)| mmio::write_u8(at, byte));
        mmio::write_u8(acknowledgement(), NOTHING);
        let size = 2 + data.len() as u32;
        let parts = [Element::read(outgoing(), size), Element::written(acknowledgement(), 1)];
        match self.device.exchange(CONTROL, &parts) {
            Some(0 | 1) => mmio::read_u8(acknowledgement()),
            _ => NOTHING,
        }
    }
}

/// Modes of receiving are switched on and off, those that the features have.
#[case(feature = VirtioNetwork, spec = [virtio("Control Virtqueue"), virtio("Device Requirements: Packet Receive Filtering")],
       devices = Devices::NETWORK)]
fn receive_modes_are_switched() {
    each_interface(CONTROLLED, |row, interface: &mut Interface<3>| {
        let has = |bits| interface.device.features & bits == bits;
        let nr_modes = match (has(feature::CTRL_RX), has(feature::CTRL_RX_EXTRA)) {
            (true, true) => 6,
            (true, false) => 2,
            _ => 0,
        };
        for mode in 0..nr_modes {
            for on in [1, 0] {
                check_eq!("acknowledged", [ROWS; row], interface.command(RX, mode, &[on]), OK);
            }
        }
        if nr_modes > 0 {
            check_eq!("as it was", [ROWS; row], interface.command(RX, 0, &[1]), OK);
        }
        check!("it is answered", [ROWS; row], interface.is_answered(MAC));
    });
}

/// A command that there is not is an error, and the device goes on.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Control Virtqueue")], devices = Devices::NETWORK)]
fn unknown_commands_are_errors() {
    each_interface(CONTROLLED, |row, interface: &mut Interface<3>| {
        if interface.device.features & feature::CTRL_VQ == 0 {
            return;
        }
        for (class, command) in [(RX, 6), (RX, 0xff), (ADDRESSES, 2), (VLAN, 2), (0x77, 0), (0xff, 0xff)] {
            check_eq!("it is an error", [ROWS; row], interface.command(class, command, &[0, 0]), ERROR);
        }
        check_eq!("needs no reset", [ROWS; row], interface.device.transport.status() & status::DEVICE_NEEDS_RESET, 0);
        check!("it is answered", [ROWS; row], interface.is_answered(MAC));
    });
}

/// The address that is set is the one of the configuration, and of the interface.
#[case(feature = VirtioNetwork, spec = [virtio("Control Virtqueue"), virtio("Device Requirements: Setting MAC Address Filtering")],
       devices = Devices::NETWORK)]
fn address_is_set() {
    each_interface(CONTROLLED, |row, interface: &mut Interface<3>| {
        if interface.device.features & feature::CTRL_MAC_ADDR == 0 {
            return;
        }
        let Some(at) = interface.device.transport.config() else { return check!("there is one", [ROWS; row], false) };
        for address in [OTHER, MAC] {
            check_eq!("acknowledged", [ROWS; row], interface.command(ADDRESSES, 1, &address), OK);
            let is_told = bytes(at) == address;
            check!("the configuration has it", [ROWS; row], is_told);
            check_eq!("not promiscuous", [ROWS; row], interface.command(RX, 0, &[0]), OK);
            check!("frames for it come", [ROWS; row], interface.is_answered(address));
        }
    });
}

/// Frames without a tag come whatever VLANs are let through.
#[case(feature = VirtioNetwork, spec = [virtio("Control Virtqueue"), virtio("VLAN Filtering")], devices = Devices::NETWORK)]
fn vlans_are_added_and_deleted() {
    each_interface(CONTROLLED | feature::CTRL_VLAN, |row, interface: &mut Interface<3>| {
        if interface.device.features & feature::CTRL_VLAN == 0 {
            return;
        }
        for vlan in [1_u16, 4094] {
            for command in [0, 1] {
                let acknowledged = interface.command(VLAN, command, &vlan.to_le_bytes());
                check_eq!("acknowledged", [ROWS; row], acknowledged, OK);
                check!("it is answered", [ROWS; row], interface.is_answered(MAC));
            }
        }
    });
}

/// Commands that are cut short, that announce more than there is, or have no place for an answer: an error or a reset, and no
/// more.
#[case(feature = VirtioHostileDrivers, spec = virtio("Control Virtqueue"), devices = Devices::NETWORK)]
fn broken_commands_are_survived() {
    const TABLE: &[u8] = &[ADDRESSES, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6];
    const WRAPPED: &[u8] = &[ADDRESSES, 0, 0xab, 0xaa, 0xaa, 0x2a, 0, 0, 0, 0];
    const BROKEN: [(&[u8], u32); 7] = [
        (&[RX], 1),
        (&[RX, 0], 1),
        (&[ADDRESSES, 1, 2, 0, 0], 1),
        (&[VLAN, 0, 1], 1),
        (TABLE, 1),
        (WRAPPED, 1),
        (&[RX, 0, 1], 0),
    ];
    super::each_row(virtio::kind::NETWORK, |row, transport, layout| {
        for (command, room) in BROKEN {
            let Some(mut interface) = Interface::<3>::started(transport, layout, CONTROLLED | feature::CTRL_VLAN)
            else {
                return super::refused(row);
            };
            if interface.device.features & feature::CTRL_VQ == 0 {
                return;
            }
            (outgoing()..).zip(command).for_each(|(at, byte)| mmio::write_u8(at, *byte));
            mmio::write_u8(acknowledgement(), NOTHING);
            let out = Element::read(outgoing(), command.len() as u32);
            let parts = [out, Element::written(acknowledgement(), room)];
            interface.device.give(CONTROL, if room == 0 { &parts[..1] } else { &parts });
            super::super::give_time();
            check!("it is not done", [ROWS; row], mmio::read_u8(acknowledgement()) != OK);
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}
