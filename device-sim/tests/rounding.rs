//! Service times do not depend on the floating-point rounding mode of the thread that draws them: a job may
//! set it, and on a stepped device the job's thread draws.
#![cfg(all(not(loom), not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
#![expect(unsafe_code, reason = "sets the rounding mode of the C library")]

mod device_helpers;

use std::ffi::c_int;
use std::hint::black_box;

use device_helpers::{request, stepped};
use simaccel_device::Delivery;

#[link(name = "m")]
unsafe extern "C" {
    safe fn fesetround(mode: c_int) -> c_int;
}

/// `FE_TONEAREST`, `FE_DOWNWARD`, `FE_UPWARD` and `FE_TOWARDZERO` of `<fenv.h>`.
#[cfg(target_arch = "x86_64")]
const MODES: [c_int; 4] = [0, 0x400, 0x800, 0xc00];
#[cfg(target_arch = "aarch64")]
const MODES: [c_int; 4] = [0, 0x80_0000, 0x40_0000, 0xc0_0000];

const REQUESTS: usize = 5_000;

/// When each of many requests has ended, in nanoseconds, one after the other on one unit.
fn ends(mode: c_int, dist: &str) -> Vec<u128> {
    assert_eq!(fesetround(mode), 0, "the C library has the mode");
    let model = format!("compute_units=1;completion_nsec=100000;mbps=1500;seed=5;latency_dist={dist}");
    let (device, mut pair) = stepped(&model);
    let session = device.create_session(device_helpers::ctr());
    let ends = (0..REQUESTS).map(|n| {
        let ticket = pair.submit(request(session, 64 + n % 64, 1), Delivery::Silent).expect("there is room");
        device.run_until_idle();
        pair.take(ticket).expect("it is done");
        device.now().as_nanos()
    });
    let ends = ends.collect();
    fesetround(MODES[0]);
    ends
}

#[test]
fn the_rounding_mode_of_a_thread_changes_no_service_time() {
    for dist in ["constant", "uniform", "exponential", "normal:33", "lognormal:75", "bimodal:1000"] {
        let nearest = ends(MODES[0], dist);
        for mode in &MODES[1..] {
            assert!(ends(*mode, dist) == nearest, "{dist} with rounding mode {mode:#x}");
        }
    }
}

/// The test above changes a mode that is in force.
#[test]
fn the_modes_differ() {
    let third = |mode| {
        fesetround(mode);
        // Neither side of the division may move across the change of the mode.
        let third = black_box(black_box(1.0_f64) / black_box(3.0));
        fesetround(MODES[0]);
        third.to_bits()
    };
    assert!(third(MODES[1]) < third(MODES[2]));
}
