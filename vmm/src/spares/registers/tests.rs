//! Tests of the registers of processors that come and go.

use super::*;
use crate::save::{from_bytes, to_bytes};
use proptest::prelude::*;

fn registers() -> Registers {
    Registers::new(2, 4)
}

fn flags(registers: &mut Registers, index: u32) -> u8 {
    assert_eq!(registers.write(0, &index.to_le_bytes()), None);
    let mut data = [0xff];
    registers.read(4, &mut data);
    data[0]
}

fn data(registers: &mut Registers) -> u32 {
    let mut data = [0xff; 4];
    registers.read(8, &mut data);
    u32::from_le_bytes(data)
}

#[test]
fn processors_come_are_told_of_and_go_when_they_are_ejected() {
    let mut registers = registers();
    assert_eq!([0, 1, 2, 3, 4].map(|index| flags(&mut registers, index)), [1, 1, 0, 0, 0]);
    registers.insert(3).unwrap();
    assert_eq!((flags(&mut registers, 3), registers.is_enabled(3)), (3, true));
    assert_eq!(registers.write(4, &[2]), None);
    assert_eq!(flags(&mut registers, 3), 1);
    registers.request_removal(3).unwrap();
    assert_eq!(
        (flags(&mut registers, 3), registers.request_removal(3)),
        (5, Err(OccupancyError::Pending { index: 3 }))
    );
    assert_eq!(registers.write(4, &[4]), None);
    assert_eq!((flags(&mut registers, 3), registers.request_removal(3)), (1, Ok(())));
    assert_eq!(registers.write(4, &[8]), Some(SpareEvent::Ejected { index: 3 }));
    assert_eq!((flags(&mut registers, 3), registers.write(4, &[8]), registers.is_enabled(3)), (0, None, false));
    assert_eq!(registers.insert(3), Ok(()));
}

#[test]
fn what_cannot_come_or_go_is_an_error() {
    let mut registers = registers();
    assert_eq!(registers.insert(1), Err(OccupancyError::Present { index: 1 }));
    assert_eq!(registers.insert(4), Err(OccupancyError::TooMany { index: 4, nr_max: 4 }));
    assert_eq!(registers.request_removal(0), Err(OccupancyError::Fixed { index: 0 }));
    assert_eq!(registers.request_removal(2), Err(OccupancyError::Absent { index: 2 }));
    assert_eq!(registers.request_removal(255), Err(OccupancyError::TooMany { index: 255, nr_max: 4 }));
    registers.insert(2).unwrap();
    assert_eq!(registers.insert(2), Err(OccupancyError::Present { index: 2 }));
    assert_eq!((flags(&mut registers, 0), registers.write(4, &[8]), flags(&mut registers, 0)), (1, None, 1));
}

#[test]
fn the_next_with_an_event_is_found_from_the_selected_one_on() {
    let mut registers = registers();
    registers.insert(2).unwrap();
    registers.insert(3).unwrap();
    let mut next = |from: u32| {
        let _ = registers.write(0, &from.to_le_bytes());
        let _ = registers.write(5, &[0]);
        data(&mut registers)
    };
    assert_eq!([0, 2, 3, u32::MAX].map(&mut next), [2, 2, 3, 2]);
    for index in [2, 3] {
        flags(&mut registers, index);
        assert_eq!(registers.write(4, &[2]), None);
    }
    let _ = registers.write(5, &[0]);
    assert_eq!(data(&mut registers), 3, "without one it stays");
    let _ = (registers.write(0, &[1, 0, 0, 0]), registers.write(5, &[3]));
    assert_eq!(data(&mut registers), 1);
    let _ = registers.write(5, &[7]);
    assert_eq!(data(&mut registers), 0);
}

#[test]
fn a_status_is_told_with_its_event() {
    let mut registers = registers();
    flags(&mut registers, 2);
    let steps: [(u64, &[u8]); 4] = [(5, &[1]), (8, &[3, 0, 0, 0]), (5, &[2]), (8, &[1, 0, 0, 0])];
    let told: Vec<_> = steps.into_iter().filter_map(|(offset, data)| registers.write(offset, data)).collect();
    assert_eq!(told, [SpareEvent::Status { index: 2, event: 3, status: 1 }]);
}

proptest! {
    #[test]
    fn only_what_came_is_ejected(steps in proptest::collection::vec((0_u8..4, 0_u64..13, any::<u32>(), 0_usize..9), 0..64)) {
        let mut registers = registers();
        let mut present = [false; 4];
        for (kind, offset, value, size) in steps {
            let index = (value % 4) as u8;
            let bytes = u64::from(value).to_le_bytes();
            let event = match kind {
                0 => { present[usize::from(index)] |= registers.insert(index).is_ok(); None }
                1 => { let _ = registers.request_removal(index); None }
                2 => { registers.read(offset, &mut [0; 8][..size.min(8)]); None }
                _ => registers.write(offset, &bytes[..size.min(8)]),
            };
            if let Some(SpareEvent::Ejected { index }) = event {
                prop_assert!(index >= 2 && std::mem::take(&mut present[usize::from(index)]));
            }
            prop_assert_eq!([2, 3].map(|index| registers.is_enabled(index)), [present[2], present[3]]);
        }
    }
}

#[test]
fn what_is_restored_is_what_was_saved_and_of_such_a_machine() {
    let mut before = registers();
    before.insert(3).unwrap();
    flags(&mut before, 3);
    let saved = to_bytes(&before).unwrap();
    let restored: Registers = from_bytes(&saved).unwrap();
    assert!(restored.is_like(&registers()) && restored.enabled().eq([3]));
    assert_eq!(restored, before);
    for length in 0..saved.len() {
        assert!(from_bytes::<Registers>(&saved[..length]).is_err(), "{length}");
    }
    for bit in 0..saved.len() * 8 {
        let mut changed = saved.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(mut changed) = from_bytes::<Registers>(&changed) else { continue };
        assert_ne!(changed, before, "{bit}");
        // One that is taken is one that can be used: those of the start are there, and no others are told of.
        if changed.is_like(&before) {
            assert!(changed.enabled().all(|index| (2..4).contains(&index)), "{bit}");
            assert!([0, 1].map(|index| flags(&mut changed, index) & 1) == [1; 2], "{bit}");
        }
    }
    assert!(!restored.is_like(&Registers::new(2, 5)) && !restored.is_like(&Registers::new(1, 4)));
}
