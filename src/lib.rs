//! simaccel: a simulated hardware crypto accelerator and the engine in front of it.
