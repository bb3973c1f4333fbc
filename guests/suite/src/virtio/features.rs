//! Negotiation of features, and the configuration's generation.

use super::{Device, ROWS, TRANSPORTS, each_layout, each_transport};
use rt::{
    case, check, check_eq,
    virtio::{Transport, common, feature, status},
    vocabulary::{Devices, Needs},
};

/// VERSION_1 is offered, and what is offered stays the same.
#[case(feature = VirtioFeatures, spec = [virtio("Reserved Feature Bits"), virtio("Device Requirements: Feature Bits")],
       devices = Devices::ENTROPY)]
fn version_1_is_offered() {
    each_transport(|row, transport| {
        let first = transport.device_features();
        check!("VERSION_1", [TRANSPORTS; row], first & feature::VERSION_1 != 0);
        let _ = transport.negotiate(feature::VERSION_1);
        check_eq!("what is offered, after the negotiation", [TRANSPORTS; row], transport.device_features(), first);
        let _ = transport.reset();
        check_eq!("and after a reset", [TRANSPORTS; row], transport.device_features(), first);
    });
}

/// Bits from 64 on, which are not offered, read as 0.
#[case(feature = VirtioFeatures, spec = [virtio("Common configuration structure layout"), virtio("MMIO Device Register Layout")],
       devices = Devices::ENTROPY)]
fn selected_bits_beyond_64_are_zero() {
    each_transport(|row, transport| {
        for select in [2, 3, 0x8000_0000, u32::MAX] {
            transport.select_device_features(select);
            check_eq!("features", [TRANSPORTS; row], transport.device_features_half(), 0);
        }
    });
}

/// A driver that accepts a bit that is not offered does not get FEATURES_OK.
#[case(feature = VirtioFeatures, spec = virtio("Device Requirements: Feature Bits"), devices = Devices::ENTROPY)]
fn features_that_are_not_offered_are_refused() {
    each_transport(|row, transport| {
        let offered = transport.device_features();
        for bit in [0, 27, 42, 55, 63].map(|bit: u32| 1_u64 << bit) {
            if offered & bit == 0 {
                check!("FEATURES_OK", [TRANSPORTS; row], !transport.negotiate(feature::VERSION_1 | bit));
            }
        }
    });
}

/// Each bit that is offered is accepted alone beside VERSION_1, unless it needs another.
#[case(feature = VirtioFeatures, spec = [virtio("Device Requirements: Feature Bits"), virtio("Feature Bits")],
       devices = Devices::ENTROPY)]
fn each_offered_feature_is_accepted() {
    each_transport(|row, transport| {
        let offered = transport.device_features();
        let known = feature::INDIRECT_DESC | feature::EVENT_IDX | feature::RING_PACKED | feature::RING_RESET;
        for bit in (0..64).map(|bit| 1_u64 << bit).filter(|bit| offered & known & bit != 0) {
            check!("FEATURES_OK", [TRANSPORTS; row], transport.negotiate(feature::VERSION_1 | bit));
        }
        check!("all of them", [TRANSPORTS; row], transport.negotiate(offered & known | feature::VERSION_1));
    });
}

/// A negotiation that was refused can be done again after a reset.
#[case(feature = VirtioFeatures, spec = [virtio("Feature Bits"), virtio("Device Initialization")],
       devices = Devices::ENTROPY)]
fn negotiation_begins_anew_after_a_reset() {
    each_layout(|row, transport, layout| {
        let _ = transport.negotiate(!0);
        check!("it is reset", [ROWS; row], transport.reset());
        let device = Device::started(transport, layout, 0);
        check!("it answers", [ROWS; row], device.is_some_and(|mut device| device.answers()));
    });
}

/// Over PCI the features that were accepted read back.
#[case(feature = VirtioFeatures, spec = virtio("Common configuration structure layout"),
       needs = Needs::VIRTIO_PCI, devices = Devices::ENTROPY)]
fn accepted_features_read_back() {
    each_transport(|row, transport| {
        let Transport::Pci(pci) = transport else { return };
        let half = |index| {
            transport.select_driver_features(index);
            rt::mmio::read_u32(pci.common + common::DRIVER_FEATURE)
        };
        let features = feature::VERSION_1 | transport.device_features() & feature::EVENT_IDX;
        check!("FEATURES_OK", [TRANSPORTS; row], transport.negotiate(features));
        check_eq!("low half", [TRANSPORTS; row], half(0), features as u32);
        check_eq!("high half", [TRANSPORTS; row], half(1), (features >> 32) as u32);
    });
}

/// While its configuration does not change, its generation does not.
#[case(feature = VirtioConfiguration, spec = virtio("Device Requirements: Device Configuration Space"),
       devices = Devices::ENTROPY)]
fn generation_stays_with_the_configuration() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        let first = transport.generation();
        check!("it answers", [ROWS; row], device.answers());
        check_eq!("generation", [ROWS; row], transport.generation(), first);
        check_eq!("status", [ROWS; row], transport.status() & status::DEVICE_NEEDS_RESET, 0);
        check!("what was accepted", [ROWS; row], device.features & feature::VERSION_1 != 0);
    });
}
