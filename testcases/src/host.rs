//! The machine that runs the harness, for the head of a report.

use reports::model::Host;
use std::{fs, path::Path};

/// Reads what the machine says about itself; what it does not say stays empty.
pub fn read() -> Host {
    Host {
        kernel: text(Path::new("/proc/sys/kernel/osrelease")),
        processor: fs::read_to_string("/proc/cpuinfo").map(|info| processor(&info)).unwrap_or_default(),
        kvm_module: kvm_module(Path::new("/sys/module")),
        nr_processors: nr_processors(),
    }
}

/// KVM of this host as subjects name it in their versions, which baselines ask for: vendor module and kernel.
pub fn kvm_version() -> String {
    let host = read();
    format!("{} of Linux {}", host.kvm_module, host.kernel)
}

/// Number of processors that this process may use; 1 if that is unknown.
pub fn nr_processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |number| u32::try_from(number.get()).unwrap_or(u32::MAX))
}

/// The rate of a guest's time-stamp counter in kHz, as KVM tells it (KVM_GET_TSC_KHZ); nothing if it does not.
pub fn tsc_khz() -> Option<u32> {
    let vm = kvm_ioctls::Kvm::new().ok()?.create_vm().ok()?;
    vm.create_vcpu(0).ok()?.get_tsc_khz().ok().filter(|&khz| khz != 0)
}

/// The vendor module of KVM, such as `kvm_intel`; empty if there is none or if it is not a module.
fn kvm_module(modules: &Path) -> String {
    let names =
        fs::read_dir(modules).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut vendors: Vec<_> = names.filter(|name| name.starts_with("kvm_")).collect();
    vendors.sort();
    vendors.join(" ")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn processor(info: &str) -> String {
    let value =
        |line: &str| line.strip_prefix("model name").map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    info.lines().find_map(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_is_the_first_model_name() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A CPU @ 2: fast\nmodel name\t: B\n"), "A CPU @ 2: fast");
        assert_eq!(processor("nothing"), "");
    }

    #[test]
    fn vendor_modules_are_found_and_kvm_itself_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["kvm", "kvm_amd", "loop"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert_eq!(kvm_module(folder.path()), "kvm_amd");
        assert_eq!(kvm_module(&folder.path().join("missing")), "");
    }
}
