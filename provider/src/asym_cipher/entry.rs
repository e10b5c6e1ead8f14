//! The functions that libcrypto calls for encryption with RSA.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use super::rsa::{GETTABLE, Rsa, SETTABLE};
use crate::accelerator::{Pass, Room, Text, elsewhere};
use crate::context::{Context, CopyContext, dup_ctx, free_ctx, outcome};
use crate::error::{Failure, Reason};
use crate::instance::{Instance, instance_of};
use crate::keymgmt::{Held, TheirKey, held};
use crate::kinds;
use crate::ossl::core::{Place, here};
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_ASYM_CIPHER_DECRYPT, FUNC_ASYM_CIPHER_DECRYPT_INIT, FUNC_ASYM_CIPHER_DUPCTX,
    FUNC_ASYM_CIPHER_ENCRYPT, FUNC_ASYM_CIPHER_ENCRYPT_INIT, FUNC_ASYM_CIPHER_FREECTX,
    FUNC_ASYM_CIPHER_GET_CTX_PARAMS, FUNC_ASYM_CIPHER_GETTABLE_CTX_PARAMS, FUNC_ASYM_CIPHER_NEWCTX,
    FUNC_ASYM_CIPHER_SET_CTX_PARAMS, FUNC_ASYM_CIPHER_SETTABLE_CTX_PARAMS,
};
use crate::ossl::list::List;
use crate::ossl::object::{self, Object};
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    AsymCipher, DescribeCtxParams, Dispatch, DupCtx, FreeCtx, GetCtxParams, KeyedInit, NewCtx, Param,
    SetCtxParams, dispatch,
};
use crate::theirs::Theirs;

/// The default provider's name.
const NAME: &str = "RSA";
/// More lists of parameters than any program sets; a context that gets more stays here.
const MOST_LISTS: usize = 16;

/// A context of libcrypto's.
struct Ctx {
    instance: Arc<Instance>,
    rsa: Rsa,
    theirs: Option<Theirs>,
    /// How it was initialised, and what was set since: for a context of the default provider in its place.
    begun: c_int,
    told: Vec<List>,
}

pub(crate) static RSA: &[Dispatch] = &[
    dispatch!(FUNC_ASYM_CIPHER_NEWCTX, new_ctx, NewCtx),
    dispatch!(FUNC_ASYM_CIPHER_ENCRYPT_INIT, encrypt_init, KeyedInit),
    dispatch!(FUNC_ASYM_CIPHER_ENCRYPT, encrypt, AsymCipher),
    dispatch!(FUNC_ASYM_CIPHER_DECRYPT_INIT, decrypt_init, KeyedInit),
    dispatch!(FUNC_ASYM_CIPHER_DECRYPT, decrypt, AsymCipher),
    dispatch!(FUNC_ASYM_CIPHER_FREECTX, free_ctx::<Ctx>, FreeCtx),
    dispatch!(FUNC_ASYM_CIPHER_DUPCTX, dup_ctx::<Ctx>, DupCtx),
    dispatch!(FUNC_ASYM_CIPHER_GET_CTX_PARAMS, get_params, GetCtxParams),
    dispatch!(FUNC_ASYM_CIPHER_GETTABLE_CTX_PARAMS, gettable, DescribeCtxParams),
    dispatch!(FUNC_ASYM_CIPHER_SET_CTX_PARAMS, set_params, SetCtxParams),
    dispatch!(FUNC_ASYM_CIPHER_SETTABLE_CTX_PARAMS, settable, DescribeCtxParams),
    Dispatch::END,
];

unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
    // SAFETY: libcrypto's promise about its argument.
    let instance = unsafe { instance_of(provctx) };
    fence(|| {
        let rsa = Rsa::default();
        object::give(Ctx { instance, rsa, theirs: None, begun: 0, told: Vec::new() })
    })
}

unsafe extern "C" fn encrypt_init(ctx: *mut c_void, key: *mut c_void, list: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { begin(ctx, FUNC_ASYM_CIPHER_ENCRYPT_INIT, key, list, here!()) }
}

unsafe extern "C" fn decrypt_init(ctx: *mut c_void, key: *mut c_void, list: *const Param) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe { begin(ctx, FUNC_ASYM_CIPHER_DECRYPT_INIT, key, list, here!()) }
}

/// # Safety
///
/// The arguments are those that libcrypto has passed.
unsafe fn begin(ctx: *mut c_void, id: c_int, key: *mut c_void, list: *const Param, place: Place) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        outcome(ctx, place, |object: Object<Ctx>| {
            let key = if key.is_null() { Held::Empty } else { held(key) };
            object.with(|ctx| ctx.init(id, key, Params::new(list)))
        })
    }
}

impl Context for Ctx {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl CopyContext for Ctx {
    fn copied(&mut self) -> Result<Self, Failure> {
        let theirs = self.theirs.as_ref().map(Theirs::copied).transpose()?;
        let (instance, rsa) = (Arc::clone(&self.instance), self.rsa.clone());
        Ok(Self { instance, rsa, theirs, begun: self.begun, told: self.told.clone() })
    }
}

impl Ctx {
    fn init(&mut self, id: c_int, key: Held, params: Params<'_>) -> Result<(), Failure> {
        self.begun = id;
        self.theirs = None;
        self.told.clear();
        self.tell(params)?;
        match key {
            Held::Empty => Err(Reason::NoKey.into()),
            Held::Theirs(key) => self.hand_over(key),
            Held::Ours(key) => {
                let result = self.rsa.init(key, params);
                self.or_hand_over(result)
            }
        }
    }

    fn tell(&mut self, params: Params<'_>) -> Result<(), Failure> {
        let mut list = List::default();
        list.copy(params)?;
        if !list.is_empty() && self.told.len() <= MOST_LISTS {
            self.told.push(list);
        }
        Ok(())
    }

    /// A result; a setting that the device does not have changes the context.
    fn or_hand_over(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match (result, &self.rsa.key) {
            (Err(refused), Some(key)) if refused.reason == Reason::NotOurs => {
                let key = key.as_theirs(&self.instance).map_err(|_| refused)?;
                self.hand_over(Arc::new(key))
            }
            (result, _) => result,
        }
    }

    /// The context becomes one of the default provider's, which is told what was said so far.
    #[cold]
    fn hand_over(&mut self, key: Arc<TheirKey>) -> Result<(), Failure> {
        if self.told.len() > MOST_LISTS {
            return Err(Reason::Elsewhere.into());
        }
        let theirs = Theirs::asym_cipher(&self.instance, NAME, key)?;
        // SAFETY: the type of both numbers that it may be; context and key are alive, and there are no
        // parameters.
        let is_begun = unsafe {
            let init = theirs.functions().get::<KeyedInit>(self.begun).ok_or(Reason::Elsewhere)?;
            init(theirs.data(), theirs.key().as_ptr(), ptr::null())
        };
        let set = |list: &mut List| {
            // SAFETY: the list has an end.
            list.with(|list| unsafe { set_theirs(&theirs, list) } > 0)
        };
        if is_begun <= 0 || !self.told.iter_mut().all(set) {
            return Err(Reason::Elsewhere.into());
        }
        self.theirs = Some(theirs);
        Ok(())
    }
}

/// Sets parameters of a context of the default provider.
///
/// # Safety
///
/// `list` is null or has an end.
unsafe fn set_theirs(theirs: &Theirs, list: *const Param) -> c_int {
    // SAFETY: the type of this number, a context that is alive, and the caller's promise.
    unsafe {
        let set = theirs.functions().get::<SetCtxParams>(FUNC_ASYM_CIPHER_SET_CTX_PARAMS);
        set.map_or(0, |set| set(theirs.data(), list))
    }
}

unsafe extern "C" fn encrypt(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    fence(|| unsafe { transform(ctx, false, (out, out_len, out_size), (input, in_len), here!()) })
}

unsafe extern "C" fn decrypt(
    ctx: *mut c_void,
    out: *mut u8,
    out_len: *mut usize,
    out_size: usize,
    input: *const u8,
    in_len: usize,
) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    fence(|| unsafe { transform(ctx, true, (out, out_len, out_size), (input, in_len), here!()) })
}

/// # Safety
///
/// The arguments are those that libcrypto has passed.
unsafe fn transform(
    ctx: *mut c_void,
    decrypts: bool,
    (out, out_len, out_size): (*mut u8, *mut usize, usize),
    (input, in_len): (*const u8, usize),
    place: Place,
) -> c_int {
    // SAFETY: the caller's promise.
    let object = unsafe { Object::<Ctx>::new(ctx) };
    let theirs = object.with(|ctx| {
        let id = if decrypts { FUNC_ASYM_CIPHER_DECRYPT } else { FUNC_ASYM_CIPHER_ENCRYPT };
        let kind = if decrypts { kinds::RSA_DECRYPT } else { kinds::RSA_ENCRYPT };
        // SAFETY: the type of both numbers.
        let function = |theirs: &Theirs| unsafe { theirs.functions().get::<AsymCipher>(id) };
        let pass = Pass::of_key(&ctx.instance, kind, in_len);
        ctx.theirs.as_ref().map(|theirs| (function(theirs), theirs.data(), pass))
    });
    if let Some((function, data, pass)) = theirs {
        let Some(function) = function else { return 0 };
        // SAFETY: a context that is alive, and libcrypto's own arguments.
        let call = || unsafe { function(data, out, out_len, out_size, input, in_len) };
        // The size of an output is no operation.
        return if out.is_null() { call() } else { elsewhere(pass, || Ok(call())).unwrap_or(0) };
    }
    // SAFETY: the caller's promise.
    let result = unsafe { ours(object, decrypts, (out, out_len, out_size), (input, in_len)) };
    let is_below_0 = !decrypts
        && result.as_ref().is_err_and(|failure| failure.reason != Reason::OutputTooSmall)
        && object.with(|ctx| ctx.rsa.fails_below_0());
    let said = object.with(|ctx| ctx.instance.outcome(result, place));
    if is_below_0 { -1 } else { said }
}

/// # Safety
///
/// As for [`transform`].
unsafe fn ours(
    object: Object<Ctx>,
    decrypts: bool,
    (out, out_len, out_size): (*mut u8, *mut usize, usize),
    (input, in_len): (*const u8, usize),
) -> Result<(), Failure> {
    if out.is_null() {
        let size = object.with(|ctx| ctx.rsa.size(decrypts))?;
        // SAFETY: the caller's promise.
        unsafe { out_len.write(size) };
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let text = unsafe { Text::new(input, in_len) }?;
    let begun = object.with(|ctx| {
        let rsa = &ctx.rsa;
        let work = if decrypts {
            rsa.decrypt(&ctx.instance, text, out_size)?
        } else {
            rsa.encrypt(&ctx.instance, text, out_size)?
        };
        Ok::<_, Failure>((work.pass(&ctx.instance), work))
    });
    let (pass, work) = begun?;
    // Nothing else is in this frame: the job may be paused here, and never resumed.
    let output = work.run(pass)?;
    // SAFETY: the caller's promise.
    unsafe {
        Room::new(out, out_size).put(&output)?;
        out_len.write(output.len());
    }
    Ok(())
}

unsafe extern "C" fn set_params(ctx: *mut c_void, list: *const Param) -> c_int {
    fence(|| {
        // SAFETY: libcrypto's promises about its arguments.
        let (object, params) = unsafe { (Object::<Ctx>::new(ctx), Params::new(list)) };
        object.with(|ctx| {
            if let Some(theirs) = &ctx.theirs {
                // SAFETY: libcrypto's own argument.
                return unsafe { set_theirs(theirs, list) };
            }
            let result = ctx.tell(params).and_then(|()| ctx.rsa.set(params));
            let result = ctx.or_hand_over(result);
            ctx.instance.outcome(result, here!())
        })
    })
}

unsafe extern "C" fn get_params(ctx: *mut c_void, list: *mut Param) -> c_int {
    fence(|| {
        // SAFETY: libcrypto's promises about its arguments.
        let (object, requests) = unsafe { (Object::<Ctx>::new(ctx), Requests::new(list)) };
        object.with(|ctx| {
            if let Some(theirs) = &ctx.theirs {
                // SAFETY: the type of this number, a context that is alive, and libcrypto's own argument.
                return unsafe {
                    let get = theirs.functions().get::<GetCtxParams>(FUNC_ASYM_CIPHER_GET_CTX_PARAMS);
                    get.map_or(0, |get| get(theirs.data(), list))
                };
            }
            let given = requests.each().try_for_each(|mut wanted| ctx.rsa.give(&mut wanted));
            ctx.instance.outcome(given.map_err(Failure::from), here!())
        })
    })
}

unsafe extern "C" fn gettable(_: *mut c_void, _: *mut c_void) -> *const Param {
    GETTABLE.as_ptr()
}

unsafe extern "C" fn settable(_: *mut c_void, _: *mut c_void) -> *const Param {
    SETTABLE.as_ptr()
}
