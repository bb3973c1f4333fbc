//! Builds the guest images from the workspace's own sources.
//!
//! The images are built with other switches than the host's programs, into a target folder of their own
//! (`target/guest`), so that neither build disturbs the other.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The target that every host with Rust has; see ARCHITECTURE.md for the two hazards of this choice.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What makes a program a guest: no position independence, no red zone, no SSE in code that runs in ring 0.
const RUSTFLAGS: &str =
    "--cfg guest -Crelocation-model=static -Cno-redzone=yes -Ctarget-feature=-sse2,-sse -Cforce-unwind-tables=no";

/// The program that runs on a kernel under test.
const AGENT: &str = "agent";

/// There are no libraries where it runs.
const AGENT_RUSTFLAGS: &str = "-C target-feature=+crt-static";

/// A guest image of this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The suite.
    Conformance,
    /// The smallest image, whose cases misbehave on purpose.
    Smoke,
}

impl Guest {
    /// Every image.
    pub const ALL: &[Self] = &[Self::Conformance, Self::Smoke];

    /// The crate's name, which is the file's name too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conformance => "conformance",
            Self::Smoke => "smoke",
        }
    }

    /// Where [`build`] puts the image.
    pub fn path(self) -> PathBuf {
        target_folder().join(TARGET).join("guest").join(self.name())
    }
}

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be started.
    #[error("failed to start `{program}` to build what runs on subjects; is Rust installed?")]
    Start {
        /// What was to be started.
        program: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The compiler or linker refused the sources.
    #[error("`{name}`, which runs on subjects, does not build:\n{output}")]
    Failed {
        /// The image.
        name: &'static str,
        /// What cargo printed, without the noise of the switched-off target features.
        output: String,
    },
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

fn target_folder() -> PathBuf {
    workspace().join("target").join("guest")
}

/// Builds an image, or finds it up to date, and returns its path.
///
/// # Errors
/// [`BuildError`], with the compiler's own words.
pub fn build(guest: Guest) -> Result<PathBuf, BuildError> {
    if !guest.path().exists() {
        eprintln!("building the guest image {} …", guest.name());
    }
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(&program)
        .current_dir(workspace())
        .args(["build", "--package", guest.name(), "--profile", "guest", "--target", TARGET, "--target-dir"])
        .arg(target_folder())
        .env("RUSTFLAGS", RUSTFLAGS)
        // It would override RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .map_err(|source| BuildError::Start { program: program.to_string_lossy().into_owned(), source })?;
    if output.status.success() {
        Ok(guest.path())
    } else {
        Err(BuildError::Failed { name: guest.name(), output: without_noise(&String::from_utf8_lossy(&output.stderr)) })
    }
}

/// A program of this workspace that is built to need no other file: there are no libraries where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standalone {
    /// The first process of a kernel under test.
    Agent,
    /// The first process of a Linux that is a guest there.
    GuestInit,
    /// The VMM.
    Vmm,
}

impl Standalone {
    /// The package and the program in it.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Agent => ("testcases", AGENT),
            Self::GuestInit => ("testcases", "guest_init"),
            Self::Vmm => ("vmm", "vmm"),
        }
    }
}

/// Builds the agent that runs on a kernel under test, as a program that needs no other file; returns its path.
///
/// # Errors
/// [`BuildError`], with the compiler's own words.
pub fn build_agent() -> Result<PathBuf, BuildError> {
    build_standalone(Standalone::Agent)
}

/// Builds a program that needs no other file; returns its path.
///
/// # Errors
/// [`BuildError`], with the compiler's own words.
pub fn build_standalone(standalone: Standalone) -> Result<PathBuf, BuildError> {
    let (package, name) = standalone.names();
    let folder = workspace().join("target").join("agent");
    let path = folder.join(TARGET).join("release").join(name);
    if !path.exists() {
        eprintln!("building `{name}` for kernels under test …");
    }
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(&program)
        .current_dir(workspace())
        .args(["build", "--package", package, "--bin", name, "--release", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        .args(["--config", "profile.release.strip=\"symbols\""])
        .env("RUSTFLAGS", AGENT_RUSTFLAGS)
        // It would override RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .map_err(|source| BuildError::Start { program: program.to_string_lossy().into_owned(), source })?;
    if output.status.success() {
        Ok(path)
    } else {
        Err(BuildError::Failed { name, output: String::from_utf8_lossy(&output.stderr).into_owned() })
    }
}

/// Drops the compiler's warning about the target features that are switched off on purpose: five lines for each crate.
fn without_noise(output: &str) -> String {
    let mut result = String::new();
    let mut in_noise = false;
    for line in output.lines() {
        if line.starts_with("warning: target feature `sse") {
            in_noise = true;
        } else if in_noise && (line.trim().is_empty() || !line.starts_with([' ', '='])) {
            in_noise = false;
        }
        if !in_noise {
            result.push_str(line);
            result.push('\n');
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::without_noise;

    #[test]
    fn noise_is_dropped_and_errors_stay() {
        let output = "   Compiling rt\n\
            warning: target feature `sse2` must be enabled\n  |\n  = note: this was previously accepted\n\n\
            error: expected one of\n --> a.rs:1:2\n";
        let left = without_noise(output);
        assert!(!left.contains("sse2") && !left.contains("previously"), "{left}");
        assert!(
            left.contains("Compiling rt") && left.contains("error: expected") && left.contains("a.rs:1:2"),
            "{left}"
        );
    }
}
