//! Devices as a person names them on the command line.

use std::{fmt, path::PathBuf, str::FromStr};
use virtio::disk::{DiskOptions, Format};

/// Where a disk is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DiskBus {
    /// A device of its own.
    #[default]
    Virtio,
    /// A target of the one SCSI controller.
    Scsi,
}

/// `FILE[,format=raw|qcow2][,readonly][,bus=virtio|scsi]`; a comma in a name is written twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskChoice {
    pub(crate) path: PathBuf,
    pub(crate) options: DiskOptions,
    pub(crate) bus: DiskBus,
}

impl FromStr for DiskChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // NUL cannot be part of a name.
        let text = text.replace(",,", "\0");
        let mut words = text.split(',').map(|word| word.replace('\0', ","));
        let path = words.next().filter(|path| !path.is_empty()).ok_or("no file: type FILE or FILE,format=qcow2")?;
        let (mut options, mut bus) = (DiskOptions::default(), DiskBus::default());
        for word in words {
            match word.as_str() {
                "format=raw" => options.format = Format::Raw,
                "format=qcow2" => options.format = Format::Qcow2,
                "readonly" => options.read_only = true,
                "bus=virtio" => bus = DiskBus::Virtio,
                "bus=scsi" => bus = DiskBus::Scsi,
                other => {
                    return Err(format!(
                        "{other} is no option of a disk: type format=raw, format=qcow2, readonly or bus=scsi (a comma in a name is ,,)"
                    ));
                }
            }
        }
        Ok(Self { path: path.into(), options, bus })
    }
}

/// `user` or `tap=NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NetworkChoice {
    /// A gateway in this process.
    User,
    /// An interface of the host.
    Tap(String),
}

impl FromStr for NetworkChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "user" => Ok(Self::User),
            Some(("tap", name)) if !name.is_empty() => Ok(Self::Tap(name.to_owned())),
            _ => Err(format!(
                "{text} is no network: type user, for a gateway at 10.0.2.2 in this process, or tap=NAME, for an interface of this host"
            )),
        }
    }
}

/// `CID,SOCKET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketChoice {
    pub(crate) cid: u64,
    pub(crate) path: PathBuf,
}

impl FromStr for SocketChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(',').filter(|(_, path)| !path.is_empty());
        let parsed = parts.and_then(|(cid, path)| Some(Self { cid: cid.parse().ok()?, path: path.into() }));
        parsed.ok_or_else(|| format!("{text} is no CID,SOCKET: type 3,/tmp/vm.vsock"))
    }
}

/// `unix:PATH`, `tcp:HOST:PORT` or `file:PATH`: where a VM goes to or comes from, as QEMU names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MigrationUri {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String),
    /// A state file.
    File(PathBuf),
}

impl FromStr for MigrationUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').filter(|(_, place)| !place.is_empty()) {
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.into())),
            _ => Err(format!("{text} is no place for a VM: type unix:PATH, tcp:HOST:PORT or file:PATH")),
        }
    }
}

impl fmt::Display for MigrationUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_raw_and_written_unless_they_say_otherwise() {
        let disk = |text: &str| text.parse::<DiskChoice>();
        let plain = DiskChoice { path: "a.img".into(), options: DiskOptions::default(), bus: DiskBus::Virtio };
        assert_eq!(disk("a.img"), Ok(plain.clone()));
        assert_eq!(disk("a.img,format=raw"), Ok(plain.clone()));
        assert_eq!(disk("a.img,bus=scsi"), Ok(DiskChoice { bus: DiskBus::Scsi, ..plain.clone() }));
        let options = DiskOptions { format: Format::Qcow2, read_only: true, ..DiskOptions::default() };
        assert_eq!(
            disk("a,,b.img,format=qcow2,readonly"),
            Ok(DiskChoice { path: "a,b.img".into(), options, bus: DiskBus::Virtio })
        );
        for (text, problem) in [
            ("", "no file"),
            (",readonly", "no file"),
            ("a,ro", "type format=raw"),
            ("a,", "no option"),
            ("a,bus=ide", "bus=scsi"),
        ] {
            let error = disk(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn places_for_vms_are_read_as_they_are_written() {
        for text in ["unix:/a", "tcp:127.0.0.1:4444", "tcp:[::1]:4", "file:/a:b"] {
            assert_eq!(text.parse::<MigrationUri>().unwrap().to_string(), text);
        }
        for text in ["", "unix:", "/a", "tcp:4444", "exec:cat", "fd:3"] {
            assert!(text.parse::<MigrationUri>().unwrap_err().contains("unix:PATH"), "{text}");
        }
    }

    #[test]
    fn networks_and_sockets_say_what_to_type() {
        assert_eq!("user".parse(), Ok(NetworkChoice::User));
        assert_eq!("tap=tap0".parse(), Ok(NetworkChoice::Tap("tap0".into())));
        for text in ["", "tap", "tap=", "bridge=br0"] {
            let error = text.parse::<NetworkChoice>().unwrap_err();
            assert!(error.contains("tap=NAME"), "{error}");
        }
        assert_eq!("3,/a,b".parse(), Ok(SocketChoice { cid: 3, path: "/a,b".into() }));
        for text in ["", "3", "3,", "x,/a", "-1,/a"] {
            assert!(text.parse::<SocketChoice>().is_err(), "{text}");
        }
    }
}
