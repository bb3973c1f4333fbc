//! Which unit a request is for.

use super::{
    DISK, ROWS, data, each_host,
    model::{Sense, TEST_UNIT_READY, flat_unit, inquiry, response, unit},
};
use rt::{case, check, check_eq, virtio::Element, vocabulary::Devices};

/// The unit of a target is reached by either format of a single level.
#[case(feature = VirtioScsi, spec = virtio("Device Operation: Request Queues"), devices = Devices::SCSI)]
fn units_have_two_formats() {
    each_host(|row, host| {
        for lun in [unit(0, 0), flat_unit(0, 0)] {
            check!("the disk is ready", [ROWS; row], host.command(lun, &TEST_UNIT_READY, None).is_good());
        }
    });
}

/// A target that does not exist is told as one, and no other answers for it.
#[case(feature = VirtioScsi, spec = virtio("Device Requirements: Device Operation: Request Queues"), devices = Devices::SCSI)]
fn targets_that_do_not_exist_are_bad() {
    each_host(|row, host| {
        for target in [1, 2, 7, 8, 127, 255] {
            let answer = host.command(unit(target, 0), &TEST_UNIT_READY, None);
            check_eq!("without data", [ROWS; row], answer.response, response::BAD_TARGET);
            let answer = host.command(unit(target, 0), &inquiry(36), Some(Element::written(data(), 36)));
            check_eq!("with data", [ROWS; row], answer.response, response::BAD_TARGET);
        }
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
    });
}

/// A field that is in none of the formats leads to nothing.
#[case(feature = VirtioScsi, spec = virtio("Device Operation: Request Queues"), devices = Devices::SCSI)]
fn addresses_of_no_format_lead_nowhere() {
    each_host(|row, host| {
        for lun in [[0; 8], [2, 0, 0, 0, 0, 0, 0, 0], [0xff; 8], [1, 0, 0xff, 0, 0, 0, 0, 0]] {
            let answer = host.command(lun, &TEST_UNIT_READY, None);
            check!("it is not done", [ROWS; row], !answer.is_good());
        }
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
    });
}

/// A unit that the target has not is told by sense data.
#[case(feature = VirtioScsi, spec = virtio("Device Operation: Request Queues"), devices = Devices::SCSI)]
fn units_that_do_not_exist_are_told() {
    each_host(|row, host| {
        for lun in [unit(0, 1), flat_unit(0, 1), unit(0, 255)] {
            let answer = host.command(lun, &TEST_UNIT_READY, None);
            check!("no such unit", [ROWS; row], answer.is_checked(Sense::NO_UNIT));
        }
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
    });
}
