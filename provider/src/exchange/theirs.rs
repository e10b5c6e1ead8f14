//! An exchange of the default provider's, for keys of its own.
#![expect(unsafe_code, reason = "calls the default provider's functions")]

use std::ptr;
use std::sync::Arc;

use crate::accelerator::Room;
use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::TheirKey;
use crate::ossl::ids::{
    FUNC_KEYEXCH_DERIVE, FUNC_KEYEXCH_GET_CTX_PARAMS, FUNC_KEYEXCH_INIT, FUNC_KEYEXCH_SET_CTX_PARAMS,
    FUNC_KEYEXCH_SET_PEER,
};
use crate::ossl::list::List;
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{ExchangeDerive, ExchangeSetPeer, GetCtxParams, KeyedInit, SetCtxParams};
use crate::theirs::Theirs;

/// Its context, and the peer's key in it.
#[derive(Debug)]
pub(super) struct TheirExchange {
    theirs: Theirs,
    /// Dropped after the context.
    peer: Option<Arc<TheirKey>>,
}

/// Calls the function with this number, if there is one, and asks whether it has succeeded.
macro_rules! ask {
    ($of:expr, $id:ident as $Type:ty $(, $argument:expr)*) => {
        // SAFETY: the type of this number. The context is alive, and the other arguments are libcrypto's own,
        // or objects and lists that are alive.
        unsafe {
            let function = $of.theirs.functions().get::<$Type>($id);
            function.is_some_and(|function| function($of.theirs.data() $(, $argument)*) > 0)
        }
    };
}

impl TheirExchange {
    /// An exchange with this key.
    pub(super) fn begin(
        instance: &Instance,
        algorithm: &str,
        key: Arc<TheirKey>,
        params: Params<'_>,
    ) -> Result<Self, Failure> {
        let exchange = Self { theirs: Theirs::exchange(instance, algorithm, key)?, peer: None };
        let key = exchange.theirs.key().as_ptr();
        if !ask!(exchange, FUNC_KEYEXCH_INIT as KeyedInit, key, params.as_ptr()) {
            return Err(Reason::Elsewhere.into());
        }
        Ok(exchange)
    }

    /// The same, with parameters of ours.
    pub(super) fn begin_with(
        instance: &Instance,
        algorithm: &str,
        key: Arc<TheirKey>,
        list: &mut List,
    ) -> Result<Self, Failure> {
        // SAFETY: the list has an end, and is there for the call.
        list.with(|list| Self::begin(instance, algorithm, key, unsafe { Params::new(list) }))
    }

    pub(super) fn set_peer(&mut self, peer: Arc<TheirKey>) -> bool {
        let is_set = ask!(self, FUNC_KEYEXCH_SET_PEER as ExchangeSetPeer, peer.as_ptr());
        self.peer = Some(peer);
        is_set
    }

    /// The length of the secret.
    pub(super) fn len(&self) -> Option<usize> {
        let mut len = 0;
        ask!(self, FUNC_KEYEXCH_DERIVE as ExchangeDerive, ptr::null_mut(), &raw mut len, 0).then_some(len)
    }

    /// Writes the secret; the bytes of it.
    pub(super) fn derive(&self, room: Room) -> Option<usize> {
        let mut len = room.size();
        ask!(self, FUNC_KEYEXCH_DERIVE as ExchangeDerive, room.as_ptr(), &raw mut len, room.size())
            .then_some(len)
    }

    pub(super) fn set(&self, params: Params<'_>) -> bool {
        params.each().next().is_none()
            || ask!(self, FUNC_KEYEXCH_SET_CTX_PARAMS as SetCtxParams, params.as_ptr())
    }

    pub(super) fn give(&self, requests: &Requests<'_>) -> bool {
        ask!(self, FUNC_KEYEXCH_GET_CTX_PARAMS as GetCtxParams, requests.as_ptr())
    }

    /// A second one that goes on from here.
    pub(super) fn copied(&self) -> Result<Self, Failure> {
        Ok(Self { theirs: self.theirs.copied()?, peer: self.peer.clone() })
    }
}
