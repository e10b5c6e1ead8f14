//! libcrypto's jobs as a framework of the engine: an operation in one pauses it.
