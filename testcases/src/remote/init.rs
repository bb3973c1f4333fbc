//! The agent as the first process of a kernel: what a system would have done for it.

#![expect(unsafe_code, reason = "file systems, modules and the serial line are set up by system calls")]
// UNSAFETY: `mount`, `reboot`, `finit_module`, `tcgetattr` and `tcsetattr`, with strings and structures that live across the call.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io,
    os::fd::AsRawFd as _,
    path::Path,
};

/// The file systems that the agent looks into: type and place.
const FILE_SYSTEMS: &[(&str, &str)] = &[("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")];

/// A module of the initramfs: where it lies, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its file there.
    pub path: String,
    /// As on `modprobe`'s command line.
    pub parameters: String,
    /// Whether it may fail: of the modules of the processors' vendors only one fits.
    pub is_optional: bool,
}

/// The modules in the order in which they are loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleList(pub Vec<Module>);

/// A word of the kernel's command line, and behind it the id of a case in which the kernel panics: for tests of what the
/// harness makes of it, with `append=` behind the kernel's name.
pub const PANIC_WORD: &str = "vmproof.panic_in=";
/// What is written to it is done as if it had been typed with the SysRq key ("Linux Magic System Request Key Hacks").
const SYSRQ: &str = "/proc/sysrq-trigger";
/// "Crash": the kernel panics.
const SYSRQ_CRASH: &str = "c";

/// What marks an optional module in the file.
const OPTIONAL: &str = "optional";
const REQUIRED: &str = "required";

impl ModuleList {
    /// A line for each module: `required` or `optional`, path, parameters, with tabs between.
    pub fn to_text(&self) -> String {
        let line = |module: &Module| {
            let word = if module.is_optional { OPTIONAL } else { REQUIRED };
            format!("{word}\t{}\t{}\n", module.path, module.parameters)
        };
        self.0.iter().map(line).collect()
    }

    /// The list in such a file; nothing for a file that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let module = |line: &str| {
            let mut parts = line.split('\t');
            let is_optional = match parts.next()? {
                OPTIONAL => true,
                REQUIRED => false,
                _ => return None,
            };
            let (path, parameters) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            parts.next().is_none().then_some(Module { path, parameters, is_optional })
        };
        text.lines().map(module).collect::<Option<_>>().map(Self)
    }
}

/// Mounts the file systems.
///
/// # Errors
/// Those of `mount`, with the place.
pub fn mount_all() -> io::Result<()> {
    for (kind, place) in FILE_SYSTEMS {
        fs::create_dir_all(place)?;
        if let Err(error) = mount(kind, place, kind, 0) {
            // A kernel that mounts /dev by itself has done so.
            if error.raw_os_error() != Some(libc::EBUSY) {
                return Err(io::Error::new(error.kind(), format!("mounting {place}: {error}")));
            }
        }
    }
    Ok(())
}

/// Mounts `source` at `place` as a file system of this type, with flags `MS_…`.
///
/// # Errors
/// Those of `mount`.
pub fn mount(source: &str, place: &str, kind: &str, flags: libc::c_ulong) -> io::Result<()> {
    let (source, place, kind) = (CString::new(source)?, CString::new(place)?, CString::new(kind)?);
    // SAFETY: three strings that live across the call, and no data.
    let result =
        unsafe { libc::mount(source.as_ptr(), place.as_ptr(), kind.as_ptr(), flags, std::ptr::null::<libc::c_void>()) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Turns the machine off; file systems that are to keep what was written are unmounted or synchronized before.
///
/// # Errors
/// Those of `reboot`, without the right to do so.
pub fn turn_off() -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::reboot(libc::LINUX_REBOOT_CMD_POWER_OFF) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The case of [`PANIC_WORD`], if the kernel's command line has one.
///
/// # Errors
/// Those of reading the command line, and a word without a case.
pub fn case_to_panic_in() -> io::Result<Option<String>> {
    let words = fs::read_to_string("/proc/cmdline")?;
    match words.split_whitespace().find_map(|word| word.strip_prefix(PANIC_WORD)) {
        Some("") => Err(io::Error::other(format!("`{PANIC_WORD}` names no case"))),
        found => Ok(found.map(str::to_owned)),
    }
}

/// Makes the kernel panic.
///
/// # Errors
/// A kernel without the SysRq key.
pub fn panic_kernel() -> io::Result<()> {
    fs::write(SYSRQ, SYSRQ_CRASH)
}

/// Loads the modules of the list; returns what went wrong with optional ones.
///
/// # Errors
/// What is wrong with the list or a required module, in words.
pub fn load_modules(list: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(list).map_err(|error| format!("{}: {error}", list.display()))?;
    let list = ModuleList::parse(&text).ok_or_else(|| format!("{} is no list of modules", list.display()))?;
    let mut remarks = Vec::new();
    for module in &list.0 {
        if let Err(error) = load(module) {
            let text = format!("the kernel refuses the module {}: {error}", module.path);
            if !module.is_optional {
                return Err(text);
            }
            remarks.push(text);
        }
    }
    Ok(remarks)
}

fn load(module: &Module) -> io::Result<()> {
    let file = File::open(&module.path)?;
    let parameters = CString::new(module.parameters.as_str())?;
    // SAFETY: an open file and a string that live across the call.
    let result = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), parameters.as_ptr(), 0) };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // It is built into this kernel.
            error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            error => Err(error),
        },
    }
}

/// Opens a serial line so that every byte passes as it is.
///
/// # Errors
/// Those of opening it and of setting it up.
pub fn open_line(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // SAFETY: any bytes are a `termios`, which has only integers.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: an open file and a structure that lives across the call.
    if unsafe { libc::tcgetattr(file.as_raw_fd(), &raw mut settings) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a structure that `tcgetattr` has filled.
    unsafe { libc::cfmakeraw(&raw mut settings) };
    settings.c_cflag |= libc::CLOCAL | libc::CREAD;
    // A static C library has none of the functions that set the speed.
    settings.c_cflag = settings.c_cflag & !libc::CBAUD | libc::B115200;
    // SAFETY: an open file and a structure that lives across the call.
    if unsafe { libc::tcsetattr(file.as_raw_fd(), libc::TCSANOW, &raw const settings) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_a_line_for_each_module() {
        let module = |path: &str, parameters: &str, is_optional| Module {
            path: path.to_owned(),
            parameters: parameters.to_owned(),
            is_optional,
        };
        let list = ModuleList(vec![module("/modules/kvm.ko", "", false), module("/modules/kvm-amd.ko", "npt=0", true)]);
        let text = list.to_text();
        assert_eq!(text, "required\t/modules/kvm.ko\t\noptional\t/modules/kvm-amd.ko\tnpt=0\n");
        assert_eq!(ModuleList::parse(&text), Some(list));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(required|optional|\t|\n|.){0,40}") {
            let _ = ModuleList::parse(&text);
        }
    }
}
