//! Algorithm identifiers of signatures in DER (RFC 4055, 5758, 8410, 9881), byte by byte those of the default
//! provider; and DigestInfo (RFC 8017, 9.2).

use crate::md::Md;

const OID: u8 = 6;
const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const SEQUENCE: u8 = 0x30;
const NULL: &[u8] = &[5, 0];
/// A tag of a field.
const FIELD: u8 = 0xa0;

const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
/// Bytes of salt that are not written.
const USUAL_SALT: usize = 20;

/// An element; those here are shorter than 256 bytes.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let head: &[u8] = if len < 128 { &[tag, len] } else { &[tag, 0x81, len] };
    [head, &content].concat()
}

/// An identifier without parameters.
fn alone(oid: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&element(OID, &[oid])])
}

/// An identifier whose parameters are NULL.
fn with_null(oid: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&element(OID, &[oid]), NULL])
}

/// PKCS#1 v1.5; `None`: there is no identifier.
pub(super) fn rsa(md: Md) -> Option<Vec<u8>> {
    md.oid_with_rsa().map(with_null)
}

/// PSS, with its parameters; `None`: OpenSSL writes SHA-1 and SHA-2 alone.
pub(super) fn pss(md: Md, mgf1: Md, salt_len: usize) -> Option<Vec<u8>> {
    let hash = with_null(md.oid().filter(|_| md.is_sha1_or_sha2())?);
    let mask = with_null(mgf1.oid().filter(|_| mgf1.is_sha1_or_sha2())?);
    let mask = element(SEQUENCE, &[&element(OID, &[MGF1]), &mask]);
    let mut params = Vec::new();
    if md != Md::SHA1 {
        params.extend(element(FIELD, &[&hash]));
    }
    if mgf1 != Md::SHA1 {
        params.extend(element(FIELD + 1, &[&mask]));
    }
    if salt_len != USUAL_SALT {
        let bytes = salt_len.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1);
        let sign: &[u8] = if bytes[zeros] > 127 { &[0] } else { &[] };
        params.extend(element(FIELD + 2, &[&element(INTEGER, &[sign, &bytes[zeros..]])]));
    }
    Some(element(SEQUENCE, &[&element(OID, &[RSASSA_PSS]), &element(SEQUENCE, &[&params])]))
}

/// ECDSA; `None`: there is no identifier.
pub(super) fn ecdsa(md: Md) -> Option<Vec<u8>> {
    md.oid_with_ecdsa().map(alone)
}

pub(super) fn ed25519() -> Vec<u8> {
    alone(&[0x2b, 0x65, 0x70])
}

/// ML-DSA, whose identifiers end with this.
pub(super) fn ml_dsa(last: u8) -> Vec<u8> {
    alone(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, last])
}

/// What stands before a digest in a signature of PKCS#1.
pub(super) fn digest_info_head(md: Md) -> Vec<u8> {
    let Some(oid) = md.oid().filter(|_| !md.is_bare()) else { return Vec::new() };
    let algorithm = with_null(oid);
    let len = u8::try_from(md.len()).unwrap_or(u8::MAX);
    let whole = u8::try_from(algorithm.len() + 2 + md.len()).unwrap_or(u8::MAX);
    [&[SEQUENCE, whole], algorithm.as_slice(), &[OCTETS, len]].concat()
}

/// What PKCS#1 pads for a digest.
pub(super) fn digest_info(md: Md, digest: &[u8]) -> Vec<u8> {
    let mut info = digest_info_head(md);
    info.extend_from_slice(digest);
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md(name: &str) -> Md {
        Md::named(name.as_bytes()).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digest_infos_are_those_of_rfc_8017() {
        assert_eq!(hex(&digest_info_head(md("SHA256"))), "3031300d060960864801650304020105000420");
        assert_eq!(hex(&digest_info_head(md("SHA1"))), "3021300906052b0e03021a05000414");
        assert_eq!(hex(&digest_info_head(md("MD5"))), "3020300c06082a864886f70d020505000410");
        assert_eq!(digest_info(md("MD5-SHA1"), &[7; 36]), [7; 36]);
    }

    #[test]
    fn parameters_of_pss_leave_out_what_is_usual() {
        assert_eq!(hex(&pss(md("SHA1"), md("SHA1"), 20).unwrap()), "300d06092a864886f70d01010a3000");
        // As `openssl req -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32` writes it.
        let expected = "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d01\
                        0108300d06096086480165030402010500a203020120";
        assert_eq!(hex(&pss(md("SHA256"), md("SHA256"), 32).unwrap()), expected);
        assert_eq!(pss(md("SHA3-256"), md("SHA1"), 32), None);
    }
}
