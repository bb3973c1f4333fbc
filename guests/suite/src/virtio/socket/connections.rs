//! How connections begin, and what becomes of packets that are for none.

use super::{
    ECHO_PORT, EVENTS, LARGE, NR_ROOMS, ROWS, SILENT, Sockets, TRANSMIT, each_device,
    model::{Header, operation},
    outgoing, packet, refused,
};
use crate::virtio::{TRANSPORTS, each_transport_of, several::each_row};
use rt::{
    case, check, check_eq, mmio,
    virtio::{Element, kind},
    vocabulary::{Devices, devices::socket::CID},
};

/// The configuration has the guest's context identifier, which is none of those that are reserved.
#[case(feature = VirtioConfiguration, spec = [virtio("Socket Device"), virtio("Device configuration layout")], devices = Devices::SOCKET)]
fn context_identifier_is_told() {
    each_transport_of(kind::SOCKET, |row, transport| {
        check!("features are accepted", [TRANSPORTS; row], transport.negotiate_offered(0).is_some());
        let Some(at) = transport.config() else { return check!("there is one", [TRANSPORTS; row], false) };
        check_eq!("the guest's", [TRANSPORTS; row], mmio::read_u32(at), CID as u32);
        check_eq!("its upper half", [TRANSPORTS; row], mmio::read_u32(at + 4), 0);
    });
}

/// Who listens accepts, and where nobody does the connection is refused.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Stream Sockets")], devices = Devices::SOCKET)]
fn connections_are_accepted_or_refused() {
    each_device(|row, sockets| {
        for port in [5000, 5001, u32::MAX] {
            check!("accepted", [ROWS; row], sockets.connect(port, LARGE));
        }
        for (port, silent) in [(5000, SILENT), (6000, 0), (6001, u32::MAX), (6002, ECHO_PORT + 1)] {
            let request = packet(port, silent, operation::REQUEST);
            check!("it is taken", [ROWS; row], sockets.send(request));
            check!("refused", [ROWS; row], sockets.hears(request, operation::RESET));
        }
        check!("no event", [ROWS; row], sockets.device.queues[EVENTS].take_used().is_none());
    });
}

/// What is for no connection is answered by RST, and RST by nothing.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Stream Sockets")], devices = Devices::SOCKET)]
fn packets_for_no_connection_are_reset() {
    use operation::{CREDIT_REQUEST, CREDIT_UPDATE, DATA, RESET, RESPONSE, SHUTDOWN};
    each_device(|row, sockets| {
        for operation in [RESPONSE, SHUTDOWN, DATA, CREDIT_UPDATE, CREDIT_REQUEST] {
            let lost = packet(7000, ECHO_PORT, operation);
            let lost = Header { flags: if operation == SHUTDOWN { 3 } else { 0 }, ..lost };
            check!("it is taken", [ROWS; row], sockets.send(lost));
            check!("reset", [ROWS; row], sockets.hears(lost, RESET));
        }
        check!("RST is taken", [ROWS; row], sockets.send(packet(7001, SILENT, RESET)));
        // The next answer is that to the next packet.
        check!("accepted", [ROWS; row], sockets.connect(7002, LARGE));
    });
}

/// A type of sockets that there is not is answered by RST.
#[case(feature = VirtioSocket, spec = virtio("Device Requirements: Device Operation: Receive and Transmit"), devices = Devices::SOCKET)]
fn unknown_types_are_reset() {
    each_device(|row, sockets| {
        for kind in [0, 3, 0x8001, 0xffff] {
            let request = Header { kind, ..packet(7100, ECHO_PORT, operation::REQUEST) };
            check!("it is taken", [ROWS; row], sockets.send(request));
            let heard = sockets.hear_more().map(|packet| packet.header);
            let is_reset = |header: Header| header.operation == operation::RESET && header.is_reply_to(request);
            check!("reset", [ROWS; row], heard.is_some_and(is_reset));
        }
        check!("accepted", [ROWS; row], sockets.connect(7100, LARGE));
    });
}

/// The driver's packets are taken while it has no buffer for the answers, which wait for one.
#[case(feature = VirtioSocket, spec = virtio("Device Requirements: Device Operation: Virtqueue Flow Control"), devices = Devices::SOCKET)]
fn packets_are_taken_without_room_for_answers() {
    each_row(kind::SOCKET, |row, transport, layout| {
        let Some(mut sockets) = Sockets::without_room(transport, layout) else { return refused(row) };
        let requests = [0, 1, 2, 3].map(|index| packet(8000 + index, SILENT, operation::REQUEST));
        for request in requests {
            check!("it is taken", [ROWS; row], sockets.send(request));
        }
        for _ in 0..NR_ROOMS {
            sockets.give();
        }
        let mut refused = 0_u32;
        for _ in requests {
            let Some(heard) = sockets.hear_more() else { break };
            let index = heard.header.destination_port.wrapping_sub(8000);
            if heard.header.operation == operation::RESET {
                refused |= 1_u32.checked_shl(index).unwrap_or(0);
            }
        }
        check_eq!("each is refused once", [ROWS; row], refused, 0b1111);
        sockets.check_packets();
    });
}

/// A header may be cut, and what lies behind the data is not looked at.
#[case(feature = VirtioSocket, spec = [virtio("Device Requirements: Message Framing"), virtio("Device Operation")], devices = Devices::SOCKET)]
fn packets_are_cut_anywhere() {
    each_device(|row, sockets| {
        for (port, cuts) in [(8100, [1, 43]), (8101, [16, 28]), (8102, [40, 4]), (8103, [44, 64])] {
            let request = packet(port, ECHO_PORT, operation::REQUEST);
            Sockets::write(request);
            let parts = [Element::read(outgoing(), cuts[0]), Element::read(outgoing() + u64::from(cuts[0]), cuts[1])];
            check!("it is taken", [ROWS; row], sockets.device.exchange(TRANSMIT, &parts) == Some(0));
            check!("accepted", [ROWS; row], sockets.hears(request, operation::RESPONSE));
        }
    });
}
