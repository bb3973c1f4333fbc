//! What a kernel under test is booted with: an initramfs of the agent, the image and the modules.

use super::machine::BootFiles;
use crate::{
    inherited::unnamed,
    kernel::{Kernel, cpio::Archive},
    remote::{
        IMAGE_PATH, MODULES_PATH,
        init::{Module, ModuleList},
    },
    subjects::Image,
};
use std::io;

pub(super) fn boot_files(
    kernel: &Kernel,
    agent: &[u8],
    image: &Image,
    has_nested_paging: bool,
) -> io::Result<BootFiles> {
    Ok(BootFiles {
        kernel: unnamed(&kernel.bytes)?,
        initramfs: unnamed(&initramfs(kernel, agent, image.catalog.bytes(), has_nested_paging))?,
    })
}

fn initramfs(kernel: &Kernel, agent: &[u8], image: &[u8], has_nested_paging: bool) -> Vec<u8> {
    let mut archive = with_modules(kernel, has_nested_paging);
    archive.file(inside(IMAGE_PATH), image);
    archive.file("init", agent);
    archive.finish()
}

/// An archive with the folders that a first process of ours mounts file systems at, the modules and the list of them.
pub(crate) fn with_modules(kernel: &Kernel, has_nested_paging: bool) -> Archive {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "tmp", "modules"] {
        archive.folder(folder);
    }
    // The kernel opens it for the first process before there is a /dev.
    archive.character_device("dev/console", (5, 1));
    let mut list = ModuleList::default();
    for module in &kernel.modules.0 {
        let path = format!("/modules/{}.ko", module.name);
        archive.file(inside(&path), &module.bytes);
        let parameters = parameters(&module.parameters, has_nested_paging);
        list.0.push(Module { path, parameters, is_optional: module.is_of_vendor });
    }
    archive.file(inside(MODULES_PATH), list.to_text().as_bytes());
    archive
}

/// A path as archives have it.
pub(crate) fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// The parameters of a module, of those that it has.
fn parameters(has: &[String], has_nested_paging: bool) -> String {
    let paging = u8::from(has_nested_paging);
    let wanted = [("npt", paging), ("ept", paging), ("nested", 1)];
    let given = wanted.iter().filter(|(name, _)| has.iter().any(|has| has == name));
    given.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_get_the_parameters_that_they_have() {
        let has = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(parameters(&has(&["npt", "nested", "avic"]), false), "npt=0 nested=1");
        assert_eq!(parameters(&has(&["ept"]), true), "ept=1");
        assert_eq!(parameters(&has(&["halt_poll_ns"]), true), "");
    }
}
