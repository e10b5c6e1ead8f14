//! The pause and wake cycle, through the jobs of simaccel and of other frameworks.
//!
//! ```text
//!   scenes ──► Framework ──┬── ours      simaccel's jobs, as programs use them
//!                          ├── wrapped   the same behind `simaccel::foreign`
//!                          ├── baton     threads that hand a baton over: no fibers, wait contexts of its own
//!                          └── blind     the same, whose pause does not tell whether it was one
//! ```

mod baton;
mod framework;
mod ours;
mod polled;
mod scenes;
mod wrapped;

/// Makes a test of each scene for one framework.
macro_rules! scenes_of {
    ($module:ident, $framework:ty: $($scene:ident,)+) => {
        mod $module {
            $(
                #[test]
                fn $scene() {
                    crate::scenes::$scene::<$framework>();
                }
            )+
        }
    };
}

/// The scenes for every framework.
macro_rules! all_scenes {
    ($module:ident, $framework:ty) => {
        scenes_of! {
            $module, $framework:
            an_operation_pauses_at_least_once_and_gives_its_result,
            a_spurious_resume_pauses_again_and_is_counted,
            the_fd_is_readable_when_the_request_is_done_and_no_stale_wake_is_left,
            one_context_has_one_fd_from_job_to_job,
            two_engines_put_two_fds_on_one_context,
            jobs_that_share_a_context_take_a_token_each,
            a_full_ring_queues_the_request_and_says_so,
            a_request_that_never_ends_times_out,
            a_failure_of_the_device_gives_the_buffer_back,
            a_failure_is_tried_again_and_then_computed_in_software,
            a_callback_wakes_in_place_of_the_fd,
            a_callback_that_is_removed_is_followed_by_the_fd,
            an_fd_that_cannot_be_made_is_an_error,
            a_job_that_is_discarded_gives_its_request_up,
            a_request_that_is_done_leaves_no_wake_when_its_job_is_discarded,
            a_context_that_ends_is_done_without,
            an_operation_outside_of_a_job_blocks,
            an_operation_that_cannot_pause_blocks,
            a_function_of_a_call_does_not_pause_the_job_that_it_runs_on,
            many_jobs_finish_on_a_device_with_workers,
        }
    };
}

all_scenes!(ours_pauses, crate::ours::Ours);
all_scenes!(wrapped_pauses, crate::wrapped::Wrapped);
all_scenes!(baton_pauses, crate::baton::Baton);
all_scenes!(blind_pauses, crate::baton::Blind);

/// What needs all jobs on the thread that polls.
macro_rules! polling_scenes {
    ($module:ident, $framework:ty) => {
        scenes_of! { $module, $framework: polling_hands_out_the_number_of_each_job, }
    };
}

polling_scenes!(ours_are_polled, crate::ours::Ours);
polling_scenes!(wrapped_are_polled, crate::wrapped::Wrapped);
