//! The models of network devices, SCSI hosts, balloons and socket devices know the specification's answers, and tell wrong ones
//! from right ones.

#[expect(dead_code, reason = "the cases use more of it")]
#[path = "../src/virtio/balloon/model.rs"]
mod balloon;
#[expect(dead_code, reason = "the cases use more of it")]
#[path = "../src/virtio/network/model.rs"]
mod network;
#[expect(dead_code, reason = "the cases use more of it")]
#[path = "../src/virtio/scsi/model.rs"]
mod scsi;
#[expect(dead_code, reason = "the cases use more of it")]
#[path = "../src/virtio/socket/model.rs"]
mod socket;

/// Indices of the rules that are broken.
fn broken(kept: &[bool]) -> Vec<usize> {
    kept.iter().enumerate().filter(|(_, kept)| !**kept).map(|(rule, _)| rule).collect()
}

mod networks {
    use super::{broken, network::*};

    const OWN: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

    #[test]
    fn each_feature_needs_another() {
        assert_eq!(needs_are_met(u64::MAX), [true; NEEDS.len()]);
        assert_eq!(needs_are_met(0), [true; NEEDS.len()]);
        for (index, (feature, needed)) in NEEDS.into_iter().enumerate() {
            assert!(broken(&needs_are_met(feature)).contains(&index), "{feature:#x}");
            assert!(!broken(&needs_are_met(feature | needed)).contains(&index), "{feature:#x}");
        }
    }

    #[test]
    fn each_rule_of_a_header_is_broken_by_one_value() {
        let header = |flags, segments, nr: u16| {
            let [low, high] = nr.to_le_bytes();
            [flags, segments, 9, 9, 9, 9, 9, 9, 9, 9, low, high]
        };
        assert!(broken(&header_keeps(header(0, 0, 1), 0, 1)).is_empty());
        assert_eq!(broken(&header_keeps(header(1, 0, 1), 0, 1)), [0]);
        assert_eq!(broken(&header_keeps(header(0, 1, 1), 0, 1)), [1]);
        assert_eq!(broken(&header_keeps(header(0, 0, 0), 0, 1)), [2]);
        assert_eq!(broken(&header_keeps(header(0, 0, 0x100), 0, 1)), [2]);
        assert!(broken(&header_keeps(header(2, 0, 1), feature::GUEST_CSUM, 1)).is_empty());
        assert!(broken(&header_keeps(header(0, 4, 1), feature::GUEST_TSO6, 1)).is_empty());
    }

    #[test]
    fn each_rule_of_the_configuration_is_broken_by_one_value() {
        let right = Config { mac: OWN, status: 1, nr_pairs: 1, mtu: 1500 };
        assert!(broken(&right.keeps(u64::MAX, OWN)).is_empty());
        for (config, rule) in [
            (Config { mac: [0; 6], ..right }, 0),
            (Config { status: 0, ..right }, 1),
            (Config { status: 3, ..right }, 1),
            (Config { nr_pairs: 0, ..right }, 2),
            (Config { nr_pairs: 0x8001, ..right }, 2),
            (Config { mtu: 67, ..right }, 3),
        ] {
            assert_eq!(broken(&config.keeps(u64::MAX, OWN)), [rule], "{config:?}");
            assert!(broken(&config.keeps(0, OWN)).is_empty());
        }
    }

    #[test]
    fn an_answer_is_one_to_its_request_alone() {
        const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];
        let request = arp_request(OWN, [10, 0, 2, 15], [10, 0, 2, 2]);
        let mut answer = [0; ARP_BYTES];
        answer[..6].copy_from_slice(&OWN);
        answer[6..12].copy_from_slice(&HOST);
        answer[12..22].copy_from_slice(&request[12..22]);
        answer[21] = 2;
        answer[22..28].copy_from_slice(&HOST);
        answer[28..32].copy_from_slice(&[10, 0, 2, 2]);
        answer[32..38].copy_from_slice(&OWN);
        answer[38..].copy_from_slice(&[10, 0, 2, 15]);
        assert!(is_answer(&answer, &request));
        assert!(!is_answer(&request, &request));
        for index in 0..ARP_BYTES {
            let mut other = answer;
            other[index] ^= 0x40;
            assert!(!is_answer(&other, &request), "byte {index}");
        }
    }
}

mod hosts {
    use super::{broken, scsi::*};

    const GOOD_ANSWER: Answer = Answer { sense_len: 0, residual: 0, status: 0, response: 0, sense: None, written: 108 };

    #[test]
    fn each_rule_of_an_answer_is_broken_by_one_value() {
        let checked = Answer { sense_len: 18, status: CHECK_CONDITION, sense: Some(Sense::NO_UNIT), ..GOOD_ANSWER };
        for right in [GOOD_ANSWER, checked, Answer { response: response::BAD_TARGET, residual: 512, ..GOOD_ANSWER }] {
            assert!(broken(&right.keeps(512, 0)).is_empty(), "{right:?}");
        }
        assert!(broken(&Answer { written: 108 + 36, residual: 476, ..GOOD_ANSWER }.keeps(512, 0)).is_empty());
        for (answer, rule) in [
            (Answer { sense_len: 97, ..checked }, 0),
            (Answer { residual: 513, ..GOOD_ANSWER }, 1),
            (Answer { response: 10, ..GOOD_ANSWER }, 2),
            (Answer { sense_len: 18, sense: Some(Sense::NO_UNIT), ..GOOD_ANSWER }, 3),
            (Answer { sense_len: 0, ..checked }, 3),
            (Answer { sense: None, ..checked }, 4),
            (Answer { written: 108 + 37, residual: 476, ..GOOD_ANSWER }, 5),
        ] {
            assert_eq!(broken(&answer.keeps(512, 0)), [rule], "{answer:?}");
        }
        // What a command wrote is none of what was there to write to the disk.
        assert_eq!(broken(&Answer { written: 109, ..GOOD_ANSWER }.keeps(0, 512)), [5]);
    }

    #[test]
    fn sense_data_are_known_in_both_formats() {
        let fixed = [0xf0, 0, 0xe5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 1];
        let described = [0x72, 5, 0x24, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9];
        let due = Some(Sense { key: 5, code: 0x24, qualifier: 1 });
        assert_eq!([Sense::new(fixed), Sense::new(described)], [due, due]);
        assert_eq!([Sense::new([0; 14]), Sense::new([0x71; 14])], [None, None]);
    }

    #[test]
    fn an_answer_is_good_or_checked_by_all_of_its_fields() {
        let checked = Answer { sense_len: 18, status: CHECK_CONDITION, sense: Some(Sense::NO_UNIT), ..GOOD_ANSWER };
        assert!(GOOD_ANSWER.is_good() && !checked.is_good());
        assert!(!Answer { response: response::OVERRUN, ..GOOD_ANSWER }.is_good());
        assert!(checked.is_checked(Sense::NO_UNIT) && !checked.is_checked(Sense::OUT_OF_RANGE));
        assert!(!Answer { response: response::FAILURE, ..checked }.is_checked(Sense::NO_UNIT));
        assert!(!Answer { status: GOOD, ..checked }.is_checked(Sense::NO_UNIT));
    }

    #[test]
    fn commands_have_their_fields_in_their_places() {
        assert_eq!(transfer(true, 0x0102_0304, 5), [0x2a, 0, 1, 2, 3, 4, 0, 0, 5, 0]);
        assert_eq!(inquiry(36)[..5], [0x12, 0, 0, 0, 36]);
        assert_eq!(report_luns(64)[6..10], [0, 0, 0, 64]);
        assert_eq!((unit(3, 4), flat_unit(3, 4)), ([1, 3, 0, 4, 0, 0, 0, 0], [1, 3, 0x40, 4, 0, 0, 0, 0]));
    }
}

mod sockets {
    use super::{broken, socket::*};

    #[test]
    fn each_rule_of_a_packet_is_broken_by_one_value() {
        let header =
            |operation| Header { source: HOST, destination: 3, operation, kind: STREAM, room: 64, ..Header::default() };
        let (data, reset) = (Header { size: 5, ..header(operation::DATA) }, header(operation::RESET));
        let end = Header { flags: NO_SEND, ..header(operation::SHUTDOWN) };
        for (right, written) in [(data, 49), (reset, 44), (end, 44), (Header { room: 0, ..reset }, 44)] {
            assert!(broken(&right.keeps(3, written)).is_empty(), "{right:?}");
        }
        for (wrong, written, rule) in [
            (Header { source: 3, ..data }, 49, 0),
            (Header { source: 1 << 32 | HOST, ..data }, 49, 0),
            (Header { destination: 2, ..data }, 49, 1),
            (Header { operation: 0, ..reset }, 44, 2),
            (Header { operation: 8, ..reset }, 44, 2),
            (data, 48, 3),
            (data, 50, 3),
            (Header { size: 1, ..reset }, 45, 3),
            (Header { size: u32::MAX, ..data }, 43, 3),
            (Header { flags: 0, ..end }, 44, 4),
            (Header { flags: 4, ..end }, 44, 4),
            (Header { room: 0, ..data }, 49, 5),
            (Header { room: 0, ..header(operation::RESPONSE) }, 44, 5),
        ] {
            assert_eq!(broken(&wrong.keeps(3, written)), [rule], "{wrong:?}");
        }
    }

    #[test]
    fn headers_are_words_and_back() {
        let words = std::array::from_fn(|index| 0x0101_0101 * (index as u32 + 1));
        let header = Header::from_words(words);
        assert_eq!(header.to_words(), words);
        assert_eq!((header.source, header.destination), (0x0202_0202_0101_0101, 0x0404_0404_0303_0303));
        assert_eq!((header.source_port, header.destination_port, header.size), (0x0505_0505, 0x0606_0606, 0x0707_0707));
        assert_eq!(Header::from_words([0, 0, 0, 0, 0, 0, 0, 0x0005_0001, 0, 0, 0]).operation, operation::DATA);
        let (one, two) =
            (Header { source_port: 1, destination_port: 2, ..header }, Header { source_port: 2, ..header });
        assert!(!one.is_reply_to(one));
        assert!(Header { destination_port: 1, ..two }.is_reply_to(one));
    }

    #[test]
    fn credit_is_what_is_left_of_the_buffer() {
        assert_eq!(credit(20, 0, 0), Some(20));
        assert_eq!(credit(20, 20, 0), Some(0));
        assert_eq!(credit(20, 21, 0), None);
        assert_eq!(credit(20, 5, u32::MAX - 4), Some(10));
    }
}

#[test]
fn reported_pages_are_kept_or_filled() {
    use balloon::may_be_reported;
    assert!(may_be_reported(5, 5, 0) && may_be_reported(5, 0, 0));
    assert!(!may_be_reported(5, 6, 0));
    assert!(may_be_reported(5, 0x7777_7777_7777_7777, 0x7777_7777));
    assert!(!may_be_reported(5, 0, 0x7777_7777) && !may_be_reported(5, 0x7777_7777, 0x7777_7777));
}
