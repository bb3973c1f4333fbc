//! Displays: what their monitors tell, and that they change.

use super::{
    Gpu, ROWS, answer, each_gpu_with,
    model::{HEADER_BYTES, OK_EDID, request},
};
use rt::{
    case, check, check_eq,
    clock::Deadline,
    mmio,
    virtio::{Change, PATIENCE_MICROS},
    vocabulary::{Devices, Needs, devices::gpu::SIZE},
};

/// VIRTIO_GPU_F_EDID.
const EDID: u64 = 1 << 1;
/// Bytes of a block of it, and of the most.
const BLOCK: u32 = 128;
const BLOCKS_MAX: u32 = 1024;
/// What a block begins with: by the VESA standard, § 3.3.
const MAGIC: u64 = 0x00ff_ffff_ffff_ff00;
/// VIRTIO_GPU_EVENT_DISPLAY.
const DISPLAY: u32 = 1;
/// The interrupt status when the configuration changed.
const CHANGED: u8 = 2;

impl Gpu {
    /// Width and height of the first display.
    fn display_size(&mut self) -> (u32, u32) {
        self.command(request::GET_DISPLAY_INFO, &[]);
        let at = answer() + u64::from(HEADER_BYTES);
        (mmio::read_u32(at + 8), mmio::read_u32(at + 12))
    }

    /// Checks the first block of what the monitor of the first display tells, and gives its preferred width and height.
    fn check_edid(&mut self, row: u64) -> (u32, u32) {
        check_eq!("response", [ROWS; row], self.command(request::GET_EDID, &[0, 0]).kind, OK_EDID);
        let size = mmio::read_u32(answer() + u64::from(HEADER_BYTES));
        let is_size = size != 0 && size <= BLOCKS_MAX && size.is_multiple_of(BLOCK);
        check!("whole blocks", [ROWS; row], is_size);
        let at = answer() + u64::from(HEADER_BYTES) + 8;
        check_eq!("it begins as one", [ROWS; row], mmio::read_u64(at), MAGIC);
        let mut sum = 0_u64;
        for offset in (0..u64::from(BLOCK)).step_by(8) {
            // Bytes in pairs, whose sums stay apart.
            let word = mmio::read_u64(at + offset);
            sum += (word & 0x00ff_00ff_00ff_00ff) + (word >> 8 & 0x00ff_00ff_00ff_00ff);
        }
        let sum = sum + (sum >> 16) + (sum >> 32) + (sum >> 48);
        check_eq!("checksum", [ROWS; row], sum as u8, 0);
        let side =
            |low: u64, high: u64| u32::from(mmio::read_u8(at + low)) | u32::from(mmio::read_u8(at + high) & 0xf0) << 4;
        (side(56, 58), side(59, 61))
    }
}

/// A monitor's EDID is whole, and its preferred timing has the size of the display; of one that there is not none is told.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device Operation: controlq")], devices = Devices::GPU)]
fn monitors_are_told() {
    each_gpu_with(EDID, |row, gpu| {
        if gpu.device.features & EDID == 0 {
            return;
        }
        let preferred = gpu.check_edid(row);
        check_eq!("width", [ROWS; row], preferred.0, u32::from(SIZE.0));
        check_eq!("height", [ROWS; row], preferred.1, u32::from(SIZE.1));
        check!("none of another display", [ROWS; row], gpu.refuses(request::GET_EDID, &[16, 0]));
    });
}

/// A display that gets another size is an event, which stays until the driver clears it, and the commands tell the new size.
#[case(feature = VirtioGpu, spec = [virtio("GPU Device"), virtio("Device configuration layout")],
       needs = Needs::CONFIG_CHANGES, devices = Devices::GPU)]
fn display_changes_are_events() {
    each_gpu_with(EDID, |row, gpu| {
        let transport = gpu.device.transport;
        let Some(config) = transport.config() else { return check!("there is one", [ROWS; row], false) };
        let events = || mmio::read_u32(config);
        let first = (u32::from(SIZE.0), u32::from(SIZE.1));
        for size in [(800, 600), first] {
            transport.acknowledge(transport.interrupt_status());
            check!("the host changes it", [ROWS; row], Change::Screen(size.1 << 16 | size.0).ask());
            check!("an event", [ROWS; row], Deadline::after(PATIENCE_MICROS).wait(|| events() == DISPLAY));
            let mut status = 0;
            Deadline::after(PATIENCE_MICROS).wait(|| {
                status |= transport.interrupt_status();
                status & CHANGED != 0
            });
            check_eq!("interrupt status", [ROWS; row], status & CHANGED, CHANGED);
            mmio::write_u32(config + 4, !DISPLAY);
            check_eq!("another event cleared", [ROWS; row], events(), DISPLAY);
            mmio::write_u32(config + 4, DISPLAY);
            check_eq!("cleared", [ROWS; row], events(), 0);
            let told = gpu.display_size();
            check!("the display has it", [ROWS; row], told == size);
            check!("the monitor has it", [ROWS; row], gpu.device.features & EDID == 0 || gpu.check_edid(row) == size);
        }
    });
}
