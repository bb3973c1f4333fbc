//! Packets between guest and host (§ 5.10.6 "Device Operation").

/// Size of a header in bytes.
pub(super) const HEADER_BYTES: usize = 44;
/// VIRTIO_VSOCK_TYPE_STREAM.
pub(super) const STREAM: u16 = 1;
/// VIRTIO_VSOCK_SHUTDOWN_F_RECEIVE and _SEND: what the sender does no more.
pub(super) const NO_RECEIVE: u32 = 1;
pub(super) const NO_SEND: u32 = 2;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Operation {
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

impl Operation {
    pub(super) fn new(operation: u16) -> Option<Self> {
        const ALL: [Operation; 7] = [
            Operation::Request,
            Operation::Response,
            Operation::Reset,
            Operation::Shutdown,
            Operation::Data,
            Operation::CreditUpdate,
            Operation::CreditRequest,
        ];
        ALL.into_iter().find(|known| *known as u16 == operation)
    }
}

/// The header of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source_cid: u64,
    pub(super) destination_cid: u64,
    pub(super) source_port: u32,
    pub(super) destination_port: u32,
    /// Bytes that follow.
    pub(super) size_bytes: u32,
    /// Kind of the socket.
    pub(super) kind: u16,
    pub(super) operation: u16,
    pub(super) flags: u32,
    /// Bytes that the sender's buffer for this connection holds, and how many it has taken out of it so far.
    pub(super) buffer_bytes: u32,
    pub(super) forwarded: u32,
}

impl Header {
    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let mut fields = Fields(bytes);
        Self {
            source_cid: u64::from_le_bytes(fields.take()),
            destination_cid: u64::from_le_bytes(fields.take()),
            source_port: u32::from_le_bytes(fields.take()),
            destination_port: u32::from_le_bytes(fields.take()),
            size_bytes: u32::from_le_bytes(fields.take()),
            kind: u16::from_le_bytes(fields.take()),
            operation: u16::from_le_bytes(fields.take()),
            flags: u32::from_le_bytes(fields.take()),
            buffer_bytes: u32::from_le_bytes(fields.take()),
            forwarded: u32::from_le_bytes(fields.take()),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 10] = [
            &self.source_cid.to_le_bytes(),
            &self.destination_cid.to_le_bytes(),
            &self.source_port.to_le_bytes(),
            &self.destination_port.to_le_bytes(),
            &self.size_bytes.to_le_bytes(),
            &self.kind.to_le_bytes(),
            &self.operation.to_le_bytes(),
            &self.flags.to_le_bytes(),
            &self.buffer_bytes.to_le_bytes(),
            &self.forwarded.to_le_bytes(),
        ];
        for (byte, value) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *value;
        }
        bytes
    }

    /// The packet that says that there is no such connection.
    pub(super) fn to_reset(self) -> Self {
        Self {
            source_cid: self.destination_cid,
            destination_cid: self.source_cid,
            source_port: self.destination_port,
            destination_port: self.source_port,
            kind: self.kind,
            operation: Operation::Reset as u16,
            ..Self::default()
        }
    }
}

/// Fields one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        // The fields of a header are together as large as it is: there is no end before the last.
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_specification_has_them() {
        let bytes: [u8; HEADER_BYTES] = std::array::from_fn(|index| index as u8);
        let header = Header::from_bytes(&bytes);
        assert_eq!(header.source_cid, 0x0706_0504_0302_0100);
        assert_eq!(
            (header.source_port, header.destination_port, header.size_bytes),
            (0x1312_1110, 0x1716_1514, 0x1b1a_1918)
        );
        assert_eq!((header.kind, header.operation, header.flags), (0x1d1c, 0x1f1e, 0x2322_2120));
        assert_eq!((header.buffer_bytes, header.forwarded), (0x2726_2524, 0x2b2a_2928));
        assert_eq!(header.to_bytes(), bytes);
    }
}
