//! `cargo xtask gate kernel`: the suite on the KVM of a kernel under test.

use super::Common;
use clap::Args;
use std::process::ExitCode;

/// Run the suite on the KVM of a kernel, booted in QEMU, and tell what changed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask gate kernel --kernel arch/x86/boot/bzImage                    a built tree, against the checked-in baseline
  cargo xtask gate kernel --kernel linux-image-6.1.0-53-amd64.deb --npt 0   a package, with shadow paging
  cargo xtask gate kernel --kernel bzImage --modules DIR --against old/vmlinuz
  cargo xtask gate kernel --kernel bzImage --baseline last/report.json msr 'paging::*'

It prints nothing if nothing changed. Exit status: 0 nothing is worse, 1 something regressed or vanished, or an entry of the
baseline is out of date, 2 the harness or the request failed.")]
pub(super) struct Arguments {
    /// The kernel under test: a bzImage or a Debian package
    #[arg(long, value_name = "FILE")]
    kernel: String,
    /// Folder or package of its modules, if not beside it
    #[arg(long, value_name = "DIR|FILE")]
    modules: Option<String>,
    /// Nested paging (1) or shadow paging (0)
    #[arg(long, value_name = "0|1", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    npt: u8,
    /// More options of the subject `linux`, such as `cpu=EPYC` or `qemu=PROGRAM`
    #[arg(long, value_name = "KEY=VALUE")]
    option: Vec<String>,
    /// Another kernel, which is run first; its modules lie beside it
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    against: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let subject = self.subject(&self.kernel, self.modules.as_deref());
        let against = self.against.as_deref().map(|kernel| self.subject(kernel, None));
        self.common.run(&subject, against.as_deref())
    }

    fn subject(&self, kernel: &str, modules: Option<&str>) -> String {
        let modules = modules.map(|folder| format!(",modules={folder}")).unwrap_or_default();
        let options: String = self.option.iter().map(|option| format!(",{option}")).collect();
        format!("linux:{kernel}{modules},npt={}{options}", self.npt)
    }
}
