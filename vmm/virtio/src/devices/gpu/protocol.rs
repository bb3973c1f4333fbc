//! Requests and responses (§ 5.7.6.7 "Device Operation: Request header" and what follows).

use crate::{Chain, Memory};

/// Size of the header of each request and response in bytes.
pub(super) const HEADER_BYTES: usize = 24;
/// VIRTIO_GPU_FLAG_FENCE: the response has to have the request's fence.
const FENCE: u32 = 1;
/// Screens in a response with all of them, whether there are so many or not.
pub(super) const NR_SCANOUTS_MAX: usize = 16;

/// Requests of two dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Command {
    GetDisplayInfo = 0x100,
    Create = 0x101,
    Unref = 0x102,
    SetScanout = 0x103,
    Flush = 0x104,
    Transfer = 0x105,
    AttachBacking = 0x106,
    DetachBacking = 0x107,
    GetEdid = 0x10a,
}

impl Command {
    const ALL: [Self; 9] = [
        Self::GetDisplayInfo,
        Self::Create,
        Self::Unref,
        Self::SetScanout,
        Self::Flush,
        Self::Transfer,
        Self::AttachBacking,
        Self::DetachBacking,
        Self::GetEdid,
    ];

    pub(super) fn new(command: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == command)
    }
}

/// VIRTIO_GPU_RESP_OK_NODATA, VIRTIO_GPU_RESP_OK_DISPLAY_INFO and VIRTIO_GPU_RESP_OK_EDID.
pub(super) const OK: u32 = 0x1100;
pub(super) const OK_DISPLAY_INFO: u32 = 0x1101;
pub(super) const OK_EDID: u32 = 0x1104;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Failure {
    Unspecified = 0x1200,
    OutOfMemory = 0x1201,
    InvalidScanout = 0x1202,
    InvalidResource = 0x1203,
    InvalidParameter = 0x1205,
}

/// The header of a request or a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u32,
    bytes: [u8; HEADER_BYTES],
}

impl Header {
    pub(super) fn new(bytes: [u8; HEADER_BYTES]) -> Self {
        let [a, b, c, d, ..] = bytes;
        Self { kind: u32::from_le_bytes([a, b, c, d]), bytes }
    }

    /// The header of its response (§ 5.7.6.7): with the fence, the context and the ring, if there is a fence.
    pub(super) fn to_response(self, kind: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        if self.bytes[4] & FENCE as u8 != 0 {
            bytes = self.bytes;
            bytes[4..8].copy_from_slice(&FENCE.to_le_bytes());
        }
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes
    }
}

/// A part of a picture in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rectangle {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

impl Rectangle {
    /// Whether it lies within a picture of this size, and has pixels.
    pub(super) fn is_within(self, width: u32, height: u32) -> bool {
        let ends_within = |first: u32, size: u32, whole| first.checked_add(size).is_some_and(|end| end <= whole);
        self.width > 0
            && self.height > 0
            && ends_within(self.x, self.width, width)
            && ends_within(self.y, self.height, height)
    }

    /// What it has in common with another one; both lie within pictures, so that no sum overflows.
    pub(super) fn intersection(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = (self.x + self.width).min(other.x + other.width).checked_sub(x)?;
        let height = (self.y + self.height).min(other.y + other.height).checked_sub(y)?;
        (width > 0 && height > 0).then_some(Self { x, y, width, height })
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        let fields = [self.x, self.y, self.width, self.height].map(u32::to_le_bytes);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(fields.as_flattened());
        bytes
    }
}

/// The fields of a request, one after the other.
pub(super) struct Fields<'a> {
    chain: &'a Chain,
    memory: &'a Memory,
    offset: u64,
}

impl<'a> Fields<'a> {
    /// From the start of a buffer on.
    pub(super) fn new(chain: &'a Chain, memory: &'a Memory) -> Self {
        Self { chain, memory, offset: 0 }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.chain.readable_bytes() - self.offset
    }

    /// The next bytes, if there are as many.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        let size = self.chain.read(self.memory, self.offset, &mut bytes);
        self.offset += size as u64;
        if size == N { Ok(bytes) } else { Err(Failure::Unspecified) }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Failure> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn rectangle(&mut self) -> Result<Rectangle, Failure> {
        Ok(Rectangle { x: self.u32()?, y: self.u32()?, width: self.u32()?, height: self.u32()? })
    }
}
