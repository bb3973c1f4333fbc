//! `cargo xtask completions`: shell completions.

use clap::{Args, CommandFactory as _};
use clap_complete::{Generator as _, Shell};
use std::{io::Write as _, process::ExitCode};

/// Print completions for a shell, for the command name `xtask`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cargo xtask completions bash > ~/.local/share/bash-completion/completions/xtask
  alias xtask='cargo xtask'")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut command = crate::Arguments::command().bin_name("xtask");
    command.build();
    let mut script = Vec::new();
    arguments.shell.generate(&command, &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
