//! Tests of guest memory.

use super::*;
use std::os::fd::AsRawFd as _;

const SIZE: u64 = 1 << 20;

fn template() -> Template {
    Template::new::<MemoryError>(SIZE, |memory| {
        memory.write(0x1000, b"template").expect("within memory");
        Ok(())
    })
    .expect("a template")
}

#[test]
fn one_view_does_not_see_what_another_wrote() {
    let template = template();
    let (first, second) = (template.instantiate().unwrap(), template.instantiate().unwrap());
    first.write(0x1000, b"changed!").unwrap();
    let mut bytes = [0; 8];
    second.read(0x1000, &mut bytes).unwrap();
    assert_eq!(&bytes, b"template");
    template.instantiate().unwrap().read(0x1000, &mut bytes).unwrap();
    assert_eq!(&bytes, b"template");
}

#[test]
fn pages_that_are_given_back_hold_what_the_template_holds() {
    let memory = template().instantiate().unwrap();
    memory.write(0x1000, b"changed!").unwrap();
    memory.write(0x2000, b"changed!").unwrap();
    let at = |address| {
        let mut bytes = [0; 8];
        memory.read(address, &mut bytes).unwrap();
        bytes
    };
    // What is not whole pages of memory stays as it is.
    for (address, size) in [(0x1001, 0x1000), (0x1000, 0xfff), (SIZE, 0x1000), (0x1000, u64::MAX - 0xfff), (0x1000, 0)]
    {
        memory.discard(address, size);
    }
    assert_eq!([at(0x1000), at(0x2000)], [*b"changed!"; 2]);
    memory.discard(0x1000, 0x2000);
    assert_eq!([at(0x1000), at(0x2000)], [*b"template", [0; 8]]);
}

#[test]
fn copies_in_pages_of_another_kind_hold_what_the_template_holds() {
    let template = Template::new::<MemoryError>(8 << 20, |memory| {
        // On both sides of a hole, and over the end of a chunk of copying.
        for address in [0x1000, (4 << 20) - 8, (7 << 20) - 4, (8 << 20) - 8] {
            memory.write(address, b"template").expect("within memory");
        }
        Ok(())
    })
    .unwrap();
    for backing in [Backing::TransparentHuge, Backing::Mergeable, Backing::HugePages] {
        let memory = match template.instantiate_in(backing) {
            Ok(memory) => memory,
            // What the host does not offer says what it is.
            Err(MemoryError::HugePages { .. } | MemoryError::Advice { .. }) => continue,
            Err(error) => panic!("{backing:?}: {error}"),
        };
        let mut bytes = [0; 8];
        for (address, expected) in [(0x1000, b"template"), (0x2000, &[0; 8]), ((7 << 20) - 4, b"template")] {
            memory.read(address, &mut bytes).unwrap();
            assert_eq!(&bytes, expected, "{backing:?} at {address:#x}");
        }
        memory.write(0x1000, b"changed!").unwrap();
    }
    template.instantiate().unwrap().read(0x1000, &mut [0; 8]).unwrap();
    let odd = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap();
    assert!(matches!(odd.instantiate_in(Backing::HugePages), Err(MemoryError::HugePages { .. })));
}

#[test]
fn a_sealed_template_cannot_be_written() {
    let error = template().file_pages(libc::MAP_SHARED).expect_err("sealed");
    assert!(matches!(error, MemoryError::Map { .. }), "{error:?}");
}

#[test]
fn accesses_outside_are_errors() {
    let memory = template().instantiate().unwrap();
    assert_eq!(memory.size_bytes(), SIZE);
    for address in [SIZE, SIZE - 7, u64::MAX, u64::MAX - 7] {
        let outside = OutsideMemory { address, size_bytes: 8 };
        assert_eq!(memory.read(address, &mut [0; 8]), Err(outside));
        assert_eq!(memory.write(address, &[0; 8]), Err(outside));
    }
}

#[test]
fn what_is_above_4_gib_is_other_memory() {
    let size = layout::MEMORY_END + (4 << 20);
    let template = Template::new::<MemoryError>(size, |memory| {
        assert_eq!(memory.size_bytes(), layout::MEMORY_END);
        memory.write(layout::MEMORY_END - 8, b"template").expect("within memory");
        assert!(memory.write(layout::HIGH_MEMORY, b"template").is_err());
        Ok(())
    })
    .unwrap();
    for backing in [Backing::Template, Backing::TransparentHuge, Backing::Mergeable, Backing::HugePages] {
        let memory = match template.instantiate_in(backing) {
            Ok(memory) => memory.with_write_log(),
            Err(MemoryError::HugePages { .. } | MemoryError::Advice { .. }) => continue,
            Err(error) => panic!("{backing:?}: {error}"),
        };
        assert_eq!((memory.size_bytes(), memory.slots().count()), (size, 2));
        let (low, high) = (layout::MEMORY_END - 8, layout::HIGH_MEMORY);
        assert_eq!(memory.read_u64(low), Ok(u64::from_le_bytes(*b"template")));
        memory.write(high + 0x1000, b"changed!").unwrap();
        memory.write(high + (4 << 20) - 8, b"changed!").unwrap();
        assert_eq!(
            (memory.read_u64(high + 0x1000), memory.read_u64(0x1000)),
            (memory.read_u64(high + (4 << 20) - 8), Ok(0))
        );
        // Of larger pages nothing is given back that was not asked for.
        let (first, size_bytes) = match backing {
            Backing::HugePages => {
                memory.discard(high, 0x1000);
                memory.discard(high + 0x1000, 0x1000);
                assert_eq!(memory.read_u64(high + 0x1000), Ok(u64::from_le_bytes(*b"changed!")));
                (high, HUGE_PAGE_SIZE)
            }
            _ => (high + 0x1000, 0x1000),
        };
        memory.discard(first, size_bytes);
        assert_eq!((memory.read_u64(high + 0x1000), memory.read_u64(high)), (Ok(0), Ok(0)));
        assert_eq!(memory.read_u64(high + (4 << 20) - 8), Ok(u64::from_le_bytes(*b"changed!")));
        // Neither what is between, nor what reaches into it.
        for address in [low + 1, layout::MEMORY_END, high - 1, high + (4 << 20) - 7] {
            assert!(memory.read_u64(address).is_err(), "{address:#x}");
        }
        assert!(memory.write(layout::MEMORY_END, &[1]).is_err() && memory.write(high - 1, &[1]).is_err());
        memory.discard(layout::MEMORY_END - 0x1000, 0x2000);
        memory.discard(0, layout::HIGH_MEMORY + 0x1000);
        assert_eq!(memory.read_u64(low), Ok(u64::from_le_bytes(*b"template")));
        assert!(memory.host_address(layout::MEMORY_END).is_none());
        let slots: Vec<_> = memory.slots().map(|slot| (slot.number, slot.range, slot.is_read_only)).collect();
        let ranges = template.map().ranges();
        assert_eq!(slots, (0..).zip(ranges).map(|(number, range)| (number, range, false)).collect::<Vec<_>>());
    }
}

#[test]
fn a_process_that_is_being_started_only_delays_the_seal() {
    let starting = std::sync::Mutex::new(None);
    let template = Template::new::<MemoryError>(SIZE, |_| {
        let (began, begins) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        let mut command = std::process::Command::new("true");
        let descriptor = began.as_raw_fd();
        // SAFETY: 1. both calls are async-signal-safe. 2. the closure touches no memory of the parent.
        unsafe {
            use std::os::unix::process::CommandExt as _;
            command.pre_exec(move || {
                libc::write(descriptor, c"x".as_ptr().cast(), 1);
                libc::usleep(100_000);
                Ok(())
            });
        }
        let thread = std::thread::spawn(move || command.status().map(|status| status.success()));
        io::Read::read_exact(&mut &begins, &mut [0]).expect("the copy says that it is there");
        *starting.lock().expect("nobody panicked") = Some((thread, began));
        Ok(())
    });
    template.expect("it is sealed when the copy is gone");
    let (thread, _began) = starting.into_inner().expect("nobody panicked").expect("it was started");
    assert!(thread.join().expect("it does not panic").expect("it starts"));
}
