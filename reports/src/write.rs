//! The report files: all forms in one folder, each file there whole or not at all.

use crate::{history::History, html, json, junit, ktap, markdown, model::Report};
use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::{NamedTempFile, TempPath};

/// What a report file may be to others before the user's umask, which a temporary file would otherwise deny.
const MODE: u32 = 0o666;

/// What a temporary file's name starts with, so that one that a power cut left can be recognized.
const TEMPORARY_PREFIX: &str = ".vmproof-";

/// Why the report files were not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something else than a folder stands where the folder is wanted.
    #[error("cannot write reports into `{}`: `{}` is not a folder; name another folder, or remove the file", .folder.display(), .path.display())]
    NotAFolder {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What is no folder: itself or one above it.
        path: PathBuf,
    },
    /// A folder stands where a file is wanted.
    #[error("cannot write `{}`: a folder of that name is in the way; remove it, or name another folder", .path.display())]
    FolderInTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The user may not write there, or nobody may.
    #[error("no permission to write `{}`; name a folder that you may write to, or change its permissions", .path.display())]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no space left to write `{}`; make space, or name a folder on another disk", .path.display())]
    NoSpace {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that a system call said.
    #[error("failed to write `{}`; is the path right, and its disk in order?", .path.display())]
    System {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The report could not be put into a form, which is a defect of vmproof.
    #[error("failed to make `{name}` of the report; this is a defect of vmproof")]
    Form {
        /// Name of the file.
        name: &'static str,
        /// What the form's library said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl WriteError {
    fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            io::ErrorKind::IsADirectory => Self::FolderInTheWay { path },
            _ => Self::System { path, source },
        }
    }
}

/// Writes report.json, junit.xml, report.ktap, report.md and report.html into a folder, which is created with its
/// parents if need be, and returns their paths in this order.
///
/// All files are written under other names first and then renamed, so a reader never sees half a file, and files of an
/// earlier run stay as they are unless all of the new ones could be written. After an error no temporary file and no
/// folder that was created here is left.
///
/// # Errors
/// [`WriteError`], which names the path and what to do.
pub fn write_all(report: &Report, folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    write_all_with(report, &History::default(), folder)
}

/// The same; the page tells of former runs, too.
///
/// # Errors
/// Those of [`write_all`].
pub fn write_all_with(report: &Report, history: &History, folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let files = forms(report, history)?;
    write_forms(&files, folder, fill)
}

/// Writes text into a new file, down to the disk: some file systems find out only then that there is no space.
type Fill = fn(&mut File, &str) -> io::Result<()>;

fn fill(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn write_forms(files: &[(&'static str, String)], folder: &Path, fill: Fill) -> Result<Vec<PathBuf>, WriteError> {
    let created = create_folder(folder)?;
    let result = write_files(files, folder, fill);
    if result.is_err() {
        remove_created(&created);
    }
    result
}

/// Creates the folder with its parents if need be and tries to write there, so that a long run does not end without a
/// place for its results. Nothing but the folder is left.
///
/// # Errors
/// [`WriteError`], as [`write_all`] would give it.
pub fn prepare(folder: &Path) -> Result<(), WriteError> {
    create_folder(folder)?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(folder)
        .map_err(|error| WriteError::new(folder, error))?;
    Ok(())
}

/// Writes one text to a file, whole or not at all, in a folder that is there; a file of that name is replaced.
///
/// # Errors
/// [`WriteError`].
pub fn write_one(text: &str, path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Err(WriteError::FolderInTheWay { path: path.to_owned() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = write_temporary(text, folder, fill).map_err(|source| WriteError::new(path, source))?;
    temporary.persist(path).map_err(|error| WriteError::new(path, error.error))
}

/// Name and content of every file.
fn forms(report: &Report, history: &History) -> Result<[(&'static str, String); 5], WriteError> {
    fn form<E: Error + Send + Sync + 'static>(
        name: &'static str,
        text: Result<String, E>,
    ) -> Result<(&'static str, String), WriteError> {
        text.map(|text| (name, text)).map_err(|source| WriteError::Form { name, source: Box::new(source) })
    }
    Ok([
        form("report.json", json::write(report))?,
        form("junit.xml", junit::write(report))?,
        ("report.ktap", ktap::write(report)),
        ("report.md", markdown::write(report)),
        form("report.html", html::write_with(report, history))?,
    ])
}

/// Creates the folder and returns those that were not there before, the outermost first.
fn create_folder(folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    // The empty path is the current folder in `Path::join`, but nothing to the system.
    let ancestors = folder.ancestors().filter(|path| !path.as_os_str().is_empty());
    let mut missing: Vec<PathBuf> = Vec::new();
    for path in ancestors {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => break,
            Ok(_) => return Err(WriteError::NotAFolder { folder: folder.to_owned(), path: path.to_owned() }),
            // Also what stands below a file: the file itself is one of the next.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                missing.insert(0, path.to_owned());
            }
            Err(error) => return Err(WriteError::new(path, error)),
        }
    }
    for (index, path) in missing.iter().enumerate() {
        match fs::create_dir(path) {
            Ok(()) => (),
            // Another run may want the same folder.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => (),
            Err(error) => {
                remove_created(&missing[..index]);
                return Err(WriteError::new(path, error));
            }
        }
    }
    Ok(missing)
}

/// Undoes [`create_folder`]. A folder that another run has filled in the meantime stays, as it is not empty.
fn remove_created(created: &[PathBuf]) {
    for path in created.iter().rev() {
        _ = fs::remove_dir(path);
    }
}

fn write_files(files: &[(&'static str, String)], folder: &Path, fill: Fill) -> Result<Vec<PathBuf>, WriteError> {
    let mut written: Vec<(TempPath, PathBuf)> = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        // Renaming would say it too, but only after other files were replaced.
        if path.is_dir() {
            return Err(WriteError::FolderInTheWay { path });
        }
        let temporary = write_temporary(text, folder, fill).map_err(|source| WriteError::new(&path, source))?;
        written.push((temporary, path));
    }
    written
        .into_iter()
        .map(|(temporary, path)| match temporary.persist(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(WriteError::new(&path, error.error)),
        })
        .collect()
}

/// Writes a file that is removed when the result is dropped.
fn write_temporary(text: &str, folder: &Path, fill: Fill) -> io::Result<TempPath> {
    let mut file: NamedTempFile = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(fs::Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    fill(file.as_file_mut(), text)?;
    Ok(file.into_temp_path())
}

#[cfg(test)]
mod tests;
