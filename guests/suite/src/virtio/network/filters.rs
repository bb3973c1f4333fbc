//! Which frames come: those for the driver's own address, for those of its table, and for all.
//!
//! What is not wanted "SHOULD" be dropped, and both directions are asked for in one order: the frame that must not come is asked
//! for first, so that nothing has to be waited for in vain.

use super::{
    CONTROLLED, Interface, MAC, OTHER, ROWS,
    control::{ADDRESSES, OK, RX},
    each_interface, feature,
};
use rt::{case, check, check_eq, vocabulary::Devices};

/// A table of one address for one station, and none for groups.
const ONE: [u8; 14] = {
    let mut bytes = [0; 14];
    bytes[0] = 1;
    let mut index = 0;
    while index < OTHER.len() {
        bytes[4 + index] = OTHER[index];
        index += 1;
    }
    bytes
};

impl Interface<3> {
    /// Asks from both addresses: whether the answer to the first is not given, and that to the second is.
    fn has_second_alone(&mut self, first: [u8; 6], second: [u8; 6]) -> bool {
        let is_taken = self.ask(first) && self.ask(second);
        let next = self.hear();
        self.give(super::ROOM);
        is_taken && next.is_some_and(|frame| frame.to != first && frame.is_answer(second))
    }
}

/// Frames for the driver's address come in every mode, and for others only to who is promiscuous or has them in the table.
#[case(feature = VirtioNetwork, spec = [virtio("Control Virtqueue"), virtio("Device Requirements: Setting MAC Address Filtering")],
       devices = Devices::NETWORK)]
fn frames_for_others_are_filtered() {
    each_interface(CONTROLLED, |row, interface: &mut Interface<3>| {
        if interface.device.features & feature::CTRL_RX == 0 {
            return;
        }
        check_eq!("promiscuous", [ROWS; row], interface.command(RX, 0, &[1]), OK);
        check!("frames for others", [ROWS; row], interface.is_answered(OTHER));
        check_eq!("not promiscuous", [ROWS; row], interface.command(RX, 0, &[0]), OK);
        check!("frames for itself alone", [ROWS; row], interface.has_second_alone(OTHER, MAC));
        check_eq!("a table", [ROWS; row], interface.command(ADDRESSES, 0, &ONE), OK);
        check!("frames for whom it has", [ROWS; row], interface.is_answered(OTHER));
        check!("frames for itself", [ROWS; row], interface.is_answered(MAC));
        check_eq!("an empty table", [ROWS; row], interface.command(ADDRESSES, 0, &[0; 8]), OK);
        check!("frames for itself alone again", [ROWS; row], interface.has_second_alone(OTHER, MAC));
    });
}

/// A reset empties the table.
#[case(feature = VirtioNetwork, spec = [virtio("Control Virtqueue"), virtio("Device Requirements: Setting MAC Address Filtering")],
       devices = Devices::NETWORK)]
fn table_is_empty_after_a_reset() {
    each_interface(CONTROLLED, |row, interface: &mut Interface<3>| {
        if interface.device.features & feature::CTRL_RX == 0 {
            return;
        }
        check_eq!("a table", [ROWS; row], interface.command(ADDRESSES, 0, &ONE), OK);
        let (transport, layout) = (interface.device.transport, interface.device.queues[0].layout);
        let Some(mut again) = Interface::<3>::started(transport, layout, CONTROLLED) else {
            return super::refused(row);
        };
        check_eq!("not promiscuous", [ROWS; row], again.command(RX, 0, &[0]), OK);
        check!("frames for itself alone", [ROWS; row], again.has_second_alone(OTHER, MAC));
    });
}
