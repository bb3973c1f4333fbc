//! Commands to a disk, and to what is none.

use super::*;

/// READ or WRITE of so many blocks, in each size of the command.
fn transfers(write: bool, block: u8, nr_blocks: u8) -> [Vec<u8>; 4] {
    let two = u8::from(write) * 2;
    [
        vec![8 + two, 0, 0, block, nr_blocks, 0],
        vec![0x28 + two, 0, 0, 0, 0, block, 0, 0, nr_blocks, 0],
        vec![0xa8 + two, 0, 0, 0, 0, block, 0, 0, 0, nr_blocks, 0, 0],
        vec![0x88 + two, 0, 0, 0, 0, 0, 0, 0, 0, block, 0, 0, 0, nr_blocks, 0, 0],
    ]
}

#[test]
fn what_is_written_is_read() {
    for layout in Layout::all() {
        let mut host = Host::new(layout, false);
        for (value, (write, read)) in (1..).zip(transfers(true, 7, 2).iter().zip(&transfers(false, 6, 3))) {
            assert_eq!(host.give(write, &[value; 1024]), Answer::good(0, &[]), "{layout:?} {write:?}");
            assert_eq!(host.ask(read, 1540), Answer::good(4, &[[6; 512], [value; 512], [value; 512]].concat()));
        }
        assert_eq!(due(&mut host.common), (1 << REQUESTS, false));
    }
}

#[test]
fn descriptors_may_be_cut_anywhere() {
    let mut host = Host::plain();
    let request = [head(UNIT, &transfers(true, 3, 1)[1]), vec![0xcd; 512]].concat();
    for cut in [1, 19, 50, 51, 52, 500] {
        let (first, second) = request.split_at(cut);
        assert_eq!(host.exchange(&[first, second], &[1, 107]), Answer::good(0, &[]));
        let read = head(UNIT, &transfers(false, 3, 1)[3]);
        assert_eq!(host.exchange(&[&read[..20], &read[20..]], &[100, 9, 511]), Answer::good(0, &[0xcd; 512]));
    }
}

#[test]
fn ranges_end_with_the_disk() {
    let mut host = Host::plain();
    for command in transfers(false, 199, 2).iter().chain(&transfers(true, 200, 1)) {
        assert_eq!(host.ask(command, 1024).sense, Some((5, 0x21, 0)), "{command:?}");
    }
    let last = [&[0x88, 0][..], &[0xff; 8], &[0, 0, 0, 1, 0, 0]].concat();
    assert_eq!(host.ask(&last, 512), Answer::check((5, 0x21, 0), 512));
    // Zero is 256 in the shortest command, and nothing in the others.
    assert_eq!(host.ask(&[8, 0, 0, 0, 0, 0], 512).sense, Some((5, 0x21, 0)));
    assert_eq!(host.ask(&transfers(false, 200, 0)[1], 0), Answer::good(0, &[]));
    for cdb in [transfers(false, 199, 1), transfers(true, 199, 1)].concat() {
        let room = if cdb[0] & 2 == 0 { 512 } else { 0 };
        assert_ne!(host.ask(&cdb, room).status, 2);
    }
}

#[test]
fn buffers_that_are_too_small_overrun() {
    let mut host = Host::plain();
    for command in transfers(false, 0, 2) {
        assert_eq!(host.ask(&command, 1023), Answer::failed(1, 1023));
    }
    for command in transfers(true, 0, 2) {
        assert_eq!(host.give(&command, &[1; 1023]), Answer::failed(1, 1023));
    }
    assert_eq!(host.ask(&[0x12, 0, 0, 0, 37, 0], 36), Answer::failed(1, 36));
    assert_eq!(host.ask(&transfers(false, 0, 1)[0], 512).data, [0; 512]);
}

#[test]
fn errors_of_the_disk_have_sense_data() {
    let mut host = Host::plain();
    host.disk.state().full_from = Some(10 * 512);
    assert_eq!(host.give(&transfers(true, 10, 1)[1], &[1; 512]), Answer::check((7, 0x27, 7), 512));
    host.disk.state().full_from = None;
    assert_eq!(host.give(&transfers(true, 10, 1)[1], &[1; 512]), Answer::good(0, &[]));
    host.disk.state().reads_fail = Some(io::ErrorKind::Other);
    assert_eq!(host.ask(&transfers(false, 0, 1)[1], 512), Answer::check((3, 0x11, 0), 512));
    assert_eq!(host.ask(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0), Answer::check((3, 0x0c, 0), 0));
    host.disk.state().reads_fail = None;
    assert_eq!(host.ask(&transfers(false, 10, 1)[1], 512), Answer::good(0, &[1; 512]));
}

#[test]
fn a_disk_that_is_read_only_says_so() {
    let mut host = Host::new(PLAIN, true);
    for command in transfers(true, 0, 1) {
        assert_eq!(host.give(&command, &[1; 512]), Answer::check((7, 0x27, 0), 512));
    }
    assert_eq!(host.ask(&transfers(false, 0, 1)[0], 512).data, [0; 512]);
    assert_eq!(host.ask(&[0x1a, 8, 8, 0, 64, 0], 64).data[..4], [23, 0, 0x90, 0]);
}

#[test]
fn writes_are_stable_when_that_is_asked_for() {
    let mut host = Host::plain();
    let flushes = |host: &Host| host.disk.state().nr_flushes;
    let mut write = transfers(true, 0, 1)[1].clone();
    assert_eq!((host.give(&write, &[1; 512]).status, flushes(&host)), (0, 0));
    write[1] = 8;
    assert_eq!((host.give(&write, &[1; 512]).status, flushes(&host)), (0, 1));
    for (nr, code) in [(2, 0x35), (3, 0x91)] {
        assert_eq!((host.ask(&[&[code][..], &[0; 15]].concat(), 0), flushes(&host)), (Answer::good(0, &[]), nr));
    }
    assert_eq!(host.ask(&[0x35, 0, 0, 0, 0, 200, 0, 0, 1, 0], 0), Answer::check((5, 0x21, 0), 0));
}

#[test]
fn a_disk_says_what_it_is() {
    let mut host = Host::plain();
    let inquiry = host.ask(&[0x12, 0, 0, 0, 255, 0], 255);
    assert_eq!((inquiry.residual, inquiry.data.len()), (255 - 36, 36));
    assert_eq!((&inquiry.data[..8], &inquiry.data[8..16]), (&[0, 0, 5, 0x12, 31, 0, 0, 2][..], &b"VMPROOF "[..]));
    assert_eq!(host.ask(&[0x12, 0, 0, 0, 5, 0], 255).data.len(), 5);
    let pages = host.ask(&[0x12, 1, 0, 0, 255, 0], 255).data;
    assert_eq!(pages[..4], [0, 0, 0, 5]);
    for page in &pages[4..] {
        let data = host.ask(&[0x12, 1, *page, 0, 255, 0], 255).data;
        assert_eq!((data[1], usize::from(data[3]) + 4), (*page, data.len()));
    }
    assert_eq!(host.ask(&[0x12, 1, 0x80, 0, 255, 0], 255).data, [&[0, 0x80, 0, 6][..], b"serial"].concat());
    let name = [&[0, 0x83, 0, 18, 2, 1, 0, 14][..], b"VMPROOF serial"].concat();
    assert_eq!(host.ask(&[0x12, 1, 0x83, 0, 255, 0], 255).data, name);
    assert_eq!(host.ask(&[0x12, 1, 0xb0, 0, 255, 0], 255).data[8..12], [0, 0, 0xff, 0xff]);
    for wrong in [[0x12, 0, 0x80, 0, 255, 0], [0x12, 1, 0x99, 0, 255, 0], [0x12, 0, 0, 0, 255, 4]] {
        assert_eq!(host.ask(&wrong, 255), Answer::check((5, 0x24, 0), 255), "{wrong:?}");
    }
}

#[test]
fn a_disk_says_how_large_it_is() {
    let mut host = Host::plain();
    let last = NR_SECTORS as u8 - 1;
    assert_eq!(host.ask(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8), Answer::good(0, &[0, 0, 0, last, 0, 0, 2, 0]));
    assert_eq!(host.ask(&[0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0], 8), Answer::check((5, 0x24, 0), 8));
    let long = [&[0x9e, 0x10][..], &[0; 8], &[0, 0, 0, 32, 0, 0]].concat();
    let expected = [&[0, 0, 0, 0, 0, 0, 0, last, 0, 0, 2, 0, 0, 3][..], &[0; 18]].concat();
    assert_eq!(host.ask(&long, 32), Answer::good(0, &expected));
    assert_eq!(host.ask(&[0x9e, 0x11], 32), Answer::check((5, 0x20, 0), 32));
}

#[test]
fn modes_are_told() {
    let mut host = Host::plain();
    let blocks = [0, 0, 0, NR_SECTORS as u8, 0, 0, 2, 0];
    let caching = [&[8, 18, 4][..], &[0; 17]].concat();
    let control = [&[10, 10][..], &[0; 10]].concat();
    let short = [&[31, 0, 0x10, 8][..], &blocks, &caching].concat();
    assert_eq!(host.ask(&[0x1a, 0, 8, 0, 64, 0], 64), Answer::good(32, &short));
    let long = [&[0, 38, 0, 0x10, 0, 0, 0, 0][..], &caching, &control].concat();
    assert_eq!(host.ask(&[0x5a, 8, 0x3f, 0, 0, 0, 0, 0, 40, 0], 40), Answer::good(0, &long));
    // What can be changed of it: nothing.
    assert_eq!(host.ask(&[0x1a, 8, 0x48, 0, 64, 0], 64).data[4..], [&[8, 18][..], &[0; 18]].concat());
    assert_eq!(host.ask(&[0x1a, 8, 0xc8, 0, 255, 0], 64).sense, Some((5, 0x39, 0)));
    for (page, subpage) in [(1, 0), (8, 1), (0x3f, 1)] {
        assert_eq!(host.ask(&[0x1a, 8, page, subpage, 255, 0], 64).sense, Some((5, 0x24, 0)));
    }
}

#[test]
fn units_are_reported() {
    let mut host = Host::plain();
    let report = |select, allocated| [0xa0, 0, select, 0, 0, 0, 0, 0, 0, allocated, 0, 0];
    let one = [&[0, 0, 0, 8][..], &[0; 12]].concat();
    for select in [0, 2] {
        assert_eq!(host.ask(&report(select, 16), 16), Answer::good(0, &one));
    }
    assert_eq!(host.ask(&report(1, 16), 16), Answer::good(8, &[0; 8]));
    assert_eq!(host.ask(&report(0, 15), 16).sense, Some((5, 0x24, 0)));
    assert_eq!(host.ask(&report(3, 16), 16).sense, Some((5, 0x24, 0)));
    let known = [0xc1, 1, 0, 0, 0, 0, 0, 0];
    assert_eq!(host.ask_unit(known, &report(0, 32), 32).data, [&[0, 0, 0, 8, 0, 0, 0, 0][..], &UNIT].concat());
    assert_eq!(host.ask_unit(known, &[0x12, 0, 0, 0, 36, 0], 36).data[0], 0x1e);
    assert_eq!(host.ask_unit(known, &[0x25], 8).sense, Some((5, 0x20, 0)));
}

#[test]
fn an_attention_is_told_once_and_by_the_right_commands() {
    let mut host = Host::fresh(PLAIN, false, ScsiFeatures::all());
    assert_eq!(host.ask(&[0x12, 0, 0, 0, 36, 0], 36).status, 0);
    assert_eq!(host.ask(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0], 16).status, 0);
    let sense = host.ask(&[3, 0, 0, 0, 18, 0], 18);
    assert_eq!((sense.status, sense.data[2], sense.data[12]), (0, 6, 0x29));
    assert_eq!(host.ask(&[0; 6], 0), Answer::good(0, &[]));
    assert_eq!(host.ask(&[3, 0, 0, 0, 18, 0], 18).data[2], 0);
    assert_eq!(host.ask(&[3, 1, 0, 0, 18, 0], 18).sense, Some((5, 0x24, 0)));
}

#[test]
fn what_is_not_there_is_told_from_what_is_not_known() {
    let mut host = Host::plain();
    for unit in [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 8, 0, 0, 0, 0, 0, 0],
        [1, 255, 0, 0, 0, 0, 0, 0],
        [0; 8],
        [1, 1, 0x80, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 1],
    ] {
        assert_eq!(host.ask_unit(unit, &[0; 6], 8), Answer::failed(3, 8), "{unit:?}");
    }
    for unit in [[1, 1, 0, 1, 0, 0, 0, 0], [1, 1, 0x41, 0, 0, 0, 0, 0]] {
        assert_eq!(host.ask_unit(unit, &[0; 6], 0), Answer::check((5, 0x25, 0), 0));
        assert_eq!(host.ask_unit(unit, &[0x12, 0, 0, 0, 36, 0], 36).data[0], 0x7f);
        assert_eq!(host.ask_unit(unit, &[3, 0, 0, 0, 18, 0], 18).data[12], 0x25);
    }
    assert_eq!(host.ask_unit([1, 1, 0, 0, 0, 0, 0, 0], &[0; 6], 0), Answer::good(0, &[]));
    for code in [1, 0x04, 0x2f, 0x42, 0x7f, 0xff] {
        assert_eq!(host.ask(&[code], 0), Answer::check((5, 0x20, 0), 0), "{code:#x}");
    }
}
