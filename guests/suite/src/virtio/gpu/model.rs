//! Requests and responses of a GPU, and what makes sense of them.
//!
//! Source: VIRTIO, "GPU Device".

/// Requests.
pub(crate) mod request {
    pub(crate) const GET_DISPLAY_INFO: u32 = 0x100;
    pub(crate) const CREATE: u32 = 0x101;
    pub(crate) const UNREF: u32 = 0x102;
    pub(crate) const SET_SCANOUT: u32 = 0x103;
    pub(crate) const FLUSH: u32 = 0x104;
    pub(crate) const TRANSFER: u32 = 0x105;
    pub(crate) const ATTACH_BACKING: u32 = 0x106;
    pub(crate) const DETACH_BACKING: u32 = 0x107;
    pub(crate) const GET_EDID: u32 = 0x10a;
    pub(crate) const UPDATE_CURSOR: u32 = 0x300;
    pub(crate) const MOVE_CURSOR: u32 = 0x301;
}

/// Responses.
pub(crate) const OK_NODATA: u32 = 0x1100;
pub(crate) const OK_DISPLAY_INFO: u32 = 0x1101;
pub(crate) const OK_EDID: u32 = 0x1104;
const FIRST_ERROR: u32 = 0x1200;
const LAST_ERROR: u32 = 0x1205;

/// The flag of a request with a fence.
pub(crate) const FENCE: u32 = 1;
/// Bytes of a header.
pub(crate) const HEADER_BYTES: u32 = 24;
/// Formats of pixels.
pub(crate) const FORMATS: [u32; 8] = [1, 2, 3, 4, 67, 68, 121, 134];

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) fence: u64,
    pub(crate) context: u32,
}

/// How many rules a response keeps.
pub(crate) const NR_RULES: usize = 4;

impl Header {
    /// Whether a response to `request` keeps the rules: it has a fence if the request has one, and that of the request; it is one
    /// that there is; and as many bytes were written as it has ("Device Operation: Request header").
    pub(crate) fn keeps(self, request: Self, written: u32) -> [bool; NR_RULES] {
        let has_fence = request.flags & FENCE != 0;
        [
            self.flags & FENCE == request.flags & FENCE,
            !has_fence || self.fence == request.fence,
            (OK_NODATA..=0x11ff).contains(&self.kind) || self.is_error(),
            written >= HEADER_BYTES,
        ]
    }

    /// Whether the request failed, for one of the reasons that there are.
    pub(crate) fn is_error(self) -> bool {
        (FIRST_ERROR..=LAST_ERROR).contains(&self.kind)
    }
}
