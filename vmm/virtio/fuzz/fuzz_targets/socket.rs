//! Sockets of guest and host, with one listener.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::os::unix::net::UnixListener;
use virtio::{
    devices::Socket,
    hostile::{self, Step},
};

fuzz_target!(|steps: Vec<Step>| {
    // The process's own, so that several can run; both files go before the next input.
    let path = std::env::temp_dir().join(format!("vmproof-fuzz-{}", std::process::id()));
    let port = path.with_file_name(format!("vmproof-fuzz-{}_80", std::process::id()));
    let listener = UnixListener::bind(&port).expect("a free path");
    hostile::survive(|| Box::new(Socket::new(5, &path).expect("a free path")), &steps);
    drop(listener);
    std::fs::remove_file(port).expect("it is still there");
});
