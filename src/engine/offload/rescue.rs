//! Keeps the input of an in-place operation until the device has reported success.
//!
//! A device with modelled latency computes first and completes later; a reset in between must still return
//! the caller's input. So there, and where a request may be taken back late or repeated, the device works out
//! of place. (The [`Flight`] keeps the state of a multi-part message for another try.)

use super::*;

/// Returns `false` when nothing has to be kept.
#[cold]
pub(super) fn prepare(instance: &Instance, request: &mut Request) -> Result<bool, Error> {
    let changes_buffer = request.operation.output().has_text();
    let out_of_place = changes_buffer && request.destination.is_none();
    if out_of_place {
        // Padding, and for a piece of a message what was held back before it.
        let room = request.buffer.len().saturating_add(2 * software::EXPANSION);
        request.destination = Some(instance.buffer(room)?);
    }
    Ok(out_of_place)
}

/// Puts the output in the input's place, or the input back.
#[cold]
pub(super) fn finish(engine: &Arc<Inner>, request: &mut Request, outcome: &Result<(), Failed>) {
    let Some(output) = request.destination.take() else { return };
    let used = match outcome {
        Ok(()) => std::mem::replace(&mut request.buffer, output),
        Err(failed) => {
            if failed.error == Error::AuthFailed {
                // As in place: what was not authentic is gone.
                request.buffer.zeroize();
            }
            output
        }
    };
    table::of_thread(engine).recycle(used);
}
