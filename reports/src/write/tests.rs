//! Reports whole or not at all, whatever the disk says.

use super::{WriteError, forms, write_all, write_forms, write_one};
use crate::{example, history::History, json, model::Report};
use std::{
    fs, io,
    io::Write as _,
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

/// A disk that is full when the third file comes: `/dev/full` says so as a file system would.
#[test]
fn a_disk_that_fills_up_leaves_the_earlier_report_whole() {
    let temporary = tempfile::tempdir().unwrap();
    write_all(&example::report(), temporary.path()).unwrap();
    let before: Vec<_> = NAMES.iter().map(|name| fs::read(temporary.path().join(name)).unwrap()).collect();
    let report = Report { subjects: Vec::new(), ..example::report() };
    let files = forms(&report, &History::default()).unwrap();
    let error = write_forms(&files, temporary.path(), |file, text| {
        if text.starts_with("KTAP") {
            fs::File::options().write(true).open("/dev/full")?.write_all(text.as_bytes())?;
        }
        file.write_all(text.as_bytes())
    })
    .unwrap_err();
    assert!(matches!(&error, WriteError::NoSpace { path, .. } if path.ends_with("report.ktap")), "{error}");
    assert!(error.to_string().contains("make space"), "{error}");
    let after: Vec<_> = NAMES.iter().map(|name| fs::read(temporary.path().join(name)).unwrap()).collect();
    assert!(before == after, "a file was changed");
    assert_eq!(entries(temporary.path()).len(), NAMES.len());
}

#[test]
fn one_file_is_replaced_whole() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("kcidb.json");
    write_one("first", &path).unwrap();
    write_one("second", &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "second");
    assert_eq!(entries(temporary.path()), ["kcidb.json"]);
    let error = write_one("x", &temporary.path().join("none/kcidb.json")).unwrap_err();
    assert!(error.to_string().contains("none/kcidb.json"), "{error}");
}

/// Set for the run of this program that is on a disk of a few pages.
const TINY_DISK: &str = "VMPROOF_TINY_DISK";

/// The same on a real file system that is too small, where a user may mount one.
#[test]
fn a_tiny_disk_leaves_the_earlier_report_whole() {
    if let Some(folder) = std::env::var_os(TINY_DISK) {
        return on_a_tiny_disk(Path::new(&folder));
    }
    let temporary = tempfile::tempdir().unwrap();
    let test = "write::tests::a_tiny_disk_leaves_the_earlier_report_whole";
    let script = "mount -t tmpfs -o size=64k none \"$0\" && echo mounted && exec \"$1\" --exact \"$2\"";
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(temporary.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(TINY_DISK, temporary.path())
        .output();
    let said = output.as_ref().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !said.contains("mounted") {
        eprintln!("skipped: no small disk can be mounted here (unshare --user --mount)");
        return;
    }
    assert!(output.unwrap().status.success() && said.contains("1 passed"), "{said}");
}

fn on_a_tiny_disk(folder: &Path) {
    let small = Report { subjects: Vec::new(), features: Vec::new(), coverage: Vec::new(), ..example::report() };
    write_one("earlier", &folder.join("report.json")).unwrap();
    let mut large = example::report();
    large.subjects[0].cases[0].rule = "x".repeat(100_000);
    let error = write_all(&large, folder).unwrap_err();
    assert!(matches!(&error, WriteError::NoSpace { .. }), "{error}");
    assert_eq!(fs::read_to_string(folder.join("report.json")).unwrap(), "earlier");
    assert_eq!(entries(folder), ["report.json"]);
    write_all(&small, folder).expect("there is space for a small one");
}
