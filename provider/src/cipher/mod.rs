//! Ciphers: ECB, CBC, CTR, XTS and GCM, with the parameters of the default provider.
