//! Links the image: by the runtime's script, static, at fixed addresses, with a build id.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Only `--cfg guest` makes this an image; without it the crate is an ordinary program that says so.
    if std::env::var_os("CARGO_CFG_GUEST").is_none() {
        // The runtime holds absolute addresses; an ordinary program that links it must be static, too.
        println!("cargo::rustc-link-arg-bins=-no-pie");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../rt/link.ld");
    println!("cargo::rerun-if-changed={script}");
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!(
        "cargo::rustc-link-arg-bins=-Wl,-T,{script},--build-id=sha1,-z,norelro,--no-eh-frame-hdr,-z,max-page-size=4096"
    );
}
