//! The configuration: the provider's section of openssl.cnf, and SIMACCEL_CONFIG.
