//! What the messages of a run say, with the texts of their sites.

use super::{ProtocolFault, Transcript, render};
use crate::{
    catalog::{Catalog, Site},
    messages::Message,
};
use case::message::{Kind, NO_ROW};
use reports::model::{Check, Verdict};
use std::collections::{HashMap, HashSet};

/// How many notes a reason repeats.
const MAX_NOTES: usize = 8;

/// Checks, notes and reasons to skip, up to the first message that makes no sense.
#[derive(Debug, Default)]
pub(super) struct Reported {
    checks: Vec<Check>,
    nr_failing: usize,
    first_failing: Option<String>,
    notes: Vec<String>,
    skip: Option<String>,
    fault: Option<ProtocolFault>,
    ids: HashSet<String>,
    due: Option<Due>,
    /// Who wants an id, and how often.
    wanted: HashMap<String, Wanted>,
}

/// The claim on an id: a case may make the same check several times, but two checks must not share an id.
#[derive(Debug)]
struct Wanted {
    site: u64,
    row: u64,
    count: u32,
}

/// The shutdown that the case said to be due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) id: String,
    source: String,
    /// Whether something was said after it.
    pub(super) is_past: bool,
}

impl Reported {
    pub(super) fn collect(transcript: &Transcript, catalog: &Catalog) -> Self {
        let mut reported = Self::default();
        for message in transcript.messages() {
            if let Err(fault) = reported.take(message, catalog) {
                reported.fault = Some(fault);
                break;
            }
        }
        reported
    }

    fn take(&mut self, message: &Message, catalog: &Catalog) -> Result<(), ProtocolFault> {
        let Message { kind, sequence, .. } = *message;
        if let Some(due) = &mut self.due {
            due.is_past = true;
        }
        match kind {
            Kind::Check => {
                let site = site_of(message, catalog)?;
                self.check(message, site)
            }
            Kind::Skip => {
                let site = site_of(message, catalog)?;
                expect_no_row(message)?;
                self.skip.get_or_insert_with(|| site.text.clone());
                Ok(())
            }
            Kind::Note => {
                let site = site_of(message, catalog)?;
                expect_no_row(message)?;
                let value = message.value(0);
                self.notes.push(format!("{} = {}", site.text, render::value(site.style, value)));
                Ok(())
            }
            Kind::ShutdownDue => {
                let site = site_of(message, catalog)?;
                expect_no_row(message)?;
                let id = self.unique(message, site, site.text.clone())?;
                self.due.get_or_insert(Due { id, source: site.source(), is_past: false });
                Ok(())
            }
            Kind::Record => Err(ProtocolFault::UnaskedRecord { sequence }),
            Kind::Offers => Err(ProtocolFault::UnaskedOffers { sequence }),
            Kind::Done | Kind::Panic | Kind::Exception | Kind::NoSuchCase | Kind::Redelivered => {
                if message.site != 0 {
                    let value = message.site;
                    return Err(ProtocolFault::Superfluous { sequence, kind, what: "the site", value });
                }
                expect_no_row(message)
            }
        }
    }

    fn check(&mut self, message: &Message, site: &Site) -> Result<(), ProtocolFault> {
        let id = self.unique(message, site, id_of(message, site)?)?;
        let (actual, expected) = (message.value(0), message.value(1));
        let check = Check {
            id,
            verdict: if actual == expected { Verdict::Pass } else { Verdict::Fail },
            expected: render::value(site.style, expected),
            actual: render::value(site.style, actual),
        };
        if check.verdict == Verdict::Fail {
            self.nr_failing += 1;
            let source = site.source();
            self.first_failing.get_or_insert_with(|| {
                format!("{}: expected {}, but it is {} ({source})", check.id, check.expected, check.actual)
            });
        }
        self.checks.push(check);
        Ok(())
    }

    /// The id itself the first time it is wanted, later with a number behind it.
    fn unique(&mut self, message: &Message, site: &Site, id: String) -> Result<String, ProtocolFault> {
        let Message { sequence, site: address, row, .. } = *message;
        let wanted = self.wanted.entry(id.clone()).or_insert(Wanted { site: address, row, count: 0 });
        if (wanted.site, wanted.row) != (address, row) {
            return Err(ProtocolFault::SharedId { sequence, id, source_line: site.source() });
        }
        let mut candidate = id.clone();
        loop {
            wanted.count += 1;
            if wanted.count > 1 {
                candidate = format!("{id} ({})", wanted.count);
            }
            // A site's own text may end in such a number.
            if self.ids.insert(candidate.clone()) {
                return Ok(candidate);
            }
        }
    }

    /// The shutdown that is due.
    pub(super) fn due(&self) -> Option<&Due> {
        self.due.as_ref()
    }

    /// Makes a check of the shutdown that was due: it came, or `instead` did.
    pub(super) fn settle(&mut self, instead: Option<&str>) {
        const EXPECTED: &str = "shutdown";
        let Some(Due { id, source, .. }) = self.due.take() else { return };
        let (verdict, actual) = match instead {
            None => (Verdict::Pass, EXPECTED),
            Some(instead) => (Verdict::Fail, instead),
        };
        if verdict == Verdict::Fail {
            self.nr_failing += 1;
            self.first_failing.get_or_insert_with(|| format!("{id}: expected a {EXPECTED}, but {actual} ({source})"));
        }
        self.checks.push(Check { id, verdict, expected: EXPECTED.to_owned(), actual: actual.to_owned() });
    }

    pub(super) fn fault(&self) -> Option<&ProtocolFault> {
        self.fault.as_ref()
    }

    pub(super) fn nr_checks(&self) -> usize {
        self.checks.len()
    }

    /// The first failing check with expected, actual and source.
    pub(super) fn first_failing(&self) -> Option<&str> {
        self.first_failing.as_deref()
    }

    /// The last check that was made.
    pub(super) fn last_check(&self) -> Option<&str> {
        self.checks.last().map(|check| check.id.as_str())
    }

    /// The reason that the case gave for not deciding.
    pub(super) fn skip(&self) -> Option<&str> {
        self.skip.as_deref()
    }

    /// How many of the checks failed, to stand behind the first of several that did.
    pub(super) fn share_text(&self) -> String {
        let (nr_failing, nr_checks) = (self.nr_failing, self.checks.len());
        if nr_failing > 1 { format!("; {nr_failing} of {nr_checks} checks fail") } else { String::new() }
    }

    /// What the case noted, to stand behind a reason.
    pub(super) fn notes_text(&self) -> String {
        let shown: Vec<_> = self.notes.iter().take(MAX_NOTES).map(String::as_str).collect();
        if shown.is_empty() { String::new() } else { format!("; noted: {}", shown.join(", ")) }
    }

    pub(super) fn into_checks(self) -> Vec<Check> {
        self.checks
    }
}

fn site_of<'a>(message: &Message, catalog: &'a Catalog) -> Result<&'a Site, ProtocolFault> {
    let Message { kind, sequence, site, .. } = *message;
    catalog.site(site).ok_or(ProtocolFault::UnknownSite { sequence, kind, site })
}

fn expect_no_row(message: &Message) -> Result<(), ProtocolFault> {
    let Message { kind, sequence, row, .. } = *message;
    if row == NO_ROW { Ok(()) } else { Err(ProtocolFault::Superfluous { sequence, kind, what: "the row", value: row }) }
}

/// The site's text, and behind it the name of the row, or its number if the table has no names.
fn id_of(message: &Message, site: &Site) -> Result<String, ProtocolFault> {
    let Message { sequence, row, .. } = *message;
    if site.rows.is_empty() {
        return Ok(match row {
            NO_ROW => site.text.clone(),
            row => format!("{} [{row}]", site.text),
        });
    }
    let name = usize::try_from(row).ok().and_then(|row| site.rows.get(row));
    let unknown = || ProtocolFault::UnknownRow { sequence, row, site: site.text.clone(), nr_rows: site.rows.len() };
    name.map(|name| format!("{} [{name}]", site.text)).ok_or_else(unknown)
}
