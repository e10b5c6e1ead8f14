//! ECB, CBC, CTR and XTS: which mode does what when libcrypto calls.

use std::sync::Arc;

use super::object::{Call, Cipher};
use super::spec::{Mode, Spec};
use super::state::State;
use super::{blocks, params, stream, tls, xts};
use crate::accelerator::Room;
use crate::context::{Context, CopyContext};
use crate::error::Failure;
use crate::instance::Instance;
use crate::ossl::object::Object;
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::Param;

impl Context for State {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl CopyContext for State {
    fn copied(&mut self) -> Result<Self, Failure> {
        Ok(self.clone())
    }
}

impl Cipher for State {
    fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self {
        Self::new(instance, spec)
    }

    fn init(&mut self, encrypts: bool, key: Option<&[u8]>, iv: Option<&[u8]>) -> Result<(), Failure> {
        self.init(encrypts, key, iv)
    }

    fn update(object: Object<Self>, call: Call) -> Result<usize, Failure> {
        let Call { text, room, in_place, .. } = call;
        match object.with(|state| (state.spec.mode, state.tls_version)) {
            (Mode::Ctr, _) => stream::update(object, text, room),
            (Mode::Xts, _) => xts::update(object, text, room),
            (_, 0) => blocks::update(object, text, room),
            _ => tls::update(object, text, room, in_place),
        }
    }

    fn finish(object: Object<Self>, room: Room) -> Result<usize, Failure> {
        match object.with(|state| state.spec.mode) {
            Mode::Ctr => stream::finish(object),
            Mode::Xts => Ok(0),
            _ => blocks::finish(object, room),
        }
    }

    fn whole(object: Object<Self>, call: Call) -> Result<usize, Failure> {
        let Call { text, room, .. } = call;
        match object.with(|state| state.spec.mode) {
            Mode::Ctr => stream::update(object, text, room),
            Mode::Xts => xts::update(object, text, room),
            _ => blocks::whole(object, text, room),
        }
    }

    fn gettable() -> &'static [Param] {
        params::GETTABLE_CTX
    }

    fn settable(mode: Mode) -> &'static [Param] {
        params::settable(mode)
    }

    fn give(&mut self, requests: Requests<'_>) -> Result<(), Failure> {
        Ok(Self::give(self, requests)?)
    }

    fn set(&mut self, params: Params<'_>) -> Result<(), Failure> {
        Self::set(self, params)
    }
}
