//! Where a baseline comes from.

use super::{Active, Baseline, BaselineError, Former, KnownFailures};
use crate::{axis::Axis, catalog::Catalog, image::workspace, subjects};
use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a baseline comes from, as the command line says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `auto`: the subject's checked-in baseline, over that of the subject that it is like, if any. A subject without one is
    /// expected to get nothing wrong.
    Auto,
    /// `none`: nothing is compared.
    None,
    /// A TOML file, a folder with one for each area, or a report as JSON.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            path => Self::File(PathBuf::from(path)),
        })
    }
}

impl Source {
    /// Loads the baseline for a subject of this version; `None` if nothing is to be compared.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn load(&self, subject: &str, version: &str, catalog: &Catalog) -> Result<Option<Baseline>, BaselineError> {
        self.load_along(None, subject, version, catalog)
    }

    /// The same for a run along an axis.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn load_along(
        &self,
        axis: Option<Axis>,
        subject: &str,
        version: &str,
        catalog: &Catalog,
    ) -> Result<Option<Baseline>, BaselineError> {
        let run = (version, axis);
        match self {
            Self::None => Ok(None),
            Self::Auto => {
                let mut known = checked_in_of(subject, run, catalog)?;
                if let Some(like) = subjects::like(subject) {
                    let mut base = checked_in_of(like, run, catalog)?;
                    base.extend(known);
                    known = base;
                }
                Ok(Some(Baseline::Known(known)))
            }
            Self::File(path) if path.is_dir() => Ok(Some(Baseline::Known(folder(path, run, catalog)?))),
            Self::File(path) => {
                let text =
                    fs::read_to_string(path).map_err(|source| BaselineError::Read { path: path.clone(), source })?;
                let is_report = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
                let baseline = if is_report {
                    Baseline::Former(Former::parse(&text, subject, path)?)
                } else {
                    Baseline::Known(known(&text, path, run, catalog)?)
                };
                Ok(Some(baseline))
            }
        }
    }
}

/// Where the checked-in baseline of a subject lies, if it has one: a folder with a file for each area.
pub fn checked_in(subject: &str) -> PathBuf {
    workspace().join("testcases/baselines").join(subject)
}

/// What decides which entries hold: the subject's version, and the axis.
type RunOf<'a> = (&'a str, Option<Axis>);

/// The checked-in entries of a subject; none if it has no folder.
fn checked_in_of(subject: &str, run: RunOf<'_>, catalog: &Catalog) -> Result<Active, BaselineError> {
    match folder(&checked_in(subject), run, catalog) {
        Err(BaselineError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Active::default()),
        known => known,
    }
}

/// Loads each `<area>.toml` of a folder.
fn folder(folder: &Path, run: RunOf<'_>, catalog: &Catalog) -> Result<Active, BaselineError> {
    let failed = |source| BaselineError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut active = Active::default();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|source| BaselineError::Read { path: path.clone(), source })?;
        let area = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let part = known(&text, &path, run, catalog)?;
        // No two files can have an entry for one case then.
        if let Some(case) = part.cases().find(|case| case.split("::").next() != Some(area.as_str())) {
            return Err(BaselineError::OtherArea { case: case.to_owned(), path });
        }
        active.extend(part);
    }
    Ok(active)
}

fn known(text: &str, path: &Path, (version, axis): RunOf<'_>, catalog: &Catalog) -> Result<Active, BaselineError> {
    let known = KnownFailures::parse(text, path)?;
    known.check_cases(catalog, path)?;
    known.for_run(version, axis, path)
}
