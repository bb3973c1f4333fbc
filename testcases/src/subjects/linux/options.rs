//! What stands behind `linux:` on the command line: the kernel and how it is booted.

use std::path::PathBuf;

/// A kernel's path and, with commas between, options of the form `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinuxOptions {
    /// bzImage or Debian package.
    pub(crate) kernel: PathBuf,
    /// Folder or package of its modules, if not those beside it.
    pub(crate) modules: Option<PathBuf>,
    /// Whether KVM uses nested paging; shadow paging else.
    pub(crate) has_nested_paging: bool,
    /// Processors of the machine, if told; `machine` knows how many are good.
    pub(crate) nr_processors: Option<u32>,
    /// QEMU's program.
    pub(crate) qemu: PathBuf,
    /// QEMU's accelerator: `tcg`, or `kvm` on a host that nests.
    pub(crate) accelerator: String,
    /// QEMU's model of the processor.
    pub(crate) processor: Option<String>,
    /// More words of the kernel's command line.
    pub(crate) append: String,
}

/// The keys, each with what it is for.
const KEYS: &[(&str, &str)] = &[
    ("modules", "folder or Debian package of the kernel's modules"),
    ("npt", "0 for shadow paging, 1 for nested paging"),
    ("cpus", "processors of the machine"),
    ("qemu", "QEMU's program"),
    ("accel", "tcg or kvm"),
    ("cpu", "QEMU's model of the processor"),
    ("append", "more words of the kernel's command line"),
];

/// The most processors of a machine.
const MAX_PROCESSORS: u32 = 64;

/// What is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no kernel.
    #[error("no kernel is named: write `linux:PATH` with a bzImage or a Debian package of a kernel")]
    NoKernel,
    /// A key that is none.
    #[error("`{key}` is no option of a kernel under test; there are: {}", told())]
    UnknownKey {
        /// What was written.
        key: String,
    },
    /// A value that the key does not take.
    #[error("`{key}={value}`: {key} is {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was written.
        value: String,
        /// What may be.
        expected: &'static str,
    },
}

fn told() -> String {
    KEYS.iter().map(|(key, title)| format!("{key} ({title})")).collect::<Vec<_>>().join(", ")
}

/// Whether a piece of a list of subjects is an option of the kernel before it.
pub(super) fn is_option(piece: &str) -> bool {
    piece.split_once('=').is_some_and(|(key, _)| KEYS.iter().any(|(known, _)| *known == key))
}

impl LinuxOptions {
    /// Takes them apart.
    ///
    /// # Errors
    /// [`OptionError`].
    pub(crate) fn parse(text: &str) -> Result<Self, OptionError> {
        let mut pieces = text.split(',');
        let kernel = pieces.next().filter(|path| !path.is_empty()).ok_or(OptionError::NoKernel)?;
        let mut options = Self {
            kernel: PathBuf::from(kernel),
            modules: None,
            has_nested_paging: true,
            nr_processors: None,
            qemu: PathBuf::from(super::PROGRAM),
            accelerator: "tcg".to_owned(),
            processor: None,
            append: String::new(),
        };
        for piece in pieces {
            let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
            let wrong = |key, expected| OptionError::Value { key, value: value.to_owned(), expected };
            match key {
                "modules" => options.modules = Some(PathBuf::from(value)),
                "npt" => {
                    options.has_nested_paging = match value {
                        "0" => false,
                        "1" => true,
                        _ => return Err(wrong("npt", "0 or 1")),
                    }
                }
                "cpus" => {
                    let number = value.parse().ok().filter(|number| (1..=MAX_PROCESSORS).contains(number));
                    options.nr_processors = Some(number.ok_or_else(|| wrong("cpus", "a number from 1 to 64"))?);
                }
                "qemu" => options.qemu = PathBuf::from(value),
                "accel" if matches!(value, "tcg" | "kvm") => options.accelerator = value.to_owned(),
                "accel" => return Err(wrong("accel", "tcg or kvm")),
                "cpu" => options.processor = Some(value.to_owned()),
                "append" => options.append = value.to_owned(),
                _ => return Err(OptionError::UnknownKey { key: key.to_owned() }),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_follow_the_kernel() {
        let options = LinuxOptions::parse("/boot/vmlinuz,npt=0,modules=/m,cpus=1,append=nosmap clearcpuid=1").unwrap();
        assert_eq!((options.kernel, options.modules), (PathBuf::from("/boot/vmlinuz"), Some(PathBuf::from("/m"))));
        assert_eq!((options.has_nested_paging, options.nr_processors), (false, Some(1)));
        assert_eq!(options.append, "nosmap clearcpuid=1");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_may_be() {
        let refused = |text: &str| LinuxOptions::parse(text).unwrap_err().to_string();
        assert!(refused("").contains("write `linux:PATH`"));
        assert!(refused("k,ntp=1").contains("`ntp` is no option") && refused("k,ntp=1").contains("npt (0 for shadow"));
        assert_eq!(refused("k,npt=2"), "`npt=2`: npt is 0 or 1");
        assert_eq!(refused("k,cpus=0"), "`cpus=0`: cpus is a number from 1 to 64");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = LinuxOptions::parse(&text);
        }
    }
}
