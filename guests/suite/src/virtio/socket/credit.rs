//! How much either side may send.

use super::{
    ECHO_PORT, LARGE, NR_ROOMS, ROWS, Sockets, each_device,
    model::{Header, credit, operation},
    packet,
};
use rt::{case, check, check_eq, vocabulary::Devices};

impl Sockets {
    /// Takes what comes until another connection is refused, which is asked for now: how many bytes of data came before, and
    /// whether they were never more than `left`.
    fn data_until_refusal(&mut self, left: u32) -> Option<(u32, bool)> {
        let request = packet(9999, super::SILENT, operation::REQUEST);
        let is_taken = self.send(request);
        let mut size = 0;
        for _ in 0..4 * NR_ROOMS {
            let heard = self.hear()?.header;
            self.give();
            match heard.operation {
                operation::DATA => size += heard.size,
                operation::RESET if heard.is_reply_to(request) => return is_taken.then_some((size, size <= left)),
                _ => {}
            }
        }
        None
    }
}

/// No more data come than the driver has room for, and the rest comes when it has room again.
#[case(feature = VirtioSocket, spec = virtio("Device Requirements: Device Operation: Buffer Space Management"), devices = Devices::SOCKET)]
fn no_more_comes_than_there_is_room_for() {
    const ROOM: u32 = 20;
    const ALL: u32 = 64;
    each_device(|row, sockets| {
        check!("accepted", [ROWS; row], sockets.connect(5000, ROOM));
        let data = Header { size: ALL, room: ROOM, ..packet(5000, ECHO_PORT, operation::DATA) };
        check!("it is taken", [ROWS; row], sockets.send_data(data, 1));
        let (mut came, mut told) = (0, 0);
        for _ in 0..ALL {
            let left = credit(ROOM, came, told).unwrap_or(0);
            let Some((size, is_within)) = sockets.data_until_refusal(left) else {
                return check!("the other connection is refused", [ROWS; row], false);
            };
            check!("no more than there is room for", [ROWS; row], is_within);
            came += size;
            if came >= ALL || !is_within {
                break;
            }
            // Another byte less is taken each time, so that what is left is not always the same.
            told = came.saturating_sub(told % 3);
            let update = Header { room: ROOM, taken: told, ..packet(5000, ECHO_PORT, operation::CREDIT_UPDATE) };
            check!("the update is taken", [ROWS; row], sockets.send(update));
        }
        check_eq!("all of them", [ROWS; row], came, ALL);
    });
}

/// Who asks how much room there is is told, and the counter is that of the bytes that were sent.
#[case(feature = VirtioSocket, spec = [virtio("Buffer Space Management"),
       virtio("Device Requirements: Device Operation: Buffer Space Management")], devices = Devices::SOCKET)]
fn room_is_told() {
    each_device(|row, sockets| {
        check!("accepted", [ROWS; row], sockets.connect(5000, LARGE));
        let mut sent = 0;
        for size in [0, 10, 100] {
            if size > 0 {
                let data = Header { size, taken: sent, ..packet(5000, ECHO_PORT, operation::DATA) };
                check!("it is taken", [ROWS; row], sockets.send_data(data, 1));
                sent += size;
                let mut came = 0;
                while let Some(heard) = (came < size).then(|| sockets.hear_more()).flatten() {
                    came += heard.header.size.max(1);
                }
            }
            let request = packet(5000, ECHO_PORT, operation::CREDIT_REQUEST);
            check!("the question is taken", [ROWS; row], sockets.send(Header { taken: sent, ..request }));
            let told = sockets.hear().map(|packet| packet.header);
            sockets.give();
            let is_update =
                |header: &Header| header.operation == operation::CREDIT_UPDATE && header.is_reply_to(request);
            let Some(told) = told.filter(is_update) else { return check!("it is told", [ROWS; row], false) };
            // The peer gave all of it back, so the device gave it to the peer.
            check_eq!("bytes that were taken", [ROWS; row], told.taken, sent);
            check!("there is room", [ROWS; row], credit(told.room, sent, told.taken).is_some_and(|room| room > 0));
        }
    });
}
