//! GPUs: displays, pictures, fences and the cursor.

mod commands;
mod display;
mod hostile;
mod model;

use super::{
    ROWS,
    several::{Several, each_row, refused},
};
use model::{FENCE, HEADER_BYTES, Header, NR_RULES};
use rt::{
    check, mmio, names,
    virtio::{self, Element, Layout, Transport},
    vocabulary::Text,
};

/// Queues.
const CONTROL: usize = 0;
const CURSOR: usize = 1;

/// Bytes of the longest response: size of an EDID, padding, and room for eight blocks of it.
const ROOM: u32 = HEADER_BYTES + 8 + 1024;

/// Names of the rules of [`Header::keeps`].
const RULES: &[Text] = names!["a fence if there was one", "the fence", "a response that there is", "size"];
const _: () = assert!(RULES.len() == NR_RULES);

/// Where a request is written.
fn outgoing() -> u64 {
    virtio::buffer(0)
}

/// Where its response goes.
fn answer() -> u64 {
    virtio::buffer(4)
}

/// Pixels of a picture: a page.
fn pixels() -> u64 {
    virtio::buffer(16)
}

/// A GPU in use.
struct Gpu {
    device: Several<2>,
    /// The fence of the next request.
    fence: u64,
    /// Whether each response so far kept the rules.
    kept: [bool; NR_RULES],
}

impl Gpu {
    fn started(transport: Transport, layout: Layout) -> Option<Self> {
        Self::with(transport, layout, 0)
    }

    /// The same with those of these features that are offered.
    fn with(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        let device = Several::started(transport, layout, wanted, [0, 1])?;
        Some(Self { device, fence: 0xfeed_0000_0001, kept: [true; NR_RULES] })
    }

    /// Writes a request with a fence, and what follows its header.
    fn write(header: Header, fields: &[u32]) {
        let Header { kind, flags, fence, context } = header;
        let header = [kind, flags, fence as u32, (fence >> 32) as u32, context, 0];
        for (at, word) in (outgoing()..).step_by(4).zip(header.iter().chain(fields)) {
            mmio::write_u32(at, *word);
        }
        virtio::fill(answer(), 32, 0xee);
    }

    /// Makes a request: the response.
    fn request(&mut self, header: Header, fields: &[u32]) -> Header {
        Self::write(header, fields);
        let size = HEADER_BYTES + 4 * fields.len() as u32;
        let parts = [Element::read(outgoing(), size), Element::written(answer(), ROOM)];
        let written = self.device.exchange(CONTROL, &parts).unwrap_or(0);
        let word = |offset| mmio::read_u32(answer() + offset);
        let response = Header {
            kind: word(0),
            flags: word(4),
            fence: u64::from(word(8)) | u64::from(word(12)) << 32,
            context: word(16),
        };
        for (kept, keeps) in self.kept.iter_mut().zip(response.keeps(header, written)) {
            *kept &= keeps;
        }
        response
    }

    /// The same, by its kind, with a fence every other time.
    fn command(&mut self, kind: u32, fields: &[u32]) -> Header {
        self.fence += 1;
        let flags = if self.fence & 1 == 0 { FENCE } else { 0 };
        self.request(Header { kind, flags, fence: self.fence, context: 0 }, fields)
    }

    /// Whether such a request is fulfilled.
    fn does(&mut self, kind: u32, fields: &[u32]) -> bool {
        self.command(kind, fields).kind == model::OK_NODATA
    }

    /// Whether such a request fails.
    fn refuses(&mut self, kind: u32, fields: &[u32]) -> bool {
        self.command(kind, fields).is_error()
    }

    /// Checks that all responses kept the rules.
    fn check_responses(&self) {
        for (rule, kept) in self.kept.into_iter().enumerate() {
            check!("it is kept", [RULES; rule], kept);
        }
    }
}

/// Calls `try_one` with each transport and layout by which there is a GPU.
fn each_gpu(try_one: impl FnMut(u64, &mut Gpu)) {
    each_gpu_with(0, try_one);
}

/// The same with those of these features that are offered.
fn each_gpu_with(wanted: u64, mut try_one: impl FnMut(u64, &mut Gpu)) {
    each_row(virtio::kind::GPU, |row, transport, layout| match Gpu::with(transport, layout, wanted) {
        Some(mut gpu) => {
            try_one(row, &mut gpu);
            gpu.check_responses();
        }
        None => refused(row),
    });
}

/// Whether it tells its displays after a reset.
fn works_again(transport: Transport, layout: Layout) -> bool {
    let tells = |mut gpu: Gpu| gpu.command(model::request::GET_DISPLAY_INFO, &[]).kind == model::OK_DISPLAY_INFO;
    transport.reset() && Gpu::started(transport, layout).is_some_and(tells)
}
