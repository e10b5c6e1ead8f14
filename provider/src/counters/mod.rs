//! The counters, in a mapped file that simaccel-stat reads.
