//! Nothing but tests lives here: see `tests/`. The heavy vector crates stay out of the other packages'
//! builds.
