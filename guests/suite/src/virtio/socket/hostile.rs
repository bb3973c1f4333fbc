//! Packets that are none.

use super::{
    ECHO_PORT, LARGE, RECEIVE, ROWS, Sockets, TRANSMIT,
    model::{HEADER_BYTES, Header, operation},
    outgoing, packet, refused, works_again,
};
use crate::virtio::several::each_row;
use rt::{
    case, check,
    virtio::{Element, kind},
    vocabulary::Devices,
};

/// Headers that are cut short, that announce more than there is, and that nobody may send.
#[case(feature = VirtioHostileDrivers, spec = virtio("Receive and Transmit"), devices = Devices::SOCKET)]
fn packets_of_any_kind_are_survived() {
    let data = packet(5000, ECHO_PORT, operation::DATA);
    let ways = [
        (data, 1),
        (data, HEADER_BYTES - 1),
        (Header { size: 8, ..data }, HEADER_BYTES),
        (Header { size: u32::MAX, ..data }, HEADER_BYTES + 8),
        (Header { size: u32::MAX - HEADER_BYTES + 1, ..data }, HEADER_BYTES),
        (Header { operation: 0, ..data }, HEADER_BYTES),
        (Header { operation: 8, ..data }, HEADER_BYTES),
        (Header { operation: 0xffff, ..data }, HEADER_BYTES),
        (Header { operation: operation::REQUEST, ..data }, HEADER_BYTES),
        (Header { source: 2, ..data }, HEADER_BYTES),
        (Header { source: u64::MAX, ..data }, HEADER_BYTES),
        (Header { destination: 1 << 32 | 2, ..data }, HEADER_BYTES),
        (Header { taken: u32::MAX, room: 0, ..data }, HEADER_BYTES),
    ];
    each_row(kind::SOCKET, |row, transport, layout| {
        for (header, size) in ways {
            let Some(mut sockets) = Sockets::started(transport, layout) else { return refused(row) };
            check!("accepted", [ROWS; row], sockets.connect(5000, LARGE));
            Sockets::write(header);
            sockets.device.give(TRANSMIT, &[Element::read(outgoing(), size)]);
            super::super::give_time();
            while let Some(used) = sockets.device.queues[RECEIVE].take_used() {
                check!("what comes has a header", [ROWS; row], used.written >= HEADER_BYTES);
            }
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}
