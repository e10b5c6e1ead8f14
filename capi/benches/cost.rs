//! Builds and runs `cost.c`, which compares the cost of jobs with libcrypto's:
//! `cargo bench -p simaccel-capi`.

use std::process::Command;

#[path = "../tests/c_programs/mod.rs"]
mod c_programs;

use self::c_programs::{linkable, package, scratch, succeeds};

fn main() {
    let (folder, program) = (linkable(), scratch("cost").join("cost"));
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-I"]);
    compiler.arg(package().join("include")).arg(package().join("benches/cost.c")).arg("-o").arg(&program);
    compiler.arg("-L").arg(folder).args(["-lsimaccel_async", "-ldl"]);
    compiler.arg(format!("-Wl,-rpath,{},--disable-new-dtags", folder.display()));
    succeeds(&mut compiler);
    print!("{}", succeeds(&mut Command::new(&program)));
}
