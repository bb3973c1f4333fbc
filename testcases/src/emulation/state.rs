//! Where a run stopped, so that a later one goes on there.

use super::{
    compare::{Difference, Field},
    tally::{Counts, Finding, Key, Tally},
};
use iced_decoder::machine::Input;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Name and version of the file's form.
const SCHEMA: &str = "vmproof/emulation/2";

/// Which run it is: runs that differ in one of these do not mix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the executor under test.
    pub on: String,
    /// The seed.
    pub seed: u64,
    /// 16, 32 or 64.
    pub bits: u32,
    /// The pattern of forms, or `*`.
    pub forms: String,
    /// How many forms that selects: another version may know more.
    pub nr_forms: usize,
}

impl Identity {
    /// Name of its file.
    pub fn file_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let forms: String = self.forms.chars().map(|c| if c == '*' { '+' } else { plain(c) }).collect();
        format!("{}-{}-{}-{forms}.json", self.on, self.bits, self.seed)
    }
}

/// Why a state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is none, or it cannot be read.
    #[error("failed to read {}; without --resume a run starts at the beginning", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what such a run writes.
    #[error("{}: {message}; remove it, or run without --resume", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// It cannot be written.
    #[error("failed to write {}; name another folder with --folder", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    run: Identity,
    next: u64,
    counts: BTreeMap<usize, [u64; 6]>,
    findings: Vec<FindingText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingText {
    form: String,
    fields: String,
    count: u64,
    index: u64,
    input: String,
    details: Vec<(String, String, String)>,
}

/// Writes where a run stopped: the file is there whole or as it was.
///
/// # Errors
/// [`StateError::Write`].
pub fn write(folder: &Path, run: &Identity, next: u64, tally: &Tally) -> Result<(), StateError> {
    let path = folder.join(run.file_name());
    let error = |source| StateError::Write { path: path.clone(), source };
    fs::create_dir_all(folder).map_err(error)?;
    let counts = |of: &Counts| [of.agreed, of.refused, of.differed, of.hung, of.failed, of.contradicted];
    let finding = |(key, finding): (&Key, &Finding)| FindingText {
        form: key.form.clone(),
        fields: key.fields.clone(),
        count: finding.count,
        index: finding.index,
        input: finding.input.to_string(),
        details: finding.difference.details.clone(),
    };
    let file = File {
        schema: SCHEMA.to_owned(),
        run: run.clone(),
        next,
        counts: tally.forms.iter().map(|(&form, value)| (form, counts(value))).collect(),
        findings: tally.findings.iter().map(finding).collect(),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|failure| error(io::Error::other(failure)))?;
    let temporary = path.with_extension("json.new");
    fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &path)).map_err(error)
}

/// Reads where a run stopped: the next number, and the results up to it.
///
/// # Errors
/// [`StateError::Read`] and [`StateError::Form`].
pub fn read(folder: &Path, run: &Identity) -> Result<(u64, Tally), StateError> {
    let path = folder.join(run.file_name());
    let text = fs::read_to_string(&path).map_err(|source| StateError::Read { path: path.clone(), source })?;
    let wrong = |message: String| StateError::Form { path: path.clone(), message };
    let file: File = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.schema != SCHEMA {
        return Err(wrong(format!("its form is `{}`, not `{SCHEMA}`", file.schema)));
    }
    if file.run != *run {
        return Err(wrong(format!("it is of another run: {:?} instead of {run:?}", file.run)));
    }
    let mut tally = Tally::default();
    for (form, [agreed, refused, differed, hung, failed, contradicted]) in file.counts {
        tally.forms.insert(form, Counts { agreed, refused, differed, hung, failed, contradicted });
    }
    for text in file.findings {
        let input: Input = text.input.parse().map_err(|error| wrong(format!("finding of {}: {error}", text.form)))?;
        let fields: BTreeSet<Field> = text.fields.split(',').filter_map(Field::from_name).collect();
        let difference = Difference { fields, details: text.details };
        let finding = Finding { count: text.count, index: text.index, input, difference };
        tally.note(Key { form: text.form, fields: text.fields }, finding);
    }
    Ok((file.next, tally))
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_decoder::{Bitness, Registers, machine::window::Window};

    fn run() -> Identity {
        Identity { on: "mmio-user".to_owned(), seed: 7, bits: 64, forms: "Add_*".to_owned(), nr_forms: 20 }
    }

    fn tally() -> Tally {
        let mut tally = Tally::default();
        tally.forms.insert(3, Counts { agreed: 5, differed: 1, ..Counts::default() });
        let input = Input {
            bitness: Bitness::Bits64,
            code: vec![0x01, 0x0b],
            registers: Registers { rip: 0x1000_0800, ..Registers::default() },
            extended: None,
            window: Window::Plain,
            memory_seed: 9,
            memory: vec![(4, 0xff)],
        };
        let mut difference = Difference::default();
        difference.add(Field::Flags, "flags", "0x1", "0x0");
        let key = Key { form: "Add_rm32_r32".to_owned(), fields: "flags".to_owned() };
        tally.note(key, Finding { count: 1, index: 3, input, difference });
        tally
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &run(), 1000, &tally()).unwrap();
        assert_eq!(read(folder.path(), &run()).unwrap(), (1000, tally()));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["mmio-user-64-7-Add_+.json"]);
    }

    #[test]
    fn states_that_are_missing_broken_or_of_another_run_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path(), &run()), Err(StateError::Read { .. })));
        write(folder.path(), &run(), 1000, &tally()).unwrap();
        let path = folder.path().join(run().file_name());
        let text = fs::read_to_string(&path).unwrap();
        for (from, to) in [("\"next\"", "\"nest\""), ("emulation/2", "emulation/9"), ("\"seed\": 7", "\"seed\": 8")] {
            assert!(text.contains(from));
            fs::write(&path, text.replace(from, to)).unwrap();
            assert!(matches!(read(folder.path(), &run()), Err(StateError::Form { .. })), "{to}");
        }
    }
}
