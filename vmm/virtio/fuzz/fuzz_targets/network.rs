//! The network interface, and the host at the other end of the cable.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::{HostStack, Network, NetworkOptions},
    hostile::{self, Hosted, Step},
};

fuzz_target!(|steps: Vec<Step>| {
    let options = NetworkOptions::new([2, 0, 0, 0, 0, 1]);
    hostile::survive_with_host(
        || Hosted::network(Network::new(options, HostStack::new()).expect("descriptors")),
        &steps,
    );
});
