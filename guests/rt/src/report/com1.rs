//! The transport by lines of text on COM1.

use crate::cpu::port;
use case::{
    image::board::COM1_PORT,
    message::{checksum, line},
};

/// Offset of the line status register, and its bit "transmitter holding register empty" (PC16550D, "Line Status
/// Register").
const LINE_STATUS: u16 = 5;
const HOLDING_REGISTER_EMPTY: u8 = 1 << 5;
/// Its bit "transmitter empty": nothing is on its way any more.
const TRANSMITTER_EMPTY: u8 = 1 << 6;
/// How often the line status is read for one byte before the guest goes on anyway.
const MAX_POLLS: u32 = 100_000;

pub(super) fn send(kind: u8, sequence: u32, site: u64, row: u64, values: &[u64]) {
    let mut words = [0; line::MAX_WORDS];
    words[0] = u64::from(kind);
    words[1] = u64::from(sequence);
    words[2] = site;
    words[3] = row;
    let mut length = 4;
    for &value in values {
        if let Some(word) = words.get_mut(length) {
            *word = value;
            length += 1;
        }
    }
    put(b'\n');
    for &byte in line::PREFIX.as_bytes() {
        put(byte);
    }
    let words = words.get(..length).unwrap_or(&words);
    for &word in words {
        put_hexadecimal(word);
        put(b',');
    }
    put_hexadecimal(checksum(words));
    put(line::END);
    put(b'\n');
    // What is on its way would be lost in a reset or a shutdown, which may be the next that happens.
    wait_for(TRANSMITTER_EMPTY);
}

fn put_hexadecimal(value: u64) {
    let digits = (64 - (value | 1).leading_zeros()).div_ceil(4);
    let mut digit = digits;
    while digit > 0 {
        digit -= 1;
        let nibble = (value >> (digit * 4) & 0xf) as u8;
        put(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

pub(super) fn put(byte: u8) {
    wait_for(HOLDING_REGISTER_EMPTY);
    port::write_u8(COM1_PORT, byte);
}

/// Reads the line status until it has the bit, for a bounded number of times.
fn wait_for(bit: u8) {
    let mut polls = 0;
    while port::read_u8(COM1_PORT + LINE_STATUS) & bit == 0 && polls < MAX_POLLS {
        polls += 1;
    }
}
