//! Consoles with the host's ends of their ports.

use super::*;
use crate::{
    Common,
    hostile::{self, Hosted},
    testing::{Driver, Layout, Request, due, exchange},
};
use proptest::prelude::*;
use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
};

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };

/// A port and the host's end of it, whose buffers are full after a while.
fn pair() -> (Channel, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    (Channel::stream(here).unwrap(), there)
}

/// Everything that can be read now.
fn read(stream: &mut UnixStream) -> Vec<u8> {
    let mut all = vec![];
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => all,
        result => panic!("{result:?}: the other end is open"),
    }
}

fn message(port: u32, event: Event, value: u16) -> [u8; 8] {
    Message { port, event: event as u16, value }.to_bytes()
}

fn submit(driver: &mut Driver, queue: usize, sizes: &[u32]) -> Vec<Request> {
    sizes.iter().map(|size| driver.submit(queue, &[], &[*size])).collect()
}

/// What was written to the buffer that comes back next.
fn received(driver: &mut Driver, queue: usize, requests: &[Request]) -> Option<Vec<u8>> {
    let (id, written) = driver.used(queue)?;
    let request = requests.iter().rev().find(|request| request.id == id).expect("one of them");
    Some(driver.written(request)[..written as usize].to_vec())
}

#[test]
fn port_0_is_a_console_for_drivers_that_know_of_no_more() {
    for layout in Layout::all() {
        let (channel, mut host) = pair();
        let console = Console::new(vec![Port::console(channel)]).unwrap();
        let (mut common, mut driver) = Driver::started(Box::new(console), layout, 0);
        assert_eq!(exchange(&mut common, &mut driver, 1, &[b"he", b"", b"llo"], &[]), (vec![], 0));
        assert_eq!(read(&mut host), b"hello");
        host.write_all(b"yes, ").unwrap();
        let requests = submit(&mut driver, 0, &[3, 0, 4]);
        common.notify(0);
        host.write_all(b"again").unwrap();
        common.wake();
        let mut all = vec![];
        while let Some(bytes) = received(&mut driver, 0, &requests) {
            all.extend(bytes);
        }
        assert!(b"yes, again".starts_with(&all[..]) && all.len() >= 5, "{all:?}");
        // What had no room comes with the next buffers.
        let requests = submit(&mut driver, 0, &[16, 16]);
        common.notify(0);
        while let Some(bytes) = received(&mut driver, 0, &requests) {
            all.extend(bytes);
        }
        assert_eq!(all, b"yes, again");
    }
}

#[test]
fn what_a_full_channel_does_not_take_stays_in_the_queue() {
    const NR_TEXTS: usize = 8;
    for layout in Layout::all() {
        let (channel, mut host) = pair();
        let console = Console::new(vec![Port::console(channel)]).unwrap();
        let (mut common, mut driver) = Driver::started(Box::new(console), layout, 0);
        let text: Vec<u8> = (0..0x2_8001_u32).map(|index| (index >> 3) as u8).collect();
        driver.submit(1, &[&text], &[]);
        // The same text again and again, of which the socket holds a part only.
        for _ in 1..NR_TEXTS {
            driver.submit_elements(1, &[(0x1_0000, text.len() as u32, false)]);
        }
        common.notify(1);
        let nr_used = std::iter::from_fn(|| driver.used(1)).count();
        assert!(nr_used < NR_TEXTS);
        let mut all = read(&mut host);
        let mut rounds = 0;
        while all.len() < text.len() * NR_TEXTS && rounds < 1000 {
            common.wake();
            all.extend(read(&mut host));
            rounds += 1;
        }
        assert_eq!(all.len(), text.len() * NR_TEXTS);
        assert!(all.chunks(text.len()).all(|chunk| chunk == text), "in order, nothing twice");
        assert_eq!(nr_used + std::iter::from_fn(|| driver.used(1)).count(), NR_TEXTS);
    }
}

#[test]
fn ports_are_told_of_and_opened() {
    for layout in Layout::all() {
        let ((first, _host), (second, mut host)) = (pair(), pair());
        let console = Console::new(vec![Port::console(first), Port::named("org.example", second)]).unwrap();
        console.size().set(80, 25);
        let (mut common, mut driver) = Driver::started(Box::new(console), layout, MULTIPORT);
        let requests = submit(&mut driver, CONTROL_RECEIVE, &[32; 12]);
        let mut say = |driver: &mut Driver, text: [u8; 8]| {
            exchange(&mut common, driver, CONTROL_TRANSMIT, &[&text[..3], &text[3..]], &[]);
            std::iter::from_fn(|| received(driver, CONTROL_RECEIVE, &requests)).collect::<Vec<_>>()
        };
        let told = say(&mut driver, message(0, Event::DeviceReady, 1));
        assert_eq!(told, [message(0, Event::PortAdd, 0), message(1, Event::PortAdd, 0)]);
        let told = say(&mut driver, message(1, Event::PortReady, 1));
        let name = [&message(1, Event::PortName, 1)[..], b"org.example"].concat();
        assert_eq!(told, [name, message(1, Event::PortOpen, 1).to_vec()]);
        let told = say(&mut driver, message(0, Event::PortReady, 1));
        let resize = [&message(0, Event::Resize, 0)[..], &[80, 0, 25, 0]].concat();
        let open = message(0, Event::PortOpen, 1).to_vec();
        assert_eq!(told, [message(0, Event::ConsolePort, 1).to_vec(), resize, open]);
        // Nothing is given to a port that no program opened.
        host.write_all(b"to you").unwrap();
        let buffers = submit(&mut driver, 4, &[16]);
        common.notify(4);
        common.wake();
        assert_eq!(driver.used(4), None);
        exchange(&mut common, &mut driver, CONTROL_TRANSMIT, &[&message(1, Event::PortOpen, 1)], &[]);
        assert_eq!(received(&mut driver, 4, &buffers), Some(b"to you".to_vec()));
        exchange(&mut common, &mut driver, 5, &[b"to me"], &[]);
        assert_eq!(read(&mut host), b"to me");
    }
}

#[test]
fn another_size_is_told() {
    let (channel, _host) = pair();
    let console = Console::new(vec![Port::console(channel)]).unwrap();
    let size = console.size();
    let (mut common, mut driver) = Driver::started(Box::new(console), PLAIN, MULTIPORT | SIZE);
    let requests = submit(&mut driver, CONTROL_RECEIVE, &[32; 8]);
    exchange(&mut common, &mut driver, CONTROL_TRANSMIT, &[&message(0, Event::PortReady, 1)], &[]);
    while driver.used(CONTROL_RECEIVE).is_some() {}
    let _ = due(&mut common);
    let generation = common.generation();
    size.set(132, 50);
    let mut config = [0; 16];
    common.read_config(0, &mut config);
    assert_eq!((&config[..4], common.generation()), (&[0; 4][..], generation), "no other size in the same generation");
    common.wake();
    common.read_config(0, &mut config);
    assert_eq!(config, [132, 0, 50, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_ne!(common.generation(), generation);
    assert_eq!(due(&mut common), (1 << CONTROL_RECEIVE, true));
    let resize = [&message(0, Event::Resize, 0)[..], &[132, 0, 50, 0]].concat();
    assert_eq!(received(&mut driver, CONTROL_RECEIVE, &requests), Some(resize));
}

#[test]
fn peers_of_a_socket_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let channel = Channel::listen(UnixListener::bind(&path).unwrap()).unwrap();
    let (first, _host) = pair();
    let console = Console::new(vec![Port::console(first), Port::named("p", channel)]).unwrap();
    let (mut common, mut driver) = Driver::started(Box::new(console), PLAIN, MULTIPORT);
    let requests = submit(&mut driver, CONTROL_RECEIVE, &[8; 12]);
    for ready in [message(1, Event::PortReady, 1), message(1, Event::PortOpen, 1)] {
        exchange(&mut common, &mut driver, CONTROL_TRANSMIT, &[&ready], &[]);
    }
    let name = received(&mut driver, CONTROL_RECEIVE, &requests).expect("it has a name");
    assert_eq!(name, message(1, Event::PortName, 1), "which is cut off where there is no room");
    let told = |common: &mut Common, driver: &mut Driver| {
        common.wake();
        received(driver, CONTROL_RECEIVE, &requests)
    };
    let (open, closed) = (message(1, Event::PortOpen, 1).to_vec(), message(1, Event::PortOpen, 0).to_vec());
    assert_eq!(told(&mut common, &mut driver), Some(closed.clone()));
    // Nobody hears it, and the guest does not wait.
    exchange(&mut common, &mut driver, 5, &[b"hello?"], &[]);
    for text in [b"abc", b"def"] {
        let mut peer = UnixStream::connect(&path).unwrap();
        assert_eq!(told(&mut common, &mut driver), Some(open.clone()));
        peer.set_nonblocking(true).unwrap();
        peer.write_all(text).unwrap();
        let (bytes, written) = {
            let request = driver.submit(4, &[], &[8]);
            common.notify(4);
            let (_, written) = driver.used(4).expect("it was sent");
            (driver.written(&request), written)
        };
        assert_eq!((&bytes[..3], written), (&text[..], 3));
        exchange(&mut common, &mut driver, 5, &[text], &[]);
        assert_eq!(read(&mut peer), text);
        drop(peer);
        assert_eq!(told(&mut common, &mut driver), Some(closed.clone()));
    }
}

#[test]
fn an_emergency_needs_no_driver() {
    let (channel, mut host) = pair();
    let console = Console::new(vec![Port::console(channel)]).unwrap();
    let mut common = Common::new(Box::new(console), crate::testing::memory());
    for byte in b"oops" {
        common.write_config(EMERGENCY_OFFSET, &u32::from(*byte).to_le_bytes());
        common.write_config(EMERGENCY_OFFSET - 4, &[0; 4]);
    }
    assert_eq!(read(&mut host), b"oops");
}

#[test]
fn an_output_that_is_closed_takes_everything() {
    let (channel, host) = pair();
    let console = Console::new(vec![Port::console(channel)]).unwrap();
    let (mut common, mut driver) = Driver::started(Box::new(console), PLAIN, 0);
    drop(host);
    for _ in 0..40 {
        exchange(&mut common, &mut driver, 1, &[&[b'x'; 4000]], &[]);
    }
    assert_eq!(common.broken(), None);
}

#[test]
fn a_queue_that_is_reset_gives_nothing_back() {
    for layout in Layout::all() {
        let (channel, mut host) = pair();
        let console = Console::new(vec![Port::console(channel)]).unwrap();
        let (mut common, mut driver) = Driver::started(Box::new(console), layout, 0);
        let at = driver.allocate(0xf000);
        for _ in 0..7 {
            driver.submit_elements(1, &[(at, 0xf000, false), (at, 0xf000, false)]);
            common.notify(1);
        }
        while driver.used(1).is_some() {}
        driver.reset_queue(&mut common, 1);
        while !read(&mut host).is_empty() {
            common.wake();
        }
        assert_eq!((driver.used(1), common.broken()), (None, None), "{layout:?}");
        exchange(&mut common, &mut driver, 1, &[b"as ever"], &[]);
        assert_eq!(read(&mut host), b"as ever");
    }
}

#[test]
fn there_are_as_many_ports_as_queues_can_be_told_apart() {
    let ports = |nr| (0..nr).map(|_| Port::console(Channel::output(io::sink()))).collect::<Vec<_>>();
    assert!(matches!(Console::new(ports(0)), Err(ConsoleError::Ports { nr_ports: 0 })));
    assert!(matches!(Console::new(ports(32)), Err(ConsoleError::Ports { nr_ports: 32 })));
    assert_eq!(Console::new(ports(31)).unwrap().queue_sizes().len(), 64);
}

proptest! {
    /// Whatever a driver says, nothing panics, and what is owed to it does not grow.
    #[test]
    fn any_messages_are_survived(
        multiport in any::<bool>(),
        layout in 0_usize..8,
        steps in proptest::collection::vec((0_usize..8, 0_u32..4, 0_u16..9, 0_u16..3, 0_usize..12, 0_u32..20), 0..100),
    ) {
        let layout = Layout::all().nth(layout).expect("one of eight");
        let ((first, mut host), (second, mut other)) = (pair(), pair());
        let console = Console::new(vec![Port::console(first), Port::named("n", second)]).unwrap();
        let features = if multiport { MULTIPORT } else { 0 };
        let (mut common, mut driver) = Driver::started(Box::new(console), layout, features);
        for (queue, port, event, value, size, room) in steps {
            let bytes = Message { port, event, value }.to_bytes();
            if queue < 6 {
                driver.submit(queue, &[&bytes[..size.min(8)]], &[room]);
                common.notify(queue);
                while driver.used(queue).is_some() {}
            } else {
                host.write_all(&bytes).unwrap();
                common.wake();
            }
            if common.broken().is_some() {
                break;
            }
            prop_assert!(read(&mut host).len() < 0x1_0000 && read(&mut other).len() < 0x1_0000);
        }
    }

    /// Nor is anything that a driver can do to registers and rings.
    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps(
        (0_u32..4, 0_u16..9, 0_u16..3).prop_map(|(port, event, value)| Message { port, event, value }.to_bytes().to_vec()),
    )) {
        hostile::survive_with_host(|| {
            let (channel, mut host) = pair();
            host.write_all(b"words of the host").unwrap();
            let ports = vec![Port::console(channel), Port::named("sink", Channel::output(io::sink()))];
            Hosted::console(Console::new(ports).unwrap())
        }, &steps);
    }
}
