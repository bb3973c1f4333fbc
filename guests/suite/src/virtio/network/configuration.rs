//! The configuration of a network device, and the features that go together.

use super::model::{Config, NEEDS, NR_CONFIG_RULES, feature, needs_are_met};
use crate::virtio::{TRANSPORTS, each_transport_of};
use rt::{
    case, check, mmio, names,
    virtio::{self, kind},
    vocabulary::{Devices, Text, devices::network::MAC},
};

/// Names of the rules of [`Config::keeps`].
const RULES: &[Text] = names!["address", "status", "pairs of queues", "largest payload"];
const _: () = assert!(RULES.len() == NR_CONFIG_RULES);

/// Names of what needs another feature.
const FEATURES: &[Text] = names![
    "GUEST_TSO4",
    "GUEST_TSO6",
    "GUEST_ECN",
    "GUEST_UFO",
    "HOST_TSO4",
    "HOST_TSO6",
    "HOST_ECN",
    "HOST_UFO",
    "CTRL_RX",
    "CTRL_VLAN",
    "CTRL_RX_EXTRA",
    "GUEST_ANNOUNCE",
    "MQ",
    "CTRL_MAC_ADDR"
];
const _: () = assert!(FEATURES.len() == NEEDS.len());

/// The configuration tells the address, the status, and limits that make sense, for each feature that is offered.
#[case(feature = VirtioConfiguration, spec = [virtio("Network Device"), virtio("Device configuration layout")], devices = Devices::NETWORK)]
fn interface_is_told() {
    each_transport_of(kind::NETWORK, |row, transport| {
        let wanted = feature::MAC | feature::STATUS | feature::MQ | feature::MTU | feature::CTRL_VQ;
        let Some(features) = transport.negotiate_offered(wanted) else {
            return check!("features are accepted", [TRANSPORTS; row], false);
        };
        let Some(at) = transport.config() else { return check!("there is one", [TRANSPORTS; row], false) };
        let config = Config {
            mac: super::bytes(at),
            status: mmio::read_u16(at + 6),
            nr_pairs: mmio::read_u16(at + 8),
            mtu: mmio::read_u16(at + 10),
        };
        for (rule, keeps) in config.keeps(features, MAC).into_iter().enumerate() {
            check!("it is kept", [RULES; rule], keeps);
        }
    });
}

/// No feature is offered without one that it needs.
#[case(feature = VirtioFeatures, spec = [virtio("Network Device"), virtio("Feature bit requirements"),
       virtio("Device Requirements: Feature Bits")], devices = Devices::NETWORK)]
fn features_of_interfaces_have_what_they_need() {
    each_transport_of(kind::NETWORK, |row, transport| {
        let offered = transport.device_features();
        check!("VERSION_1", [TRANSPORTS; row], offered & virtio::feature::VERSION_1 != 0);
        for (index, is_met) in needs_are_met(offered).into_iter().enumerate() {
            check!("there is what it needs", [FEATURES; index], is_met);
        }
    });
}
