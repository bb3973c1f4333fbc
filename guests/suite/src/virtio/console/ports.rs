//! What goes through ports.

use super::{Console, PORT_0, PORT_1, ROOM, ROWS, each_console, outgoing, refused};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element},
    vocabulary::Devices,
};

/// A console without further ports sends what the driver writes, and gives the driver what comes.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Device Operation")], devices = Devices::CONSOLE)]
fn characters_go_through_a_console() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::started(transport, layout, 0) else { return refused(row) };
        for (byte, size) in [(b'a', 8), (b'b', 64), (b'c', 32)] {
            check!("they come back", [ROWS; row], console.gives_back(PORT_0, byte, size));
        }
    });
}

/// Each port is a channel of its own.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Multiport Device Operation")], devices = Devices::CONSOLE)]
fn ports_are_channels_of_their_own() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::with_open_ports(transport, layout) else { return refused(row) };
        for (queue, byte) in [(PORT_1, b'x'), (PORT_0, b'y'), (PORT_1, b'z')] {
            check!("they come back", [ROWS; row], console.gives_back(queue, byte, 24));
        }
        super::super::give_time();
        let rest = [PORT_0, PORT_1].map(|queue| console.queues[queue].take_used());
        check!("no more on either", [ROWS; row], rest == [None, None]);
    });
}

/// What is written in several elements goes through in their order, whatever their sizes.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Message Framing")], devices = Devices::CONSOLE)]
fn elements_go_through_in_order() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::started(transport, layout, 0) else { return refused(row) };
        for (index, at) in (0..24).zip(outgoing()..) {
            mmio::write_u8(at, index);
        }
        let parts = [(0, 1), (1, 10), (11, 13)].map(|(at, size)| Element::read(outgoing() + at, size));
        check!("it is taken", [ROWS; row], console.send(PORT_0 + 1, &parts));
        let mut next = 0_u8;
        while next < 24 {
            let Some((at, written)) = console.receive(PORT_0) else { break };
            for offset in 0..u64::from(written.min(ROOM)) {
                check_eq!("a byte", [ROWS; row], mmio::read_u8(at + offset), next);
                next += 1;
            }
        }
        check_eq!("all of them", [ROWS; row], next, 24);
    });
}

/// Buffers that are small are filled one after the other, with nothing lost and nothing behind what is told.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Device Requirements: The Virtqueue Used Ring")],
       devices = Devices::CONSOLE)]
fn small_buffers_are_filled_in_order() {
    const NR: u8 = 6;
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::started(transport, layout, 0) else { return refused(row) };
        // The four large ones first, each by a byte; then small ones have to do.
        for turn in 0..4_u8 {
            virtio::fill(outgoing(), 8, turn);
            check!("it is taken", [ROWS; row], console.send(PORT_0 + 1, &[Element::read(outgoing(), 1)]));
            check!("it comes", [ROWS; row], matches!(console.receive(PORT_0), Some((_, 1))));
        }
        for index in 0..NR {
            mmio::write_u8(outgoing() + u64::from(index), 0x40 + index);
        }
        check!("all are taken", [ROWS; row], console.send(PORT_0 + 1, &[Element::read(outgoing(), NR.into())]));
        for _ in 0..NR / 2 {
            let at = super::incoming(PORT_0, console.queues[PORT_0].next().0);
            mmio::write_u32(at, 0x9999_9999);
            console.give(PORT_0, 2);
        }
        transport.notify(PORT_0 as u16);
        for index in 0..NR / 2 {
            let Some((at, written)) = console.receive(PORT_0) else {
                return check!("it comes", [ROWS; row], false);
            };
            check_eq!("used length", [ROWS; row], written, 2);
            let first = u32::from(0x40 + 2 * index);
            let due = 0x9999_0000 | (first + 1) << 8 | first;
            check_eq!("two bytes, and what stood behind them", [ROWS; row], mmio::read_u32(at), due);
        }
    });
}
