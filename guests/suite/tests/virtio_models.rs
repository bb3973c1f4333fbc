//! The models of block devices and of consoles know the specification's answers, and tell wrong ones from right ones.

#[expect(dead_code, reason = "the cases use more of it")]
#[path = "../src/virtio/block/model.rs"]
mod block;
#[expect(dead_code, reason = "the cases use more of it")]
#[path = "../src/virtio/console/model.rs"]
mod console;

use block::{Config, Disk, NR_RULES, feature, kind, status};
use console::{Message, event};

const DISK: Disk = Disk { nr_sectors: 128, is_read_only: false };
const FIXED: Disk = Disk { is_read_only: true, ..DISK };

#[test]
fn transfers_end_with_the_disk_and_are_whole_sectors() {
    for (sector, size, due) in [
        (0, 512, status::OK),
        (0, 128 * 512, status::OK),
        (0, 129 * 512, status::IO_ERROR),
        (127, 512, status::OK),
        (127, 1024, status::IO_ERROR),
        (128, 0, status::OK),
        (128, 512, status::IO_ERROR),
        (129, 0, status::IO_ERROR),
        (u64::MAX, 512, status::IO_ERROR),
        (1 << 55, 512, status::IO_ERROR),
        (4, 511, status::IO_ERROR),
        (4, 513, status::IO_ERROR),
    ] {
        assert_eq!(DISK.of_transfer(kind::IN, sector, size), due, "{sector} {size}");
        assert_eq!(DISK.of_transfer(kind::OUT, sector, size), due, "{sector} {size}");
        assert_eq!(FIXED.of_transfer(kind::IN, sector, size), due, "{sector} {size}");
        assert_eq!(FIXED.of_transfer(kind::OUT, sector, size), status::IO_ERROR, "{sector} {size}");
    }
}

#[test]
fn flags_are_known_by_the_type_of_the_request() {
    for (kind, flags, due) in [
        (kind::DISCARD, 0, status::OK),
        (kind::DISCARD, 1, status::UNSUPPORTED),
        (kind::DISCARD, 2, status::UNSUPPORTED),
        (kind::WRITE_ZEROES, 0, status::OK),
        (kind::WRITE_ZEROES, 1, status::OK),
        (kind::WRITE_ZEROES, 2, status::UNSUPPORTED),
        (kind::WRITE_ZEROES, 1 << 31, status::UNSUPPORTED),
    ] {
        assert_eq!(DISK.of_range(kind, 6, 1, flags), due, "{kind} {flags:#x}");
    }
    for (sector, nr, due) in [
        (0, 128, status::OK),
        (127, 1, status::OK),
        (127, 2, status::IO_ERROR),
        (128, 1, status::IO_ERROR),
        (u64::MAX, 1, status::IO_ERROR),
        (0, u32::MAX, status::IO_ERROR),
    ] {
        assert_eq!(DISK.of_range(kind::DISCARD, sector, nr, 0), due, "{sector} {nr}");
        assert_eq!(FIXED.of_range(kind::WRITE_ZEROES, sector, nr, 0), status::IO_ERROR);
    }
}

#[test]
fn each_rule_of_the_configuration_is_broken_by_one_value() {
    let all = feature::SEG_MAX
        | feature::BLK_SIZE
        | feature::FLUSH
        | feature::CONFIG_WCE
        | feature::MQ
        | feature::DISCARD
        | feature::WRITE_ZEROES;
    let right = Config {
        capacity: 128,
        seg_max: 254,
        blk_size: 512,
        writeback: 1,
        num_queues: 1,
        discard: [8, 1],
        write_zeroes: [8, 1],
        ..Config::default()
    };
    assert_eq!(right.keeps(all, 128), [true; NR_RULES]);
    let broken = |config: Config, features| {
        let kept = config.keeps(features, 128);
        kept.iter().enumerate().filter(|(_, kept)| !**kept).map(|(rule, _)| rule).collect::<Vec<_>>()
    };
    for (config, rule) in [
        (Config { capacity: 127, ..right }, 0),
        (Config { seg_max: 0, ..right }, 1),
        (Config { blk_size: 256, ..right }, 2),
        (Config { blk_size: 513, ..right }, 2),
        (Config { unused0: 1, ..right }, 3),
        (Config { unused1: [0, 0, 1], ..right }, 3),
        (Config { num_queues: 0, ..right }, 4),
        (Config { discard: [0, 1], ..right }, 5),
        (Config { discard: [8, 0], ..right }, 5),
        (Config { write_zeroes: [0, 1], ..right }, 6),
        (Config { write_zeroes: [8, 0], ..right }, 6),
        (Config { may_unmap: 2, ..right }, 7),
    ] {
        assert_eq!(broken(config, all), [rule], "{config:?}");
    }
    assert_eq!(broken(right, all & !feature::FLUSH), [8]);
    // What is not offered has no value.
    assert_eq!(Config { capacity: 128, ..Config::default() }.keeps(0, 128), [true; NR_RULES]);
}

#[test]
fn messages_of_a_device_make_sense_of_its_ports() {
    let message = |port, event, value, nr_more| Message { port, event, value, nr_more };
    let added = 0b01;
    for (message, due) in [
        (message(1, event::PORT_ADD, 0, 0), true),
        (message(0, event::PORT_ADD, 0, 0), false),
        (message(2, event::PORT_ADD, 0, 0), false),
        (message(1, event::PORT_ADD, 0, 1), false),
        (message(0, event::PORT_REMOVE, 0, 0), true),
        (message(1, event::PORT_REMOVE, 0, 0), false),
        (message(0, event::CONSOLE_PORT, 1, 0), true),
        (message(1, event::CONSOLE_PORT, 1, 0), false),
        (message(0, event::PORT_OPEN, 1, 0), true),
        (message(0, event::PORT_OPEN, 2, 0), false),
        (message(u32::MAX, event::PORT_OPEN, 1, 0), false),
        (message(0, event::RESIZE, 0, 4), true),
        (message(0, event::RESIZE, 0, 3), false),
        (message(0, event::PORT_NAME, 1, 5), true),
        (message(0, event::PORT_NAME, 1, 0), false),
        (message(0, event::DEVICE_READY, 1, 0), false),
        (message(0, event::PORT_READY, 1, 0), false),
        (message(0, 8, 0, 0), false),
    ] {
        assert_eq!(message.may_be_sent(2, added), due, "{message:?}");
    }
}
