//! Benchmarks: ratios against peers, measured in one interleaved run.
//!
//! Never a threshold in a timed test: a loaded machine slows both sides, and only their ratio says something.

mod bare;
pub mod exits;
mod interrupt_guest;
pub mod interrupts;
mod loops;
pub mod start;
pub mod virtio;

use std::time::Duration;

/// One row of a benchmark: this side against a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Against whom.
    pub peer: String,
    /// This side's median.
    pub ours: String,
    /// The peer's median.
    pub theirs: String,
    /// How many times better this side is: above 1 is better.
    pub ratio: f64,
    /// The ratio that is aimed at; 0 for a row that is only for information.
    pub wanted: f64,
    /// How many measurements each median is of: ours and theirs.
    pub nr_samples: (usize, usize),
}

impl Row {
    /// Whether the aim was met.
    pub fn is_met(&self) -> bool {
        self.ratio >= self.wanted
    }
}

/// A table for people, with a last line for each aim that was missed.
pub fn table(rows: &[Row]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["what", "ours", "peer", "theirs", "ratio", "aim", "samples"]);
    for row in rows {
        let samples = format!("{}, {}", row.nr_samples.0, row.nr_samples.1);
        let aim = match row.is_met() {
            _ if row.wanted == 0.0 => "none".to_owned(),
            true => format!("{} met", row.wanted),
            false => format!("{} MISSED", row.wanted),
        };
        let ratio = if row.ratio >= 10.0 { format!("{:.0}", row.ratio) } else { format!("{:.2}", row.ratio) };
        table.add_row([&row.what, &row.ours, &row.peer, &row.theirs, &ratio, &aim, &samples]);
    }
    format!("{table}\n")
}

/// The middle of the measurements; of an even number the lower one. Zero if there is none.
fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle() {
        let milliseconds = |values: &[u64]| values.iter().map(|&value| Duration::from_millis(value)).collect();
        assert_eq!(median(milliseconds(&[9, 1, 5])), Duration::from_millis(5));
        assert_eq!(median(milliseconds(&[9, 1, 5, 2])), Duration::from_millis(2));
        assert_eq!(median(milliseconds(&[])), Duration::ZERO);
    }

    #[test]
    fn missed_aims_stand_out() {
        let mut row = Row {
            what: "start to verdict".to_owned(),
            peer: "qemu-tcg".to_owned(),
            ours: "1.000 ms".to_owned(),
            theirs: "19.000 ms".to_owned(),
            ratio: 19.0,
            wanted: 20.0,
            nr_samples: (5, 3),
        };
        assert!(table(std::slice::from_ref(&row)).contains("20 MISSED"));
        row.ratio = 20.0;
        assert!(table(&[row]).contains("20 met"));
    }
}
