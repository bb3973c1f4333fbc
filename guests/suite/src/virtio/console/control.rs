//! Control messages.

use super::{CONTROL, Console, PORT_1, ROWS, each_console, event, feature, model::MESSAGE_BYTES, outgoing, refused};
use rt::{
    case, check, check_eq, mmio,
    virtio::Element,
    vocabulary::{
        Devices,
        devices::console::{NAME, NR_PORTS},
    },
};

/// Once the driver is ready it is told of each port, once, and of none that there is not.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Device Requirements: Multiport Device Operation")],
       devices = Devices::CONSOLE)]
fn ports_are_told_of() {
    each_console(|row, transport, layout| {
        for _ in 0..2 {
            let Some(mut console) = Console::started(transport, layout, feature::MULTIPORT) else {
                return refused(row);
            };
            check!("the message is taken", [ROWS; row], console.say(0, event::DEVICE_READY, 1));
            for _ in 0..NR_PORTS {
                let told = console.hear();
                check!("a port", [ROWS; row], told.is_some_and(|(message, _)| message.event == event::PORT_ADD));
            }
            check_eq!("all of them", [ROWS; row], console.added, (1 << NR_PORTS) - 1);
            check!("messages that make sense", [ROWS; row], console.is_sound);
        }
    });
}

/// A port that the driver is ready for is told of by its name, without a zero behind it, and whether the other side is open.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Multiport Device Operation")], devices = Devices::CONSOLE)]
fn names_are_told() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::started(transport, layout, feature::MULTIPORT) else { return refused(row) };
        console.say(0, event::DEVICE_READY, 1);
        let _ = console.hear_of(1, event::PORT_ADD);
        console.say(1, event::PORT_READY, 1);
        let Some((message, at)) = console.hear_of(1, event::PORT_NAME) else {
            return check!("a name", [ROWS; row], false);
        };
        check_eq!("bytes of it", [ROWS; row], message.nr_more, NAME.len() as u32);
        let bytes = (u64::from(MESSAGE_BYTES)..).zip(NAME.bytes());
        let is_it = bytes.into_iter().all(|(offset, byte)| mmio::read_u8(at + offset) == byte);
        check!("it is that of the port", [ROWS; row], is_it);
        let open = console.hear_of(1, event::PORT_OPEN);
        check!("the other side is open", [ROWS; row], open.is_some_and(|(message, _)| message.value == 1));
        check!("messages that make sense", [ROWS; row], console.is_sound);
    });
}

/// A port that is a console is said to be one, and one that is not is not.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Multiport Device Operation")], devices = Devices::CONSOLE)]
fn console_ports_are_nominated() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::started(transport, layout, feature::MULTIPORT) else { return refused(row) };
        console.say(0, event::DEVICE_READY, 1);
        while console.added != (1 << NR_PORTS) - 1 && console.hear().is_some() {}
        console.say(1, event::PORT_READY, 1);
        console.say(0, event::PORT_READY, 1);
        // It is the last that the device is told to be ready, so that what there is to say of the other was said before.
        let _ = console.hear_of(0, event::CONSOLE_PORT);
        check_eq!("port 0 alone", [ROWS; row], console.nominated, 1);
        check!("messages that make sense", [ROWS; row], console.is_sound);
    });
}

/// Closing and opening a port again leaves it a channel.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Multiport Device Operation")], devices = Devices::CONSOLE)]
fn ports_are_closed_and_opened() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::with_open_ports(transport, layout) else { return refused(row) };
        for byte in [b'1', b'2'] {
            check!("it gives back", [ROWS; row], console.gives_back(PORT_1, byte, 16));
            check!("closed", [ROWS; row], console.say(1, event::PORT_OPEN, 0));
            check!("opened", [ROWS; row], console.say(1, event::PORT_OPEN, 1));
        }
        check!("it gives back at last", [ROWS; row], console.gives_back(PORT_1, b'3', 16));
    });
}

/// Messages about ports that there are not, of unknown kinds, that say no, and that are too short are taken without effect.
#[case(feature = VirtioHostileDrivers, spec = [virtio("Console Device"), virtio("Device Requirements: Device Status Field")],
       devices = Devices::CONSOLE)]
fn senseless_messages_are_survived() {
    each_console(|row, transport, layout| {
        let Some(mut console) = Console::with_open_ports(transport, layout) else { return refused(row) };
        for (port, kind, value) in [
            (NR_PORTS, event::PORT_READY, 1),
            (u32::MAX, event::PORT_OPEN, 1),
            (0x8000_0000, event::PORT_READY, 1),
            (0, 0x77, 1),
            (1, 0xffff, 0xffff),
            (1, event::PORT_ADD, 1),
            (1, event::PORT_REMOVE, 1),
            (1, event::PORT_NAME, 1),
        ] {
            check!("it is taken", [ROWS; row], console.say(port, kind, value));
        }
        for size in [1, 7] {
            let taken = console.send(CONTROL + 1, &[Element::read(outgoing(), size)]);
            check!("a short one is taken", [ROWS; row], taken);
        }
        check!("the port gives back", [ROWS; row], console.gives_back(PORT_1, b'p', 16));
    });
}
