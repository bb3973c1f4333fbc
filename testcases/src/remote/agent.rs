//! The agent: answers requests one after the other, for ever.

use super::{
    Answer, Greeting, IMAGE_PATH, Request, WAIT_FACTOR,
    frame::{self, FrameDecoder, FrameError},
};
use crate::{
    cancel::Cancel,
    catalog::Case,
    chain::chain,
    subjects::{Image, OurVmm, Program, Subject as _},
};
use std::{
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Its name as a subject; the harness has another for it.
const OURS: &str = "vmm";

/// Why the agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The line cannot be read or written.
    #[error("the line to the harness failed")]
    Line(#[from] io::Error),
    /// Something arrived that is no frame.
    #[error("the line to the harness brings what was not sent")]
    Frame(#[from] FrameError),
    /// A letter cannot be written down or read.
    #[error("what the harness sent is not understood")]
    Letter(#[from] serde_json::Error),
}

/// Greets the harness and serves it until the line ends. If something is missing, it answers every request with that.
///
/// `remarks` is what went wrong before and is not needed; `panics_in` is the id of a case in which the kernel is to panic.
///
/// # Errors
/// [`AgentError`].
pub fn serve(
    mut line: impl Read + Write,
    remarks: Result<Vec<String>, String>,
    panics_in: Option<&str>,
) -> Result<(), AgentError> {
    let opened = remarks.and_then(|remarks| Ok((remarks, open()?)));
    let subject = match opened {
        Ok((remarks, (image, vmm))) => {
            let version = vmm.version().to_owned();
            say(&mut line, &Answer::Greeting(Greeting { version, remarks }))?;
            Ok((image, vmm))
        }
        Err(text) => {
            say(&mut line, &Answer::Failed { text: text.clone() })?;
            Err(text)
        }
    };
    let mut decoder = FrameDecoder::default();
    let mut buffer = [0; 4096];
    loop {
        while let Some(payload) = decoder.next_payload()? {
            let request: Request = serde_json::from_slice(&payload)?;
            if matches!(&request, Request::Case { id, .. } if panics_in == Some(id)) {
                super::init::panic_kernel()?;
            }
            let answer = match &subject {
                Ok((image, vmm)) => answer(image, vmm, &request),
                Err(text) => Answer::Failed { text: text.clone() },
            };
            say(&mut line, &answer)?;
        }
        match line.read(&mut buffer)? {
            0 => return Ok(()),
            length => decoder.feed(buffer.get(..length).unwrap_or_default()),
        }
    }
}

fn open() -> Result<(Arc<Image>, OurVmm), String> {
    let image = Image::open(Path::new(IMAGE_PATH)).map(Arc::new).map_err(|error| chain(&error))?;
    let vmm = OurVmm::open(OURS, &image).map_err(|error| chain(&error))?;
    Ok((image, vmm.with_wait_factor(WAIT_FACTOR)))
}

fn say(line: &mut impl Write, answer: &Answer) -> Result<(), AgentError> {
    let payload = serde_json::to_vec(answer)?;
    line.write_all(&frame::encode(&payload)?)?;
    Ok(line.flush()?)
}

fn answer(image: &Image, vmm: &OurVmm, request: &Request) -> Answer {
    let result = match request {
        Request::Probe { setup, limit_ms } => Request::setup(setup.as_deref())
            .map(|setup| run(vmm, Program::Probe(setup), *limit_ms))
            .map_err(|error| error.to_string()),
        Request::Case { id, words, limit_ms } => find(image, id).map(|case| match words.as_str() {
            "" => run(vmm, Program::Case(case), *limit_ms),
            words => run(vmm, Program::Changed(case, words), *limit_ms),
        }),
        Request::Other { words, limit_ms } => Ok(run(vmm, Program::Other(words), *limit_ms)),
        Request::HostCase { id } => {
            find(image, id).map(|case| Answer::HostCase(Box::new(vmm.run_host_case(case, &Cancel::default()))))
        }
    };
    result.unwrap_or_else(|text| Answer::Failed { text })
}

fn find<'a>(image: &'a Image, id: &str) -> Result<&'a Case, String> {
    image.catalog.case(id).ok_or_else(|| format!("the agent's image has no case `{id}`"))
}

fn run(vmm: &OurVmm, program: Program<'_>, limit_ms: u64) -> Answer {
    Answer::Run(vmm.run(program, Duration::from_millis(limit_ms), &Cancel::default()).into())
}
