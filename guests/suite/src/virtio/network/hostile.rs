//! Frames that are none.

use super::{HEADER_BYTES, Interface, ROWS, SENT, TRANSMIT, USUAL, outgoing, refused, works_again};
use crate::virtio::several::each_row;
use rt::{
    case, check, mmio,
    virtio::{Element, kind},
    vocabulary::{Devices, devices::network::MAC},
};

/// Frames without a header, without a frame, with far more bytes than a frame can have, or in what the device is to write.
#[case(feature = VirtioHostileDrivers, spec = virtio("Packet Transmission"), devices = Devices::NETWORK)]
fn frames_of_any_size_are_survived() {
    let at = outgoing();
    let ways = [
        Element::read(at, 1),
        Element::read(at, HEADER_BYTES - 1),
        Element::read(at, HEADER_BYTES),
        Element::read(at, HEADER_BYTES + 1),
        Element::read(at, HEADER_BYTES + 13),
        Element::read(at, 0x4000),
        Element::written(at, SENT),
    ];
    each_row(kind::NETWORK, |row, transport, layout| {
        for way in ways {
            let Some(mut interface) = Interface::<2>::started(transport, layout, USUAL) else { return refused(row) };
            Interface::<2>::prepare(MAC);
            interface.device.give(TRANSMIT, &[way]);
            super::super::give_time();
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}

/// Checksums and segments that nobody negotiated, at places that no frame has.
#[case(feature = VirtioHostileDrivers, spec = virtio("Packet Transmission"), devices = Devices::NETWORK)]
fn work_that_was_not_negotiated_is_survived() {
    each_row(kind::NETWORK, |row, transport, layout| {
        for (flags, segments, places) in
            [(1, 0, 0xffff_ffff), (0, 1, 0), (1, 0x84, 0x10_0000), (0xff, 0xff, 0xffff_ffff)]
        {
            let Some(mut interface) = Interface::<2>::started(transport, layout, USUAL) else { return refused(row) };
            Interface::<2>::prepare(MAC);
            mmio::write_u8(outgoing(), flags);
            mmio::write_u8(outgoing() + 1, segments);
            mmio::write_u32(outgoing() + 6, places);
            interface.device.give(TRANSMIT, &[Element::read(outgoing(), SENT)]);
            super::super::give_time();
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}
