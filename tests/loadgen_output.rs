//! What the load generator writes beside its report, read back by code that knows nothing of it: the JSON by
//! its schema, the CSV by RFC 4180, HdrHistogram's two formats, and the completions by a shell.

mod built;
#[path = "loadgen_output/completions.rs"]
mod completions;
#[path = "loadgen_output/files.rs"]
mod files;
#[path = "loadgen_output/folder.rs"]
mod folder;
mod loadgen_helpers;
#[path = "loadgen_output/report.rs"]
mod report;
#[path = "loadgen_output/schema.rs"]
mod schema;
mod scratch;
