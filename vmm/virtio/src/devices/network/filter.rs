//! Which frames a driver wants (§ 5.1.6.5.1 "Packet Receive Filtering" to § 5.1.6.5.3 "VLAN Filtering").

mod saved;

pub(super) use saved::FilterState;

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// The most addresses that are compared one by one: of more, all frames are let through, which a driver must expect.
pub(super) const ADDRESSES_MAX: usize = 64;
/// Identifiers of VLANs have 12 bits.
const VLANS: u16 = 1 << 12;
/// EtherType of a frame with a VLAN's tag.
const TAGGED: [u8; 2] = [0x81, 0];

/// Frames that are let through.
pub(super) struct Filter {
    /// One bit for each command of the class RX that was last given with 1.
    modes: u8,
    /// Addresses of the two tables; none stands for too many of them.
    unicast: Option<Vec<MacAddress>>,
    multicast: Option<Vec<MacAddress>>,
    /// VLANs that are let through, a bit each; none if the driver does not filter them.
    vlans: Option<Box<[u64; VLANS as usize / 64]>>,
}

/// Commands of the class RX.
const PROMISCUOUS: u8 = 0;
const ALL_MULTICAST: u8 = 1;
const ALL_UNICAST: u8 = 2;
const NO_MULTICAST: u8 = 3;
const NO_UNICAST: u8 = 4;
const NO_BROADCAST: u8 = 5;

impl Filter {
    /// Lets everything through, until a driver asks for less. With `vlans`, it names those that it wants.
    pub(super) fn new(vlans: bool) -> Self {
        Self {
            modes: 1 << PROMISCUOUS,
            unicast: Some(Vec::new()),
            multicast: Some(Vec::new()),
            vlans: vlans.then(|| Box::new([0; VLANS as usize / 64])),
        }
    }

    fn has(&self, mode: u8) -> bool {
        self.modes >> mode & 1 != 0
    }

    /// Takes a command of the class RX; gives whether there is such a one.
    pub(super) fn set_mode(&mut self, command: u8, on: u8) -> bool {
        if command > NO_BROADCAST || on > 1 {
            return false;
        }
        self.modes = self.modes & !(1 << command) | on << command;
        true
    }

    /// Takes both tables; none stands for one with too many addresses.
    pub(super) fn set_tables(&mut self, unicast: Option<Vec<MacAddress>>, multicast: Option<Vec<MacAddress>>) {
        (self.unicast, self.multicast) = (unicast, multicast);
    }

    /// Lets a VLAN through, or no more; gives whether there is such a one.
    pub(super) fn set_vlan(&mut self, vlan: u16, on: bool) -> bool {
        let (Some(vlans), true) = (&mut self.vlans, vlan < VLANS) else { return false };
        let word = &mut vlans[usize::from(vlan / 64)];
        *word = *word & !(1 << (vlan % 64)) | u64::from(on) << (vlan % 64);
        true
    }

    /// Whether a frame is wanted by a driver whose own address is `own`.
    pub(super) fn lets_through(&self, frame: &[u8], own: MacAddress) -> bool {
        let Some((destination, _)) = frame.split_first_chunk::<6>() else { return false };
        if let (Some(vlans), Some(&[a, b, high, low])) = (&self.vlans, frame.get(12..16))
            && [a, b] == TAGGED
        {
            let vlan = u16::from_be_bytes([high, low]) % VLANS;
            if vlans[usize::from(vlan / 64)] >> (vlan % 64) & 1 == 0 {
                return false;
            }
        }
        let is_in = |table: &Option<Vec<MacAddress>>| table.as_ref().is_none_or(|table| table.contains(destination));
        match destination {
            _ if self.has(PROMISCUOUS) => true,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => !self.has(NO_BROADCAST),
            [first, ..] if first & 1 != 0 => {
                !self.has(NO_MULTICAST) && (self.has(ALL_MULTICAST) || is_in(&self.multicast))
            }
            _ => !self.has(NO_UNICAST) && (self.has(ALL_UNICAST) || *destination == own || is_in(&self.unicast)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = [2, 0, 0, 0, 0, 1];
    const OTHER: MacAddress = [2, 0, 0, 0, 0, 2];
    const GROUP: MacAddress = [1, 0, 0x5e, 0, 0, 1];
    const ALL: MacAddress = [0xff; 6];

    fn passed(filter: &Filter) -> Vec<MacAddress> {
        let frame = |to: &MacAddress| [&to[..], &[0; 8]].concat();
        [OWN, OTHER, GROUP, ALL].into_iter().filter(|to| filter.lets_through(&frame(to), OWN)).collect()
    }

    #[test]
    fn modes_and_tables_choose_addresses() {
        let mut filter = Filter::new(false);
        assert_eq!(passed(&filter), [OWN, OTHER, GROUP, ALL]);
        assert!(filter.set_mode(PROMISCUOUS, 0));
        assert_eq!(passed(&filter), [OWN, ALL]);
        filter.set_tables(Some(vec![OTHER]), Some(vec![GROUP]));
        assert_eq!(passed(&filter), [OWN, OTHER, GROUP, ALL]);
        filter.set_tables(Some(vec![GROUP]), Some(vec![OTHER]));
        assert_eq!(passed(&filter), [OWN, ALL]);
        filter.set_tables(None, Some(vec![]));
        assert_eq!(passed(&filter), [OWN, OTHER, ALL]);
        filter.set_tables(Some(vec![]), Some(vec![]));
        for (mode, expected) in [
            (ALL_MULTICAST, &[OWN, GROUP, ALL][..]),
            (ALL_UNICAST, &[OWN, OTHER, ALL]),
            (NO_UNICAST, &[ALL]),
            (NO_BROADCAST, &[OWN]),
        ] {
            assert!(filter.set_mode(mode, 1));
            assert_eq!(passed(&filter), expected, "{mode}");
            assert!(filter.set_mode(mode, 0));
        }
        assert!(!filter.set_mode(6, 1) && !filter.set_mode(0, 2));
    }

    #[test]
    fn vlans_are_named() {
        let tagged = |vlan: u16| [&OWN[..], &OTHER, &TAGGED, &(vlan | 0x6000).to_be_bytes()].concat();
        let mut filter = Filter::new(true);
        assert!(!filter.lets_through(&tagged(5), OWN));
        assert!(filter.set_vlan(5, true) && filter.set_vlan(4095, true) && !filter.set_vlan(4096, true));
        assert!(filter.lets_through(&tagged(5), OWN) && filter.lets_through(&tagged(4095), OWN));
        assert!(!filter.lets_through(&tagged(69), OWN));
        assert!(filter.set_vlan(5, false) && !filter.lets_through(&tagged(5), OWN));
        assert!(filter.lets_through(&[0; 14], OWN), "frames without a tag");
        // Who does not filter VLANs gets all of them.
        let mut filter = Filter::new(false);
        assert!(filter.lets_through(&tagged(5), OWN) && !filter.set_vlan(5, true));
        assert!(!filter.lets_through(&[0; 5], OWN));
    }
}
