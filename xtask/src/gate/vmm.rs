//! `cargo xtask gate vmm`: the suite on a VMM under test.

use super::Common;
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::{process::ExitCode, str::FromStr};

/// Run the suite on a VMM and tell what changed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask gate vmm --vmm firecracker=build/firecracker                    against the checked-in baseline
  cargo xtask gate vmm --vmm qemu=build/qemu-system-x86_64 --accel tcg        QEMU's own translator
  cargo xtask gate vmm --vmm cloud-hypervisor=./new --against ./old           against another binary, which is run first
  cargo xtask gate vmm --vmm crosvm=./crosvm --baseline last/report.json msr  an area, against a former report

It prints nothing if nothing changed. Exit status: 0 nothing is worse, 1 something regressed or vanished, or an entry of the
baseline is out of date, 2 the harness or the request failed.")]
pub(super) struct Arguments {
    /// The VMM under test: firecracker, cloud-hypervisor, crosvm or qemu, and the path of its program
    #[arg(long, value_name = "VMM=PATH")]
    vmm: Tested,
    /// What executes the guest's instructions, of QEMU: `kvm`, or its own translator
    #[arg(long, value_enum)]
    accel: Option<Accelerator>,
    /// Another program of the same VMM, which is run first
    #[arg(long, value_name = "PATH", conflicts_with = "baseline")]
    against: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Accelerator {
    Kvm,
    Tcg,
}

/// A kind of VMM and its program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tested {
    kind: &'static str,
    path: String,
}

/// The VMMs that can be under test, as the command line names them.
const KINDS: &[&str] = &["firecracker", "cloud-hypervisor", "crosvm", QEMU];
const QEMU: &str = "qemu";

impl FromStr for Tested {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text.split_once('=').unwrap_or((text, ""));
        let known = KINDS.join(", ");
        let Some(kind) = KINDS.iter().find(|kind| **kind == name) else {
            return Err(format!("there is no VMM `{name}`; there are: {known}"));
        };
        if path.is_empty() {
            return Err(format!("the path of the program is missing; write `{name}=PATH`"));
        }
        Ok(Self { kind, path: path.to_owned() })
    }
}

impl Arguments {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.vmm.kind != QEMU && self.accel == Some(Accelerator::Tcg) {
            bail!("only QEMU has a translator; leave `--accel` out for {}", self.vmm.kind);
        }
        let against = self.against.as_deref().map(|path| self.subject(path));
        self.common.run(&self.subject(&self.vmm.path), against.as_deref())
    }

    /// The subject as other commands name it.
    fn subject(&self, path: &str) -> String {
        let id = match (self.vmm.kind, self.accel) {
            (QEMU, Some(Accelerator::Tcg)) => "qemu-tcg",
            (QEMU, _) => "qemu-kvm",
            (kind, _) => kind,
        };
        format!("{id}={path}")
    }
}

#[cfg(test)]
mod tests {
    use super::Tested;

    #[test]
    fn a_vmm_is_a_known_name_and_a_path() {
        let tested: Tested = "firecracker=/opt/a=b".parse().unwrap();
        assert_eq!((tested.kind, tested.path.as_str()), ("firecracker", "/opt/a=b"));
        for (text, words) in
            [("firecraker=/x", "there are: firecracker"), ("qemu", "write `qemu=PATH`"), ("crosvm=", "`crosvm=PATH`")]
        {
            let error = text.parse::<Tested>().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
