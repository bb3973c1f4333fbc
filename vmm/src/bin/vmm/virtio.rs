//! The virtio devices that the command line asks for.

use crate::{arguments::Run, tell};
use anyhow::{Context, bail};
use pci::Slot;
use std::{
    fs::{self, File},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    str::FromStr,
};
use virtio::{
    VirtioDevice,
    devices::{Block, Channel, Console, Entropy, HostStack, Network, NetworkOptions, Port},
    disk::{self, DiskOptions, Format},
};

/// The address of the first network device: locally administered, with the prefix that QEMU's have.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// `FILE[,format=raw|qcow2][,readonly]`; a comma in a name is written twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskChoice {
    path: PathBuf,
    options: DiskOptions,
}

impl FromStr for DiskChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // NUL cannot be part of a name.
        let text = text.replace(",,", "\0");
        let mut words = text.split(',').map(|word| word.replace('\0', ","));
        let path = words.next().filter(|path| !path.is_empty()).ok_or("no file: type FILE or FILE,format=qcow2")?;
        let mut options = DiskOptions::default();
        for word in words {
            match word.as_str() {
                "format=raw" => options.format = Format::Raw,
                "format=qcow2" => options.format = Format::Qcow2,
                "readonly" => options.read_only = true,
                other => {
                    return Err(format!(
                        "{other} is no option of a disk: type format=raw, format=qcow2 or readonly (a comma in a name is ,,)"
                    ));
                }
            }
        }
        Ok(Self { path: path.into(), options })
    }
}

/// `user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NetworkChoice;

impl FromStr for NetworkChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "user" => Ok(Self),
            other => Err(format!("{other} is no network: type user, for a gateway at 10.0.2.2 in this process")),
        }
    }
}

/// Devices in the order of their slots, and what is to be removed when they are gone.
#[derive(Default)]
pub(crate) struct Plugged {
    pub(crate) devices: Vec<Box<dyn VirtioDevice>>,
    pub(crate) sockets: Sockets,
}

/// Names of Unix sockets that this process made.
#[derive(Default)]
pub(crate) struct Sockets(Vec<PathBuf>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.0 {
            // If it is gone already, that is what was wanted.
            let _ = fs::remove_file(path);
        }
    }
}

/// All that were asked for.
pub(crate) fn devices(run: &Run) -> anyhow::Result<Plugged> {
    let mut plugged = Plugged::default();
    let Plugged { devices, sockets } = &mut plugged;
    for (index, choice) in run.disk.iter().enumerate() {
        let opened = disk::open(&choice.path, choice.options).context("cannot use a --disk")?;
        if opened.nr_ignored_bytes != 0 {
            let path = choice.path.display();
            tell(&format!("vmm: the last {} bytes of {path} are no whole sector: left out", opened.nr_ignored_bytes));
        }
        devices.push(Box::new(Block::new(opened.disk, &format!("disk{index}"), 1)));
    }
    for (index, _) in (0_u8..).zip(&run.net) {
        let mut mac = MAC;
        mac[5] = mac[5].wrapping_add(index);
        let network = Network::new(NetworkOptions::new(mac), HostStack::new());
        devices.push(Box::new(network.context("cannot use --net")?));
    }
    if !run.console.is_empty() {
        let ports = run.console.iter().map(|path| port(path, sockets)).collect::<anyhow::Result<Vec<_>>>()?;
        devices.push(Box::new(Console::new(ports).context("cannot use --console")?));
    }
    if run.rng {
        devices.push(Box::new(Entropy::new(File::open("/dev/urandom").context("cannot use --rng")?)));
    }
    // The bridge has one.
    let nr_free = Slot::COUNT - 1;
    if devices.len() > nr_free {
        bail!("there are {} virtio devices, and slots for {nr_free}", devices.len());
    }
    Ok(plugged)
}

/// A console at a Unix socket.
fn port(path: &Path, sockets: &mut Sockets) -> anyhow::Result<Port> {
    let failed = || format!("cannot listen at {} for --console: remove it if it is left over", path.display());
    let listener = UnixListener::bind(path).with_context(failed)?;
    sockets.0.push(path.to_owned());
    Ok(Port::console(Channel::listen(listener).with_context(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_raw_and_written_unless_they_say_otherwise() {
        let disk = |text: &str| text.parse::<DiskChoice>();
        let plain = DiskChoice { path: "a.img".into(), options: DiskOptions::default() };
        assert_eq!(disk("a.img"), Ok(plain.clone()));
        assert_eq!(disk("a.img,format=raw"), Ok(plain.clone()));
        let options = DiskOptions { format: Format::Qcow2, read_only: true, ..DiskOptions::default() };
        assert_eq!(disk("a,,b.img,format=qcow2,readonly"), Ok(DiskChoice { path: "a,b.img".into(), options }));
        for (text, problem) in
            [("", "no file"), (",readonly", "no file"), ("a,ro", "type format=raw"), ("a,", "no option")]
        {
            let error = disk(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
