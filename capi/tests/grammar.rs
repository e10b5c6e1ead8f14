//! The functions that open an engine read the one grammar: the table that the other readers are held to gives
//! the same verdicts and the same words here. The options of a session have the same forms.
#![expect(unsafe_code, reason = "calls the C functions")]

#[path = "../../tests/grammar/table.rs"]
mod table;

use std::ffi::{CStr, CString};
use std::ptr;

use simaccel::grammar::Key;
use simaccel::{Config, simaccel_device};
use simaccel_async::{
    SimaccelEngine, SimaccelResult, SimaccelSession, simaccel_engine_free, simaccel_engine_open_stepped,
    simaccel_last_error, simaccel_session_free, simaccel_session_new,
};

use self::table::{BAD, BAD_FOR_THE_ENGINE, GOOD, NO_NUMBERS, line};

/// Opens a stepped engine with this configuration; what was said where it cannot be opened.
fn open(config: &str) -> Result<(), (SimaccelResult, String)> {
    let config = CString::new(config).unwrap();
    let mut engine: *mut SimaccelEngine = ptr::null_mut();
    // SAFETY: the text ends with 0, and the place is a local.
    let result = unsafe { simaccel_engine_open_stepped(config.as_ptr(), &raw mut engine) };
    if result == SimaccelResult::Ok {
        // SAFETY: it was just opened, and is not used again.
        unsafe { simaccel_engine_free(engine) };
        return Ok(());
    }
    assert!(engine.is_null());
    Err((result, told()))
}

fn told() -> String {
    // SAFETY: a text that ends with 0 and is valid until the thread's next call.
    let told = unsafe { CStr::from_ptr(simaccel_last_error()) };
    told.to_str().unwrap().to_owned()
}

/// Creates a session of this algorithm with these options; what was said where it cannot be created.
fn session(algorithm: &CStr, options: &str) -> Result<(), (SimaccelResult, String)> {
    let options = CString::new(options).unwrap();
    let (mut engine, mut session) = (ptr::null_mut::<SimaccelEngine>(), ptr::null_mut::<SimaccelSession>());
    // SAFETY: texts that end with 0, 16 bytes of key, and places that are locals.
    let result = unsafe {
        let opened = simaccel_engine_open_stepped(c"".as_ptr(), &raw mut engine);
        assert_eq!(opened, SimaccelResult::Ok);
        let (key, place) = ([7; 16], &raw mut session);
        simaccel_session_new(engine, algorithm.as_ptr(), key.as_ptr().cast(), 16, options.as_ptr(), place)
    };
    let verdict = if result == SimaccelResult::Ok { Ok(()) } else { Err((result, told())) };
    assert_eq!(session.is_null(), verdict.is_err());
    // SAFETY: null or just created, and not used again.
    unsafe {
        simaccel_session_free(session);
        simaccel_engine_free(engine);
    }
    verdict
}

#[test]
fn what_is_no_configuration_is_refused_with_the_line_that_all_others_have() {
    let keys = Key::names(&[simaccel_device::Config::KEYS, Config::KEYS].concat());
    for (text, expected) in BAD.iter().chain(BAD_FOR_THE_ENGINE) {
        let (result, told) = open(text).unwrap_err();
        assert_eq!(result, SimaccelResult::Config, "{text:?}");
        assert!(told.ends_with(&line(expected, &keys)), "{text:?}: {told}");
        assert!(!told.contains('\n'), "{text:?}: {told}");
    }
    for number in NO_NUMBERS {
        let (_, told) = open(&format!("max_retries={number}")).unwrap_err();
        assert!(told.ends_with(&format!("max_retries={number}: must be 0 to 100")), "{told}");
    }
}

#[test]
fn what_is_a_configuration_opens_an_engine() {
    for (text, _) in GOOD {
        open(text).unwrap_or_else(|(_, told)| panic!("{text:?}: {told}"));
    }
}

/// Options that are refused, and the words of the error.
const BAD_OPTIONS: &[(&str, &str)] = &[
    ("padding", "padding is not key=value"),
    ("padding=none;fast", "fast is not key=value"),
    ("=none", "unknown key (nothing): the keys are padding, tag_len"),
    ("colour=blue", "unknown key colour: the keys are padding, tag_len"),
    ("Padding=none", "unknown key Padding: the keys are padding, tag_len"),
    ("fault=busy", "unknown key fault: the keys are padding, tag_len"),
    ("padding=none;padding=none", "padding is given twice: once is allowed"),
    ("tag_len=16\ntag_len = 16", "tag_len is given twice: once is allowed"),
    ("padding=", "padding=(nothing): must be pkcs7 or none"),
    ("padding=#none", "padding=(nothing): must be pkcs7 or none"),
    ("padding=None", "padding=None: must be pkcs7 or none"),
    ("padding=\u{1b}[31mnone", "padding=\\u{1b}[31mnone: must be pkcs7 or none"),
    ("tag_len=99999999999999999999", "tag_len=99999999999999999999: must be a number of bytes"),
];

#[test]
fn options_of_a_session_are_refused_in_the_same_words() {
    for (options, expected) in BAD_OPTIONS {
        for algorithm in [c"aes-128-cbc", c"aes-128-gcm"] {
            let (result, told) = session(algorithm, options).unwrap_err();
            assert_eq!(result, SimaccelResult::Session, "{options:?}");
            assert!(told.ends_with(expected) && !told.contains('\n'), "{options:?}: {told}");
        }
    }
    for number in NO_NUMBERS {
        let (_, told) = session(c"aes-128-gcm", &format!("tag_len={number}")).unwrap_err();
        assert!(told.ends_with(&format!("tag_len={number}: must be a number of bytes")), "{told}");
    }
}

#[test]
fn options_of_a_session_are_written_as_a_configuration_is() {
    let padding = ["", " ;;\n", "# none", " padding = none ; ", "padding=pkcs7 # by default; not none"];
    let tags = ["tag_len=12", "tag_len=1_2", "tag_len=012\r\n", "\ntag_len = 4;# bytes"];
    let all = padding.map(|options| (c"aes-128-cbc", options)).into_iter();
    for (algorithm, options) in all.chain(tags.map(|options| (c"aes-128-gcm", options))) {
        session(algorithm, options).unwrap_or_else(|(_, told)| panic!("{options:?}: {told}"));
    }
    let (_, told) = session(c"aes-128-gcm", "tag_len=5").unwrap_err();
    assert!(told.contains("tags have"), "{told}");
}
