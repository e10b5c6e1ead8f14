//! Why there is no memory for more stacks, and what to raise.
//!
//! ```text
//!   mappings  ≥ vm.max_map_count, nearly    where the kernel has no cheap guards, a stack costs two of them
//!   ulimit -v, ulimit -d                    a limit of this process
//!   neither                                 the memory of the machine
//! ```

use std::io::Read;

/// Mappings that may be left where no two more fit: a chunk of stacks needs some at once.
const LEFT: u64 = 16;

/// What this process may have, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Mappings now, and at most.
    pub(crate) mappings: u64,
    pub(crate) most_mappings: u64,
    /// In bytes; `None`: no limit.
    pub(crate) address_space: Option<u64>,
    pub(crate) data: Option<u64>,
}

impl Limits {
    /// What to raise, for the end of a sentence.
    pub(crate) fn advice(&self) -> String {
        let kib = |bytes: u64| bytes >> 10;
        match *self {
            Self { mappings, most_mappings, .. } if mappings + LEFT >= most_mappings => {
                format!("raise vm.max_map_count, which is {most_mappings}")
            }
            Self { address_space: Some(bytes), data, .. } if data.is_none_or(|data| bytes <= data) => {
                format!("raise ulimit -v, which is {} KiB", kib(bytes))
            }
            Self { data: Some(bytes), .. } => format!("raise ulimit -d, which is {} KiB", kib(bytes)),
            _ => "the machine has no more memory, or may not promise more (vm.overcommit_memory)".to_owned(),
        }
    }
}

/// Mappings of this process. It needs little memory for that.
pub(crate) fn mappings() -> u64 {
    let Ok(mut maps) = std::fs::File::open("/proc/self/maps") else { return 0 };
    let (mut lines, mut part) = (0, [0; 4096]);
    while let Ok(length @ 1..) = maps.read(&mut part) {
        lines += part[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    lines
}

/// Mappings that a process may have.
pub(crate) fn most_mappings() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX)
}
