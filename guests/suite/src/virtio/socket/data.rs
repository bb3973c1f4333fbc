//! What goes through connections.

use super::{
    ECHO_PORT, LARGE, ROWS, Sockets, each_device,
    model::{HEADER_BYTES, Header, operation},
    outgoing, packet,
};
use rt::{case, check, check_eq, mmio, vocabulary::Devices};

impl Sockets {
    /// Sends bytes that count up from `first`.
    pub(super) fn send_data(&mut self, header: Header, first: u8) -> bool {
        let at = outgoing() + u64::from(HEADER_BYTES);
        for offset in 0..header.size {
            mmio::write_u8(at + u64::from(offset), first.wrapping_add(offset as u8));
        }
        self.send(header)
    }
}

/// The bytes of a packet count up from here.
fn counts_from(first: u8, at: u64, size: u32) -> bool {
    (0..size).all(|offset| mmio::read_u8(at + u64::from(offset)) == first.wrapping_add(offset as u8))
}

/// A stream gives back what was written to it, in its order, however it is cut.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Stream Sockets")], devices = Devices::SOCKET)]
fn streams_keep_their_order() {
    const SIZES: [u32; 4] = [1, 60, 7, 100];
    each_device(|row, sockets| {
        check!("accepted", [ROWS; row], sockets.connect(5000, LARGE));
        let (mut sent, mut taken) = (0, 0);
        for size in SIZES {
            let data = Header { size, taken, ..packet(5000, ECHO_PORT, operation::DATA) };
            check!("it is taken", [ROWS; row], sockets.send_data(data, sent as u8));
            sent += size;
            while taken < sent {
                let Some(heard) = sockets.hear_more() else { return check!("more comes", [ROWS; row], false) };
                let size = heard.header.size;
                if heard.header.operation != operation::DATA || size == 0 || size > sent - taken {
                    return check!("data that were sent", [ROWS; row], false);
                }
                check!("the next bytes", [ROWS; row], counts_from(taken as u8, heard.data, size));
                taken += size;
            }
        }
        check_eq!("all of them", [ROWS; row], taken, SIZES.iter().sum::<u32>());
    });
}

/// Each connection has a stream of its own, though ports are the same.
#[case(feature = VirtioSocket, spec = [virtio("Socket Device"), virtio("Addressing")], devices = Devices::SOCKET)]
fn connections_are_streams_of_their_own() {
    const PORTS: [u32; 3] = [5000, 5001, 0x8000_1388];
    each_device(|row, sockets| {
        for port in PORTS {
            check!("accepted", [ROWS; row], sockets.connect(port, LARGE));
        }
        for (port, first) in PORTS.into_iter().zip([10, 90, 170]) {
            let data = Header { size: 40, ..packet(port, ECHO_PORT, operation::DATA) };
            check!("it is taken", [ROWS; row], sockets.send_data(data, first));
            let mut taken = 0;
            while taken < 40 {
                let Some(heard) = sockets.hear_more() else { return check!("more comes", [ROWS; row], false) };
                let is_its = heard.header.operation == operation::DATA && heard.header.is_reply_to(data);
                let size = heard.header.size;
                let is_right = is_its && size > 0 && counts_from(first + taken as u8, heard.data, size);
                check!("what was sent there", [ROWS; row], is_right);
                if !is_right {
                    return;
                }
                taken += size;
            }
        }
    });
}
