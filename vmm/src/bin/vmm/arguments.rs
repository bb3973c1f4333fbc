//! What stands on the command line.

use crate::{
    choices::{DiskChoice, MigrationUri, NetworkChoice, SocketChoice},
    cpus::CpuCount,
    size::MemorySize,
    terminal::SerialChoice,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use vmm::{Backing, Irqchip, confinement::Confinement};

const EXAMPLES: &str = "\
Examples:
  vmm run guest.elf                                 serial port on standard output
  vmm run guest.elf --append 'verbose n=3'          with a command line
  vmm run guest.elf --trace --timeout 10            every exit on standard error, for ten seconds at most
  vmm run guest.elf --gdb 127.0.0.1:1234            then: gdb guest.elf -ex 'target remote 127.0.0.1:1234'
  vmm run guest.elf --cpus 4 --irqchip split        four vCPUs with local APICs of KVM
  vmm run guest.elf --irqchip user --hpet --acpi    own local APICs, I/O APIC and HPET, and tables that tell of them
  vmm run guest.elf --machine pc --cpus 2           all of a PC, with the interrupt controllers of KVM
  vmm run guest.elf --machine pc --irqchip user     the same with those of this VMM
  vmm run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 earlyprintk=ttyS0' --mem 1G
  vmm run --kernel vmlinuz --unpack --append 'console=ttyS0 earlyprintk=ttyS0'      on a KVM that interprets kernels
  vmm run --kernel vmlinuz --append 'console=ttyS0 root=/dev/vda ro' --disk root.qcow2,format=qcow2,readonly --rng
  vmm run --multiboot apic.flat --append 'a b' --cpus 2      a kernel of kvm-unit-tests
  vmm run --kernel vmlinuz --disk root.img --qmp /tmp/vm.qmp --balloon     then: socat - UNIX-CONNECT:/tmp/vm.qmp
  vmm run --kernel vmlinuz --cpus 1,max=4 --qmp /tmp/vm.qmp      then, by device_add of QMP: processors 1, 2 and 3
  vmm run --firmware /usr/share/seabios/bios-256k.bin --disk disk.img --debug-port
  vmm run --firmware /usr/share/ovmf/OVMF.fd --serial stdio        a UEFI shell; on a terminal Ctrl-A x ends it

Devices: COM1 at 3f8H, keyboard controller at 60H and 64H for the reset command, debug exit at F4H. With --multiboot also
those of kvm-unit-tests: test device and fw_cfg. With --firmware fw_cfg. virtio devices are on PCI.

Exit status:
  0  the guest ended by writing 0 to the debug exit, by a reset, by turning itself off, or gdb ended it
  1  the guest failed: another value at the debug exit, triple fault, halt for ever, time-out, KVM internal error ...
  2  the request or the host failed: no such image, no KVM, output closed ...
With --multiboot a value v at the debug exit makes the status (v << 1 | 1) modulo 256, as with QEMU: 1 is success there.";

const MIGRATION_EXAMPLES: &str = "\
Examples:
  vmm run guest.elf --qmp /tmp/a.qmp                      a VM that can be saved and moved
  vmm save /tmp/a.qmp guest.state                         it ends there, and stands in the file
  vmm restore guest.state guest.elf                       it goes on, with the same image and machine as before

  vmm run guest.elf --qmp /tmp/b.qmp --incoming unix:/tmp/move      waits for a VM of the same image and machine
  vmm migrate /tmp/a.qmp unix:/tmp/move                             moves it there while it runs

What the VM was started with has to be the same where it goes on: image, memory, vCPUs, interrupt controllers and devices. A state
file of another version, of another machine, or one that is cut off or changed is refused, and says so. If a move fails the VM goes
on where it was.

Exit status: 0 done; 1 the VM goes on where it was; 2 the request or the host failed.";

/// Runs x86-64 guests on KVM.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs one image to its end.
    #[command(after_help = EXAMPLES)]
    Run(Box<Run>),
    /// Goes on with a VM that was saved, in the same machine; its standing options are those of run.
    #[command(after_help = MIGRATION_EXAMPLES)]
    Restore {
        /// The state file.
        state: PathBuf,
        #[command(flatten)]
        run: Box<Run>,
    },
    /// Saves the VM behind a control socket to a file, and ends it.
    #[command(after_help = MIGRATION_EXAMPLES)]
    Save {
        /// The control socket, as --qmp of run has it.
        socket: PathBuf,
        /// The state file; written beside first, so that there is all of it or nothing.
        state: PathBuf,
    },
    /// Moves the VM behind a control socket to another vmm while it runs.
    #[command(after_help = MIGRATION_EXAMPLES)]
    Migrate {
        /// The control socket, as --qmp of run has it.
        socket: PathBuf,
        /// Where to: unix:PATH or tcp:HOST:PORT, where another vmm waits with --incoming, or file:PATH.
        uri: MigrationUri,
    },
    /// Prints a script that completes this command in a shell.
    Completions {
        /// For which.
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("payload").required(true).args(["image", "kernel", "multiboot", "firmware"]))]
pub(crate) struct Run {
    /// ELF file for x86-64 with fixed addresses and a PVH note.
    pub(crate) image: Option<PathBuf>,
    /// Linux kernel instead: a bzImage (vmlinuz) or a vmlinux.
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
    /// Unpack a bzImage before the guest starts, instead of letting it do so: where KVM interprets that code it takes the guest
    /// far longer than all else. The kernel then stands where it was linked to.
    #[arg(long, requires = "kernel")]
    pub(crate) unpack: bool,
    /// Multiboot image instead, such as those of kvm-unit-tests.
    #[arg(long, value_name = "FILE")]
    pub(crate) multiboot: Option<PathBuf>,
    /// Firmware instead, such as SeaBIOS, which starts where a processor does after reset.
    #[arg(long, value_name = "FILE")]
    pub(crate) firmware: Option<PathBuf>,
    /// Initial RAM disk for --kernel, or module for --multiboot.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "firmware"])]
    pub(crate) initrd: Option<PathBuf>,
    /// Command line for the guest.
    #[arg(long, value_name = "CMDLINE", default_value = "", hide_default_value = true)]
    pub(crate) append: String,
    /// Guest memory, in MiB or with K, M or G, and what kind of pages: hugetlb, thp or mergeable
    /// [default: 64M, 512M for --kernel and --firmware].
    #[arg(long, value_name = "SIZE[,KIND]")]
    pub(crate) mem: Option<MemorySize>,
    /// Number of vCPUs; more than one needs an --irqchip other than none. With max= others can be plugged by --qmp while the
    /// guest runs, and unplugged again, on --machine pc.
    #[arg(long, value_name = "N[,max=M]", default_value = "1")]
    pub(crate) cpus: CpuCount,
    /// Interrupt controllers, and who emulates them [default: none, for a PC kernel].
    #[arg(long, value_enum)]
    pub(crate) irqchip: Option<IrqchipChoice>,
    /// What the guest has besides; pc is all of what follows to --pm-timer, and a PCI bus
    /// [default: bare, pc for --kernel, --multiboot and --firmware].
    #[arg(long, value_enum)]
    pub(crate) machine: Option<MachineChoice>,
    /// ACPI tables and an MP configuration table that tell what there is.
    #[arg(long)]
    pub(crate) acpi: bool,
    /// I/O APIC and 8259s of this VMM, with --irqchip split or user; the devices below bring them along.
    #[arg(long)]
    pub(crate) io_apic: bool,
    /// An 8254; --irqchip kernel brings that of KVM along.
    #[arg(long)]
    pub(crate) pit: bool,
    /// An HPET at FED00000H.
    #[arg(long)]
    pub(crate) hpet: bool,
    /// A real-time clock at 70H, in UTC.
    #[arg(long)]
    pub(crate) rtc: bool,
    /// ACPI's PM timer at 608H, and its PM1 registers from 600H on, by which the guest can turn itself off.
    #[arg(long)]
    pub(crate) pm_timer: bool,
    /// A virtio disk, raw and written unless it says otherwise; may be given several times.
    /// With bus=scsi it is one of a SCSI controller.
    #[arg(long, value_name = "FILE[,format=raw|qcow2][,readonly][,bus=virtio|scsi]")]
    pub(crate) disk: Vec<DiskChoice>,
    /// A virtio network device; `user` is a gateway in this process that answers DHCP, ARP and ping, and a tap is an
    /// interface of this host.
    #[arg(long, value_name = "user|tap=NAME")]
    pub(crate) net: Vec<NetworkChoice>,
    /// A virtio console at a Unix socket, which this makes; several are ports of one device.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) console: Vec<PathBuf>,
    /// A virtio source of random bytes.
    #[arg(long)]
    pub(crate) rng: bool,
    /// A virtio balloon, by which --qmp takes memory from the guest and gives it back.
    #[arg(long)]
    pub(crate) balloon: bool,
    /// A virtio screen, of which screendump of --qmp makes a picture.
    #[arg(long)]
    pub(crate) gpu: bool,
    /// virtio sockets of a guest with this context identifier, at a Unix socket, which this makes: programs connect there and say
    /// `CONNECT PORT`, and listen there with `_PORT` behind the name.
    #[arg(long, value_name = "CID,SOCKET")]
    pub(crate) vsock: Option<SocketChoice>,
    /// A control socket for QMP, for this user alone. With --machine pc devices can be plugged and unplugged by it.
    #[arg(long, value_name = "SOCKET", conflicts_with = "gdb")]
    pub(crate) qmp: Option<PathBuf>,
    /// Go on with a VM that comes from there, in place of starting the image: unix:PATH or tcp:HOST:PORT waits for one that
    /// `vmm migrate` sends, file:PATH is a state file.
    #[arg(long, value_name = "URI", conflicts_with = "gdb")]
    pub(crate) incoming: Option<MigrationUri>,
    /// What becomes of system calls that this program does not need, from the moment on that it reads the image: on ends it, log
    /// has the kernel log them.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) seccomp: SeccompChoice,
    /// What COM1 is connected to: standard output alone, or standard input, too, which is then a terminal, pipe or socket
    /// [default: stdio where both are a terminal, output elsewhere].
    #[arg(long, value_enum)]
    pub(crate) serial: Option<SerialChoice>,
    /// Write what firmware says at port 402H to standard error.
    #[arg(long)]
    pub(crate) debug_port: bool,
    /// How the guest is entered, for an image.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) entry: EntryChoice,
    /// Tell every exit on standard error, with its instruction.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Wait for gdb at HOST:PORT, or at a Unix socket if there is a slash in it.
    #[arg(long, value_name = "ADDR")]
    pub(crate) gdb: Option<String>,
    /// Stop the guest after so many seconds (status 1).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,
}

/// What is run, and which file it is.
pub(crate) enum Payload<'a> {
    Image(&'a Path),
    Kernel(&'a Path),
    Multiboot(&'a Path),
    Firmware(&'a Path),
}

impl Run {
    /// What is run; clap has seen to it that there is one thing.
    pub(crate) fn payload(&self) -> Payload<'_> {
        match (&self.kernel, &self.multiboot, &self.firmware, &self.image) {
            (Some(path), ..) => Payload::Kernel(path),
            (_, Some(path), ..) => Payload::Multiboot(path),
            (_, _, Some(path), _) => Payload::Firmware(path),
            (.., image) => Payload::Image(image.as_deref().unwrap_or(Path::new(""))),
        }
    }

    /// What the guest has, by default or as asked for.
    pub(crate) fn machine(&self) -> MachineChoice {
        let by_default = match self.payload() {
            Payload::Image(_) => MachineChoice::Bare,
            Payload::Kernel(_) | Payload::Multiboot(_) | Payload::Firmware(_) => MachineChoice::Pc,
        };
        self.machine.unwrap_or(by_default)
    }

    /// Guest memory, by default or as asked for.
    pub(crate) fn memory(&self) -> MemorySize {
        let size_bytes = match self.payload() {
            Payload::Image(_) | Payload::Multiboot(_) => 64 << 20,
            Payload::Kernel(_) | Payload::Firmware(_) => 512 << 20,
        };
        self.mem.unwrap_or(MemorySize { size_bytes, backing: Backing::Template })
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum IrqchipChoice {
    /// No local APIC; HLT ends the run.
    #[default]
    None,
    /// KVM's local APICs; the others, if any, are those of this VMM.
    Split,
    /// KVM's local APICs, I/O APIC, 8259s and PIT.
    Kernel,
    /// Those of this VMM, local APICs among them.
    User,
}

impl From<IrqchipChoice> for Irqchip {
    fn from(choice: IrqchipChoice) -> Self {
        match choice {
            IrqchipChoice::None => Self::None,
            IrqchipChoice::Split => Self::Split,
            IrqchipChoice::Kernel => Self::Kernel,
            IrqchipChoice::User => Self::User,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum SeccompChoice {
    /// They end this program.
    #[default]
    On,
    /// They are allowed.
    Off,
    /// They are allowed and logged.
    Log,
}

impl From<SeccompChoice> for Confinement {
    fn from(choice: SeccompChoice) -> Self {
        match choice {
            SeccompChoice::On => Self::Enforced,
            SeccompChoice::Off => Self::Off,
            SeccompChoice::Log => Self::Log,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineChoice {
    /// Only what is asked for.
    #[default]
    Bare,
    /// I/O APIC, 8259s, PIT, HPET, real-time clock, PM timer, a PCI bus and the tables that tell of them.
    Pc,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum EntryChoice {
    /// 32-bit protected mode, as the PVH note says.
    #[default]
    Pvh,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
