//! Keeps the shared library loaded when OpenSSL closes it: the device's threads run its code, and the process
//! has its handler of forks.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
