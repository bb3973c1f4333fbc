//! `cargo xtask run`: one case, with everything that can be told of it.

use crate::{axes, image, interrupt};
use anyhow::bail;
use clap::Args;
use std::{path::Path, process::ExitCode, time::Duration};
use testcases::{
    axis::Axis,
    emulation::{repro, suite},
    single,
};

/// Run one case and tell everything about it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask run mmio::byte_write               verdict and every check
  cargo xtask run mmio::byte_write --trace       and every exit with its instruction
  cargo xtask run mmio::byte_write --subject qemu-tcg
  cargo xtask run mmio::byte_write --axis restore   saved and restored at exits 1, 2, 4, 8 …; also with --trace
  cargo xtask run apic::self_ipi@user            in one of its interrupt set-ups
  cargo xtask run mmio::byte_write --gdb 127.0.0.1:1234
      then: gdb target/guest/x86_64-unknown-linux-gnu/guest/conformance -ex 'target remote :1234'

Exit status: 0 pass or skip, 1 fail, crash or hang, 2 the harness or the request failed.")]
pub(crate) struct Arguments {
    /// The case's id, or `repro:` and the name of a finding of `cargo xtask fuzz` or of a case of instruction emulation
    case: String,
    /// The hypervisor, as `ID` or `ID=PROGRAM`
    #[arg(long, value_name = "ID", default_value = "vmm")]
    subject: String,
    /// What is done to the machine while the case runs, as for `cargo xtask test` (subject vmm)
    #[arg(long, value_name = "AXIS", value_parser = axes::parser(), hide_possible_values = true)]
    axis: Option<Axis>,
    /// Tell each exit with its instruction (subject vmm)
    #[arg(long)]
    trace: bool,
    /// Wait for a debugger at ADDRESS:PORT and let it run the case (subject vmm)
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["trace", "axis"])]
    gdb: Option<String>,
    /// Time limit in seconds instead of the subject's own
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    time_limit: Option<u64>,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(name) = arguments.case.strip_prefix(repro::PREFIX) {
        let (text, agrees) = repro::replay(name, &[Path::new("target/fuzz"), &suite::repro_folder()], arguments.trace)?;
        print!("{text}");
        return Ok(ExitCode::from(u8::from(!agrees)));
    }
    let image = arguments.image.open()?;
    let case = single::find(&image.catalog, &arguments.case)?;
    if (arguments.trace || arguments.gdb.is_some()) && arguments.subject != "vmm" {
        bail!("--trace and --gdb look into our own VMM: leave out `--subject {}`", arguments.subject);
    }
    if (arguments.trace || arguments.gdb.is_some()) && case.is_of_host() {
        bail!(
            "{} is many instructions, and no guest: look at one of its findings with `cargo xtask run repro:… --trace`",
            case.id
        );
    }
    if let Some(address) = &arguments.gdb {
        single::debug(&image, case, address)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cancel = interrupt::cancel_on_signal()?;
    let limit = arguments.time_limit.map(Duration::from_secs);
    let result = if arguments.trace {
        single::trace(&image, case, arguments.axis, limit, &cancel, std::io::stdout())?
    } else {
        single::run(&image, case, (&arguments.subject, arguments.axis), limit, &cancel)?
    };
    let Some(result) = result else { bail!("interrupted before the verdict") };
    print!("{}", single::tell(&result));
    Ok(ExitCode::from(single::exit_status(&result)))
}
