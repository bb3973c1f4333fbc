//! Requests that are cut, that announce more than there is, and pictures that nobody has memory for.

use super::{
    CONTROL, CURSOR, Gpu, ROWS, answer,
    model::{HEADER_BYTES, Header, OK_NODATA, request},
    outgoing, refused, works_again,
};
use crate::virtio::several::each_row;
use rt::{
    case, check,
    virtio::{Element, kind},
    vocabulary::Devices,
};

/// Requests that end before their fields do.
#[case(feature = VirtioHostileDrivers, spec = virtio("Device Operation: controlq"), devices = Devices::GPU)]
fn requests_that_are_cut_are_survived() {
    each_row(kind::GPU, |row, transport, layout| {
        for kind in request::CREATE..=request::DETACH_BACKING {
            let Some(mut gpu) = Gpu::started(transport, layout) else { return refused(row) };
            for size in [HEADER_BYTES - 1, HEADER_BYTES + 4] {
                Gpu::write(Header { kind, ..Header::default() }, &[1; 8]);
                gpu.device.give(CONTROL, &[Element::read(outgoing(), size), Element::written(answer(), HEADER_BYTES)]);
                super::super::give_time();
            }
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}

/// Pictures as large as numbers are, memory that there is not, and no room for a response.
#[case(feature = VirtioHostileDrivers, spec = virtio("Device Operation: controlq"), devices = Devices::GPU)]
fn requests_for_too_much_are_survived() {
    const WAYS: [(u32, &[u32]); 6] = [
        (request::CREATE, &[1, 1, u32::MAX, u32::MAX]),
        (request::CREATE, &[1, 1, 0, 0]),
        (request::CREATE, &[1, 1, 0x8000, 0x8000]),
        (request::ATTACH_BACKING, &[3, u32::MAX, 0, 0, 0, 0]),
        (request::ATTACH_BACKING, &[3, 1, 0, 0xff, u32::MAX, 0]),
        (request::TRANSFER, &[0, 0, 4, 4, u32::MAX, u32::MAX, 3, 0]),
    ];
    each_row(kind::GPU, |row, transport, layout| {
        for (kind, fields) in WAYS {
            let Some(mut gpu) = Gpu::started(transport, layout) else { return refused(row) };
            check!("made", [ROWS; row], gpu.does(request::CREATE, &[3, 1, 4, 4]));
            let response = gpu.command(kind, fields);
            check!("it is not done", [ROWS; row], response.kind != OK_NODATA || kind == request::CREATE);
        }
        for queue in [CONTROL, CURSOR] {
            let Some(mut gpu) = Gpu::started(transport, layout) else { return refused(row) };
            Gpu::write(Header { kind: request::GET_DISPLAY_INFO, ..Header::default() }, &[]);
            gpu.device.give(queue, &[Element::read(outgoing(), HEADER_BYTES), Element::written(answer(), 1)]);
            gpu.device.give(queue, &[Element::read(outgoing(), HEADER_BYTES)]);
            gpu.device.give(queue, &[Element::written(answer(), HEADER_BYTES)]);
            super::super::give_time();
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}
