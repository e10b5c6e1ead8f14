//! libcrypto's side: the structures and numbers of its provider interface, and the functions found in it.
