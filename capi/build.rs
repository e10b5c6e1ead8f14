//! Names the shared library, so that programs ask for it by name and not by the path it was linked at.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsimaccel_async.so");
}
