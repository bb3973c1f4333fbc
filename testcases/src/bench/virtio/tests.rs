//! The arithmetic, and our side both ways.

use super::*;

fn told(ticks: u64, driver_ticks: u64) -> Told {
    Told { ticks, driver_ticks, nr_notifications: 7, failures: 0, sum: 0, status: 0xf }
}

#[test]
fn runs_are_of_whole_batches_and_longer_than_a_queue() {
    assert_eq!([1, 512, 513, u32::MAX].map(whole), [512, 512, 576, 1 << 32]);
}

#[test]
fn rates_need_the_rate_of_the_counter() {
    // 2 GHz for a millisecond.
    assert_eq!(rate(1000, 2_000_000, Some(2_000_000)), "1000 k/s");
    assert_eq!(rate(1000, 2_000_000, None), "2000 ticks each");
    assert_eq!(rate(0, 0, Some(1)), "0 k/s");
}

#[test]
fn a_row_has_the_medians_and_the_spread_of_the_pairs() {
    let ours = [told(100, 20), told(200, 80), told(400, 40)];
    let theirs = [told(300, 3), told(100, 1), told(400, 4)];
    let row = row(&COMPARISONS[0], 640, &ours, &theirs, None);
    assert_eq!((row.ratio, row.wanted, row.nr_samples), (1.5, 1.0, (3, 3)));
    assert_eq!(row.what, "block, 4 KiB reads (0.50 to 3.00)");
    assert_eq!(row.ours, "0 ticks each, guest 20%, 7 notified");
    assert!(row.is_met());
}

#[test]
fn every_aim_is_at_least_what_the_peer_does() {
    assert!(COMPARISONS.iter().all(|comparison| comparison.wanted >= 1.0 || comparison.wanted == 0.0));
    assert!(COMPARISONS.iter().any(|comparison| comparison.device == Device::Network && comparison.wanted >= 1.0));
}

#[test]
fn a_guest_that_did_something_else_is_no_sample() {
    let nr_buffers = 512;
    for device in [BLOCK, Device::Network] {
        let sum = expected_sum(device, nr_buffers);
        let good = Told { sum, ..told(1, 1) };
        assert_eq!(checked(device, nr_buffers, good).unwrap(), good);
        for bad in [
            Told { sum: sum ^ 1, ..good },
            Told { failures: 1, ..good },
            Told { status: 0x4f, ..good },
            Told { ticks: 0, ..good },
        ] {
            assert!(checked(device, nr_buffers, bad).is_err(), "{bad:?}");
        }
    }
}

/// With events and without, disk and network give the guest the same.
#[test]
fn events_and_exits_lead_to_the_same() {
    if !std::path::Path::new("/dev/kvm").exists() {
        eprintln!("no /dev/kvm: not tested here");
        return;
    }
    let (hypervisor, disk, nr_buffers) = (Hypervisor::open().unwrap(), disk().unwrap(), 2048);
    for device in [BLOCK, Device::Network] {
        let sums = [Notifications::Exits, Notifications::Events].map(|notifications| {
            let socket = reflecting().unwrap();
            let behind = behind(device, &disk, &socket);
            let told = run_ours(&hypervisor, device, &behind, notifications, nr_buffers).unwrap();
            checked(device, nr_buffers, told).unwrap().sum
        });
        assert_eq!(sums[0], sums[1], "{device:?}");
    }
}

#[test]
fn qemu_drives_the_same_guest() {
    if !std::path::Path::new("/dev/kvm").exists() || std::process::Command::new(QEMU).arg("--version").output().is_err()
    {
        eprintln!("no /dev/kvm or no QEMU: not tested here");
        return;
    }
    let rows = measure(Size { nr_rounds: 1, nr_buffers: 1024 }).unwrap();
    assert_eq!(rows.len(), COMPARISONS.len());
    assert!(rows.iter().all(|row| row.ratio.is_finite() && row.ratio > 0.0), "{rows:?}");
}
