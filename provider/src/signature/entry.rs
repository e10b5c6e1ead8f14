//! The functions that libcrypto calls for signatures, the same for every scheme.
//!
//! ```text
//!   call ──► Theirs? ── the same call, to the default provider
//!        └─► Scheme: checks, copies ──► Work ── run_key, which may pause ──► out
//!            └─ a setting that the device does not have: the context becomes one of theirs
//! ```
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::algid;
use super::scheme::{Init, Operation, Scheme, Unpad};
use super::told::Told;
use crate::accelerator::{Pass, Room, Text, elsewhere};
use crate::context::{Context, CopyContext};
use crate::error::{Failure, Reason};
use crate::instance::{Instance, instance_of};
use crate::keymgmt::{Held, held};
use crate::ossl::core::{Place, here};
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_SIGNATURE_DIGEST_SIGN, FUNC_SIGNATURE_DIGEST_SIGN_FINAL, FUNC_SIGNATURE_DIGEST_SIGN_INIT,
    FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, FUNC_SIGNATURE_DIGEST_VERIFY, FUNC_SIGNATURE_DIGEST_VERIFY_FINAL,
    FUNC_SIGNATURE_DIGEST_VERIFY_INIT, FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, FUNC_SIGNATURE_GET_CTX_PARAMS,
    FUNC_SIGNATURE_SET_CTX_PARAMS, FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, FUNC_SIGNATURE_SIGN,
    FUNC_SIGNATURE_SIGN_INIT, FUNC_SIGNATURE_SIGN_MESSAGE_FINAL, FUNC_SIGNATURE_SIGN_MESSAGE_INIT,
    FUNC_SIGNATURE_SIGN_MESSAGE_UPDATE, FUNC_SIGNATURE_VERIFY, FUNC_SIGNATURE_VERIFY_INIT,
    FUNC_SIGNATURE_VERIFY_MESSAGE_FINAL, FUNC_SIGNATURE_VERIFY_MESSAGE_INIT,
    FUNC_SIGNATURE_VERIFY_MESSAGE_UPDATE, FUNC_SIGNATURE_VERIFY_RECOVER, FUNC_SIGNATURE_VERIFY_RECOVER_INIT,
};
use crate::ossl::object::{self, Object};
use crate::ossl::params::{Params, Requests};
use crate::ossl::types::{
    DescribeCtxParams, DigestUpdate, GetCtxParams, KeyedInit, Param, SetCtxParams, SignatureDigestInit,
    SignatureFinal, SignatureSign, SignatureVerify, SignatureVerifyFinal,
};
use crate::theirs::Theirs;

/// A context of libcrypto's.
pub(super) struct Ctx<S> {
    instance: Arc<Instance>,
    scheme: S,
    theirs: Option<Theirs>,
    told: Told,
}

impl<S: Scheme> Context for Ctx<S> {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl<S: Scheme> CopyContext for Ctx<S> {
    fn copied(&mut self) -> Result<Self, Failure> {
        let theirs = self.theirs.as_ref().map(Theirs::copied).transpose()?;
        let (instance, scheme) = (Arc::clone(&self.instance), self.scheme.clone());
        Ok(Self { instance, scheme, theirs, told: self.told.copied() })
    }
}

impl<S: Scheme> Ctx<S> {
    /// The context becomes one of the default provider's, which was told the same.
    #[cold]
    fn hand_over(&mut self, refused: Failure) -> Result<(), Failure> {
        let Some(key) = self.scheme.held_key() else { return Err(refused) };
        // Where the default provider refuses it, too, it has said why.
        self.theirs = Some(self.told.again(&self.instance, S::NAME, &key).map_err(|_| refused)?);
        Ok(())
    }

    /// A result; a setting that the device does not have changes the context.
    fn or_hand_over(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Err(refused) if refused.reason == Reason::NotOurs => self.hand_over(refused),
            result => result,
        }
    }
}

/// What a call says to libcrypto: 1, 0, or −1 for bytes that are no signature.
fn verdict<S>(object: Object<Ctx<S>>, result: Result<(), Failure>, place: Place) -> c_int {
    let is_no_signature = result.as_ref().is_err_and(|failure| failure.reason == Reason::SignatureForm);
    let said = object.with(|ctx| ctx.instance.outcome(result, place));
    if is_no_signature { -1 } else { said }
}

/// Declares a function: its number and type, by which a context of the default provider is called, what that
/// is counted as, and what it does otherwise.
macro_rules! functions {
    ($($name:ident $ID:ident $Type:ty: ($($argument:ident: $of:ty),*)
        $(counts $kind:ident of $bytes:expr, if $is_operation:expr;)? |$object:ident| $body:expr;)+) => {$(
        pub(super) unsafe extern "C" fn $name<S: Scheme>(ctx: *mut c_void $(, $argument: $of)*) -> c_int {
            fence(|| {
                // SAFETY: libcrypto's promise about its argument.
                let $object = unsafe { Object::<Ctx<S>>::new(ctx) };
                let theirs = $object.with(|ctx| {
                    // SAFETY: the type of this number.
                    let function = |theirs: &Theirs| unsafe { theirs.functions().get::<$Type>($ID) };
                    ctx.theirs.as_ref().map(|theirs| (function(theirs), theirs.data()))
                });
                if let Some((function, data)) = theirs {
                    // SAFETY: a context that is alive, and libcrypto's own arguments.
                    let call = || function.map_or(0, |function| unsafe { function(data $(, $argument)*) });
                    $(if $is_operation {
                        let pass = $object.with(|ctx| Pass::of_key(&ctx.instance, S::$kind, $bytes));
                        return elsewhere(pass, || Ok(call())).unwrap_or(0);
                    })?
                    return call();
                }
                let result = $body;
                verdict($object, result, here!())
            })
        }
    )+};
}

functions! {
    sign FUNC_SIGNATURE_SIGN SignatureSign:
        (out: *mut u8, len: *mut usize, size: usize, input: *const u8, in_len: usize)
        counts SIGNS of in_len, if !out.is_null();
        |object| one_shot(object, (out, len, size), (input, in_len));
    digest_sign FUNC_SIGNATURE_DIGEST_SIGN SignatureSign:
        (out: *mut u8, len: *mut usize, size: usize, input: *const u8, in_len: usize)
        counts SIGNS of in_len, if !out.is_null();
        |object| one_shot(object, (out, len, size), (input, in_len));
    verify FUNC_SIGNATURE_VERIFY SignatureVerify:
        (signature: *const u8, len: usize, input: *const u8, in_len: usize)
        counts VERIFIES of in_len, if true;
        |object| compare(object, (signature, len), Some((input, in_len)));
    digest_verify FUNC_SIGNATURE_DIGEST_VERIFY SignatureVerify:
        (signature: *const u8, len: usize, input: *const u8, in_len: usize)
        counts VERIFIES of in_len, if true;
        |object| compare(object, (signature, len), Some((input, in_len)));
    recover FUNC_SIGNATURE_VERIFY_RECOVER SignatureSign:
        (out: *mut u8, len: *mut usize, size: usize, signature: *const u8, signature_len: usize)
        counts VERIFIES of signature_len, if !out.is_null();
        |object| recovered(object, (out, len, size), (signature, signature_len));
    digest_sign_update FUNC_SIGNATURE_DIGEST_SIGN_UPDATE DigestUpdate: (input: *const u8, in_len: usize)
        |object| part(object, (input, in_len));
    digest_verify_update FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE DigestUpdate: (input: *const u8, in_len: usize)
        |object| part(object, (input, in_len));
    sign_message_update FUNC_SIGNATURE_SIGN_MESSAGE_UPDATE DigestUpdate: (input: *const u8, in_len: usize)
        |object| part(object, (input, in_len));
    verify_message_update FUNC_SIGNATURE_VERIFY_MESSAGE_UPDATE DigestUpdate: (input: *const u8, in_len: usize)
        |object| part(object, (input, in_len));
    digest_sign_final FUNC_SIGNATURE_DIGEST_SIGN_FINAL SignatureFinal:
        (out: *mut u8, len: *mut usize, size: usize)
        counts SIGNS of 0, if !out.is_null();
        |object| {
            let result = signed(object, (out, len, size), None);
            object.with(|ctx| ctx.scheme.allow_digest_again());
            result
        };
    sign_message_final FUNC_SIGNATURE_SIGN_MESSAGE_FINAL SignatureFinal:
        (out: *mut u8, len: *mut usize, size: usize)
        counts SIGNS of 0, if !out.is_null();
        |object| signed(object, (out, len, size), None);
    digest_verify_final FUNC_SIGNATURE_DIGEST_VERIFY_FINAL DigestUpdate: (signature: *const u8, len: usize)
        counts VERIFIES of 0, if true;
        |object| {
            let result = compare(object, (signature, len), None);
            object.with(|ctx| ctx.scheme.allow_digest_again());
            result
        };
    verify_message_final FUNC_SIGNATURE_VERIFY_MESSAGE_FINAL SignatureVerifyFinal: ()
        counts VERIFIES of 0, if true;
        |object| {
            let kept = object.with(|ctx| ctx.scheme.kept_signature().to_vec());
            compare(object, (kept.as_ptr(), kept.len()), None)
        };
    set_params FUNC_SIGNATURE_SET_CTX_PARAMS SetCtxParams: (list: *const Param)
        |object| {
            // SAFETY: libcrypto's promise about its argument.
            let params = unsafe { Params::new(list) };
            object.with(|ctx| {
                ctx.told.set(params)?;
                let result = ctx.scheme.set(params);
                ctx.or_hand_over(result)
            })
        };
    get_params FUNC_SIGNATURE_GET_CTX_PARAMS GetCtxParams: (list: *mut Param)
        |object| {
            // SAFETY: libcrypto's promise about its argument.
            let requests = unsafe { Requests::new(list) };
            object.with(|ctx| requests.each().try_for_each(|mut wanted| ctx.scheme.give(&mut wanted)))
        };
}

/// Where an output goes: the bytes, their number, and the room there is.
type Output = (*mut u8, *mut usize, usize);
/// Bytes of the application, and their number.
type Input = (*const u8, usize);

/// A whole text at once; or the size of its signature.
fn one_shot<S: Scheme>(object: Object<Ctx<S>>, out: Output, (input, len): Input) -> Result<(), Failure> {
    if out.0.is_null() {
        let size = object.with(|ctx| ctx.scheme.size(false))?;
        // SAFETY: libcrypto's promise about its argument.
        unsafe { out.1.write(size) };
        return Ok(());
    }
    // SAFETY: libcrypto's promise about its arguments.
    let text = unsafe { Text::new(input, len) }?;
    signed(object, out, Some(text))
}

/// Signs a text, or the digest of what was hashed; or tells the size.
fn signed<S: Scheme>(
    object: Object<Ctx<S>>,
    (out, len, size): Output,
    input: Option<Text>,
) -> Result<(), Failure> {
    if out.is_null() {
        let size = object.with(|ctx| ctx.scheme.size(true))?;
        // SAFETY: libcrypto's promise about its argument.
        unsafe { len.write(size) };
        return Ok(());
    }
    let begun = object.with(|ctx| {
        let work = ctx.scheme.sign(&ctx.instance, input, size)?;
        Ok::<_, Failure>((work.pass(&ctx.instance), work))
    });
    let (pass, work) = begun?;
    // Nothing else is in this frame: the job may be paused here, and never resumed.
    let signature = work.run(pass)?;
    // SAFETY: libcrypto's promise about its arguments.
    put(&signature, unsafe { Room::new(out, size) }, len)
}

fn put(output: &Zeroizing<Vec<u8>>, room: Room, len: *mut usize) -> Result<(), Failure> {
    room.put(output)?;
    // SAFETY: room for a number, which libcrypto has promised to every function with an output.
    unsafe { len.write(output.len()) };
    Ok(())
}

fn compare<S: Scheme>(
    object: Object<Ctx<S>>,
    (signature, len): Input,
    input: Option<Input>,
) -> Result<(), Failure> {
    // SAFETY: libcrypto's promise about its arguments.
    let signature = unsafe { Text::new(signature, len) }?;
    // SAFETY: the same.
    let input = input.map(|(input, len)| unsafe { Text::new(input, len) }).transpose()?;
    let begun = object.with(|ctx| {
        let work = ctx.scheme.verify(&ctx.instance, signature, input)?;
        Ok::<_, Failure>((work.pass(&ctx.instance), work))
    });
    let (pass, work) = begun?;
    work.run(pass).map(drop)
}

fn recovered<S: Scheme>(
    object: Object<Ctx<S>>,
    (out, len, size): Output,
    (signature, signature_len): Input,
) -> Result<(), Failure> {
    if out.is_null() {
        let size = object.with(|ctx| ctx.scheme.size(false))?;
        // SAFETY: libcrypto's promise about its argument.
        unsafe { len.write(size) };
        return Ok(());
    }
    // SAFETY: libcrypto's promise about its arguments.
    let signature = unsafe { Text::new(signature, signature_len) }?;
    let begun = object.with(|ctx| {
        let (work, unpad) = ctx.scheme.recover(&ctx.instance, signature, size)?;
        Ok::<_, Failure>((work.pass(&ctx.instance), work, unpad))
    });
    let (pass, work, unpad) = begun?;
    let padded = work.run(pass)?;
    let digest = unpadded(&padded, unpad)?;
    // SAFETY: libcrypto's promise about its arguments.
    put(&Zeroizing::new(digest.to_vec()), unsafe { Room::new(out, size) }, len)
}

/// What a signature of PKCS#1 v1.5 contains (RFC 8017, 9.2): a text, or a digest behind its DigestInfo.
fn unpadded(padded: &[u8], unpad: Unpad) -> Result<&[u8], Failure> {
    if !unpad.is_padded {
        return Ok(padded);
    }
    let text = match padded {
        [0, 1, rest @ ..] => {
            let ones = rest.iter().take_while(|byte| **byte == 0xff).count();
            rest.get(ones..).filter(|_| ones >= 8).and_then(|rest| rest.strip_prefix(&[0]))
        }
        _ => None,
    };
    let text = text.ok_or(Reason::BadSignature)?;
    let Some(md) = unpad.md else { return Ok(text) };
    let digest = text.strip_prefix(algid::digest_info_head(md).as_slice());
    digest.filter(|digest| digest.len() == md.len()).ok_or_else(|| Reason::BadSignature.into())
}

fn part<S: Scheme>(object: Object<Ctx<S>>, (input, len): Input) -> Result<(), Failure> {
    // SAFETY: libcrypto's promise about its arguments.
    let text = unsafe { Text::new(input, len) }?;
    object.with(|ctx| {
        ctx.told.has_hashed = true;
        ctx.scheme.update(text)
    })
}

/// An initialisation: the function, and what it is for.
#[derive(Clone, Copy)]
struct Begun {
    id: c_int,
    operation: Operation,
    hashes: bool,
}

/// Initialises a context, which is ours or theirs as its key is.
///
/// # Safety
///
/// The arguments are those that libcrypto has passed.
unsafe fn begin<S: Scheme>(
    ctx: *mut c_void,
    begun: Begun,
    digest: *const c_char,
    key: *mut c_void,
    list: *const Param,
    place: Place,
) -> c_int {
    // SAFETY: the caller's promise.
    let object = unsafe { Object::<Ctx<S>>::new(ctx) };
    // SAFETY: the same: null, or a key of ours.
    let key = (!key.is_null()).then(|| unsafe { held(key) });
    let begun_with: Result<Option<*mut c_void>, Failure> = object.with(|ctx| match key {
        Some(Held::Theirs(key)) => {
            match &mut ctx.theirs {
                Some(theirs) => theirs.take_key(Arc::clone(&key)),
                none => *none = Some(Theirs::signature(&ctx.instance, S::NAME, Arc::clone(&key))?),
            }
            Ok(Some(key.as_ptr()))
        }
        Some(Held::Empty) => Err(Reason::NoKey.into()),
        // Without a key it goes on with the one that is there.
        None if ctx.theirs.is_some() => Ok(Some(ptr::null_mut())),
        Some(Held::Ours(key)) => {
            ctx.theirs = None;
            // SAFETY: the caller's promise.
            unsafe { ours(ctx, begun, digest, Some(key), list) }.map(|()| None)
        }
        // SAFETY: the caller's promise.
        None => unsafe { ours(ctx, begun, digest, None, list) }.map(|()| None),
    });
    let key = match begun_with {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return 1,
        Err(failure) => return verdict(object, Err(failure), place),
    };
    let theirs = object.with(|ctx| ctx.theirs.as_ref().map(|theirs| (theirs.functions(), theirs.data())));
    let Some((functions, data)) = theirs else { return 0 };
    // SAFETY: the types of these numbers, a context and a key that are alive, and libcrypto's own arguments.
    unsafe {
        if begun.hashes {
            let init = functions.get::<SignatureDigestInit>(begun.id);
            init.map_or(0, |init| init(data, digest, key, list))
        } else {
            functions.get::<KeyedInit>(begun.id).map_or(0, |init| init(data, key, list))
        }
    }
}

/// # Safety
///
/// As for [`begin`].
unsafe fn ours<S: Scheme>(
    ctx: &mut Ctx<S>,
    begun: Begun,
    digest: *const c_char,
    key: Option<Arc<crate::keymgmt::Key>>,
    list: *const Param,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let params = unsafe { Params::new(list) };
    // SAFETY: null, or a text with an end.
    let name = (!digest.is_null()).then(|| unsafe { CStr::from_ptr(digest) });
    ctx.told.init(begun.id, name.map(CString::from), params)?;
    let digest = begun.hashes.then(|| name.map(CStr::to_bytes));
    let result = ctx.scheme.init(Init { operation: begun.operation, key, digest, params });
    ctx.or_hand_over(result)
}

/// Declares the initialisations.
macro_rules! initialisations {
    ($($name:ident $ID:ident $Operation:ident;)+) => {$(
        pub(super) unsafe extern "C" fn $name<S: Scheme>(
            ctx: *mut c_void,
            key: *mut c_void,
            list: *const Param,
        ) -> c_int {
            let begun = Begun { id: $ID, operation: Operation::$Operation, hashes: false };
            // SAFETY: libcrypto's promises about its arguments.
            fence(|| unsafe { begin::<S>(ctx, begun, ptr::null(), key, list, here!()) })
        }
    )+};
    ($($name:ident $ID:ident $Operation:ident with a digest;)+) => {$(
        pub(super) unsafe extern "C" fn $name<S: Scheme>(
            ctx: *mut c_void,
            digest: *const c_char,
            key: *mut c_void,
            list: *const Param,
        ) -> c_int {
            let begun = Begun { id: $ID, operation: Operation::$Operation, hashes: true };
            // SAFETY: libcrypto's promises about its arguments.
            fence(|| unsafe { begin::<S>(ctx, begun, digest, key, list, here!()) })
        }
    )+};
}

initialisations! {
    sign_init FUNC_SIGNATURE_SIGN_INIT Sign;
    verify_init FUNC_SIGNATURE_VERIFY_INIT Verify;
    recover_init FUNC_SIGNATURE_VERIFY_RECOVER_INIT Recover;
    sign_message_init FUNC_SIGNATURE_SIGN_MESSAGE_INIT SignMessage;
    verify_message_init FUNC_SIGNATURE_VERIFY_MESSAGE_INIT VerifyMessage;
}

initialisations! {
    digest_sign_init FUNC_SIGNATURE_DIGEST_SIGN_INIT SignMessage with a digest;
    digest_verify_init FUNC_SIGNATURE_DIGEST_VERIFY_INIT VerifyMessage with a digest;
}

pub(super) unsafe extern "C" fn new_ctx<S: Scheme>(provctx: *mut c_void, _: *const c_char) -> *mut c_void {
    // SAFETY: libcrypto's promise about its argument.
    let instance = unsafe { instance_of(provctx) };
    fence(|| {
        let scheme = S::new(&instance);
        object::give(Ctx { instance, scheme, theirs: None, told: Told::default() })
    })
}

pub(super) unsafe extern "C" fn gettable<S: Scheme>(_: *mut c_void, _: *mut c_void) -> *const Param {
    S::gettable().as_ptr()
}

pub(super) unsafe extern "C" fn settable<S: Scheme>(ctx: *mut c_void, provctx: *mut c_void) -> *const Param {
    fence(|| {
        if ctx.is_null() {
            // SAFETY: libcrypto's promise about its argument.
            let instance = unsafe { instance_of(provctx) };
            return S::new(&instance).settable().as_ptr();
        }
        // SAFETY: libcrypto's promise about its argument.
        let object = unsafe { Object::<Ctx<S>>::new(ctx) };
        object.with(|ctx| {
            let Some(theirs) = &ctx.theirs else { return ctx.scheme.settable().as_ptr() };
            // SAFETY: the type of this number; a context that is alive needs no other.
            unsafe {
                let describe =
                    theirs.functions().get::<DescribeCtxParams>(FUNC_SIGNATURE_SETTABLE_CTX_PARAMS);
                describe.map_or(ptr::null(), |describe| describe(theirs.data(), ptr::null_mut()))
            }
        })
    })
}

/// Parameters of a digest in a signature: those of ours have none.
pub(super) unsafe extern "C" fn no_md_params<S: Scheme>(_: *mut c_void, _: *mut Param) -> c_int {
    0
}

/// The same, to set them.
pub(super) unsafe extern "C" fn set_no_md_params<S: Scheme>(_: *mut c_void, _: *const Param) -> c_int {
    0
}

/// The same, to describe them.
pub(super) unsafe extern "C" fn describe_no_md_params<S: Scheme>(_: *mut c_void) -> *const Param {
    ptr::null()
}
