//! The libcrypto and libssl that the applications use, found at run time.
#![expect(unsafe_code, reason = "foreign functions, found by name")]

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_long, c_uchar, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use super::Failure;

/// What is tried where no path is given, the newest first.
const LIBCRYPTO: &[&str] = &["libcrypto.so.3", "libcrypto.so.4", "libcrypto.so"];
const LIBSSL: &[&str] = &["libssl.so.3", "libssl.so.4", "libssl.so"];

const INIT_NO_LOAD_CONFIG: u64 = 0x80;
const IGNORE_MISSING_FILE: u64 = 0x10;
const PARAM_UTF8_PTR: u32 = 6;
const SET_GROUPS_LIST: c_int = 92;
const ASYNC_PAUSE: c_int = 2;
const ASYNC_FINISH: c_int = 3;
/// How often a job is resumed before the device is taken for one that never answers.
const PATIENCE: usize = 100_000;
/// How long it is waited for one wake, in milliseconds.
const SILENCE: c_int = 3_000;

/// What is said where the error queue is empty.
const SILENT: &str = "no reason given";

type Opaque = *mut c_void;
/// Keys of a section, with their values.
pub(super) type Section = Vec<(String, String)>;

/// A library, open until the process ends.
#[derive(Clone, Copy, Debug)]
struct Library(Opaque);

impl Library {
    fn open(given: Option<&OsStr>, known: &[&str]) -> Result<Self, Failure> {
        let known = known.iter().map(|name| OsStr::new(*name));
        let names: Vec<_> = given.map_or_else(|| known.collect(), |path| vec![path]);
        let mut said = String::new();
        for name in names {
            let name =
                CString::new(name.as_bytes()).map_err(|_| Failure::new("a path has no zero byte", ""))?;
            // SAFETY: a string that ends. What the library does when it is loaded is what it does in every
            // program that uses it.
            let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
            if !library.is_null() {
                return Ok(Self(library));
            }
            said = last_dl_error();
        }
        Err(Failure::new(said, "name the one that the application uses: --libcrypto PATH, --libssl PATH"))
    }

    /// A function; `F` is its type.
    fn function<F: Copy>(self, name: &CStr) -> Result<F, Failure> {
        const { assert!(size_of::<F>() == size_of::<Opaque>()) };
        // SAFETY: the library is open, and the name ends.
        let found = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        if found.is_null() {
            let name = name.to_string_lossy();
            return Err(Failure::new(format!("{name} is missing"), "OpenSSL 3.0 or later is needed"));
        }
        // SAFETY: F is a pointer to a function of the size checked above; the callers name the type that the
        // manual gives.
        Ok(unsafe { mem::transmute_copy(&found) })
    }
}

fn last_dl_error() -> String {
    // SAFETY: it returns null or a string that lasts until the next call of this thread.
    let said = unsafe { libc::dlerror() };
    // SAFETY: the same.
    unsafe { text(said) }.unwrap_or_default()
}

/// # Safety
///
/// Null, or a string that ends.
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// Calls a function of libcrypto: its name, its type, its arguments.
macro_rules! call {
    ($library:expr, $name:tt: fn($($type:ty),*) $(-> $returned:ty)?, $($argument:expr),*) => {{
        let function: unsafe extern "C" fn($($type),*) $(-> $returned)? = $library.function($name)?;
        // SAFETY: the type is that of the manual, and so are the arguments: live objects of this library, and
        // buffers of the lengths that are passed.
        unsafe { function($($argument),*) }
    }};
}

/// The two libraries.
#[derive(Debug)]
pub(super) struct Libcrypto {
    crypto: Library,
    ssl: Option<Library>,
}

/// What became of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) pauses: usize,
    pub(super) fds: usize,
    pub(super) has_worked: bool,
}

impl Libcrypto {
    pub(super) fn open(crypto: Option<&OsStr>, ssl: Option<&OsStr>) -> Result<Self, Failure> {
        let crypto = Library::open(crypto, LIBCRYPTO)?;
        let this = Self { crypto, ssl: Library::open(ssl, LIBSSL).ok() };
        call!(this.crypto, c"OPENSSL_init_crypto": fn(u64, Opaque) -> c_int, INIT_NO_LOAD_CONFIG, ptr::null_mut());
        Ok(this)
    }

    pub(super) fn version(&self) -> Result<(String, u64), Failure> {
        let number = call!(self.crypto, c"OpenSSL_version_num": fn() -> u64,);
        let said = call!(self.crypto, c"OpenSSL_version": fn(c_int) -> *const c_char, 0);
        // SAFETY: it returns a string that lasts.
        Ok((unsafe { text(said) }.unwrap_or_default(), number))
    }

    /// The name of the configuration that an application without its own reads.
    pub(super) fn configuration(&self) -> Result<String, Failure> {
        let name = call!(self.crypto, c"CONF_get1_default_config_file": fn() -> *const c_char,);
        // SAFETY: it returns a string that is the caller's, or null.
        Ok(unsafe { text(name) }.unwrap_or_default())
    }

    /// Reads it, as applications do, but with its errors. Returns those that libcrypto passes over.
    pub(super) fn load_configuration(&self) -> Result<Option<String>, Failure> {
        self.forget_errors()?;
        let done = call!(self.crypto, c"CONF_modules_load_file": fn(*const c_char, *const c_char, u64) -> c_int,
            ptr::null(), ptr::null(), IGNORE_MISSING_FILE);
        let said = self.errors()?;
        if done > 0 { Ok(Some(said).filter(|said| said != SILENT)) } else { Err(Failure::new(said, "")) }
    }

    /// The keys of the section of the first provider whose module `is_ours`, in the configuration that is
    /// read.
    pub(super) fn section_of(&self, is_ours: impl Fn(&Path) -> bool) -> Result<Option<Section>, Failure> {
        let path = CString::new(self.configuration()?).unwrap_or_default();
        let conf = call!(self.crypto, c"NCONF_new": fn(Opaque) -> Opaque, ptr::null_mut());
        let mut line: c_long = 0;
        call!(self.crypto, c"NCONF_load": fn(Opaque, *const c_char, *mut c_long) -> c_int,
            conf, path.as_ptr(), &raw mut line);
        let mut providers = c"openssl_conf".to_owned();
        for (is_head, name) in [(true, c"openssl_conf"), (false, c"providers")] {
            let section = if is_head { ptr::null() } else { providers.as_ptr() };
            let value = call!(self.crypto, c"NCONF_get_string": fn(Opaque, *const c_char, *const c_char) -> *const c_char,
                conf, section, name.as_ptr());
            // SAFETY: null, or a string of the configuration's.
            let Some(value) = (unsafe { text(value) }) else { return Ok(None) };
            providers = CString::new(value).unwrap_or_default();
        }
        for (_, name) in self.values(conf, &providers)? {
            let keys = self.values(conf, &CString::new(name).unwrap_or_default())?;
            if keys.iter().any(|(key, value)| key == "module" && is_ours(Path::new(value))) {
                return Ok(Some(keys));
            }
        }
        Ok(None)
    }

    /// What a section of a configuration says.
    fn values(&self, conf: Opaque, section: &CStr) -> Result<Section, Failure> {
        #[repr(C)]
        struct Value {
            section: *const c_char,
            name: *const c_char,
            value: *const c_char,
        }
        let list = call!(self.crypto, c"NCONF_get_section": fn(Opaque, *const c_char) -> Opaque, conf, section.as_ptr());
        let count = call!(self.crypto, c"OPENSSL_sk_num": fn(Opaque) -> c_int, list);
        let mut values = Vec::new();
        for index in 0..count {
            let value =
                call!(self.crypto, c"OPENSSL_sk_value": fn(Opaque, c_int) -> *const Value, list, index);
            // SAFETY: the list has this many values, with strings of the configuration's.
            let (name, value) = unsafe { (text((*value).name), text((*value).value)) };
            values.push((name.unwrap_or_default(), value.unwrap_or_default()));
        }
        Ok(values)
    }

    /// Loads a provider from a file.
    pub(super) fn load(&self, folder: &OsStr, name: &OsStr) -> Result<(), Failure> {
        let of = |text: &OsStr| {
            CString::new(text.as_bytes()).map_err(|_| Failure::new("a path has no zero byte", ""))
        };
        let (folder, name) = (of(folder)?, of(name)?);
        self.forget_errors()?;
        call!(self.crypto, c"OSSL_PROVIDER_set_default_search_path": fn(Opaque, *const c_char) -> c_int,
            ptr::null_mut(), folder.as_ptr());
        let loaded = call!(self.crypto, c"OSSL_PROVIDER_load": fn(Opaque, *const c_char) -> Opaque,
            ptr::null_mut(), name.as_ptr());
        if loaded.is_null() { Err(Failure::new(self.errors()?, "")) } else { Ok(()) }
    }

    /// The active providers: their configured names, and what they call themselves.
    pub(super) fn providers(&self) -> Result<Vec<(String, String)>, Failure> {
        extern "C" fn collect(provider: Opaque, list: Opaque) -> c_int {
            // SAFETY: the list that is passed below, which nothing else uses meanwhile.
            unsafe { &mut *list.cast::<Vec<Opaque>>() }.push(provider);
            1
        }
        let mut list: Vec<Opaque> = Vec::new();
        call!(self.crypto, c"OSSL_PROVIDER_do_all": fn(Opaque, extern "C" fn(Opaque, Opaque) -> c_int, Opaque) -> c_int,
            ptr::null_mut(), collect, (&raw mut list).cast());
        list.into_iter().map(|provider| Ok((self.name_of(provider)?, self.own_name_of(provider)?))).collect()
    }

    fn name_of(&self, provider: Opaque) -> Result<String, Failure> {
        let name = call!(self.crypto, c"OSSL_PROVIDER_get0_name": fn(Opaque) -> *const c_char, provider);
        // SAFETY: it returns a string that lasts as long as the provider.
        Ok(unsafe { text(name) }.unwrap_or_default())
    }

    fn own_name_of(&self, provider: Opaque) -> Result<String, Failure> {
        #[repr(C)]
        struct Param {
            key: *const c_char,
            data_type: u32,
            data: Opaque,
            size: usize,
            returned: usize,
        }
        let mut name: *const c_char = ptr::null();
        let wanted = Param {
            key: c"name".as_ptr(),
            data_type: PARAM_UTF8_PTR,
            data: (&raw mut name).cast(),
            size: 0,
            returned: usize::MAX,
        };
        let end = Param { key: ptr::null(), data_type: 0, data: ptr::null_mut(), size: 0, returned: 0 };
        let mut params = [wanted, end];
        call!(self.crypto, c"OSSL_PROVIDER_get_params": fn(Opaque, *mut Param) -> c_int, provider, params.as_mut_ptr());
        // SAFETY: still null, or a string of the provider's.
        Ok(unsafe { text(name) }.unwrap_or_default())
    }

    /// The name of the provider that an algorithm is fetched from, or an operation of keys (`RSA/sign`);
    /// `None`: it cannot be fetched.
    pub(super) fn provider_of(
        &self,
        algorithm: &str,
        query: Option<&CStr>,
    ) -> Result<Option<String>, Failure> {
        let (name, operation) = algorithm.split_once('/').unwrap_or((algorithm, ""));
        let [fetch, provider, free] = match operation {
            "sign" | "verify" => {
                [c"EVP_SIGNATURE_fetch", c"EVP_SIGNATURE_get0_provider", c"EVP_SIGNATURE_free"]
            }
            "encrypt" | "decrypt" => {
                [c"EVP_ASYM_CIPHER_fetch", c"EVP_ASYM_CIPHER_get0_provider", c"EVP_ASYM_CIPHER_free"]
            }
            "derive" => [c"EVP_KEYEXCH_fetch", c"EVP_KEYEXCH_get0_provider", c"EVP_KEYEXCH_free"],
            "encapsulate" | "decapsulate" => [c"EVP_KEM_fetch", c"EVP_KEM_get0_provider", c"EVP_KEM_free"],
            "generate" => [c"EVP_KEYMGMT_fetch", c"EVP_KEYMGMT_get0_provider", c"EVP_KEYMGMT_free"],
            _ if name.starts_with("SHA") => [c"EVP_MD_fetch", c"EVP_MD_get0_provider", c"EVP_MD_free"],
            _ => [c"EVP_CIPHER_fetch", c"EVP_CIPHER_get0_provider", c"EVP_CIPHER_free"],
        };
        let name = CString::new(name).unwrap_or_default();
        let query = query.map_or(ptr::null(), CStr::as_ptr);
        let found = call!(self.crypto, fetch: fn(Opaque, *const c_char, *const c_char) -> Opaque,
            ptr::null_mut(), name.as_ptr(), query);
        if found.is_null() {
            self.forget_errors()?;
            return Ok(None);
        }
        let provider = call!(self.crypto, provider: fn(Opaque) -> Opaque, found);
        let name = self.name_of(provider)?;
        call!(self.crypto, free: fn(Opaque), found);
        Ok(Some(name))
    }

    /// Draws random bytes.
    pub(super) fn random(&self) -> Result<(), Failure> {
        let mut bytes = [0_u8; 32];
        for name in [c"RAND_bytes", c"RAND_priv_bytes"] {
            let done = call!(self.crypto, name: fn(*mut c_uchar, c_int) -> c_int, bytes.as_mut_ptr(), 32);
            if done != 1 {
                return Err(Failure::new(
                    self.errors()?,
                    "load the default provider, too: activate = 1 in its section",
                ));
            }
        }
        Ok(())
    }

    /// Which of these groups TLS does not have; `None`: there is no libssl.
    pub(super) fn missing_groups<'g>(&self, groups: &[&'g CStr]) -> Result<Option<Vec<&'g CStr>>, Failure> {
        let Some(ssl) = self.ssl else { return Ok(None) };
        let method = call!(ssl, c"TLS_method": fn() -> Opaque,);
        let ctx = call!(ssl, c"SSL_CTX_new": fn(Opaque) -> Opaque, method);
        if ctx.is_null() {
            return Err(Failure::new(self.errors()?, "TLS does not work with this configuration"));
        }
        let mut missing = Vec::new();
        for group in groups {
            let done = call!(ssl, c"SSL_CTX_ctrl": fn(Opaque, c_int, c_long, *const c_char) -> c_long,
                ctx, SET_GROUPS_LIST, 0, group.as_ptr());
            if done != 1 {
                missing.push(*group);
            }
        }
        self.forget_errors()?;
        call!(ssl, c"SSL_CTX_free": fn(Opaque), ctx);
        Ok(Some(missing))
    }

    /// Runs a task in a job, and resumes it until it ends.
    pub(super) fn run_in_job(&self, task: &Task) -> Result<Ran, Failure> {
        if call!(self.crypto, c"ASYNC_is_capable": fn() -> c_int,) != 1 {
            return Err(Failure::new("this libcrypto has no jobs", "build it without no-async"));
        }
        let mut argument: *const Task = task;
        let ctx = call!(self.crypto, c"ASYNC_WAIT_CTX_new": fn() -> Opaque,);
        let (mut job, mut returned) = (ptr::null_mut::<c_void>(), 0);
        let mut ran = Ran { pauses: 0, fds: 0, has_worked: false };
        type Body = unsafe extern "C" fn(Opaque) -> c_int;
        loop {
            let state = call!(self.crypto,
                c"ASYNC_start_job": fn(*mut Opaque, Opaque, *mut c_int, Body, Opaque, usize) -> c_int,
                &raw mut job, ctx, &raw mut returned, in_job, (&raw mut argument).cast(), size_of::<*const Task>());
            match state {
                ASYNC_PAUSE if ran.pauses < PATIENCE => {
                    ran.pauses += 1;
                    let (fds, has_woken) = self.wait_for_fds(ctx)?;
                    ran.fds = ran.fds.max(fds);
                    if !has_woken {
                        return Err(Failure::new(
                            format!("a job has paused, and no wake has come for {} s", SILENCE / 1000),
                            "does a fault of the device hold it, or take its wakes? fault=none\n\
                             is completion_nsec as long as that?",
                        ));
                    }
                }
                ASYNC_PAUSE => {
                    return Err(Failure::new(
                        "the job pauses and never ends",
                        "does a fault of the device hold it? fault=none",
                    ));
                }
                ASYNC_FINISH => break,
                _ => return Err(Failure::new(self.errors()?, "")),
            }
        }
        call!(self.crypto, c"ASYNC_WAIT_CTX_free": fn(Opaque), ctx);
        ran.has_worked = returned == 1;
        Ok(ran)
    }

    /// Waits for one of the context's fds. Returns how many there are, and whether one was readable in time.
    fn wait_for_fds(&self, ctx: Opaque) -> Result<(usize, bool), Failure> {
        let mut fds = [-1; 8];
        let mut count = 0_usize;
        type All = unsafe extern "C" fn(Opaque, *mut c_int, *mut usize) -> c_int;
        let all: All = self.crypto.function(c"ASYNC_WAIT_CTX_get_all_fds")?;
        // SAFETY: a live context; without room for fds it gives their number.
        unsafe { all(ctx, ptr::null_mut(), &raw mut count) };
        if count == 0 || count > fds.len() {
            return Ok((count, true));
        }
        // SAFETY: the same, with room for as many.
        unsafe { all(ctx, fds.as_mut_ptr(), &raw mut count) };
        let mut polled = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        // SAFETY: as many as the array has; negative numbers are skipped.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, SILENCE) };
        Ok((count, ready != 0))
    }

    /// What is on the error queue, in one line.
    fn errors(&self) -> Result<String, Failure> {
        let mut said = Vec::new();
        loop {
            let mut data: *const c_char = ptr::null();
            let mut flags = 0;
            let code = call!(self.crypto,
                c"ERR_get_error_all": fn(Opaque, Opaque, Opaque, *mut *const c_char, *mut c_int) -> u64,
                ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data, &raw mut flags);
            if code == 0 {
                break;
            }
            let mut buffer = [0; 256];
            call!(self.crypto, c"ERR_error_string_n": fn(u64, *mut c_char, usize), code, buffer.as_mut_ptr(), buffer.len());
            // SAFETY: it ends what it writes.
            let reason = unsafe { text(buffer.as_ptr()) }.unwrap_or_default();
            // SAFETY: null, or a string that lasts until the queue is used again.
            let data = unsafe { text(data) }.unwrap_or_default();
            let reason = reason.rsplit(':').next().unwrap_or_default().to_owned();
            let line = if data.is_empty() { reason } else { format!("{reason}: {}", data.trim_end()) };
            if !said.contains(&line) {
                said.push(line);
            }
        }
        said.reverse();
        Ok(if said.is_empty() { SILENT.to_owned() } else { said.join("; ") })
    }

    fn forget_errors(&self) -> Result<(), Failure> {
        call!(self.crypto, c"ERR_clear_error": fn(),);
        Ok(())
    }
}

type Init = unsafe extern "C" fn(Opaque, Opaque, Opaque, *const c_uchar, *const c_uchar) -> c_int;
type Update = unsafe extern "C" fn(Opaque, *mut c_uchar, *mut c_int, *const c_uchar, c_int) -> c_int;
type SignInit = unsafe extern "C" fn(Opaque, Opaque, Opaque, Opaque, Opaque) -> c_int;
type Sign = unsafe extern "C" fn(Opaque, *mut c_uchar, *mut usize, *const c_uchar, usize) -> c_int;

/// The most bytes of a signature.
const SIGNATURE: usize = 1024;

/// One operation, ready to be run in a job.
pub(super) struct Task {
    ctx: Opaque,
    does: Does,
    bytes: usize,
}

/// What is done, by which function.
enum Does {
    Encrypts(Update),
    Signs(Sign),
}

impl Task {
    /// An encryption of so many bytes.
    pub(super) fn encrypts(this: &Libcrypto, cipher: &CStr, bytes: usize) -> Result<Self, Failure> {
        let found = call!(this.crypto, c"EVP_CIPHER_fetch": fn(Opaque, *const c_char, *const c_char) -> Opaque,
            ptr::null_mut(), cipher.as_ptr(), ptr::null());
        let ctx = call!(this.crypto, c"EVP_CIPHER_CTX_new": fn() -> Opaque,);
        let init: Init = this.crypto.function(c"EVP_EncryptInit_ex")?;
        let key = [1_u8; 32];
        // SAFETY: a live context; the key and the vector are at least as long as any cipher's.
        let done = unsafe { init(ctx, found, ptr::null_mut(), key.as_ptr(), key.as_ptr()) };
        if done != 1 {
            return Err(Failure::new(this.errors()?, ""));
        }
        Ok(Self { ctx, does: Does::Encrypts(this.crypto.function(c"EVP_EncryptUpdate")?), bytes })
    }

    /// A signature of so many bytes, with a new key: of P-256, where it is one of a curve.
    pub(super) fn signs(this: &Libcrypto, key: &CStr, bytes: usize) -> Result<Self, Failure> {
        let failed = || this.errors().map_or_else(|failure| failure, |said| Failure::new(said, ""));
        let ctx = call!(this.crypto, c"EVP_PKEY_CTX_new_from_name": fn(Opaque, *const c_char, *const c_char) -> Opaque,
            ptr::null_mut(), key.as_ptr(), ptr::null());
        if ctx.is_null() || call!(this.crypto, c"EVP_PKEY_keygen_init": fn(Opaque) -> c_int, ctx) != 1 {
            return Err(failed());
        }
        if key == c"EC" {
            call!(this.crypto, c"EVP_PKEY_CTX_set_group_name": fn(Opaque, *const c_char) -> c_int, ctx, c"P-256".as_ptr());
        }
        let mut made: Opaque = ptr::null_mut();
        let done =
            call!(this.crypto, c"EVP_PKEY_generate": fn(Opaque, *mut Opaque) -> c_int, ctx, &raw mut made);
        if done != 1 {
            return Err(failed());
        }
        let md = match key {
            key if key == c"ED25519" => ptr::null_mut(),
            _ => call!(this.crypto, c"EVP_sha256": fn() -> Opaque,),
        };
        let ctx = call!(this.crypto, c"EVP_MD_CTX_new": fn() -> Opaque,);
        let init: SignInit = this.crypto.function(c"EVP_DigestSignInit")?;
        // SAFETY: a live context and a live key.
        if unsafe { init(ctx, ptr::null_mut(), md, ptr::null_mut(), made) } != 1 {
            return Err(failed());
        }
        Ok(Self { ctx, does: Does::Signs(this.crypto.function(c"EVP_DigestSign")?), bytes })
    }
}

unsafe extern "C" fn in_job(argument: Opaque) -> c_int {
    // SAFETY: a pointer to a task, copied by libcrypto; the task lives until the job has ended.
    let task = unsafe { &**argument.cast::<*const Task>() };
    let input = vec![7_u8; task.bytes];
    match task.does {
        Does::Encrypts(update) => {
            let mut output = vec![0_u8; task.bytes + 64];
            let mut written = 0;
            let length = c_int::try_from(task.bytes).unwrap_or(0);
            // SAFETY: a live context, and room for a block more than the input.
            unsafe { update(task.ctx, output.as_mut_ptr(), &raw mut written, input.as_ptr(), length) }
        }
        Does::Signs(sign) => {
            let mut output = vec![0_u8; SIGNATURE];
            let mut written = output.len();
            // SAFETY: a live context, and as much room as is said.
            unsafe { sign(task.ctx, output.as_mut_ptr(), &raw mut written, input.as_ptr(), input.len()) }
        }
    }
}

/// Whether a file is a library that this machine can load: the reason, if it is not.
pub(super) fn loads(path: &OsStr) -> Result<(), Failure> {
    let name = CString::new(path.as_bytes()).map_err(|_| Failure::new("a path has no zero byte", ""))?;
    // SAFETY: a string that ends. The provider does nothing when it is loaded.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        let fix = "build it for this machine: cargo build --release -p simaccel-provider";
        return Err(Failure::new(last_dl_error(), fix));
    }
    // SAFETY: it was opened, and the name ends.
    let entry = unsafe { libc::dlsym(library, c"OSSL_provider_init".as_ptr()) };
    if entry.is_null() {
        return Err(Failure::new(
            "it is no provider: OSSL_provider_init is missing",
            "name libsimaccel_provider.so",
        ));
    }
    Ok(())
}

/// Sets a variable of the environment.
pub(super) fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: this process has no thread but this one: no operation has begun.
    unsafe { env::set_var(name, value) };
}

/// The variable that names the configuration, if it is set.
pub(super) fn variable() -> Option<OsString> {
    env::var_os("OPENSSL_CONF")
}
