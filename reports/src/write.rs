//! The report files: all forms in one folder, each file there whole or not at all.

use crate::{html, json, junit, ktap, markdown, model::Report};
use std::{
    error::Error,
    fs,
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
    let files = forms(report)?;
    let created = create_folder(folder)?;
    let result = write_files(&files, folder);
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

/// Name and content of every file.
fn forms(report: &Report) -> Result<[(&'static str, String); 5], WriteError> {
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
        form("report.html", html::write(report))?,
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

fn write_files(files: &[(&'static str, String)], folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let mut written: Vec<(TempPath, PathBuf)> = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        // Renaming would say it too, but only after other files were replaced.
        if path.is_dir() {
            return Err(WriteError::FolderInTheWay { path });
        }
        let temporary = write_temporary(text, folder).map_err(|source| WriteError::new(&path, source))?;
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
fn write_temporary(text: &str, folder: &Path) -> io::Result<TempPath> {
    let mut file: NamedTempFile = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(fs::Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    Ok(file.into_temp_path())
}

#[cfg(test)]
mod tests {
    use super::{WriteError, write_all};
    use crate::{example, json, model::Report};
    use std::{
        fs, io,
        path::{Path, PathBuf},
    };

    const NAMES: [&str; 5] = ["report.json", "junit.xml", "report.ktap", "report.md", "report.html"];

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_form_is_written_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("new/report");
        let paths = write_all(&example::report(), &folder).unwrap();
        assert_eq!(paths, NAMES.map(|name| folder.join(name)));
        let mut names = NAMES.map(str::to_owned);
        names.sort_unstable();
        assert_eq!(entries(&folder), names);
        assert_eq!(json::read_file(&paths[0]).unwrap(), example::report());
    }

    #[test]
    fn an_earlier_report_is_replaced() {
        let temporary = tempfile::tempdir().unwrap();
        write_all(&example::report(), temporary.path()).unwrap();
        let report = Report { subjects: Vec::new(), ..example::report() };
        let paths = write_all(&report, temporary.path()).unwrap();
        assert_eq!(json::read_file(&paths[0]).unwrap(), report);
        assert_eq!(entries(temporary.path()).len(), NAMES.len());
    }

    #[test]
    fn files_can_be_read_by_whom_the_umask_lets() {
        use std::os::unix::fs::PermissionsExt;
        let temporary = tempfile::tempdir().unwrap();
        let paths = write_all(&example::report(), temporary.path()).unwrap();
        // An ordinary file of this process shows what the umask leaves.
        let ordinary = temporary.path().join("ordinary");
        fs::write(&ordinary, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        for path in &paths {
            assert_eq!(mode(path), mode(&ordinary), "{}", path.display());
        }
    }

    #[test]
    fn a_file_where_the_folder_is_wanted_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "mine").unwrap();
        for folder in [file.clone(), file.join("below"), file.join("far/below")] {
            let error = write_all(&example::report(), &folder).unwrap_err();
            assert!(matches!(&error, WriteError::NotAFolder { path, .. } if *path == file), "{error}");
            assert!(error.to_string().contains("remove the file"), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(entries(temporary.path()), ["file"]);
    }

    #[test]
    fn a_folder_where_a_file_is_wanted_leaves_the_earlier_report_whole() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("report.json"), "earlier").unwrap();
        fs::create_dir(temporary.path().join("report.html")).unwrap();
        let error = write_all(&example::report(), temporary.path()).unwrap_err();
        assert!(matches!(&error, WriteError::FolderInTheWay { path } if path.ends_with("report.html")), "{error}");
        assert_eq!(entries(temporary.path()), ["report.html", "report.json"]);
        assert_eq!(fs::read_to_string(temporary.path().join("report.json")).unwrap(), "earlier");
    }

    #[test]
    fn a_place_where_nobody_may_write_is_named() {
        // Not even root can create a folder in sysfs.
        let folder = PathBuf::from("/sys/vmproof-reports/here");
        let error = write_all(&example::report(), &folder).unwrap_err();
        assert!(
            matches!(&error, WriteError::NotWritable { path, .. } if path == Path::new("/sys/vmproof-reports")),
            "{error}"
        );
        assert!(error.to_string().contains("name a folder that you may write to"), "{error}");
    }

    #[test]
    fn folders_created_in_vain_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        // A name longer than any file system takes, below folders that can be created.
        let folder = temporary.path().join("a/b").join("x".repeat(300));
        let error = write_all(&example::report(), &folder).unwrap_err();
        assert!(matches!(&error, WriteError::System { .. }), "{error:?}");
        assert_eq!(entries(temporary.path()), Vec::<String>::new());
    }

    #[test]
    fn folders_whose_files_cannot_be_written_are_removed() {
        /// The longest path that Linux takes, without its NUL (`PATH_MAX` of limits.h).
        const PATH_MAX: usize = 4095;
        let temporary = tempfile::tempdir().unwrap();
        // The folder's path still fits; the path of any file in it does not.
        let mut folder = temporary.path().to_owned();
        while folder.as_os_str().len() < PATH_MAX - 5 {
            let rest = PATH_MAX - 5 - folder.as_os_str().len();
            folder.push("x".repeat(rest.saturating_sub(1).clamp(1, 200)));
        }
        fs::create_dir_all(&folder).expect("the folder itself is no problem");
        fs::remove_dir_all(temporary.path().join("x".repeat(200))).unwrap();
        let error = write_all(&example::report(), &folder).unwrap_err();
        assert!(matches!(&error, WriteError::System { path, .. } if path.ends_with("report.json")), "{error:?}");
        assert_eq!(entries(temporary.path()), Vec::<String>::new());
    }

    #[test]
    fn what_the_system_says_becomes_what_to_do() {
        let text = |kind: io::ErrorKind| WriteError::new(Path::new("/r/report.md"), kind.into()).to_string();
        assert!(text(io::ErrorKind::PermissionDenied).starts_with("no permission to write `/r/report.md`"));
        assert!(text(io::ErrorKind::ReadOnlyFilesystem).starts_with("no permission"));
        assert!(text(io::ErrorKind::StorageFull).starts_with("no space left"));
        assert!(text(io::ErrorKind::IsADirectory).contains("a folder of that name is in the way"));
        assert!(text(io::ErrorKind::Other).starts_with("failed to write `/r/report.md`"));
    }
}
