//! What was said to a context so far, for a context of the default provider that takes its place.
#![expect(unsafe_code, reason = "calls the default provider's functions")]

use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::sync::Arc;

use crate::error::{Failure, Reason};
use crate::instance::Instance;
use crate::keymgmt::Key;
use crate::ossl::ids::{
    FUNC_SIGNATURE_DIGEST_SIGN_INIT, FUNC_SIGNATURE_DIGEST_VERIFY_INIT, FUNC_SIGNATURE_SET_CTX_PARAMS,
};
use crate::ossl::list::List;
use crate::ossl::params::{Mismatch, Params};
use crate::ossl::types::{KeyedInit, Param, SetCtxParams, SignatureDigestInit};
use crate::theirs::Theirs;

/// What was said to a context since its initialisation, to be said again to one of the default provider.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The function, and the name of the digest that it was given.
    begun: Option<(c_int, Option<CString>)>,
    params: Vec<List>,
    /// A part of the message was hashed: it is too late.
    pub(super) has_hashed: bool,
}

/// More lists of parameters than any program sets; a context that gets more stays here.
const MOST_LISTS: usize = 16;

impl Told {
    pub(super) fn init(
        &mut self,
        id: c_int,
        digest: Option<CString>,
        params: Params<'_>,
    ) -> Result<(), Mismatch> {
        (self.begun, self.has_hashed) = (Some((id, digest)), false);
        self.params.clear();
        self.set(params)
    }

    pub(super) fn copied(&self) -> Self {
        Self { begun: self.begun.clone(), params: self.params.clone(), has_hashed: self.has_hashed }
    }

    pub(super) fn set(&mut self, params: Params<'_>) -> Result<(), Mismatch> {
        let mut list = List::default();
        list.copy(params)?;
        if !list.is_empty() && self.params.len() <= MOST_LISTS {
            self.params.push(list);
        }
        Ok(())
    }

    /// A context of the default provider that was told the same.
    pub(super) fn again(
        &mut self,
        instance: &Instance,
        algorithm: &str,
        key: &Key,
    ) -> Result<Theirs, Failure> {
        if self.has_hashed || self.params.len() > MOST_LISTS {
            return Err(Reason::Elsewhere.into());
        }
        let Some((id, digest)) = &self.begun else { return Err(Reason::Elsewhere.into()) };
        let theirs = Theirs::signature(instance, algorithm, Arc::new(key.as_theirs(instance)?))?;
        let (data, key) = (theirs.data(), theirs.key().as_ptr());
        let none: *const Param = ptr::null();
        // SAFETY: the types of these numbers; context and key are alive, and the texts have an end.
        let is_begun = unsafe {
            if matches!(*id, FUNC_SIGNATURE_DIGEST_SIGN_INIT | FUNC_SIGNATURE_DIGEST_VERIFY_INIT) {
                let name = digest.as_ref().map_or(ptr::null::<c_char>(), |name| name.as_ptr());
                let init = theirs.functions().get::<SignatureDigestInit>(*id).ok_or(Reason::Elsewhere)?;
                init(data, name, key, none)
            } else {
                theirs.functions().get::<KeyedInit>(*id).ok_or(Reason::Elsewhere)?(data, key, none)
            }
        };
        let set = |list: &mut List| {
            // SAFETY: the type of this number, a context that is alive, and a list that has an end.
            list.with(|list| unsafe {
                let set = theirs.functions().get::<SetCtxParams>(FUNC_SIGNATURE_SET_CTX_PARAMS);
                set.is_some_and(|set| set(data, list) > 0)
            })
        };
        if is_begun <= 0 || !self.params.iter_mut().all(set) {
            return Err(Reason::Elsewhere.into());
        }
        Ok(theirs)
    }
}
