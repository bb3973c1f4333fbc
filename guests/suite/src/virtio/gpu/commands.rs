//! Requests of two dimensions.

use super::{
    CURSOR, Gpu, ROWS, answer, each_gpu,
    model::{FENCE, FORMATS, HEADER_BYTES, Header, OK_DISPLAY_INFO, OK_NODATA, request},
    outgoing, pixels,
};
use crate::virtio::{TRANSPORTS, each_transport_of};
use rt::{
    case, check, check_eq, mmio,
    virtio::{Element, kind},
    vocabulary::{Devices, devices::gpu::SIZE},
};

/// Sides of a picture here: its pixels are 4 KiB.
const SIDE: u32 = 32;
const WHOLE: [u32; 4] = [0, 0, SIDE, SIDE];
/// Areas that are not within it.
const OUTSIDE: [[u32; 4]; 3] = [[0, 0, SIDE + 1, 1], [u32::MAX, 0, 2, 1], [0, 1, 1, u32::MAX]];

impl Gpu {
    /// Makes a picture of this number.
    fn creates(&mut self, number: u32) -> bool {
        self.does(request::CREATE, &[number, 1, SIDE, SIDE])
    }

    /// Gives it memory, in two parts.
    fn attaches(&mut self, number: u32) -> bool {
        let at = pixels() as u32;
        self.does(request::ATTACH_BACKING, &[number, 2, at, 0, 1024, 0, at + 1024, 0, 3072, 0])
    }
}

const fn with<const N: usize>(area: [u32; 4], more: [u32; N]) -> ([u32; 7], usize) {
    let mut fields = [0; 7];
    let mut index = 0;
    while index < 4 {
        fields[index] = area[index];
        index += 1;
    }
    let mut index = 0;
    while index < N && index < 3 {
        fields[4 + index] = more[index];
        index += 1;
    }
    (fields, 4 + N)
}

/// The configuration tells one to sixteen displays, and no event, since nothing happened.
#[case(feature = VirtioConfiguration, spec = [virtio("GPU Device"), virtio("Device configuration layout")], devices = Devices::GPU)]
fn displays_are_counted() {
    each_transport_of(kind::GPU, |row, transport| {
        check!("features are accepted", [TRANSPORTS; row], transport.negotiate_offered(0).is_some());
        let Some(at) = transport.config() else { return check!("there is one", [TRANSPORTS; row], false) };
        check_eq!("no event", [TRANSPORTS; row], mmio::read_u32(at), 0);
        check!("displays", [TRANSPORTS; row], (1..=16).contains(&mmio::read_u32(at + 8)));
        mmio::write_u32(at + 4, u32::MAX);
        check_eq!("what clears events reads as zero", [TRANSPORTS; row], mmio::read_u32(at + 4), 0);
    });
}

/// The first display has the size of the board's, and those that there are not are not enabled.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Operation: controlq")], devices = Devices::GPU)]
fn displays_are_told() {
    each_gpu(|row, gpu| {
        let Some(at) = gpu.device.transport.config() else { return check!("there is one", [ROWS; row], false) };
        let nr = mmio::read_u32(at + 8);
        let told = gpu.command(request::GET_DISPLAY_INFO, &[]);
        check_eq!("response", [ROWS; row], told.kind, OK_DISPLAY_INFO);
        let word =
            |display: u64, offset: u64| mmio::read_u32(answer() + u64::from(HEADER_BYTES) + 24 * display + offset);
        check_eq!("width", [ROWS; row], word(0, 8), u32::from(SIZE.0));
        check_eq!("height", [ROWS; row], word(0, 12), u32::from(SIZE.1));
        check_eq!("enabled", [ROWS; row], word(0, 16), 1);
        for display in u64::from(nr)..16 {
            check_eq!("there is none", [ROWS; row], word(display, 16), 0);
        }
    });
}

/// Pictures are made, shown and removed, in every format.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Operation: controlq")], devices = Devices::GPU)]
fn pictures_are_shown() {
    each_gpu(|row, gpu| {
        for (number, format) in (1..).zip(FORMATS) {
            check!("made", [ROWS; row], gpu.does(request::CREATE, &[number, format, SIDE, SIDE]));
            if number > 1 {
                check!("removed at once", [ROWS; row], gpu.does(request::UNREF, &[number, 0]));
                continue;
            }
            check!("attached", [ROWS; row], gpu.attaches(number));
            for (kind, (fields, size)) in [
                (request::TRANSFER, with(WHOLE, [0, 0, number])),
                (request::TRANSFER, with([0, 8, SIDE, 8], [8 * 4 * SIDE, 0, number])),
                (request::SET_SCANOUT, with(WHOLE, [0, number])),
                (request::FLUSH, with(WHOLE, [number])),
                (request::FLUSH, with([1, 2, 3, 4], [number])),
            ] {
                let mut padded = [0; 8];
                padded[..7].copy_from_slice(&fields);
                // Behind the number of a transfer and of a flush stands padding.
                let size = size + usize::from(kind != request::SET_SCANOUT);
                check!("done", [ROWS; row], gpu.does(kind, &padded[..size]));
            }
            check!("detached", [ROWS; row], gpu.does(request::DETACH_BACKING, &[number, 0]));
            check!("removed", [ROWS; row], gpu.does(request::UNREF, &[number, 0]));
        }
        let (fields, size) = with([0; 4], [0, 0]);
        check!("nothing is shown", [ROWS; row], gpu.does(request::SET_SCANOUT, &fields[..size]));
    });
}

/// What a request cannot have is told by an error, and the pictures that there are stay.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Operation: controlq")], devices = Devices::GPU)]
fn wrong_requests_are_refused() {
    each_gpu(|row, gpu| {
        check!("made", [ROWS; row], gpu.creates(1) && gpu.attaches(1));
        for (number, format) in [(0, 1), (1, 1), (2, 0), (2, 5), (2, u32::MAX)] {
            let is_refused = gpu.refuses(request::CREATE, &[number, format, SIDE, SIDE]);
            check!("no such picture is made", [ROWS; row], is_refused);
        }
        check!("there is none to remove", [ROWS; row], gpu.refuses(request::UNREF, &[2, 0]));
        check!("nor to detach", [ROWS; row], gpu.refuses(request::DETACH_BACKING, &[2, 0]));
        let backing = [2, 1, pixels() as u32, 0, 4096, 0];
        check!("nor to attach", [ROWS; row], gpu.refuses(request::ATTACH_BACKING, &backing));
        for area in OUTSIDE {
            let [x, y, width, height] = area;
            let transfer = [x, y, width, height, 0, 0, 1, 0];
            check!("nothing to transfer", [ROWS; row], gpu.refuses(request::TRANSFER, &transfer));
            check!("to flush", [ROWS; row], gpu.refuses(request::FLUSH, &[x, y, width, height, 1, 0]));
            check!("to show", [ROWS; row], gpu.refuses(request::SET_SCANOUT, &[x, y, width, height, 0, 1]));
        }
        let [x, y, width, height] = WHOLE;
        check!("no such picture", [ROWS; row], gpu.refuses(request::SET_SCANOUT, &[x, y, width, height, 0, 9]));
        check!("no such display", [ROWS; row], gpu.refuses(request::SET_SCANOUT, &[x, y, width, height, 16, 1]));
        check!("the picture is there", [ROWS; row], gpu.does(request::FLUSH, &[x, y, width, height, 1, 0]));
    });
}

/// A request that there is not is told by an error.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Operation: controlq")], devices = Devices::GPU)]
fn unknown_requests_are_refused() {
    each_gpu(|row, gpu| {
        for kind in [0, 0xff, 0x1ff, request::UPDATE_CURSOR + 0x100, OK_NODATA, u32::MAX] {
            check!("it is refused", [ROWS; row], gpu.refuses(kind, &[1, 2, 3, 4]));
        }
        check_eq!("the others go on", [ROWS; row], gpu.command(request::GET_DISPLAY_INFO, &[]).kind, OK_DISPLAY_INFO);
    });
}

/// The response to a request with a fence has it, whether the request fails or not, and that to another one has none.
#[case(feature = VirtioGpu, spec = virtio("Device Operation: Request header"), devices = Devices::GPU)]
fn fences_come_back() {
    each_gpu(|row, gpu| {
        for (fence, kind) in [(0, 0x100), (1, 0x100), (u64::MAX, 0x100), (1 << 63, 0x102), (0xffff_ffff, 0x1ff)] {
            for flags in [FENCE, 0] {
                let header = Header { kind, flags, fence, context: 0 };
                let response = gpu.request(header, &[]);
                check_eq!("flag", [ROWS; row], response.flags & FENCE, flags);
                check!("fence", [ROWS; row], flags == 0 || response.fence == fence);
            }
        }
    });
}

/// The cursor is moved and drawn without a response, and its queue goes on.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Operation: cursorq")], devices = Devices::GPU)]
fn cursors_are_moved() {
    each_gpu(|row, gpu| {
        for kind in [request::MOVE_CURSOR, request::UPDATE_CURSOR, request::MOVE_CURSOR] {
            Gpu::write(Header { kind, ..Header::default() }, &[0, 10, 20, 0, 0, 0, 0, 0]);
            let written = gpu.device.exchange(CURSOR, &[Element::read(outgoing(), HEADER_BYTES + 32)]);
            check!("it is taken", [ROWS; row], written == Some(0));
        }
        check_eq!("the others go on", [ROWS; row], gpu.command(request::GET_DISPLAY_INFO, &[]).kind, OK_DISPLAY_INFO);
    });
}

/// A reset removes all pictures: their numbers are free.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Reset")], devices = Devices::GPU)]
fn pictures_are_gone_after_a_reset() {
    each_gpu(|row, gpu| {
        check!("made", [ROWS; row], gpu.creates(7));
        let (transport, layout) = (gpu.device.transport, gpu.device.queues[0].layout);
        let Some(mut again) = Gpu::started(transport, layout) else { return super::refused(row) };
        check!("it is gone", [ROWS; row], again.refuses(request::UNREF, &[7, 0]));
        check!("made again", [ROWS; row], again.creates(7));
    });
}
