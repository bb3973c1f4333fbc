//! Where a baseline comes from.

use super::{Active, Baseline, BaselineError, Former, KnownFailures};
use crate::{catalog::Catalog, image::workspace};
use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a baseline comes from, as the command line says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `auto`: the subject's checked-in baseline. A subject without one is expected to get nothing wrong.
    Auto,
    /// `none`: nothing is compared.
    None,
    /// A TOML file, or a report as JSON.
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
        match self {
            Self::None => Ok(None),
            Self::Auto => {
                let path = checked_in(subject);
                match fs::read_to_string(&path) {
                    Ok(text) => known(&text, &path, version, catalog).map(Some),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Ok(Some(Baseline::Known(Active::default())))
                    }
                    Err(source) => Err(BaselineError::Read { path, source }),
                }
            }
            Self::File(path) => {
                let text =
                    fs::read_to_string(path).map_err(|source| BaselineError::Read { path: path.clone(), source })?;
                let is_report = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
                let baseline = if is_report {
                    Baseline::Former(Former::parse(&text, subject, path)?)
                } else {
                    known(&text, path, version, catalog)?
                };
                Ok(Some(baseline))
            }
        }
    }
}

/// Where the checked-in baseline of a subject lies, if it has one.
pub fn checked_in(subject: &str) -> PathBuf {
    workspace().join("testcases/baselines").join(format!("{subject}.toml"))
}

fn known(text: &str, path: &Path, version: &str, catalog: &Catalog) -> Result<Baseline, BaselineError> {
    let known = KnownFailures::parse(text, path)?;
    known.check_cases(catalog, path)?;
    Ok(Baseline::Known(known.for_version(version, path)?))
}
