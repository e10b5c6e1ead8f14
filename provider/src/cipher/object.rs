//! What an object of a cipher does when libcrypto calls, whichever mode it has. The calls themselves are in
//! [`entry`](super::entry).

use std::sync::Arc;

use super::spec::{Mode, Spec};
use crate::accelerator::{Room, Text};
use crate::context::CopyContext;
use crate::error::Failure;
use crate::instance::Instance;
use crate::ossl::object::Object;
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::Param;

/// The arguments of an update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) text: Text,
    pub(super) room: Room,
    /// Whether there is an input, which may be empty.
    pub(super) has_input: bool,
    /// Whether there is an output. Without one the input is additional data.
    pub(super) has_output: bool,
    /// Whether both begin at the same address.
    pub(super) in_place: bool,
}

/// An object of libcrypto. What may pause takes it as an [`Object`], for nothing of it is borrowed meanwhile.
pub(super) trait Cipher: CopyContext {
    fn new(instance: Arc<Instance>, spec: &'static Spec) -> Self;

    /// Starts anew, but for what is not given.
    fn init(&mut self, encrypts: bool, key: Option<&[u8]>, iv: Option<&[u8]>) -> Result<(), Failure>;

    /// More of the message; returns the bytes of output.
    fn update(object: Object<Self>, call: Call) -> Result<usize, Failure>;

    /// The end of the message; returns the bytes of output.
    fn finish(object: Object<Self>, room: Room) -> Result<usize, Failure>;

    /// `EVP_Cipher`; returns the bytes of output.
    fn whole(object: Object<Self>, call: Call) -> Result<usize, Failure>;

    /// What [`give`](Self::give) answers.
    fn gettable() -> &'static [Param];

    /// What [`set`](Self::set) takes.
    fn settable(mode: Mode) -> &'static [Param];

    fn give(&mut self, requests: Requests<'_>) -> Result<(), Failure>;

    /// Sets what a list gives; what it does not know is ignored, as by the default provider.
    fn set(&mut self, params: Params<'_>) -> Result<(), Failure>;
}
