//! The time from start to verdict of one case, by subject.

use super::{Row, median, milliseconds};
use crate::{
    cancel::Cancel,
    catalog::Case,
    judge,
    subjects::{Image, Opened, Program},
};
use anyhow::{Context as _, bail};
use case::Needs;
use reports::model::Verdict;
use std::{sync::Arc, time::Duration};

/// The case that is started: one check, nothing else.
const CASE: &str = "pio::passes";

/// A peer, whether it starts through its firmware, how many times faster than it a start has to be, and after how many of our
/// starts one of its own follows.
struct Peer {
    subject: &'static str,
    has_firmware: bool,
    wanted: f64,
    ours_for_each: u32,
}

/// Through SeaBIOS as other suites start, and by our own loader as our suite does.
const PEERS: &[Peer] = &[
    Peer { subject: "qemu-tcg", has_firmware: true, wanted: 20.0, ours_for_each: 10 },
    Peer { subject: "qemu-tcg", has_firmware: false, wanted: 15.0, ours_for_each: 10 },
    Peer { subject: "qemu-kvm", has_firmware: true, wanted: 1000.0, ours_for_each: 50 },
    Peer { subject: "qemu-kvm", has_firmware: false, wanted: 15.0, ours_for_each: 10 },
];

/// Measures against each peer in `nr_rounds` rounds, in each of them our starts and then the peer's.
///
/// # Errors
/// If a subject is missing, or does not give the verdict `pass`.
pub fn measure(image: &Arc<Image>, nr_rounds: u32, cancel: &Cancel) -> anyhow::Result<Vec<Row>> {
    let case = image.catalog.case(CASE).with_context(|| format!("the image has no case `{CASE}`"))?;
    let ours = Opened::open("vmm", image)?;
    // Once each, not counted: page cache, first use of everything.
    once(&ours, case, image, cancel)?;
    let mut rows = Vec::new();
    for peer in PEERS {
        // What needs tables is started through the firmware that makes them.
        let mut their_case = case.clone();
        if peer.has_firmware {
            their_case.needs |= Needs::FIRMWARE_TABLES;
        }
        let theirs = Opened::open(peer.subject, image)?;
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..nr_rounds {
            for _ in 0..peer.ours_for_each {
                our_times.push(once(&ours, case, image, cancel)?);
            }
            their_times.push(once(&theirs, &their_case, image, cancel)?);
        }
        let nr_samples = (our_times.len(), their_times.len());
        let (our_time, their_time) = (median(our_times), median(their_times));
        rows.push(Row {
            what: "start to verdict".to_owned(),
            peer: format!("{}{}", peer.subject, if peer.has_firmware { ", SeaBIOS" } else { "" }),
            ours: milliseconds(our_time),
            theirs: milliseconds(their_time),
            ratio: their_time.as_secs_f64() / our_time.as_secs_f64(),
            wanted: peer.wanted,
            nr_samples,
        });
    }
    Ok(rows)
}

fn once(subject: &Opened, case: &Case, image: &Image, cancel: &Cancel) -> anyhow::Result<Duration> {
    let run = subject.subject.run(Program::Case(case), subject.subject.time_limit(), cancel);
    let duration = run.duration;
    if cancel.is_cancelled() {
        bail!("interrupted");
    }
    let result = judge::judge(case, run, &image.catalog);
    if result.verdict != Verdict::Pass {
        bail!("`{CASE}` on {}: {}: {}", subject.subject.id(), result.verdict.name(), result.reason.unwrap_or_default());
    }
    Ok(duration)
}
