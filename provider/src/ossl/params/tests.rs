//! Numbers of every width, sizes without memory, copies and pointers.
#![expect(unsafe_code, reason = "lists of parameters behind pointers")]

use std::ffi::c_uint;

use super::{Mismatch, Params, Requests, Wanted};
use crate::ossl::ids::{
    PARAM_INTEGER, PARAM_OCTET_PTR, PARAM_OCTET_STRING, PARAM_UNSIGNED_INTEGER, PARAM_UTF8_STRING,
};
use crate::ossl::types::Param;

fn number(data_type: c_uint, bytes: &mut [u8]) -> [Param; 2] {
    let (data, data_size) = (bytes.as_mut_ptr().cast(), bytes.len());
    [Param { key: c"key".as_ptr(), data_type, data, data_size, return_size: usize::MAX }, Param::END]
}

fn given(data_type: c_uint, bytes: &mut [u8]) -> Result<u64, Mismatch> {
    let list = number(data_type, bytes);
    // SAFETY: a list with an end, which is here as long as it is used.
    unsafe { Params::new(list.as_ptr()) }.each().next().unwrap().as_number()
}

/// What a request of this type and size is given, and its `return_size`.
fn asked(data_type: c_uint, room: &mut [u8], value: u64) -> (Result<(), Mismatch>, usize) {
    let mut list = number(data_type, room);
    // SAFETY: a list with an end, which is here as long as it is used.
    let result = unsafe { Requests::new(list.as_mut_ptr()) }.each().next().unwrap().give_number(value, 4);
    (result, list[0].return_size)
}

#[test]
fn a_number_of_any_width_is_read_if_it_fits() {
    assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut 300_u16.to_ne_bytes()), Ok(300));
    assert_eq!(given(PARAM_INTEGER, &mut 300_i64.to_ne_bytes()), Ok(300));
    assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut u128::from(u64::MAX).to_ne_bytes()), Ok(u64::MAX));
    assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut (1_u128 << 64).to_ne_bytes()), Err(Mismatch));
    assert_eq!(given(PARAM_INTEGER, &mut (-1_i32).to_ne_bytes()), Err(Mismatch));
    assert_eq!(given(PARAM_UNSIGNED_INTEGER, &mut u32::MAX.to_ne_bytes()), Ok(u32::MAX.into()));
    assert_eq!(given(PARAM_UTF8_STRING, &mut 1_u32.to_ne_bytes()), Err(Mismatch));
    assert_eq!(given(PARAM_INTEGER, &mut []), Err(Mismatch));
}

#[test]
fn a_number_is_given_in_the_width_that_is_asked_for() {
    let mut room = [0xff; 8];
    assert_eq!(asked(PARAM_UNSIGNED_INTEGER, &mut room, 300), (Ok(()), 8));
    assert_eq!(u64::from_ne_bytes(room), 300);
    let mut room = [0xff; 16];
    assert_eq!(asked(PARAM_INTEGER, &mut room, 300), (Ok(()), 16));
    assert_eq!(u128::from_ne_bytes(room), 300);
    let mut room = [0xff; 1];
    assert_eq!(asked(PARAM_UNSIGNED_INTEGER, &mut room, 200), (Ok(()), 1));
    assert_eq!(room, [200]);
    // Too narrow: for the number, and for its sign.
    assert_eq!(asked(PARAM_UNSIGNED_INTEGER, &mut [0; 1], 300), (Err(Mismatch), 4));
    assert_eq!(asked(PARAM_INTEGER, &mut [0; 1], 200), (Err(Mismatch), 4));
    assert_eq!(asked(PARAM_OCTET_STRING, &mut [0; 8], 1), (Err(Mismatch), 0));
}

#[test]
fn a_request_without_memory_is_told_the_size() {
    let ask = |data_type, give: &dyn Fn(&mut Wanted<'_>) -> Result<(), Mismatch>| {
        let mut list = number(data_type, &mut []);
        list[0].data = std::ptr::null_mut();
        // SAFETY: a list with an end, which is here as long as it is used.
        let given =
            unsafe { Requests::new(list.as_mut_ptr()) }.each().map(|mut wanted| give(&mut wanted)).next();
        (given.unwrap(), list[0].return_size)
    };
    assert_eq!(ask(PARAM_UNSIGNED_INTEGER, &|wanted| wanted.give_size(7)), (Ok(()), 8));
    assert_eq!(ask(PARAM_OCTET_STRING, &|wanted| wanted.give_octets(&[1; 5])), (Ok(()), 5));
    assert_eq!(ask(PARAM_UTF8_STRING, &|wanted| wanted.give_text(c"text")), (Ok(()), 4));
}

#[test]
fn a_text_and_octets_are_copied_or_pointed_to() {
    let mut room = [0xff; 8];
    let mut list = number(PARAM_OCTET_STRING, &mut room);
    // SAFETY: a list with an end, which is here as long as it is used.
    let mut wanted = unsafe { Requests::new(list.as_mut_ptr()) }.each().next().unwrap();
    assert_eq!(wanted.give_octets_or_pointer(&[1, 2, 3]), Ok(()));
    assert_eq!(wanted.give_octets(&[0; 9]), Err(Mismatch));
    assert_eq!((list[0].return_size, &room[..4]), (9, &[1, 2, 3, 0xff][..]));
    let mut pointer = std::ptr::null::<u8>();
    let mut list = number(PARAM_OCTET_PTR, &mut []);
    list[0].data = (&raw mut pointer).cast();
    let octets = [4, 5];
    // SAFETY: as before, with room for a pointer.
    let mut wanted = unsafe { Requests::new(list.as_mut_ptr()) }.each().next().unwrap();
    assert_eq!(wanted.give_octets_or_pointer(&octets), Ok(()));
    assert_eq!((pointer, list[0].return_size), (octets.as_ptr(), 2));
}
