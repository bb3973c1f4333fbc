//! `cargo xtask payload`: other people's payloads on our VMM, on a real kvm_amd.

use crate::interrupt;
use clap::{Args, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};
use testcases::payload::{self, Ending, Form, Payload, Request};

/// Run Linux or firmware on our VMM, on the KVM of another kernel
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Linux(Linux),
    Firmware(Firmware),
}

/// What both have.
#[derive(Debug, Args)]
struct Common {
    /// The kernel whose KVM is used: a bzImage or a Debian package
    #[arg(long, value_name = "FILE")]
    kernel: String,
    /// More options of the subject `linux`, such as `npt=0`, `cpu=EPYC` or `qemu=PROGRAM`
    #[arg(long, value_name = "KEY=VALUE")]
    option: Vec<String>,
    /// Time limit in seconds from the start of QEMU on
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86400))]
    time_limit: u64,
    /// More arguments of `vmm run`, behind `--`
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Boot a Linux on our VMM to user space, with its root on a virtio disk, and a virtio network
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask payload linux --kernel linux-image-6.1.0-53-amd64.deb
  cargo xtask payload linux --kernel linux-image-6.1.0-53-amd64.deb --guest linux-image-6.1.0-53-cloud-amd64.deb
  cargo xtask payload linux --kernel bzImage --modules DIR --guest bzImage --form vmlinux -- --irqchip user
  cargo xtask payload linux --kernel linux-image-6.1.0-53-amd64.deb --hot-plug

QEMU boots the kernel; our VMM boots the guest on its KVM. The guest's first process says a line of its kernel, its root, its
network and the end, each of which is waited for.
Exit status: 0 all of it was seen and the VMM ended well, 1 something is missing, 2 the request or the host failed.")]
struct Linux {
    #[command(flatten)]
    common: Common,
    /// Folder or package of its modules, if not beside it
    #[arg(long, value_name = "DIR|FILE")]
    modules: Option<String>,
    /// The guest's kernel, likewise [default: the same]
    #[arg(long, value_name = "FILE")]
    guest: Option<PathBuf>,
    /// Folder or package of the guest's modules, if not beside it
    #[arg(long, value_name = "DIR|FILE")]
    guest_modules: Option<PathBuf>,
    /// Which file of the guest's kernel the VMM gets
    #[arg(long, value_enum, default_value_t = FormChoice::Bzimage)]
    form: FormChoice,
    /// Also plug a processor in once the guest is in user space, and out again when it has run there
    #[arg(long)]
    hot_plug: bool,
}

/// Start firmware on our VMM and wait for its prompt
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask payload firmware /usr/share/seabios/bios-256k.bin --expect 'No bootable device' --kernel linux-image-6.1.0-53-amd64.deb
  cargo xtask payload firmware /usr/share/ovmf/OVMF.fd --expect 'Shell>' --kernel linux-image-6.1.0-53-amd64.deb -- --irqchip user

Exit status: 0 it was seen, 1 it was not, 2 the request or the host failed.")]
struct Firmware {
    /// Its file
    firmware: PathBuf,
    /// Part of a line on the serial port that is waited for; several are to come in this order
    #[arg(long, value_name = "TEXT", required = true)]
    expect: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FormChoice {
    /// The bzImage as it is.
    Bzimage,
    /// The ELF file in it.
    Vmlinux,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (common, modules, payload) = match &arguments.command {
        Kind::Linux(linux) => {
            let guest = linux.guest.clone().unwrap_or_else(|| PathBuf::from(&linux.common.kernel));
            let same = linux.guest.is_none().then(|| linux.modules.as_ref().map(PathBuf::from)).flatten();
            let modules = linux.guest_modules.clone().or(same);
            let form = match linux.form {
                FormChoice::Bzimage => Form::BzImage,
                FormChoice::Vmlinux => Form::Vmlinux,
            };
            (
                &linux.common,
                linux.modules.as_deref(),
                Payload::Linux { kernel: guest, modules, form, hot_plug: linux.hot_plug },
            )
        }
        Kind::Firmware(firmware) => {
            let (path, expected) = (firmware.firmware.clone(), firmware.expect.clone());
            (&firmware.common, None, Payload::Firmware { path, expected })
        }
    };
    let modules = modules.map(|modules| format!("modules={modules}"));
    let host: Vec<_> = [common.kernel.clone()].into_iter().chain(modules).chain(common.option.clone()).collect();
    let request = Request {
        host: host.join(","),
        payload,
        arguments: common.arguments.clone(),
        limit: Duration::from_secs(common.time_limit),
    };
    let cancel = interrupt::cancel_on_signal()?;
    let outcome = payload::run(&request, &cancel, &mut |at, line| {
        // Nobody may be listening; the result is told by the status, too.
        let _ = writeln!(std::io::stderr().lock(), "{:>7.1} s | {line}", at.as_secs_f64());
    })?;
    print!("{}", outcome.tell());
    match outcome.ending {
        Ending::Cancelled => anyhow::bail!("interrupted"),
        _ => Ok(ExitCode::from(u8::from(!outcome.is_pass()))),
    }
}
