//! An exchange of the default provider's, for keys of its own.
#![expect(unsafe_code, reason = "calls the default provider's functions")]

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::accelerator::Room;
use crate::keymgmt::TheirKey;
use crate::ossl::default::{DefaultProvider, Functions};
use crate::ossl::ids::{
    FUNC_KEYEXCH_DERIVE, FUNC_KEYEXCH_DUPCTX, FUNC_KEYEXCH_FREECTX, FUNC_KEYEXCH_GET_CTX_PARAMS,
    FUNC_KEYEXCH_INIT, FUNC_KEYEXCH_NEWCTX, FUNC_KEYEXCH_SET_CTX_PARAMS, FUNC_KEYEXCH_SET_PEER, OP_KEYEXCH,
};
use crate::ossl::list::List;
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    DupCtx, ExchangeDerive, ExchangeSetPeer, FreeCtx, GetCtxParams, KeyedInit, NewCtx, SetCtxParams,
};

/// Its context, and the keys in it.
#[derive(Debug)]
pub(super) struct TheirExchange {
    functions: Functions,
    context: NonNull<c_void>,
    key: Arc<TheirKey>,
    peer: Option<Arc<TheirKey>>,
}

// SAFETY: the default provider's contexts may be used in any thread, by one at a time.
unsafe impl Send for TheirExchange {}

/// Calls the function with this number, if there is one, and asks whether it has succeeded.
macro_rules! ask {
    ($of:expr, $id:ident as $Type:ty $(, $argument:expr)*) => {
        // SAFETY: the type of this number. The context is alive, and the other arguments are libcrypto's own,
        // or objects and lists that are alive.
        unsafe {
            $of.functions.get::<$Type>($id).is_some_and(|function| function($of.context.as_ptr() $(, $argument)*) > 0)
        }
    };
}

impl TheirExchange {
    /// An exchange with this key.
    pub(super) fn begin(
        theirs: &DefaultProvider,
        algorithm: &str,
        key: Arc<TheirKey>,
        params: Params<'_>,
    ) -> Option<Self> {
        let functions = theirs.functions(OP_KEYEXCH, algorithm)?;
        // SAFETY: the type of this number, and the provider's own context.
        let context = unsafe { functions.get::<NewCtx>(FUNC_KEYEXCH_NEWCTX)?(theirs.provctx()) };
        let exchange = Self { functions, context: NonNull::new(context)?, key, peer: None };
        ask!(exchange, FUNC_KEYEXCH_INIT as KeyedInit, exchange.key.as_ptr(), params.as_ptr())
            .then_some(exchange)
    }

    /// The same, with parameters of ours.
    pub(super) fn begin_with(
        theirs: &DefaultProvider,
        algorithm: &str,
        key: Arc<TheirKey>,
        list: &mut List,
    ) -> Option<Self> {
        // SAFETY: the list has an end, and is there for the call.
        list.with(|list| Self::begin(theirs, algorithm, key, unsafe { Params::new(list) }))
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
    pub(super) fn copied(&self) -> Option<Self> {
        // SAFETY: the type of this number, and a context that is alive.
        let context = unsafe { self.functions.get::<DupCtx>(FUNC_KEYEXCH_DUPCTX)?(self.context.as_ptr()) };
        let (key, peer) = (Arc::clone(&self.key), self.peer.clone());
        Some(Self { functions: self.functions, context: NonNull::new(context)?, key, peer })
    }
}

impl Drop for TheirExchange {
    fn drop(&mut self) {
        // SAFETY: the type of this number, and an object that is not used again.
        unsafe {
            if let Some(free) = self.functions.get::<FreeCtx>(FUNC_KEYEXCH_FREECTX) {
                free(self.context.as_ptr());
            }
        }
    }
}
