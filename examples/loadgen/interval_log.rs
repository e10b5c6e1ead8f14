//! An HdrHistogram interval log, which the tools of that project read and merge.
//!
//! ```text
//!   #[StartTime: ...]
//!   Tag=1-software-closed,0.000,1.000,2.345,HISTFAAA...     start, duration (s), maximum (ms), histogram (ns)
//!   Tag=2-sync-closed,1.002,1.000,...
//! ```

use std::time::SystemTime;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::failure::Failure;
use crate::files::row_name;
use crate::row::Row;

/// The maximum of an interval stands there in milliseconds.
const NANOS_PER_MILLI: f64 = 1e6;

pub(crate) fn bytes(rows: &[Row]) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Run(format!("--log: {error}"));
    let (mut log, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let began = rows.first().map_or_else(SystemTime::now, |row| row.recorded.began);
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[latencies in nanoseconds, an interval for each row]")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(&mut log, &mut serializer)
        .map_err(|error| failed(&error))?;
    for (index, row) in rows.iter().enumerate() {
        let name = row_name(index, row);
        let since = row.recorded.began.duration_since(began).unwrap_or_default();
        let histogram = row.recorded.latencies.histogram().map_err(|error| failed(&error))?;
        writer
            .write_histogram(&histogram, since, row.recorded.elapsed, Tag::new(&name))
            .map_err(|error| failed(&error))?;
    }
    Ok(log)
}
