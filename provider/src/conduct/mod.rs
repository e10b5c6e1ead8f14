//! What the application does wrong with its jobs, seen from the outside.
