//! Which interrupt controllers and timers the command line asks for.

use crate::arguments::{IrqchipChoice, MachineChoice, Run};
use anyhow::bail;
use vmm::{Chipset, InterruptSetup, Irqchip, VmConfig};

/// Gives a VM what was asked for.
///
/// # Errors
/// What makes no sense, in terms of the command line.
pub(crate) fn with_interrupts(run: &Run, config: VmConfig) -> anyhow::Result<VmConfig> {
    match (run.machine(), run.irqchip) {
        (MachineChoice::Pc, Some(IrqchipChoice::None)) => {
            bail!(
                "--machine pc, which --kernel, --multiboot and --firmware stand for, needs interrupt controllers: --irqchip kernel, split or user"
            )
        }
        (MachineChoice::Pc, None | Some(IrqchipChoice::Kernel)) => Ok(config.with_interrupts(InterruptSetup::Kernel)),
        (MachineChoice::Pc, Some(IrqchipChoice::Split)) => Ok(config.with_interrupts(InterruptSetup::Split)),
        (MachineChoice::Pc, Some(IrqchipChoice::User)) => Ok(config.with_interrupts(InterruptSetup::User)),
        (MachineChoice::Bare, irqchip) => bare(run, irqchip.unwrap_or_default().into(), config),
    }
}

fn bare(run: &Run, irqchip: Irqchip, config: VmConfig) -> anyhow::Result<VmConfig> {
    let timers = [(run.pit, "--pit"), (run.hpet, "--hpet"), (run.rtc, "--rtc"), (run.pm_timer, "--pm-timer")];
    let asked = timers.into_iter().find_map(|(asked, name)| asked.then_some(name));
    match (irqchip, asked, run.io_apic) {
        (Irqchip::None, Some(name), _) => {
            bail!("{name} needs interrupt controllers: --irqchip kernel, split or user")
        }
        (Irqchip::None, _, true) => bail!("--io-apic needs local APICs: --irqchip split or user"),
        (Irqchip::Kernel, _, true) => bail!("--io-apic is for --irqchip split or user: kernel has that of KVM"),
        _ => {}
    }
    if irqchip == Irqchip::None && run.cpus.nr > 1 {
        bail!("--cpus {} needs local APICs: --irqchip kernel, split or user", run.cpus.nr);
    }
    if run.cpus.has_spare() {
        bail!("--cpus with max= needs --machine pc: ACPI tells the guest of processors that come later");
    }
    let is_kernel = irqchip == Irqchip::Kernel;
    let chipset = Chipset {
        interrupt_controllers: !is_kernel && (run.io_apic || asked.is_some()),
        pit: !is_kernel && run.pit,
        hpet: run.hpet,
        rtc: run.rtc,
        power: run.pm_timer,
    };
    Ok(VmConfig { irqchip, pit: is_kernel, chipset, ..config })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;
    use vmm::Entry;

    fn asked(arguments: &str) -> anyhow::Result<VmConfig> {
        let words = ["vmm", "run", "image"].into_iter().chain(arguments.split_whitespace());
        let Command::Run(run) = Arguments::try_parse_from(words)?.command else { unreachable!("it was run") };
        with_interrupts(&run, VmConfig::new(Entry::Pvh))
    }

    fn shape(arguments: &str) -> (Irqchip, bool, Chipset) {
        let config = asked(arguments).unwrap();
        (config.irqchip, config.pit, config.chipset)
    }

    #[test]
    fn a_pc_has_everything_whoever_emulates_it() {
        for (arguments, setup) in [
            ("--machine pc", InterruptSetup::Kernel),
            ("--machine pc --irqchip kernel", InterruptSetup::Kernel),
            ("--machine pc --irqchip split", InterruptSetup::Split),
            ("--machine pc --irqchip user", InterruptSetup::User),
        ] {
            assert_eq!(shape(arguments), (setup.irqchip(), setup.has_kernel_pit(), setup.chipset()), "{arguments}");
        }
    }

    #[test]
    fn devices_bring_the_controllers_that_they_need_along() {
        let none = Chipset::default();
        assert_eq!(shape(""), (Irqchip::None, false, none));
        assert_eq!(shape("--irqchip kernel --pit"), (Irqchip::Kernel, true, none));
        assert_eq!(shape("--irqchip split --cpus 2"), (Irqchip::Split, false, none));
        let ours = Chipset { interrupt_controllers: true, ..none };
        assert_eq!(shape("--irqchip user --io-apic"), (Irqchip::User, false, ours));
        assert_eq!(shape("--irqchip split --pit --rtc").2, Chipset { pit: true, rtc: true, ..ours });
        assert_eq!(shape("--irqchip kernel --hpet --pm-timer").2, Chipset { hpet: true, power: true, ..none });
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_does() {
        for (arguments, wrong) in [
            ("--machine pc --irqchip none", "--machine pc"),
            ("--hpet", "--hpet"),
            ("--irqchip none --rtc", "--rtc"),
            ("--io-apic", "--io-apic"),
            ("--irqchip kernel --io-apic", "--io-apic"),
            ("--cpus 2", "--cpus 2"),
        ] {
            let error = asked(arguments).err().expect(arguments).to_string();
            assert!(error.starts_with(wrong) && error.contains("--irqchip"), "{arguments}: {error}");
        }
        assert!(asked("--cpus 1,max=2").is_err_and(|error| error.to_string().contains("--machine pc")));
        assert!(asked("--machine pc --cpus 1,max=2").is_ok());
    }
}
