//! What libssl asks for besides algorithms: the groups of key exchange and the signature algorithms of TLS
//! that this provider has keys for.
//!
//! ```text
//!   TLS-GROUP    libssl up to 3.4: a group exists where the provider of its keys announces it. A provider of EC keys
//!                announces every curve: ours from the table here, the others as the default provider does
//!                from 3.5 on: the default provider announces what it has, whose keys it are
//!   TLS-SIGALG   from 3.2 on: as the groups up to 3.4
//! ```
//!
//! The values are those of the default provider (`providers/common/capabilities.c` of OpenSSL 4.0).
#![expect(unsafe_code, reason = "a function that libcrypto calls, and callbacks of libcrypto's")]

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::instance::{Instance, instance_of};
use crate::kinds::{self, Kinds};
use crate::ossl::default::DefaultProvider;
use crate::ossl::fence::fence;
use crate::ossl::keys;
use crate::ossl::list::List;
use crate::ossl::params::Params;
use crate::ossl::types::{Callback, Param};

/// TLS 1.0 and 1.3, and DTLS 1.0; no version at all.
const TLS1: c_int = 0x0301;
const TLS1_3: c_int = 0x0304;
const DTLS1: c_int = 0xfeff;
const NEVER: c_int = -1;

/// A group of TLS.
struct Group {
    name: &'static CStr,
    /// The name of the group as a parameter of its keys.
    internal: &'static CStr,
    algorithm: &'static CStr,
    kinds: Kinds,
    id: u16,
    security_bits: u32,
    is_kem: bool,
}

/// The groups that the device has keys for.
static GROUPS: [Group; 9] = [
    kem(c"X25519MLKEM768", c"X25519MLKEM768", kinds::X25519_ML_KEM_768.kinds, 4588),
    group(c"x25519", c"X25519", c"X25519", kinds::X25519.kinds, 29, 128),
    group(c"secp256r1", c"prime256v1", c"EC", kinds::EC.kinds, 23, 128),
    group(c"P-256", c"prime256v1", c"EC", kinds::EC.kinds, 23, 128),
    group(c"secp384r1", c"secp384r1", c"EC", kinds::EC.kinds, 24, 192),
    group(c"P-384", c"secp384r1", c"EC", kinds::EC.kinds, 24, 192),
    group(c"secp521r1", c"secp521r1", c"EC", kinds::EC.kinds, 25, 256),
    group(c"P-521", c"secp521r1", c"EC", kinds::EC.kinds, 25, 256),
    kem(c"MLKEM768", c"ML-KEM-768", kinds::ML_KEM_768.kinds, 513),
];

const fn group(
    name: &'static CStr,
    internal: &'static CStr,
    algorithm: &'static CStr,
    kinds: Kinds,
    id: u16,
    security_bits: u32,
) -> Group {
    Group { name, internal, algorithm, kinds, id, security_bits, is_kem: false }
}

const fn kem(name: &'static CStr, algorithm: &'static CStr, kinds: Kinds, id: u16) -> Group {
    Group { name, internal: c"", algorithm, kinds, id, security_bits: 192, is_kem: true }
}

impl Group {
    fn list(&self) -> List {
        let (mut list, is_kem) = (List::default(), self.is_kem);
        list.text(keys::TLS_GROUP_NAME, self.name);
        list.text(keys::TLS_GROUP_NAME_INTERNAL, self.internal);
        list.text(keys::TLS_GROUP_ALG, self.algorithm);
        list.uint(keys::TLS_GROUP_ID, self.id.into());
        list.uint(keys::TLS_GROUP_SECURITY_BITS, self.security_bits);
        list.int(keys::TLS_MIN_TLS, if is_kem { TLS1_3 } else { TLS1 });
        list.int(keys::TLS_MAX_TLS, 0);
        list.int(keys::TLS_MIN_DTLS, if is_kem { NEVER } else { DTLS1 });
        list.int(keys::TLS_MAX_DTLS, if is_kem { NEVER } else { 0 });
        list.uint(keys::TLS_GROUP_IS_KEM, is_kem.into());
        list
    }
}

/// A signature algorithm of TLS 1.3.
struct SigAlg {
    name: &'static CStr,
    algorithm: &'static CStr,
    oid: &'static CStr,
    kinds: Kinds,
    code: u16,
    security_bits: u32,
}

static SIGALGS: [SigAlg; 2] = [
    SigAlg {
        name: c"mldsa44",
        algorithm: c"ML-DSA-44",
        oid: c"2.16.840.1.101.3.4.3.17",
        kinds: kinds::ML_DSA_44.kinds,
        code: 0x0904,
        security_bits: 128,
    },
    SigAlg {
        name: c"mldsa65",
        algorithm: c"ML-DSA-65",
        oid: c"2.16.840.1.101.3.4.3.18",
        kinds: kinds::ML_DSA_65.kinds,
        code: 0x0905,
        security_bits: 192,
    },
];

impl SigAlg {
    fn list(&self) -> List {
        let mut list = List::default();
        list.text(keys::TLS_SIGALG_IANA_NAME, self.name);
        list.text(keys::TLS_SIGALG_NAME, self.algorithm);
        list.text(keys::TLS_SIGALG_OID, self.oid);
        list.uint(keys::TLS_SIGALG_CODE_POINT, self.code.into());
        list.uint(keys::TLS_SIGALG_SECURITY_BITS, self.security_bits);
        list.int(keys::TLS_MIN_TLS, TLS1_3);
        list.int(keys::TLS_MAX_TLS, 0);
        list.int(keys::TLS_MIN_DTLS, NEVER);
        list.int(keys::TLS_MAX_DTLS, NEVER);
        list
    }
}

/// `OSSL_FUNC_provider_get_capabilities`: passes each thing of this name to the callback; 0 where the name is
/// not known, and where the callback says so.
pub(crate) unsafe extern "C" fn get_capabilities(
    provctx: *mut c_void,
    capability: *const c_char,
    callback: Option<Callback>,
    argument: *mut c_void,
) -> c_int {
    fence(|| {
        // SAFETY: libcrypto's promises about its arguments.
        let (instance, name) = unsafe { (instance_of(provctx), CStr::from_ptr(capability)) };
        let Some(function) = callback else { return 0 };
        let announced = Announced { function, argument };
        let name = name.to_bytes();
        c_int::from(if name.eq_ignore_ascii_case(b"TLS-GROUP") {
            announced.groups(&instance)
        } else if name.eq_ignore_ascii_case(b"TLS-SIGALG") {
            announced.sigalgs(&instance)
        } else {
            false
        })
    })
}

/// The callback of libcrypto that is told.
struct Announced {
    function: Callback,
    argument: *mut c_void,
}

impl Announced {
    fn tell(&self, mut list: List) -> bool {
        // SAFETY: libcrypto has passed both for this call, and the list has an end.
        list.with(|list| unsafe { (self.function)(list, self.argument) } != 0)
    }

    fn sigalgs(&self, instance: &Instance) -> bool {
        let mut ours = SIGALGS.iter().filter(|sigalg| instance.settings().algorithms.meets(sigalg.kinds));
        ours.all(|sigalg| self.tell(sigalg.list()))
    }

    fn groups(&self, instance: &Instance) -> bool {
        if instance.release().is_some_and(|release| release >= (3, 5)) {
            return true;
        }
        let selected = instance.settings().algorithms;
        let mut ours = GROUPS.iter().filter(|group| selected.meets(group.kinds));
        let are_told = ours.all(|group| self.tell(group.list()));
        are_told && (!selected.meets(kinds::EC.kinds) || self.other_curves(instance.default_provider()))
    }

    /// The curves that the device does not have, as the default provider announces them.
    fn other_curves(&self, theirs: Option<&DefaultProvider>) -> bool {
        theirs.is_none_or(|theirs| {
            theirs.capabilities(c"TLS-GROUP", pass_on, std::ptr::from_ref(self).cast_mut().cast())
        })
    }
}

/// Passes an entry of the default provider's on, if it is one of a curve that the device does not have.
unsafe extern "C" fn pass_on(list: *const Param, announced: *mut c_void) -> c_int {
    fence(|| {
        // SAFETY: what `other_curves` has passed, and a list of the default provider's, which has an end.
        let (announced, params) = unsafe { (&*announced.cast::<Announced>(), Params::new(list)) };
        let text = |key| params.find(key).and_then(|given| given.as_text().ok()).unwrap_or_default();
        let name = text(keys::TLS_GROUP_NAME);
        let is_ours = GROUPS.iter().any(|group| group.name.to_bytes() == name);
        if is_ours || text(keys::TLS_GROUP_ALG) != b"EC" {
            return 1;
        }
        // SAFETY: as in `tell`.
        unsafe { (announced.function)(list, announced.argument) }
    })
}
