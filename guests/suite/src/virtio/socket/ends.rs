//! How connections end.

use super::{
    ECHO_PORT, LARGE, ROWS, each_device,
    model::{Header, NO_RECEIVE, NO_SEND, operation},
    packet,
};
use rt::{case, check, vocabulary::Devices};

const fn shutdown(flags: u32) -> Header {
    Header { flags, ..packet(5000, ECHO_PORT, operation::SHUTDOWN) }
}

/// Who neither sends nor receives any more is answered by RST, at once or in two steps, and the ports can be used again.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Stream Sockets")], devices = Devices::SOCKET)]
fn shut_connections_are_reset() {
    const WAYS: [&[u32]; 3] = [&[NO_RECEIVE | NO_SEND], &[NO_RECEIVE, NO_SEND], &[NO_RECEIVE, NO_RECEIVE, NO_SEND]];
    each_device(|row, sockets| {
        for way in WAYS {
            check!("accepted", [ROWS; row], sockets.connect(5000, LARGE));
            for flags in way {
                check!("it is taken", [ROWS; row], sockets.send(shutdown(*flags)));
            }
            check!("reset", [ROWS; row], sockets.hears(shutdown(0), operation::RESET));
        }
        check!("accepted again", [ROWS; row], sockets.connect(5000, LARGE));
    });
}

/// RST ends a connection without an answer: what is sent then is for none.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Stream Sockets")], devices = Devices::SOCKET)]
fn reset_connections_are_gone() {
    each_device(|row, sockets| {
        for _ in 0..2 {
            check!("accepted", [ROWS; row], sockets.connect(5000, LARGE));
            check!("RST is taken", [ROWS; row], sockets.send(packet(5000, ECHO_PORT, operation::RESET)));
            let data = Header { size: 8, ..packet(5000, ECHO_PORT, operation::DATA) };
            check!("data are taken", [ROWS; row], sockets.send_data(data, 0));
            check!("reset", [ROWS; row], sockets.hears(data, operation::RESET));
        }
    });
}

/// Who sends no more gets what was sent to it, and then hears of the end.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Stream Sockets")], devices = Devices::SOCKET)]
fn what_was_sent_comes_before_the_end() {
    const ALL: u32 = 30;
    each_device(|row, sockets| {
        check!("accepted", [ROWS; row], sockets.connect(5000, LARGE));
        let data = Header { size: ALL, ..packet(5000, ECHO_PORT, operation::DATA) };
        check!("it is taken", [ROWS; row], sockets.send_data(data, 0));
        check!("the end is taken", [ROWS; row], sockets.send(shutdown(NO_SEND)));
        let mut came = 0;
        while came < ALL {
            let heard = sockets.hear_more().map(|packet| packet.header);
            let Some(heard) = heard.filter(|header| header.operation == operation::DATA && header.size > 0) else {
                return check!("data come", [ROWS; row], false);
            };
            came += heard.size;
        }
        let end = sockets.hear_more().map(|packet| packet.header);
        let is_end = |header: Header| matches!(header.operation, operation::SHUTDOWN | operation::RESET);
        check!("the end comes", [ROWS; row], end.is_some_and(is_end));
    });
}
