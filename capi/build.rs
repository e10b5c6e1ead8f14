//! Gives the shared library its soname: programs ask for it by this name, not by the path they were linked
//! at. The number is the version's first, and changes when programs have to be linked anew. And keeps it
//! loaded when a program closes it: the process has its handlers of signals and forks.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!(
        "cargo:rustc-cdylib-link-arg=-Wl,-soname,libsimaccel_async.so.{}",
        env!("CARGO_PKG_VERSION_MAJOR")
    );
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
