//! Static descriptors of the places that report: the host formats with them, the guest only sends an address.

use crate::text::{Slice, Text};
use core::mem::{offset_of, size_of};

/// The section that holds every [`Site`], and nothing else: the host refuses a message whose site is not one of them.
pub const SECTION: &str = "vmproof_sites";

/// First field of every site.
pub const MAGIC: u32 = u32::from_le_bytes(*b"vps1");

/// How the host writes the values of a check.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Hexadecimal.
    Hex = 0,
    /// Decimal.
    Decimal = 1,
    /// `true` or `false`.
    Bool = 2,
    /// An outcome: see [`crate::message::outcome`].
    Outcome = 3,
}

/// A place in a case that sends messages.
#[repr(C)]
pub struct Site {
    magic: u32,
    /// Line in the source file.
    pub line: u32,
    /// Source file, from the root of the workspace.
    pub file: Text,
    /// What is claimed; also the id of the check within its case.
    pub text: Text,
    /// Names of the table's rows, if the check is one of a table; else empty.
    pub rows: Slice<Text>,
    /// How values are written.
    pub style: Style,
    reserved: [u8; 7],
}

impl Site {
    /// Made by the macros of `rt`, which put it into [`SECTION`].
    pub const fn new(file: &'static str, line: u32, text: &'static str, rows: &'static [Text], style: Style) -> Self {
        Self {
            magic: MAGIC,
            line,
            file: Text::new(file),
            text: Text::new(text),
            rows: Slice::new(rows),
            style,
            reserved: [0; 7],
        }
    }
}

/// Offsets of the fields, for the host.
pub mod layout {
    use super::{Site, offset_of, size_of};
    /// Size of a site in bytes.
    pub const SIZE: usize = size_of::<Site>();
    /// `u32`, equal to [`super::MAGIC`].
    pub const MAGIC: usize = offset_of!(Site, magic);
    /// `u32`.
    pub const LINE: usize = offset_of!(Site, line);
    /// [`crate::Text`].
    pub const FILE: usize = offset_of!(Site, file);
    /// [`crate::Text`].
    pub const TEXT: usize = offset_of!(Site, text);
    /// [`crate::text::Slice`] of [`crate::Text`].
    pub const ROWS: usize = offset_of!(Site, rows);
    /// `u8`: a [`super::Style`].
    pub const STYLE: usize = offset_of!(Site, style);
}

const _: () = assert!(layout::SIZE == 64 && layout::FILE == 8 && layout::ROWS == 40 && layout::STYLE == 56);
