//! Pages that a driver gives and takes.

use super::{
    Balloon, DEFLATE, INFLATE, ROWS, check_usable, each_balloon, feature, holds, number, outgoing, page, refused,
    works_again, write,
};
use crate::virtio::several::each_row;
use rt::{
    case, check, check_eq, mmio,
    virtio::{Element, kind, status},
    vocabulary::Devices,
};

/// Pages are given and taken, one and several, and are memory again.
#[case(feature = VirtioBalloon, spec = [virtio("Traditional Memory Balloon Device"), virtio("Device Operation")], devices = Devices::BALLOON)]
fn pages_are_given_and_taken() {
    let all = [0, 1, 2].map(page);
    for wanted in [0, feature::MUST_TELL_HOST] {
        each_balloon(wanted, |row, balloon: &mut Balloon<2>| {
            for pages in [&all[..1], &all[..2], &all] {
                let mut numbers = [0; 3];
                numbers.iter_mut().zip(pages).for_each(|(number_of, page)| *number_of = number(*page));
                let numbers = &numbers[..pages.len()];
                check!("given", [ROWS; row], balloon.send(INFLATE, numbers));
                check!("taken", [ROWS; row], balloon.send(DEFLATE, numbers));
                for page in pages {
                    check_usable(row, *page);
                }
            }
        });
    }
}

/// Pages beside those that are given stay what they are.
#[case(feature = VirtioBalloon, spec = [virtio("Traditional Memory Balloon Device"), virtio("Device Requirements: Device Operation")],
       devices = Devices::BALLOON)]
fn neighbours_of_given_pages_stay() {
    each_balloon(0, |row, balloon: &mut Balloon<2>| {
        write(page(0), 0x1111);
        write(page(2), 0x3333);
        check!("given", [ROWS; row], balloon.send(INFLATE, &[number(page(1))]));
        check!("the page before", [ROWS; row], holds(page(0), 0x1111));
        check!("the page behind", [ROWS; row], holds(page(2), 0x3333));
        check!("taken", [ROWS; row], balloon.send(DEFLATE, &[number(page(1))]));
        check_usable(row, page(1));
    });
}

/// How many pages are wanted is the host's word, and how many there are is the driver's.
#[case(feature = VirtioConfiguration, spec = [virtio("Traditional Memory Balloon Device"), virtio("Device configuration layout")],
       devices = Devices::BALLOON)]
fn numbers_of_pages_are_kept() {
    each_balloon(0, |row, balloon: &mut Balloon<2>| {
        let Some(at) = balloon.device.transport.config() else { return check!("there is one", [ROWS; row], false) };
        check_eq!("none is wanted", [ROWS; row], mmio::read_u32(at), 0);
        check!("given", [ROWS; row], balloon.send(INFLATE, &[number(page(0))]));
        mmio::write_u32(at + 4, 1);
        check_eq!("what was written", [ROWS; row], mmio::read_u32(at + 4), 1);
        check_eq!("none is wanted still", [ROWS; row], mmio::read_u32(at), 0);
        check!("taken", [ROWS; row], balloon.send(DEFLATE, &[number(page(0))]));
        mmio::write_u32(at + 4, 0);
        check_eq!("what was written then", [ROWS; row], mmio::read_u32(at + 4), 0);
        let needs = balloon.device.transport.status() & status::DEVICE_NEEDS_RESET;
        check_eq!("needs no reset", [ROWS; row], needs, 0);
    });
}

/// Numbers of pages that there are not, numbers that are cut, and what the device would have to write.
#[case(feature = VirtioHostileDrivers, spec = virtio("Traditional Memory Balloon Device"), devices = Devices::BALLOON)]
fn any_numbers_of_pages_are_survived() {
    let at = outgoing();
    let ways = [
        (u32::MAX, Element::read(at, 4)),
        (0x000f_ee00, Element::read(at, 4)),
        (0x8000_0000, Element::read(at, 8)),
        (number(page(0)), Element::read(at, 3)),
        (number(page(0)), Element::read(at, 7)),
        (number(page(0)), Element::written(at, 4)),
    ];
    each_row(kind::BALLOON, |row, transport, layout| {
        for (number, element) in ways {
            for queue in [INFLATE, DEFLATE] {
                let Some(mut balloon) = Balloon::<2>::started(transport, layout, 0) else { return refused(row) };
                mmio::write_u32(at, number);
                mmio::write_u32(at + 4, number);
                balloon.device.give(queue, &[element]);
                super::super::give_time();
            }
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}
