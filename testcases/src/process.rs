//! A child process that never outlives the harness.

#![expect(unsafe_code, reason = "process groups and death signals are set by system calls")]
// UNSAFETY: `prctl` and `setpgid` between fork and exec, `kill` of a group that is ours, `poll` of a pipe that is ours.

mod patience;
mod starter;

pub use patience::Patience;

use crate::moment::Moment;
use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    time::Duration,
};

/// How long one read waits.
const SLICE: Duration = Duration::from_millis(50);

/// A child in a process group of its own, killed with all its children when this is dropped, and by the kernel if the
/// harness dies.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    control: Option<UnixStream>,
}

/// What reading from a child led to: which of its outputs gave how many bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// That many bytes of the standard output.
    Stdout(usize),
    /// That many bytes of the standard error.
    Stderr(usize),
    /// That many bytes from the control socket.
    Control(usize),
    /// The child closed them all.
    End,
    /// Nothing came in time.
    Nothing,
}

/// A socket pair between the harness and a child, made before the child's command line is.
#[derive(Debug)]
pub struct Control {
    ours: UnixStream,
    theirs: UnixStream,
}

impl Control {
    /// Makes the pair.
    ///
    /// # Errors
    /// Those of creating sockets.
    pub fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Self { ours, theirs })
    }

    /// The number of the descriptor that the child inherits.
    pub fn child_descriptor(&self) -> RawFd {
        self.theirs.as_raw_fd()
    }
}

/// Starts the thread that starts children, which runs where the thread that calls this may run, and so do they.
///
/// # Errors
/// Those of starting a thread.
pub(crate) fn prepare() -> io::Result<()> {
    starter::prepare()
}

impl Process {
    /// Starts a command with both outputs piped, no input, and the control socket if there is one; an empty command is left.
    ///
    /// # Errors
    /// Those of starting a process, [`io::ErrorKind::NotFound`] if the program is missing.
    pub fn start(command: &mut Command, control: Option<Control>) -> io::Result<Self> {
        Self::start_with_files(command, control, &[])
    }

    /// The same with files that the child inherits under the numbers that they have here.
    ///
    /// # Errors
    /// Those of [`Process::start`].
    pub fn start_with_files(command: &mut Command, control: Option<Control>, files: &[&File]) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // Made before the fork: the child must not allocate.
        let control_descriptor = control.as_ref().map(Control::child_descriptor);
        let inherited: Vec<_> =
            control_descriptor.into_iter().chain(files.iter().map(|file| file.as_raw_fd())).collect();
        // SAFETY: 1. `prctl` and `fcntl` are async-signal-safe. 2. the closure touches no memory of the parent.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                for &descriptor in &inherited {
                    // Clears close-on-exec, in the child only.
                    if libc::fcntl(descriptor, libc::F_SETFD, 0) != 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        let mut child = starter::spawn(command)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // The child's end of the socket is closed here with the rest of `control`, so that its death is seen.
        Ok(Self { child, stdout, stderr, control: control.map(|control| control.ours) })
    }

    /// Reads what the child has written, waiting for it a short while: so often a caller looks at other wishes.
    ///
    /// # Errors
    /// Those of polling and reading a pipe.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Output> {
        self.read_within(buffer, SLICE)
    }

    /// Reads what the child has written already.
    ///
    /// # Errors
    /// Those of [`Process::read`].
    pub fn read_at_once(&mut self, buffer: &mut [u8]) -> io::Result<Output> {
        self.read_within(buffer, Duration::ZERO)
    }

    fn read_within(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Output> {
        // An output that was closed has a negative descriptor, which `poll` passes over.
        let descriptors = [
            self.stdout.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            self.control.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            self.stderr.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        ];
        let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        if descriptors[0] < 0 && descriptors[2] < 0 {
            return Ok(Output::End);
        }
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: an array of three `pollfd` that lives across the call.
        let nr_ready = unsafe { libc::poll(polled.as_mut_ptr(), 3, milliseconds) };
        if nr_ready < 0 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(Output::Nothing),
                error => Err(error),
            };
        }
        if polled[0].revents != 0 {
            return Ok(take(&mut self.stdout, buffer)?.map_or(Output::Nothing, Output::Stdout));
        }
        if polled[1].revents != 0 {
            return Ok(take(&mut self.control, buffer)?.map_or(Output::Nothing, Output::Control));
        }
        if polled[2].revents != 0 {
            return Ok(take(&mut self.stderr, buffer)?.map_or(Output::Nothing, Output::Stderr));
        }
        Ok(Output::Nothing)
    }

    /// Writes to the control socket; nothing happens if there is none or if the child closed it.
    pub fn write_control(&mut self, bytes: &[u8]) {
        if let Some(control) = &mut self.control
            && control.write_all(bytes).is_err()
        {
            self.control = None;
        }
    }

    /// How long a thread of the child was ready and had no processor: the one that had to wait longest, since it began. Zero where
    /// the system does not tell.
    fn waited_for_processors(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        threads.map(|thread| vmm::run_delay(&thread.path())).max().unwrap_or_default()
    }

    /// Sends the child an interrupt, as a terminal's Ctrl-C does; nothing happens once it has ended.
    pub fn interrupt(&mut self) {
        if let (Ok(None), Ok(child)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            // SAFETY: the child was not reaped, so that the number names no other process.
            unsafe { libc::kill(child, libc::SIGINT) };
        }
    }

    /// Waits until the child has ended, at most until `deadline`.
    ///
    /// # Errors
    /// Those of waiting for a process.
    pub fn wait(&mut self, deadline: Moment) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if deadline.has_passed() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Reads once; an output at its end is dropped, so that it is not polled again.
fn take<R: Read>(output: &mut Option<R>, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let Some(open) = output else { return Ok(None) };
    match open.read(buffer) {
        Ok(0) => {
            *output = None;
            Ok(None)
        }
        Ok(length) => Ok(Some(length)),
        // A socket whose peer died with bytes unread.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            *output = None;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            // SAFETY: the group was made by `start`; its leader is not reaped before the `wait` below, so the number
            // names no other group.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        // It is dead or dying; a failure to reap it leaves nothing that could be done.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inherited::{path_of, unnamed};

    fn far() -> Moment {
        Moment::now() + Duration::from_secs(20)
    }

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]), None).unwrap()
    }

    /// What comes next.
    fn next(process: &mut Process, buffer: &mut [u8]) -> Output {
        let deadline = far();
        loop {
            match process.read(buffer).unwrap() {
                Output::Nothing => assert!(!deadline.has_passed(), "nothing comes"),
                output => return output,
            }
        }
    }

    /// Everything up to the end: standard output and standard error.
    fn collect(process: &mut Process) -> (Vec<u8>, Vec<u8>) {
        let (mut stdout, mut stderr, mut buffer) = (Vec::new(), Vec::new(), [0; 16]);
        loop {
            match next(process, &mut buffer) {
                Output::Stdout(length) => stdout.extend_from_slice(&buffer[..length]),
                Output::Stderr(length) => stderr.extend_from_slice(&buffer[..length]),
                Output::End => return (stdout, stderr),
                output => panic!("{output:?}"),
            }
        }
    }

    #[test]
    fn outputs_then_end_then_status() {
        let mut process = shell("printf abc; printf def >&2; exit 3");
        assert_eq!(collect(&mut process), (b"abc".to_vec(), b"def".to_vec()));
        assert_eq!(process.wait(far()).unwrap().unwrap().code(), Some(3));
    }

    #[test]
    fn control_socket_reaches_the_child_and_back() {
        let control = Control::new().unwrap();
        let script = format!("read line <&{0}; printf \"got $line\" >&{0}", control.child_descriptor());
        let mut process = Process::start(Command::new("bash").args(["-c", &script]), Some(control)).unwrap();
        process.write_control(b"word\n");
        let (mut buffer, mut text) = ([0; 16], Vec::new());
        while text != b"got word" {
            match next(&mut process, &mut buffer) {
                Output::Control(length) => text.extend_from_slice(&buffer[..length]),
                output => panic!("{output:?} behind {text:?}"),
            }
        }
    }

    #[test]
    fn silence_is_bounded() {
        let mut process = shell("exec sleep 1000");
        assert_eq!(process.read(&mut [0; 1]).unwrap(), Output::Nothing);
        assert_eq!(process.read_at_once(&mut [0; 1]).unwrap(), Output::Nothing);
        assert!(process.wait(Moment::now() + Duration::from_millis(5)).unwrap().is_none());
    }

    #[test]
    fn grandchildren_die_too() {
        let mut process = shell("sleep 1000 & echo $!; wait");
        let mut buffer = [0; 32];
        let Output::Stdout(length) = next(&mut process, &mut buffer) else {
            panic!("the shell printed nothing");
        };
        let pid = std::str::from_utf8(&buffer[..length]).unwrap().trim().to_owned();
        drop(process);
        let stat = format!("/proc/{pid}/stat");
        let deadline = far();
        // Dead, or a zombie that its new parent has not reaped yet.
        while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
            assert!(!deadline.has_passed(), "the grandchild {pid} lives on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let mut process = std::thread::spawn(|| shell("exec sleep 1000")).join().unwrap();
        let soon = Moment::now() + Duration::from_millis(50);
        assert!(process.wait(soon).unwrap().is_none());
    }

    #[test]
    fn a_missing_program_is_not_found() {
        let error = Process::start(&mut Command::new("/nonexistent/program"), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_without_a_name_can_be_inherited() {
        let file = unnamed(b"image").unwrap();
        let mut command = Command::new("cat");
        command.arg(path_of(&file));
        let mut process = Process::start_with_files(&mut command, None, &[&file]).unwrap();
        let mut buffer = [0; 32];
        assert_eq!(next(&mut process, &mut buffer), Output::Stdout(5));
        assert_eq!(&buffer[..5], b"image");
    }
}
