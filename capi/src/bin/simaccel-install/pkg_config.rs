//! The file for pkg-config.
//!
//! A path in it may contain blanks, because it stands in quotes where flags are split, and `#`, escaped by a
//! backslash where it would begin a comment. Paths that pkg-config would still split are refused.

use std::path::Path;

/// What a program needs besides the static library, from `rustc --print native-static-libs`.
const STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Whether the file can name this folder; if not, why.
pub(crate) fn holds(folder: &Path) -> Result<(), &'static str> {
    let Some(text) = folder.to_str() else { return Err("the pkg-config file needs a path in UTF-8") };
    if text.contains(['"', '\\', '$', '`']) || text.contains(char::is_control) {
        return Err("a pkg-config file cannot hold a path with \" \\ $ ` or a control character");
    }
    if text.ends_with(char::is_whitespace) {
        return Err("a pkg-config file cannot hold a path that ends with a blank");
    }
    Ok(())
}

pub(crate) fn text(prefix: &Path) -> String {
    format!(
        "prefix={}\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: simaccel_async\n\
         Description: Asynchronous jobs (ASYNC_*) and a simulated crypto accelerator\n\
         Version: {}\n\
         Cflags: -I\"${{includedir}}\"\n\
         Libs: -L\"${{libdir}}\" -lsimaccel_async\n\
         Libs.private: {STATIC_LIBS}\n",
        prefix.display().to_string().replace('#', "\\#"),
        env!("CARGO_PKG_VERSION"),
    )
}
