//! Commands of the control queue (§ 5.1.6.5 "Control Virtqueue").

use super::{
    GUEST_ANNOUNCE, Network,
    filter::{ADDRESSES_MAX, MacAddress},
};
use crate::{Chain, Memory};

/// Classes of commands.
const RX: u8 = 0;
const MAC: u8 = 1;
const VLAN: u8 = 2;
const ANNOUNCE: u8 = 3;
/// Commands of class MAC.
const TABLE_SET: u8 = 0;
const ADDRESS_SET: u8 = 1;
/// Commands of class VLAN.
const ADD: u8 = 0;
const DELETE: u8 = 1;
/// The command of class ANNOUNCE.
const ACKNOWLEDGE: u8 = 0;

/// How a command ended.
pub(super) const OK: u8 = 0;
pub(super) const ERROR: u8 = 1;

impl Network {
    /// Does what a command says; `None` if it is not complete, or there is none such.
    pub(super) fn command(&mut self, chain: &Chain, memory: &Memory) -> Option<()> {
        let mut data = Data { chain, memory, offset: 0 };
        let done = match data.take::<2>()? {
            [RX, command] => {
                let [on] = data.take()?;
                self.filter.set_mode(command, on)
            }
            [MAC, TABLE_SET] => {
                let unicast = data.table()?;
                let multicast = data.table()?;
                self.filter.set_tables(unicast, multicast);
                true
            }
            [MAC, ADDRESS_SET] => {
                let address: MacAddress = data.take()?;
                // A group's address is nobody's own.
                let is_own = address[0] & 1 == 0;
                if is_own {
                    self.mac = address;
                }
                is_own
            }
            [VLAN, command @ (ADD | DELETE)] => self.filter.set_vlan(u16::from_le_bytes(data.take()?), command == ADD),
            [ANNOUNCE, ACKNOWLEDGE] if self.features & GUEST_ANNOUNCE != 0 => {
                self.announces = false;
                true
            }
            _ => false,
        };
        done.then_some(())
    }
}

/// What can be read of a command.
struct Data<'a> {
    chain: &'a Chain,
    memory: &'a Memory,
    offset: u64,
}

impl Data<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let size = self.chain.read(self.memory, self.offset, &mut bytes);
        self.offset += size as u64;
        (size == N).then_some(bytes)
    }

    /// A table of addresses: all of them, or none if they are too many to be kept.
    fn table(&mut self) -> Option<Option<Vec<MacAddress>>> {
        let nr = u32::from_le_bytes(self.take()?);
        let size = u64::from(nr) * 6;
        if self.chain.readable_bytes() - self.offset < size {
            return None;
        }
        if nr as usize > ADDRESSES_MAX {
            self.offset += size;
            return Some(None);
        }
        (0..nr).map(|_| self.take()).collect::<Option<Vec<_>>>().map(Some)
    }
}
