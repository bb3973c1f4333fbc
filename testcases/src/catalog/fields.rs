//! Little-endian fields of a record, by offset.

/// The bytes of one record, whose size was checked by whoever cut it out.
///
/// A field outside the record reads as zero, which no record reaches: the offsets come from the layouts in `case`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn bytes<const SIZE: usize>(self, offset: usize) -> [u8; SIZE] {
        let field = self.0.get(offset..).and_then(|rest| rest.first_chunk());
        field.copied().unwrap_or([0; SIZE])
    }

    pub(crate) fn u8(self, offset: usize) -> u8 {
        u8::from_le_bytes(self.bytes(offset))
    }

    pub(crate) fn u16(self, offset: usize) -> u16 {
        u16::from_le_bytes(self.bytes(offset))
    }

    pub(crate) fn u32(self, offset: usize) -> u32 {
        u32::from_le_bytes(self.bytes(offset))
    }

    pub(crate) fn u64(self, offset: usize) -> u64 {
        u64::from_le_bytes(self.bytes(offset))
    }

    /// Address and length of a `case::Text` or `case::text::Slice`.
    pub(crate) fn slice(self, offset: usize) -> (u64, u64) {
        (self.u64(offset), self.u64(offset + 8))
    }
}
