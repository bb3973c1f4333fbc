//! A screen, on which a driver shows pictures of two dimensions (§ 5.7 "GPU Device").

mod display;
mod edid;
mod protocol;
mod resource;
mod saved;
#[cfg(test)]
mod tests;

pub use display::{Display, FrameBuffer};
pub use protocol::Rectangle;

use crate::{
    Chain, DeviceKind, Io, Memory, RingError, VirtioDevice,
    readiness::{Readiness, Setting, Shown},
};
use protocol::{Command, Failure, Fields, HEADER_BYTES, Header, NR_SCANOUTS_MAX, OK, OK_DISPLAY_INFO, OK_EDID};
use resource::Resource;
use std::{
    collections::HashMap,
    io,
    os::fd::{AsRawFd, RawFd},
};
use vm_state::DeviceStateError;

/// VIRTIO_GPU_F_EDID.
const EDID: u64 = 1 << 1;
/// Room for the blocks of a response with them.
const EDID_ROOM: usize = 1024;
/// Queues (§ 5.7.2).
const CONTROL: usize = 0;
const CURSOR: usize = 1;
/// VIRTIO_GPU_EVENT_DISPLAY: the size of the screen is another.
const DISPLAY_CHANGED: u32 = 1;
/// Offset of `events_clear` in the configuration (§ 5.7.4).
const CLEAR_OFFSET: usize = 4;

/// Bytes of all pictures together.
const PIXELS_BYTES_MAX: u64 = 256 << 20;
/// Pictures at once.
const NR_RESOURCES_MAX: usize = 1024;
/// Parts of guest memory of one picture, and of all together: a page each of 64 MiB.
const NR_PARTS_MAX: usize = 1 << 14;
const NR_PARTS_MAX_ALL: usize = 1 << 17;
/// The largest screen in either direction.
const SIDE_MAX: u16 = 8192;

/// A graphics adapter with one screen.
pub struct Gpu {
    display: Box<dyn Display>,
    readiness: Readiness,
    /// Width and height, as the driver was told.
    size: Shown,
    /// Whether the driver knows of EDID.
    has_edid: bool,
    events: u32,
    resources: HashMap<u32, Resource>,
    /// What is shown: a resource's number, and which part of it.
    scanout: Option<(u32, Rectangle)>,
}

/// The size of the screen, which another thread can change.
#[derive(Clone)]
pub struct ScreenSize(Setting);

impl ScreenSize {
    /// Asks for another size in pixels, at most 8192 in either direction; the driver is told, and may change it.
    pub fn set(&self, width: u16, height: u16) {
        self.0.set(packed(width, height));
    }
}

fn packed(width: u16, height: u16) -> u32 {
    u32::from(height.min(SIDE_MAX)) << 16 | u32::from(width.min(SIDE_MAX))
}

impl Gpu {
    /// One whose pictures `display` shows, and that asks for `width` and `height` pixels, at most 8192 each.
    ///
    /// # Errors
    /// If there are no more descriptors.
    pub fn new(width: u16, height: u16, display: impl Display + 'static) -> io::Result<Self> {
        let readiness = Readiness::new()?;
        let size = Setting::new(packed(width, height))?;
        readiness.add(size.as_raw_fd(), 0)?;
        Ok(Self {
            display: Box::new(display),
            readiness,
            size: Shown::new(size),
            has_edid: false,
            events: 0,
            resources: HashMap::new(),
            scanout: None,
        })
    }

    /// By which the size is changed.
    pub fn screen_size(&self) -> ScreenSize {
        ScreenSize(self.size.setting().clone())
    }

    /// Does what a request says, and writes its response; gives how many bytes that has.
    fn answer(&mut self, chain: &Chain, memory: &Memory) -> u32 {
        let mut fields = Fields::new(chain, memory);
        let header = Header::new(fields.take().unwrap_or([0; HEADER_BYTES]));
        let result = match Command::new(header.kind) {
            Some(Command::GetDisplayInfo) => Ok((OK_DISPLAY_INFO, self.display_info())),
            Some(Command::GetEdid) => self.edid(&mut fields).map(|blocks| (OK_EDID, blocks)),
            Some(command) => self.run(command, &mut fields, memory).map(|()| (OK, Vec::new())),
            None => Err(Failure::Unspecified),
        };
        let (kind, data) = result.unwrap_or_else(|failure| (failure as u32, Vec::new()));
        chain.write(memory, 0, &[&header.to_response(kind)[..], &data].concat()) as u32
    }

    /// Width and height of the screen.
    fn size(&self) -> (u32, u32) {
        let size = self.size.get();
        (size & 0xffff, size >> 16)
    }

    /// What the monitor of a screen tells of itself: size of the blocks, padding, room for eight of them.
    fn edid(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, Failure> {
        let (scanout, _padding) = (fields.u32()?, fields.u32()?);
        if !self.has_edid {
            return Err(Failure::Unspecified);
        }
        if scanout != 0 {
            return Err(Failure::InvalidScanout);
        }
        let (width, height) = self.size();
        let mut response = [edid::BLOCK_BYTES as u32, 0].map(u32::to_le_bytes).as_flattened().to_vec();
        response.extend(edid::block(width, height));
        response.resize(8 + EDID_ROOM, 0);
        Ok(response)
    }

    /// All screens: rectangle, whether it is enabled, flags.
    fn display_info(&self) -> Vec<u8> {
        let (width, height) = self.size();
        let mut info = Rectangle { x: 0, y: 0, width, height }.to_bytes().to_vec();
        info.extend(u32::from(width > 0 && height > 0).to_le_bytes());
        info.resize(24 * NR_SCANOUTS_MAX, 0);
        info
    }

    fn run(&mut self, command: Command, fields: &mut Fields<'_>, memory: &Memory) -> Result<(), Failure> {
        match command {
            // They have answers of their own.
            Command::GetDisplayInfo | Command::GetEdid => Ok(()),
            Command::Create => {
                let (number, format, width, height) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
                self.create(number, format, width, height)
            }
            Command::Unref => {
                let number = fields.u32()?;
                self.resources.remove(&number).ok_or(Failure::InvalidResource)?;
                if self.scanout.is_some_and(|(shown, _)| shown == number) {
                    self.show_nothing();
                }
                Ok(())
            }
            Command::SetScanout => {
                let (area, scanout, number) = (fields.rectangle()?, fields.u32()?, fields.u32()?);
                self.set_scanout(area, scanout, number)
            }
            Command::Flush => {
                let (area, number) = (fields.rectangle()?, fields.u32()?);
                self.flush(area, number)
            }
            Command::Transfer => {
                let (area, offset, number) = (fields.rectangle()?, fields.u64()?, fields.u32()?);
                self.resource(number)?.transfer(memory, area, offset)
            }
            Command::AttachBacking => {
                let (number, nr_parts) = (fields.u32()?, fields.u32()?);
                self.attach(number, nr_parts, fields, memory)
            }
            Command::DetachBacking => {
                let number = fields.u32()?;
                self.resource(number)?.detach();
                Ok(())
            }
        }
    }

    fn resource(&mut self, number: u32) -> Result<&mut Resource, Failure> {
        self.resources.get_mut(&number).ok_or(Failure::InvalidResource)
    }

    fn create(&mut self, number: u32, format: u32, width: u32, height: u32) -> Result<(), Failure> {
        if number == 0 || self.resources.contains_key(&number) {
            return Err(Failure::InvalidResource);
        }
        if width == 0 || height == 0 {
            return Err(Failure::InvalidParameter);
        }
        let size = |resource: &Resource| Resource::size_bytes(resource.width, resource.height);
        let all = self.resources.values().map(size).fold(Resource::size_bytes(width, height), u64::saturating_add);
        if all > PIXELS_BYTES_MAX || self.resources.len() >= NR_RESOURCES_MAX {
            return Err(Failure::OutOfMemory);
        }
        self.resources.insert(number, Resource::new(format, width, height)?);
        Ok(())
    }

    fn set_scanout(&mut self, area: Rectangle, scanout: u32, number: u32) -> Result<(), Failure> {
        if scanout != 0 {
            return Err(Failure::InvalidScanout);
        }
        if number == 0 {
            self.show_nothing();
            return Ok(());
        }
        let resource = self.resource(number)?;
        if !area.is_within(resource.width, resource.height) {
            return Err(Failure::InvalidParameter);
        }
        let before = self.scanout.replace((number, area));
        if before.is_none_or(|(_, before)| (before.width, before.height) != (area.width, area.height)) {
            self.display.resize(area.width, area.height);
        }
        Ok(())
    }

    fn show_nothing(&mut self) {
        if self.scanout.take().is_some() {
            self.display.resize(0, 0);
        }
    }

    fn flush(&mut self, area: Rectangle, number: u32) -> Result<(), Failure> {
        let resource = self.resources.get(&number).ok_or(Failure::InvalidResource)?;
        if !area.is_within(resource.width, resource.height) {
            return Err(Failure::InvalidParameter);
        }
        let Some((_, shown)) = self.scanout.filter(|(shown, _)| *shown == number) else { return Ok(()) };
        if let Some(area) = area.intersection(shown) {
            let on_screen = Rectangle { x: area.x - shown.x, y: area.y - shown.y, ..area };
            self.display.update(on_screen, &mut |row| resource.row(area.x, area.y + row, area.width).collect());
        }
        Ok(())
    }

    fn attach(&mut self, number: u32, nr: u32, fields: &mut Fields<'_>, memory: &Memory) -> Result<(), Failure> {
        let nr_all: usize = self.resources.values().map(Resource::nr_parts).sum();
        let resource = self.resource(number)?;
        if resource.has_backing() {
            return Err(Failure::Unspecified);
        }
        let nr = usize::try_from(nr).unwrap_or(usize::MAX);
        if nr > NR_PARTS_MAX || nr_all + nr > NR_PARTS_MAX_ALL {
            return Err(Failure::OutOfMemory);
        }
        if fields.left() < 16 * nr as u64 {
            return Err(Failure::Unspecified);
        }
        let part = |fields: &mut Fields<'_>| -> Result<(u64, u32), Failure> {
            let (address, size, _padding) = (fields.u64()?, fields.u32()?, fields.u32()?);
            Ok((address, size))
        };
        let parts = (0..nr).map(|_| part(fields)).collect::<Result<Vec<_>, _>>()?;
        resource.attach(memory, &parts)
    }
}

impl VirtioDevice for Gpu {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn queue_sizes(&self) -> &[u16] {
        &[256, 16]
    }

    fn features(&self) -> u64 {
        EDID
    }

    fn accept(&mut self, features: u64) -> bool {
        self.has_edid = features & EDID != 0;
        true
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        // § 5.7.4: events, which of them are cleared, screens, sets of capabilities.
        let config = [self.events, 0, 1, 0].map(u32::to_le_bytes);
        for (byte, value) in data.iter_mut().zip(config.as_flattened().iter().skip(offset)) {
            *byte = *value;
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8], _: &mut Io<'_>) {
        if let (CLEAR_OFFSET, Ok(cleared)) = (offset, data.try_into()) {
            self.events &= !u32::from_le_bytes(cleared);
        }
    }

    fn reset(&mut self) {
        self.show_nothing();
        self.resources.clear();
        (self.events, self.has_edid) = (0, false);
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.woken(io)
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        match queue {
            CONTROL => io.each(CONTROL, |chain, memory| Ok(self.answer(chain, memory))),
            // There is no cursor beside the picture: what moves it has no effect, and no response (§ 5.7.6.10).
            CURSOR => io.each(CURSOR, |_, _| Ok(0)),
            _ => Ok(()),
        }
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        vec![self.readiness.as_raw_fd()]
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.readiness.take(|_, _| ());
        if self.size.take_over() {
            self.events |= DISPLAY_CHANGED;
            io.change_config();
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state, memory)
    }
}
