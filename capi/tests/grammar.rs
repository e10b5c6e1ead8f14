//! The functions that open an engine read the one grammar: the table that the other readers are held to gives
//! the same verdicts and the same words here.
#![expect(unsafe_code, reason = "calls the C functions")]

#[path = "../../tests/grammar/table.rs"]
mod table;

use std::ffi::{CStr, CString};
use std::ptr;

use simaccel::grammar::Key;
use simaccel::{Config, simaccel_device};
use simaccel_async::{
    SimaccelEngine, SimaccelResult, simaccel_engine_free, simaccel_engine_open_stepped, simaccel_last_error,
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
    // SAFETY: a text that ends with 0 and is valid until the thread's next call.
    let told = unsafe { CStr::from_ptr(simaccel_last_error()) };
    Err((result, told.to_str().unwrap().to_owned()))
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
