//! GCM: what is done when libcrypto calls.

use std::sync::Arc;

use super::{Gcm, message, params, record};
use crate::accelerator::Room;
use crate::cipher::object::{Call, Cipher};
use crate::cipher::spec::{Mode, Spec};
use crate::context::{Context, CopyContext};
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::ossl::object::Object;
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::Param;

impl Context for Gcm {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl CopyContext for Gcm {
    fn copied(&mut self) -> Result<Self, Failure> {
        self.copied()
    }
}

impl Cipher for Gcm {
    fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        Self::new(instance, spec)
    }

    fn init(&mut self, encrypts: bool, key: Option<&[u8]>, iv: Option<&[u8]>) -> Result<(), Failure> {
        self.init(encrypts, key, iv)
    }

    fn update(object: Object<Self>, call: Call) -> Result<usize, Failure> {
        if call.text.len() == 0 { Ok(0) } else { process(object, call) }
    }

    fn finish(object: Object<Self>, _: Room) -> Result<usize, Failure> {
        // A record that was announced has not come: no other one begins with its IV.
        if object.with(|gcm| gcm.record.take()).is_some() {
            object.with(Self::end_message);
            return Err(Failure::new(Reason::NotNow, "a record was announced"));
        }
        message::finish(object).map(|()| 0)
    }

    /// An update, or without input the end. Its length is that of the input, of a record too.
    fn whole(object: Object<Self>, call: Call) -> Result<usize, Failure> {
        if call.has_input {
            process(object, call)?;
        } else {
            Self::finish(object, call.room)?;
        }
        Ok(call.text.len())
    }

    fn gettable() -> &'static [Param] {
        params::GETTABLE_CTX
    }

    fn settable(_: Mode) -> &'static [Param] {
        params::SETTABLE_CTX
    }

    fn give(&mut self, requests: Requests<'_>) -> Result<(), Failure> {
        Self::give(self, requests)
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        Self::set(self, params)
    }
}

/// A record, additional data or text; returns the bytes of output.
fn process(object: Object<Gcm>, call: Call) -> Result<usize, Failure> {
    let Call { text, room, has_output, in_place, .. } = call;
    if has_output {
        room.check(text.len())?;
    }
    if let Some(aad) = object.with(|gcm| gcm.record.take()) {
        return record::run(object, aad, text, room, in_place);
    }
    if text.len() == 0 {
        return object.with(Gcm::begin).map(|()| 0);
    }
    if has_output {
        return message::update(object, text, room);
    }
    object.with(|gcm| gcm.add_aad(text)).map(|()| text.len())
}
