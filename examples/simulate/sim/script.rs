//! What a job does: calls, plain pauses, and nested jobs.
//!
//! ```text
//!   outer job:  call ── pause ── nested ─┬─ inner job begins (it may be in flight)
//!                                        ├─ the outer's own call, at the same time
//!                                        └─ the outer resumes the inner to its end, or drops it early
//! ```

use std::rc::Rc;

use simaccel::job::{self, Pause};
use simaccel::{Job, Step};

use super::call::{Call, Keyed, Place};
use super::random::Random;
use super::recorder::Recorder;

pub(crate) enum Item {
    Call(Call),
    Pause,
    Nested(Nested),
}

pub(crate) struct Nested {
    token: u64,
    inner: Vec<Item>,
    own: Option<Call>,
    /// The inner job is dropped after this many pauses.
    patience: u32,
}

/// Writes scripts, and numbers their calls.
pub(crate) struct Author<'a> {
    pub(crate) keyed: &'a [Rc<Keyed>],
    pub(crate) random: &'a mut Random,
    pub(crate) next_call: &'a mut u64,
}

impl Author<'_> {
    pub(crate) fn call(&mut self) -> Call {
        let at = self.random.index(self.keyed.len());
        *self.next_call += 1;
        Call::new(*self.next_call, &self.keyed[at], self.random)
    }

    pub(crate) fn owned_call(&mut self) -> Call {
        let at = self.random.index(self.keyed.len());
        *self.next_call += 1;
        Call::owned(*self.next_call, &self.keyed[at], self.random)
    }

    /// The script of a job with this token; nested jobs use the tokens after it.
    pub(crate) fn script(&mut self, token: u64, depth: u64) -> Vec<Item> {
        let mut nested = 0;
        (0..self.random.between(1, 3))
            .map(|_| match self.random.below(10) {
                0 => Item::Pause,
                1 | 2 if depth < 2 => {
                    nested += 1;
                    let token = token + nested * if depth == 0 { 16 } else { 1 };
                    let inner = self.script(token, depth + 1);
                    let own = if self.random.chance(60) { Some(self.call()) } else { None };
                    let patience = if self.random.chance(30) { 1 } else { u32::MAX };
                    Item::Nested(Nested { token, inner, own, patience })
                }
                _ => Item::Call(self.call()),
            })
            .collect()
    }
}

/// Runs a script in the running job.
pub(crate) fn run_script(items: Vec<Item>, recorder: &Rc<Recorder>, ctx: Option<usize>, token: u64) {
    for item in items {
        match item {
            Item::Call(call) => call.make(Place { recorder, ctx, token }),
            Item::Pause => {
                pause(recorder);
                recorder.pauses_ended.set(recorder.pauses_ended.get() + 1);
            }
            Item::Nested(nested) => run_nested(nested, recorder, ctx, token),
        }
    }
}

fn run_nested(nested: Nested, recorder: &Rc<Recorder>, ctx: Option<usize>, token: u64) {
    let Nested { token: inner_token, inner, own, mut patience } = nested;
    let its_recorder = Rc::clone(recorder);
    let body = move || run_script(inner, &its_recorder, ctx, inner_token);
    // If the context was dropped, the inner job has none either.
    let made = match job::current().and_then(|job| job.wait_ctx()) {
        Some(ctx) => Job::new(&ctx, body),
        None => Job::without_ctx(body),
    };
    let Ok(mut inner) = made else { return recorder.fail(|| "no job was to be had".to_owned()) };
    inner.set_token(inner_token);
    let mut own = own;
    loop {
        let turn = recorder.turn.get();
        match inner.resume() {
            Ok(Step::Finished(())) => {
                recorder.note(format_args!("      job {inner_token} (nested) finished"));
                if let Some(call) = own {
                    call.make(Place { recorder, ctx, token });
                }
                return;
            }
            Ok(Step::Paused) => {}
            Err(misuse) => return recorder.fail(|| format!("a nested job was not resumed: {misuse}")),
        }
        if let Some(call) = own.take() {
            call.make(Place { recorder, ctx, token });
            if recorder.turn.get() != turn {
                // It has paused, and was woken: perhaps for the inner job.
                continue;
            }
        }
        patience = patience.saturating_sub(1);
        if patience == 0 {
            recorder.note(format_args!("      job {inner_token} (nested) is dropped"));
            return;
        }
        pause(recorder);
    }
}

fn pause(recorder: &Recorder) {
    let pause = job::pause();
    recorder.check(pause == Pause::Resumed, || format!("a job did not pause: {pause:?}"));
}
