//! Digests: SHA2-224, 256, 384 and 512 (FIPS 180-4).
//!
//! ```text
//!   init ──► a stream without a state          update ──► a request with the state and a copy of the text
//!   dupctx ► a copy of the state               final ───► a request with the state
//! ```
//!
//! The state travels in the requests, so an object occupies nothing on the device while it rests. What the
//! default provider does with parameters, in `providers/implementations/digests/sha2_prov.c` and
//! `digestcommon.c`, is done here; parameters of `init` are ignored as there.
#![expect(unsafe_code, reason = "functions that libcrypto calls")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use simaccel::{Hash, HashSession, HashStream, OpError, foreign};

use crate::accelerator::{self, Buffer, Pass, Room, Text};
use crate::context::{Context, CopyContext, dup_ctx, free_ctx, outcome};
use crate::error::{Failure, Reason};
use crate::instance::{Instance, instance_of};
use crate::kinds::{self, Kind};
use crate::ossl::core::here;
use crate::ossl::fence::fence;
use crate::ossl::ids::{
    FUNC_DIGEST_DUPCTX, FUNC_DIGEST_FINAL, FUNC_DIGEST_FREECTX, FUNC_DIGEST_GET_PARAMS,
    FUNC_DIGEST_GETTABLE_PARAMS, FUNC_DIGEST_INIT, FUNC_DIGEST_NEWCTX, FUNC_DIGEST_UPDATE, PARAM_INTEGER,
    PARAM_UNSIGNED_INTEGER,
};
use crate::ossl::keys;
use crate::ossl::object::{self, Object};
use crate::ossl::params::{Mismatch, Requests, Wanted};
use crate::ossl::types::{
    DescribeParams, DigestFinal, DigestInit, DigestUpdate, Dispatch, DupCtx, FreeCtx, GetParams, NewCtx,
    Param, dispatch,
};
use crate::pausing;

/// What is different between the algorithms.
struct Spec {
    kind: Kind,
    hash: Hash,
    block: usize,
    size: usize,
}

/// Declares an algorithm: its functions.
macro_rules! digest {
    ($NAME:ident, $hash:expr, $block:literal, $size:literal) => {
        pub(crate) static $NAME: &[Dispatch] = {
            static SPEC: Spec = Spec { kind: kinds::$NAME, hash: $hash, block: $block, size: $size };

            unsafe extern "C" fn new_ctx(provctx: *mut c_void) -> *mut c_void {
                // SAFETY: libcrypto's promise about its argument.
                let instance = unsafe { instance_of(provctx) };
                fence(|| object::give(Ctx { instance, spec: &SPEC, stream: None, forks: 0 }))
            }

            unsafe extern "C" fn get_params(list: *mut Param) -> c_int {
                // SAFETY: libcrypto's promise about its argument.
                let requests = unsafe { Requests::new(list) };
                fence(|| c_int::from(requests.each().all(|mut wanted| give(&mut wanted, &SPEC).is_ok())))
            }

            &[
                dispatch!(FUNC_DIGEST_NEWCTX, new_ctx, NewCtx),
                dispatch!(FUNC_DIGEST_INIT, init, DigestInit),
                dispatch!(FUNC_DIGEST_UPDATE, update, DigestUpdate),
                dispatch!(FUNC_DIGEST_FINAL, finish, DigestFinal),
                dispatch!(FUNC_DIGEST_FREECTX, free_ctx::<Ctx>, FreeCtx),
                dispatch!(FUNC_DIGEST_DUPCTX, dup_ctx::<Ctx>, DupCtx),
                dispatch!(FUNC_DIGEST_GET_PARAMS, get_params, GetParams),
                dispatch!(FUNC_DIGEST_GETTABLE_PARAMS, gettable_params, DescribeParams),
                Dispatch::END,
            ]
        };
    };
}

digest!(SHA2_224, Hash::Sha224, 64, 28);
digest!(SHA2_256, Hash::Sha256, 64, 32);
digest!(SHA2_384, Hash::Sha384, 128, 48);
digest!(SHA2_512, Hash::Sha512, 128, 64);

/// `EVP_MD_CTX`'s part of a digest.
struct Ctx {
    instance: Arc<Instance>,
    spec: &'static Spec,
    /// `None` before it is initialised, and while a part is under way.
    stream: Option<HashStream>,
    /// The process that the stream belongs to.
    forks: u64,
}

impl Ctx {
    fn session(&self) -> Result<HashSession, Failure> {
        accelerator::hash(&self.instance, self.spec.hash)
    }

    fn init(&mut self) -> Result<(), Failure> {
        self.stream = Some(self.session()?.stream());
        self.forks = foreign::forks();
        Ok(())
    }

    /// The stream, of this process.
    fn take_stream(&mut self) -> Result<HashStream, Failure> {
        let stream = self.stream.take().ok_or(Reason::NotNow)?;
        if self.forks == foreign::forks() {
            return Ok(stream);
        }
        self.forks = foreign::forks();
        self.copy_of(&stream)
    }

    /// A copy that goes on in this process.
    fn copy_of(&self, stream: &HashStream) -> Result<HashStream, Failure> {
        let session = self.session()?;
        Ok(pausing::apart(self.instance.jobs(), || stream.copied_to(&session))?)
    }
}

impl Context for Ctx {
    fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl CopyContext for Ctx {
    fn copied(&mut self) -> Result<Self, Failure> {
        let stream = match &self.stream {
            Some(stream) => Some(self.copy_of(stream)?),
            None => None,
        };
        Ok(Self { instance: Arc::clone(&self.instance), spec: self.spec, stream, forks: foreign::forks() })
    }
}

unsafe extern "C" fn init(ctx: *mut c_void, _: *const Param) -> c_int {
    // SAFETY: libcrypto's promise about its argument.
    unsafe { outcome(ctx, here!(), |object: Object<Ctx>| object.with(Ctx::init)) }
}

unsafe extern "C" fn update(ctx: *mut c_void, input: *const u8, in_len: usize) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Ctx>| {
            let text = Text::new(input, in_len)?;
            if text.len() == 0 {
                return Ok(());
            }
            let mut part = Buffer::with_room(text.len())?;
            text.append_to(&mut part);
            Buffer::recycle(run(object, part.len(), |stream| stream.update(part))?);
            Ok(())
        })
    }
}

unsafe extern "C" fn finish(ctx: *mut c_void, out: *mut u8, out_len: *mut usize, out_size: usize) -> c_int {
    // SAFETY: libcrypto's promises about its arguments.
    unsafe {
        outcome(ctx, here!(), |object: Object<Ctx>| {
            let room = Room::new(out, out_size);
            room.check(object.with(|ctx| ctx.spec.size))?;
            let digest = run(object, 0, HashStream::finish_by_ref)?;
            room.put(digest.as_bytes())?;
            out_len.write(digest.as_bytes().len());
            Ok(())
        })
    }
}

/// Runs one part, which may pause; meanwhile the stream is not in the object.
fn run<R>(
    object: Object<Ctx>,
    bytes: usize,
    part: impl FnOnce(&mut HashStream) -> Result<R, OpError>,
) -> Result<R, Failure> {
    let begin = |ctx: &mut Ctx| {
        Ok::<_, Failure>((Pass::new(&ctx.instance, ctx.spec.kind, bytes), ctx.take_stream()?))
    };
    let (pass, stream) = object.with(begin)?;
    let (stream, result) = accelerator::run(pass, stream, part);
    object.with(|ctx| ctx.stream = Some(stream));
    result
}

static GETTABLE: &[Param] = &[
    Param::described(keys::DIGEST_BLOCK_SIZE, PARAM_UNSIGNED_INTEGER, size_of::<usize>()),
    Param::described(keys::DIGEST_SIZE, PARAM_UNSIGNED_INTEGER, size_of::<usize>()),
    Param::described(keys::DIGEST_XOF, PARAM_INTEGER, size_of::<c_int>()),
    Param::described(keys::DIGEST_ALGID_ABSENT, PARAM_INTEGER, size_of::<c_int>()),
    Param::END,
];

unsafe extern "C" fn gettable_params(_: *mut c_void) -> *const Param {
    GETTABLE.as_ptr()
}

fn give(wanted: &mut Wanted<'_>, spec: &Spec) -> Result<(), Mismatch> {
    match wanted.key() {
        key if key == keys::DIGEST_BLOCK_SIZE => wanted.give_size(spec.block),
        key if key == keys::DIGEST_SIZE => wanted.give_size(spec.size),
        key if key == keys::DIGEST_XOF => wanted.give_flag(false),
        key if key == keys::DIGEST_ALGID_ABSENT => wanted.give_flag(true),
        _ => Ok(()),
    }
}
