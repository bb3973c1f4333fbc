//! Consoles that get another size.

use super::{Console, ROWS, each_console, event, feature, model::MESSAGE_BYTES, refused};
use rt::{
    case, check, check_eq, mmio,
    virtio::Change,
    vocabulary::{Devices, Needs},
};

/// Columns in the low half, rows in the high one.
const SIZES: [u32; 2] = [43 << 16 | 132, 0];

/// With several ports a message tells the new size, columns first, of a port that is a console; the configuration tells the same.
#[case(feature = VirtioConsole, spec = [virtio("Multiport Device Operation"), virtio("Device configuration layout")],
       needs = Needs::CONFIG_CHANGES, devices = Devices::CONSOLE)]
fn console_ports_are_told_of_their_size() {
    each_console(|row, transport, layout| {
        let console = Console::with_open_ports_and(transport, layout, feature::SIZE);
        let (Some(mut console), Some(config)) = (console, transport.config()) else { return refused(row) };
        // What there is to say of the port is said before.
        let _ = console.hear_of(1, event::PORT_OPEN);
        for size in SIZES {
            check!("the host changes it", [ROWS; row], Change::Console(size).ask());
            let Some((message, at)) = console.hear_of(0, event::RESIZE) else {
                return check!("a message", [ROWS; row], false);
            };
            check_eq!("bytes of it", [ROWS; row], message.nr_more, 4);
            check_eq!("columns and rows", [ROWS; row], mmio::read_u32(at + u64::from(MESSAGE_BYTES)), size);
            check_eq!("in the configuration", [ROWS; row], mmio::read_u32(config), size);
        }
        check!("messages that make sense", [ROWS; row], console.is_sound);
    });
}
