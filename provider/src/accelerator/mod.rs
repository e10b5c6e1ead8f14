//! The engine of the process, which all instances of the provider share.
