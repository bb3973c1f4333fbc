//! `cargo xtask fuzz`: differential tests.

mod oracle;
mod states;

use crate::interrupt;
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};
use iced_decoder::Bitness;
use std::{path::PathBuf, process::ExitCode, time::Duration};
use testcases::emulation::{kvm::Flavour, matrix, mmio::Options};

/// Search for what a hypervisor does otherwise than the processor or the manual
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz mmio                              every form with a memory operand, 100 inputs each
  cargo xtask fuzz mmio --forms 'Add_*' --cases 1000000
  cargo xtask fuzz mmio --minutes 30 --seed 7        half an hour of other inputs
  cargo xtask fuzz mmio --minutes 30 --seed 7 --resume
                                                     half an hour more, from where that one stopped
  cargo xtask fuzz mmio --on all --mode all          everything that KVM emulates here, side by side
  cargo xtask fuzz oracle --cases 1000000            the predictions that all this rests on
  cargo xtask fuzz vmcs --subject bochs              states of a VMCS, legal and just outside, against the manual's rules
  cargo xtask fuzz vmcb --subject qemu-tcg           the same of a VMCB
  cargo xtask run repro:1a2b3c4d5e6f7081 --trace     one finding again, looked at closely

The last lines give findings, coverage by encoding and operand size, and `N cases/s`. The same seed gives the same findings.
Exit status: 0 every difference is explained, 1 one is not, 2 the harness or the request failed.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The same instruction on memory, by the processor, and on MMIO, by the hypervisor's emulator
    Mmio(Mmio),
    /// Random states of a VMCS, legal or just outside, against the rules of the manual
    Vmcs(states::Vmcs),
    /// Random states of a VMCB, legal or just outside, against the rules of the manual
    Vmcb(states::Vmcb),
    /// What the processor does, against what is predicted: no hypervisor has a part in it
    Oracle(oracle::Oracle),
}

/// What `fuzz mmio` takes.
#[derive(Debug, Args)]
struct Mmio {
    /// What they are executed on by KVM
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [On(Some(Flavour::MmioUser))])]
    on: Vec<On>,
    /// Forms by pattern, with `*` and `?`; all if not given
    #[arg(long, value_name = "PATTERN")]
    forms: Option<String>,
    /// Mode of the code segment
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Mode::Bits64])]
    mode: Vec<Mode>,
    /// Inputs in all on each executor in each mode; 100 for each form if neither this nor --minutes is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// Which inputs
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// For so many minutes on each executor in each mode
    #[arg(long, value_name = "M", conflicts_with = "cases", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: Option<u64>,
    /// Threads; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Go on where the last run with the same seed, mode and forms stopped
    #[arg(long)]
    resume: bool,
    /// Folder for findings and for where a run stopped
    #[arg(long, value_name = "DIR", default_value = "target/fuzz")]
    folder: PathBuf,
}

/// What `--on` takes, nothing standing for all: one home for names and help is [`Flavour::ALL`].
#[derive(Clone, Copy, Debug)]
struct On(Option<Flavour>);

impl ValueEnum for On {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: [On; Flavour::ALL.len() + 1] = {
            let mut all = [On(None); Flavour::ALL.len() + 1];
            let mut index = 0;
            while index < Flavour::ALL.len() {
                all[index] = On(Some(Flavour::ALL[index]));
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self.0 {
            Some(flavour) => PossibleValue::new(flavour.name()).help(flavour.about()),
            None => PossibleValue::new("all").help("each of them that this host has"),
        })
    }
}

impl On {
    fn flavours(wanted: &[Self]) -> Vec<Flavour> {
        let is_wanted = |flavour: &Flavour| wanted.iter().any(|on| on.0.is_none_or(|on| on == *flavour));
        Flavour::ALL.into_iter().filter(is_wanted).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    #[value(name = "16")]
    Bits16,
    #[value(name = "32")]
    Bits32,
    #[value(name = "64")]
    Bits64,
    All,
}

impl Mode {
    fn bitnesses(wanted: &[Self]) -> Vec<Bitness> {
        let all = [(Self::Bits64, Bitness::Bits64), (Self::Bits32, Bitness::Bits32), (Self::Bits16, Bitness::Bits16)];
        let is_wanted = |mode: Self| wanted.iter().any(|wanted| *wanted == mode || *wanted == Self::All);
        all.into_iter().filter(|(mode, _)| is_wanted(*mode)).map(|(_, bitness)| bitness).collect()
    }
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mmio = match &arguments.what {
        What::Mmio(mmio) => mmio,
        What::Oracle(oracle) => return oracle::main(oracle),
        What::Vmcs(vmcs) => return states::vmcs(vmcs),
        What::Vmcb(vmcb) => return states::vmcb(vmcb),
    };
    let cancel = interrupt::cancel_on_signal()?;
    let options = Options {
        on: Flavour::MmioUser,
        forms: mmio.forms.clone(),
        bitness: Bitness::Bits64,
        nr_inputs: mmio.cases,
        seed: mmio.seed,
        time: mmio.minutes.map(|minutes| Duration::from_secs(60 * minutes)),
        nr_workers: mmio.jobs,
        resume: mmio.resume,
        folder: mmio.folder.clone(),
        show_progress: true,
    };
    let outcome = matrix::run(&options, &On::flavours(&mmio.on), &Mode::bitnesses(&mmio.mode), &cancel)?;
    print!("{outcome}");
    Ok(ExitCode::from(outcome.exit_status()))
}
