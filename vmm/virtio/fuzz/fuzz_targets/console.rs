//! The console and its ports.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{io::Write, os::unix::net::UnixStream};
use virtio::{
    devices::{Channel, Console, Port},
    hostile::{self, Hosted, Step},
};

fuzz_target!(|steps: Vec<Step>| {
    hostile::survive_with_host(
        || {
            let (here, mut there) = UnixStream::pair().expect("two descriptors");
            there.write_all(b"words of the host").expect("room for a few words");
            let channel = Channel::stream(here).expect("a non-blocking socket");
            let ports = vec![Port::console(channel), Port::named("sink", Channel::output(std::io::sink()))];
            Hosted::console(Console::new(ports).expect("descriptors"))
        },
        &steps,
    );
});
