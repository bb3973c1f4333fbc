//! Machines that go on in processes of their own: what the harness and such a process say to each other.
//!
//! The harness gives three files without names: the guest image, the state of the machine, and an order. The process, this program
//! again, restores the machine, runs it on, and answers with a frame on its standard output: the case has ended, or the machine is
//! saved again, in the file that its state came in.

use super::{Axis, Progress};
use crate::{
    cancel::Cancel,
    catalog::Catalog,
    chain::chain,
    inherited::{path_of, unnamed},
    moment::Moment,
    process::{self, Output, Patience, Process},
    remote::{
        Said, Undecodable, Words,
        frame::{self, FrameDecoder, FrameError},
    },
    subjects::{Image, OurVmm},
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

/// The word behind which this program takes the files' paths, and answers by [`serve`].
pub const WORD: &str = "restored";
/// This program, also if its file has been replaced.
const PROGRAM: &str = "/proc/self/exe";
/// How long a process may take to start, and to save the machine again, beside what its guest may.
const GRACE: Duration = Duration::from_secs(30);
/// How many of its last words are told.
const WORDS_MAX: usize = 1 << 10;

/// What a process is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The id of the case.
    pub(crate) case: String,
    /// Where its record is.
    pub(crate) record_address: u64,
    /// The axis, as it is written.
    pub(crate) axis: String,
    pub(crate) progress: Progress,
    /// What the guest has said.
    pub(crate) said: Words,
    /// How often it rang with nothing to say.
    pub(crate) nr_empty_rings: u32,
    /// What the guest may use of processors.
    pub(crate) processor_time: Duration,
    /// How long it may take by the clock.
    pub(crate) time: Duration,
}

/// What a process answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The machine is in the file; what is to be done with it.
    Saved(Box<Order>),
    /// The case has ended.
    Ended(Said),
    /// It could not be done.
    Failed {
        /// Why.
        text: String,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// Everything is to end.
    #[error("everything is to end")]
    Cancelled,
    /// The process could not be started.
    #[error("failed to start a process for the machine")]
    Start(#[source] io::Error),
    /// What it is given could not be written.
    #[error("failed to write what a process is to do; is there space in the folder for temporary files?")]
    Files(#[source] io::Error),
    /// It could not be listened to.
    #[error("failed to listen to the process that the machine was restored into")]
    Line(#[source] io::Error),
    /// It said nothing in time.
    #[error("the process that the machine was restored into gave no answer in {} s{said}", time.as_secs())]
    Silent {
        /// How long it was waited for.
        time: Duration,
        /// What it said otherwise, as the end of the sentence.
        said: String,
    },
    /// It ended.
    #[error("the process that the machine was restored into ended without an answer: {status}{said}")]
    Died {
        /// How.
        status: String,
        /// What it said, as the end of the sentence.
        said: String,
    },
    /// It said something else.
    #[error("the process that the machine was restored into said what is no answer")]
    Frame(#[from] FrameError),
    /// It said something else.
    #[error("the process that the machine was restored into said what is no answer")]
    Letter(#[from] serde_json::Error),
    /// It said something else.
    #[error("the process that the machine was restored into said what is no answer")]
    Undecodable(#[from] Undecodable),
    /// It could not do what it was to.
    #[error("in the process that the machine was restored into: {text}")]
    Failed {
        /// Why.
        text: String,
    },
}

/// How processes are started for machines of one image.
#[derive(Debug)]
pub(crate) struct Children {
    image: File,
}

impl Children {
    /// # Errors
    /// If the folder for temporary files cannot take the image, or no thread can be started.
    pub(crate) fn new(image: &[u8]) -> io::Result<Self> {
        // Here no thread is held on a processor, which those that it starts would be, too.
        process::prepare()?;
        Ok(Self { image: unnamed(image)? })
    }

    /// Lets a process do what is ordered with the machine in the file.
    pub(crate) fn ask(&self, order: &Order, state: &File, cancel: &Cancel) -> Result<Answer, ChildError> {
        let letter = serde_json::to_vec(order)?;
        let letter = unnamed(&letter).map_err(ChildError::Files)?;
        let files = [&self.image, state, &letter];
        let mut command = Command::new(PROGRAM);
        command.arg(WORD).args(files.map(path_of));
        let process = Process::start_with_files(&mut command, None, &files).map_err(ChildError::Start)?;
        listen(process, order.time + GRACE, cancel)
    }
}

/// The answer of a process, which is gone afterwards.
fn listen(mut process: Process, time: Duration, cancel: &Cancel) -> Result<Answer, ChildError> {
    let patience = Patience::new(&process, time);
    let (mut decoder, mut said, mut buffer) = (FrameDecoder::default(), Vec::new(), [0; 1 << 14]);
    loop {
        if cancel.is_cancelled() {
            return Err(ChildError::Cancelled);
        }
        if patience.is_over(&process) {
            return Err(ChildError::Silent { time, said: last_words(&said) });
        }
        match process.read(&mut buffer).map_err(ChildError::Line)? {
            Output::Stdout(length) => {
                decoder.feed(buffer.get(..length).unwrap_or_default());
                if let Some(payload) = decoder.next_payload()? {
                    return match serde_json::from_slice(&payload)? {
                        Answer::Failed { text } => Err(ChildError::Failed { text }),
                        answer => Ok(answer),
                    };
                }
            }
            Output::Stderr(length) => {
                said.extend(buffer.iter().take(length));
                said.drain(..said.len().saturating_sub(WORDS_MAX));
            }
            Output::End => {
                let status = process.wait(Moment::now() + GRACE).map_err(ChildError::Line)?;
                let status = status.map_or_else(|| "it closed its outputs".to_owned(), |status| status.to_string());
                return Err(ChildError::Died { status, said: last_words(&said) });
            }
            Output::Control(_) | Output::Nothing => {}
        }
    }
}

fn last_words(said: &[u8]) -> String {
    match String::from_utf8_lossy(said).trim() {
        "" => String::new(),
        words => format!("; it said: {words}"),
    }
}

/// Why a process cannot even say why it cannot do what it was to.
#[derive(Debug, thiserror::Error)]
#[error("failed to answer")]
pub struct ServeError(#[from] io::Error);

/// Does what a process is started for, given the paths of image, state and order, and answers.
///
/// # Errors
/// If nobody takes the answer; all else is an answer.
pub fn serve(files: [&OsStr; 3], mut output: impl Write) -> Result<(), ServeError> {
    let [image, state, order] = files.map(Path::new);
    let answer = answer(image, state, order).unwrap_or_else(|text| Answer::Failed { text });
    let payload = serde_json::to_vec(&answer).map_err(io::Error::from)?;
    output.write_all(&frame::encode(&payload).map_err(io::Error::other)?)?;
    Ok(output.flush()?)
}

fn answer(image: &Path, state: &Path, order: &Path) -> Result<Answer, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let order: Order = serde_json::from_slice(&read(order)?).map_err(|error| format!("the order: {error}"))?;
    let axis = order.axis.parse::<Axis>().map_err(|error| chain(&error))?;
    let catalog = Catalog::parse_one(read(image)?, order.record_address).map_err(|error| chain(&error))?;
    let image = Arc::new(Image { path: image.to_owned(), catalog });
    let case = image.catalog.case(&order.case).ok_or_else(|| format!("the image has no case `{}`", order.case))?;
    let vmm = OurVmm::open("vmm", &image).map_err(|error| chain(&error))?;
    vmm.go_on(case, axis, order, &read(state)?, |saved| {
        std::fs::write(state, saved).map_err(|error| format!("failed to save the machine: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Ending;

    /// What comes of a process that a shell runs.
    fn of_shell(script: &str, time: Duration, cancel: &Cancel) -> Result<Answer, ChildError> {
        let process = Process::start(Command::new("sh").args(["-c", script]), None).unwrap();
        listen(process, time, cancel)
    }

    fn told(script: &str) -> String {
        chain(&of_shell(script, Duration::from_secs(20), &Cancel::default()).unwrap_err())
    }

    /// A shell's word for printing these bytes.
    fn printed(bytes: &[u8]) -> String {
        let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
        format!("printf '{octal}'")
    }

    #[test]
    fn a_process_that_dies_or_speaks_nonsense_is_told() {
        let died = told("echo why >&2; exit 3");
        assert!(died.contains("ended without an answer: exit status: 3; it said: why"), "{died}");
        assert!(told("kill -9 $$").contains("signal: 9"));
        assert!(told("echo this is no frame").contains("ended without an answer"));
        let mut frame = frame::encode(b"{}").unwrap();
        assert!(told(&printed(&frame)).contains("no answer"));
        *frame.last_mut().unwrap() ^= 1;
        assert!(told(&printed(&frame)).contains("garbled"));
    }

    #[test]
    fn a_process_that_says_nothing_is_not_waited_for_and_does_not_live_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("echo $$ > {}; echo begun >&2; exec sleep 1000", file.display());
        let error = of_shell(&script, Duration::from_millis(500), &Cancel::default()).unwrap_err();
        assert!(matches!(&error, ChildError::Silent { said, .. } if said.contains("begun")), "{error}");
        let pid = std::fs::read_to_string(&file).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it lives on");
    }

    #[test]
    fn a_wish_to_end_ends_the_wait() {
        let cancel = Cancel::default();
        cancel.cancel();
        let error = of_shell("exec sleep 1000", Duration::from_secs(1000), &cancel).unwrap_err();
        assert!(matches!(error, ChildError::Cancelled), "{error}");
    }

    #[test]
    fn an_answer_is_taken_also_from_a_process_that_has_ended() {
        let said = Said::from(crate::judge::Run {
            transcript: crate::judge::Transcript::default(),
            ending: Ending::Reset,
            duration: Duration::ZERO,
        });
        let ended = serde_json::to_vec(&Answer::Ended(said.clone())).unwrap();
        let script = printed(&frame::encode(&ended).unwrap());
        let answer = of_shell(&script, Duration::from_secs(20), &Cancel::default()).unwrap();
        assert!(matches!(answer, Answer::Ended(arrived) if arrived == said));
        let failed = serde_json::to_vec(&Answer::Failed { text: "why".to_owned() }).unwrap();
        assert!(told(&printed(&frame::encode(&failed).unwrap())).ends_with("why"));
    }

    #[test]
    fn files_that_are_missing_or_none_are_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order");
        for (text, words) in [(None, "No such file"), (Some("{}"), "the order: missing field")] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let mut output = Vec::new();
            serve([OsStr::new("/nonexistent"), OsStr::new("/nonexistent"), path.as_os_str()], &mut output).unwrap();
            let mut decoder = FrameDecoder::default();
            decoder.feed(&output);
            let payload = decoder.next_payload().unwrap().unwrap();
            let Answer::Failed { text } = serde_json::from_slice(&payload).unwrap() else { panic!("it was done") };
            assert!(text.contains(words), "{text}");
        }
    }
}
