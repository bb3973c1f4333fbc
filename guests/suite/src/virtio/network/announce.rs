//! Drivers that are asked to tell the network where they are.

use super::{
    CONTROLLED, Interface, ROWS,
    control::{ERROR, OK},
    each_interface, feature,
};
use rt::{
    case, check, check_eq,
    clock::Deadline,
    mmio,
    virtio::{Change, PATIENCE_MICROS},
    vocabulary::{Devices, Needs},
};

/// VIRTIO_NET_S_ANNOUNCE.
const ANNOUNCE: u16 = 2;
/// The class of commands, with its one command.
const CLASS: u8 = 3;
const ACKNOWLEDGE: u8 = 0;
/// The interrupt status when the configuration changed.
const CHANGED: u8 = 2;

/// A driver is asked by the status and by a change of the configuration, until it acknowledges, and then again.
#[case(feature = VirtioNetwork, spec = [virtio("Gratuitous Packet Sending"), virtio("Control Virtqueue")],
       needs = Needs::CONFIG_CHANGES, devices = Devices::NETWORK)]
fn announcements_are_asked_for() {
    each_interface(CONTROLLED | feature::GUEST_ANNOUNCE, |row, interface: &mut Interface<3>| {
        let transport = interface.device.transport;
        let has_it = interface.device.features & feature::GUEST_ANNOUNCE != 0;
        let (true, Some(config)) = (has_it, transport.config()) else { return };
        let is_asked = || mmio::read_u16(config + 6) & ANNOUNCE != 0;
        check!("not at first", [ROWS; row], !is_asked());
        for _ in 0..2 {
            transport.acknowledge(transport.interrupt_status());
            check!("the host asks for it", [ROWS; row], Change::Announce.ask());
            check!("the driver is asked", [ROWS; row], Deadline::after(PATIENCE_MICROS).wait(is_asked));
            let mut status = 0;
            Deadline::after(PATIENCE_MICROS).wait(|| {
                status |= transport.interrupt_status();
                status & CHANGED != 0
            });
            check_eq!("interrupt status", [ROWS; row], status & CHANGED, CHANGED);
            check_eq!("another command", [ROWS; row], interface.command(CLASS, ACKNOWLEDGE + 1, &[]), ERROR);
            check!("still asked", [ROWS; row], is_asked());
            check_eq!("acknowledged", [ROWS; row], interface.command(CLASS, ACKNOWLEDGE, &[]), OK);
            check!("no longer", [ROWS; row], !is_asked());
        }
        check_eq!("acknowledged again", [ROWS; row], interface.command(CLASS, ACKNOWLEDGE, &[]), OK);
    });
}
