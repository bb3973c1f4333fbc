//! Statistics, and pages that are reported as free.

use super::{
    Balloon, INFLATE, ROWS, STATISTICS, check_usable, each_balloon, feature, model::may_be_reported, number, page,
    refused, write,
};
use crate::virtio::several::{Several, each_row};
use rt::{
    case, check, mmio,
    virtio::{self, Element, kind},
    vocabulary::Devices,
};

/// Where the queue for pages that are reported is ("Virtqueues").
const REPORTING: u16 = 4;
/// Offset of the value that the driver poisons pages with.
const POISON_VALUE: u64 = 12;
/// Bytes of a statistic.
const STATISTIC: u32 = 10;

/// The driver's first statistics are kept until the host asks for others, which it does not, while other queues go on.
#[case(feature = VirtioBalloon, spec = [virtio("Memory Statistics"), virtio("Device Requirements: Memory Statistics")], devices = Devices::BALLOON)]
fn statistics_are_kept() {
    let at = virtio::buffer(2);
    each_balloon(feature::STATISTICS, |row, balloon: &mut Balloon<3>| {
        if balloon.device.features & feature::STATISTICS == 0 {
            return;
        }
        // Tags that there are and that there are not, in no order.
        for (index, tag) in (0..).zip([5_u16, 0, 0xfff0, 4, 0x8000]) {
            let at = at + u64::from(STATISTIC) * index;
            mmio::write_u16(at, tag);
            (0..4).for_each(|word| mmio::write_u16(at + 2 + 2 * word, 0x1111));
        }
        balloon.device.give(STATISTICS, &[Element::read(at, 5 * STATISTIC)]);
        for _ in 0..3 {
            check!("given", [ROWS; row], balloon.send(INFLATE, &[number(page(0))]));
        }
        check!("the statistics are kept", [ROWS; row], balloon.device.queues[STATISTICS].take_used().is_none());
        check_usable(row, page(0));
    });
}

/// Statistics that are cut, or that are more than anybody knows, do no harm.
#[case(feature = VirtioHostileDrivers, spec = virtio("Memory Statistics"), devices = Devices::BALLOON)]
fn any_statistics_are_survived() {
    each_row(kind::BALLOON, |row, transport, layout| {
        for size in [1, STATISTIC - 1, 8 * 256] {
            let Some(mut balloon) = Balloon::<3>::started(transport, layout, feature::STATISTICS) else {
                return refused(row);
            };
            for element in [Element::read(virtio::buffer(2), size), Element::written(virtio::buffer(2), size)] {
                balloon.device.give(STATISTICS, &[element]);
            }
            super::super::give_time();
        }
        check!("it works after a reset", [ROWS; row], super::works_again(transport, layout));
    });
}

/// Pages that are reported as free keep what they hold, or are filled anew, and are memory.
#[case(feature = VirtioBalloon, spec = [virtio("Free Page Reporting"), virtio("Device Requirements: Free Page Reporting")],
       devices = Devices::BALLOON)]
fn reported_pages_are_kept_or_filled() {
    const BEFORE: u64 = 0x5151_5151_5151_5151;
    each_row(kind::BALLOON, |row, transport, layout| {
        if transport.device_features() & feature::REPORTING == 0 {
            return;
        }
        for poison in [0, 0xaaaa_aaaa] {
            let wanted = feature::REPORTING | if poison == 0 { 0 } else { feature::POISON };
            let Some(mut device) = Several::<1>::started(transport, layout, wanted, [REPORTING]) else {
                return refused(row);
            };
            if poison != 0 && device.features & feature::POISON == 0 {
                continue;
            }
            if let (Some(at), true) = (transport.config(), poison != 0) {
                mmio::write_u32(at + POISON_VALUE, poison);
            }
            let pages = [0, 1].map(page);
            pages.into_iter().for_each(|page| write(page, BEFORE));
            let elements = pages.map(|page| Element::written(page, 4096));
            check!("they come back", [ROWS; row], device.exchange(0, &elements).is_some());
            for page in pages {
                let word = mmio::read_u64(page + 2048);
                check!("kept or filled", [ROWS; row], may_be_reported(BEFORE, word, poison));
                check_usable(row, page);
            }
        }
    });
}
