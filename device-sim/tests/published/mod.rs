//! Vectors as their standards print them, in hexadecimal; data only, so that any test can use them.

pub(crate) mod rfc4231;

use simaccel_device::{Aead, Cipher, Hash};

/// A cipher without padding.
pub(crate) struct CipherVector {
    pub(crate) source: &'static str,
    pub(crate) cipher: Cipher,
    pub(crate) key: &'static str,
    pub(crate) iv: &'static str,
    pub(crate) plaintext: &'static str,
    pub(crate) ciphertext: &'static str,
}

/// An AEAD; the tag has 16 bytes.
pub(crate) struct AeadVector {
    pub(crate) source: &'static str,
    pub(crate) aead: Aead,
    pub(crate) key: &'static str,
    pub(crate) iv: &'static str,
    pub(crate) aad: &'static str,
    pub(crate) plaintext: &'static str,
    pub(crate) ciphertext: &'static str,
    pub(crate) tag: &'static str,
}

/// The digests of one message, given as text that is repeated.
pub(crate) struct HashVector {
    pub(crate) message: &'static str,
    pub(crate) times: usize,
    pub(crate) digests: &'static [(Hash, &'static str)],
}

/// The HMACs of one message under one key; shorter ones are truncated.
pub(crate) struct MacVector {
    pub(crate) source: &'static str,
    pub(crate) key: &'static str,
    pub(crate) message: &'static str,
    pub(crate) macs: &'static [(Hash, &'static str)],
}

const KEY_128: &str = "2b7e151628aed2a6abf7158809cf4f3c";
const KEY_192: &str = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b";
const KEY_256: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const CBC_IV: &str = "000102030405060708090a0b0c0d0e0f";
const COUNTER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const FOUR_BLOCKS: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                           30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

/// FIPS 197, appendix C, and SP 800-38A, appendix F, for the supported modes.
pub(crate) const SP800_38A: &[CipherVector] = &[
    CipherVector {
        source: "FIPS 197 C.1",
        cipher: Cipher::Aes128Ecb,
        key: "000102030405060708090a0b0c0d0e0f",
        iv: "",
        plaintext: "00112233445566778899aabbccddeeff",
        ciphertext: "69c4e0d86a7b0430d8cdb78070b4c55a",
    },
    CipherVector {
        source: "FIPS 197 C.2",
        cipher: Cipher::Aes192Ecb,
        key: "000102030405060708090a0b0c0d0e0f1011121314151617",
        iv: "",
        plaintext: "00112233445566778899aabbccddeeff",
        ciphertext: "dda97ca4864cdfe06eaf70a0ec0d7191",
    },
    CipherVector {
        source: "FIPS 197 C.3",
        cipher: Cipher::Aes256Ecb,
        key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        iv: "",
        plaintext: "00112233445566778899aabbccddeeff",
        ciphertext: "8ea2b7ca516745bfeafc49904b496089",
    },
    CipherVector {
        source: "SP 800-38A F.1.1 and F.1.2",
        cipher: Cipher::Aes128Ecb,
        key: KEY_128,
        iv: "",
        plaintext: FOUR_BLOCKS,
        ciphertext: "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf\
                     43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    },
    CipherVector {
        source: "SP 800-38A F.1.3 and F.1.4",
        cipher: Cipher::Aes192Ecb,
        key: KEY_192,
        iv: "",
        plaintext: FOUR_BLOCKS,
        ciphertext: "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef\
                     ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
    },
    CipherVector {
        source: "SP 800-38A F.1.5 and F.1.6",
        cipher: Cipher::Aes256Ecb,
        key: KEY_256,
        iv: "",
        plaintext: FOUR_BLOCKS,
        ciphertext: "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870\
                     b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    },
    CipherVector {
        source: "SP 800-38A F.2.1 and F.2.2",
        cipher: Cipher::Aes128Cbc,
        key: KEY_128,
        iv: CBC_IV,
        plaintext: FOUR_BLOCKS,
        ciphertext: "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
                     73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    },
    CipherVector {
        source: "SP 800-38A F.2.3 and F.2.4",
        cipher: Cipher::Aes192Cbc,
        key: KEY_192,
        iv: CBC_IV,
        plaintext: FOUR_BLOCKS,
        ciphertext: "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a\
                     571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    },
    CipherVector {
        source: "SP 800-38A F.2.5 and F.2.6",
        cipher: Cipher::Aes256Cbc,
        key: KEY_256,
        iv: CBC_IV,
        plaintext: FOUR_BLOCKS,
        ciphertext: "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                     39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    },
    CipherVector {
        source: "SP 800-38A F.5.1 and F.5.2",
        cipher: Cipher::Aes128Ctr,
        key: KEY_128,
        iv: COUNTER,
        plaintext: FOUR_BLOCKS,
        ciphertext: "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
                     5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    },
    CipherVector {
        source: "SP 800-38A F.5.3 and F.5.4",
        cipher: Cipher::Aes192Ctr,
        key: KEY_192,
        iv: COUNTER,
        plaintext: FOUR_BLOCKS,
        ciphertext: "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94\
                     1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    },
    CipherVector {
        source: "SP 800-38A F.5.5 and F.5.6",
        cipher: Cipher::Aes256Ctr,
        key: KEY_256,
        iv: COUNTER,
        plaintext: FOUR_BLOCKS,
        ciphertext: "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
                     2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    },
];

const COUNTING: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                        202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\
                        404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f\
                        606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f\
                        808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f\
                        a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf\
                        c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf\
                        e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\
                        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                        202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\
                        404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f\
                        606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f\
                        808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f\
                        a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf\
                        c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf\
                        e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const STEALING_KEY: &str = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0";
const STEALING_TWEAK: &str = "9a785634120000000000000000000000";

/// IEEE 1619-2007, annex B, to which SP 800-38E refers. Vector 1 has equal key halves, which are refused.
pub(crate) const IEEE1619: &[CipherVector] = &[
    CipherVector {
        source: "IEEE 1619 vector 2",
        cipher: Cipher::Aes128Xts,
        key: "1111111111111111111111111111111122222222222222222222222222222222",
        iv: "33333333330000000000000000000000",
        plaintext: "4444444444444444444444444444444444444444444444444444444444444444",
        ciphertext: "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    },
    CipherVector {
        source: "IEEE 1619 vector 3",
        cipher: Cipher::Aes128Xts,
        key: "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
        iv: "33333333330000000000000000000000",
        plaintext: "4444444444444444444444444444444444444444444444444444444444444444",
        ciphertext: "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89",
    },
    CipherVector {
        source: "IEEE 1619 vector 4",
        cipher: Cipher::Aes128Xts,
        key: "2718281828459045235360287471352631415926535897932384626433832795",
        iv: "00000000000000000000000000000000",
        plaintext: COUNTING,
        ciphertext: "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c\
                     c78cf7f5e543445f8333d8fa7f56000005279fa5d8b5e4ad40e736ddb4d35412\
                     328063fd2aab53e5ea1e0a9f332500a5df9487d07a5c92cc512c8866c7e860ce\
                     93fdf166a24912b422976146ae20ce846bb7dc9ba94a767aaef20c0d61ad0265\
                     5ea92dc4c4e41a8952c651d33174be51a10c421110e6d81588ede82103a252d8\
                     a750e8768defffed9122810aaeb99f9172af82b604dc4b8e51bcb08235a6f434\
                     1332e4ca60482a4ba1a03b3e65008fc5da76b70bf1690db4eae29c5f1badd03c\
                     5ccf2a55d705ddcd86d449511ceb7ec30bf12b1fa35b913f9f747a8afd1b130e\
                     94bff94effd01a91735ca1726acd0b197c4e5b03393697e126826fb6bbde8ecc\
                     1e08298516e2c9ed03ff3c1b7860f6de76d4cecd94c8119855ef5297ca67e9f3\
                     e7ff72b1e99785ca0a7e7720c5b36dc6d72cac9574c8cbbc2f801e23e56fd344\
                     b07f22154beba0f08ce8891e643ed995c94d9a69c9f1b5f499027a78572aeebd\
                     74d20cc39881c213ee770b1010e4bea718846977ae119f7a023ab58cca0ad752\
                     afe656bb3c17256a9f6e9bf19fdd5a38fc82bbe872c5539edb609ef4f79c203e\
                     bb140f2e583cb2ad15b4aa5b655016a8449277dbd477ef2c8d6c017db738b18d\
                     eb4a427d1923ce3ff262735779a418f20a282df920147beabe421ee5319d0568",
    },
    CipherVector {
        source: "IEEE 1619 vector 10",
        cipher: Cipher::Aes256Xts,
        key: "2718281828459045235360287471352662497757247093699959574966967627\
              3141592653589793238462643383279502884197169399375105820974944592",
        iv: "ff000000000000000000000000000000",
        plaintext: COUNTING,
        ciphertext: "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b\
                     5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd\
                     5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0\
                     c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca\
                     2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0\
                     b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f\
                     93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec\
                     583e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a\
                     84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1\
                     505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae\
                     9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f90c29\
                     a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac\
                     6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f\
                     645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed4385\
                     1ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa\
                     773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151",
    },
    CipherVector {
        source: "IEEE 1619 vector 15",
        cipher: Cipher::Aes128Xts,
        key: STEALING_KEY,
        iv: STEALING_TWEAK,
        plaintext: "000102030405060708090a0b0c0d0e0f10",
        ciphertext: "6c1625db4671522d3d7599601de7ca09ed",
    },
    CipherVector {
        source: "IEEE 1619 vector 16",
        cipher: Cipher::Aes128Xts,
        key: STEALING_KEY,
        iv: STEALING_TWEAK,
        plaintext: "000102030405060708090a0b0c0d0e0f1011",
        ciphertext: "d069444b7a7e0cab09e24447d24deb1fedbf",
    },
    CipherVector {
        source: "IEEE 1619 vector 17",
        cipher: Cipher::Aes128Xts,
        key: STEALING_KEY,
        iv: STEALING_TWEAK,
        plaintext: "000102030405060708090a0b0c0d0e0f101112",
        ciphertext: "e5df1351c0544ba1350b3363cd8ef4beedbf9d",
    },
    CipherVector {
        source: "IEEE 1619 vector 18",
        cipher: Cipher::Aes128Xts,
        key: STEALING_KEY,
        iv: STEALING_TWEAK,
        plaintext: "000102030405060708090a0b0c0d0e0f10111213",
        ciphertext: "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac",
    },
];

const ZERO_IV: &str = "000000000000000000000000";
const ZERO_BLOCK: &str = "00000000000000000000000000000000";
const GCM_KEY_128: &str = "feffe9928665731c6d6a8f9467308308";
const GCM_KEY_192: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c";
const GCM_KEY_256: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const GCM_IV: &str = "cafebabefacedbaddecaf888";
const GCM_SHORT_IV: &str = "cafebabefacedbad";
const GCM_LONG_IV: &str = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728\
                           c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_64: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                      1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const GCM_60: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                      1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";

macro_rules! gcm {
    ($($source:literal $aead:ident $key:expr, $iv:expr, $aad:expr, $plaintext:expr => $ciphertext:expr, $tag:literal;)+) => {
        &[$(AeadVector {
            source: concat!("GCM test case ", $source),
            aead: Aead::$aead,
            key: $key,
            iv: $iv,
            aad: $aad,
            plaintext: $plaintext,
            ciphertext: $ciphertext,
            tag: $tag,
        }),+]
    };
}

/// The test cases of McGrew and Viega's submission, "The Galois/Counter Mode of Operation", appendix B, which
/// SP 800-38D took over.
pub(crate) const GCM: &[AeadVector] = gcm! {
    "1" Aes128Gcm ZERO_BLOCK, ZERO_IV, "", "" => "", "58e2fccefa7e3061367f1d57a4e7455a";
    "2" Aes128Gcm ZERO_BLOCK, ZERO_IV, "", ZERO_BLOCK =>
        "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf";
    "3" Aes128Gcm GCM_KEY_128, GCM_IV, "", GCM_64 =>
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
        "4d5c2af327cd64a62cf35abd2ba6fab4";
    "4" Aes128Gcm GCM_KEY_128, GCM_IV, GCM_AAD, GCM_60 =>
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47";
    "5" Aes128Gcm GCM_KEY_128, GCM_SHORT_IV, GCM_AAD, GCM_60 =>
        "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423\
         73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
        "3612d2e79e3b0785561be14aaca2fccb";
    "6" Aes128Gcm GCM_KEY_128, GCM_LONG_IV, GCM_AAD, GCM_60 =>
        "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7\
         01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
        "619cc5aefffe0bfa462af43c1699d050";
    "7" Aes192Gcm "000000000000000000000000000000000000000000000000", ZERO_IV, "", "" =>
        "", "cd33b28ac773f74ba00ed1f312572435";
    "8" Aes192Gcm "000000000000000000000000000000000000000000000000", ZERO_IV, "", ZERO_BLOCK =>
        "98e7247c07f0fe411c267e4384b0f600", "2ff58d80033927ab8ef4d4587514f0fb";
    "9" Aes192Gcm GCM_KEY_192, GCM_IV, "", GCM_64 =>
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c\
         7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710acade256",
        "9924a7c8587336bfb118024db8674a14";
    "10" Aes192Gcm GCM_KEY_192, GCM_IV, GCM_AAD, GCM_60 =>
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c\
         7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c";
    "11" Aes192Gcm GCM_KEY_192, GCM_SHORT_IV, GCM_AAD, GCM_60 =>
        "0f10f599ae14a154ed24b36e25324db8c566632ef2bbb34f8347280fc4507057\
         fddc29df9a471f75c66541d4d4dad1c9e93a19a58e8b473fa0f062f7",
        "65dcc57fcf623a24094fcca40d3533f8";
    "12" Aes192Gcm GCM_KEY_192, GCM_LONG_IV, GCM_AAD, GCM_60 =>
        "d27e88681ce3243c4830165a8fdcf9ff1de9a1d8e6b447ef6ef7b79828666e45\
         81e79012af34ddd9e2f037589b292db3e67c036745fa22e7e9b7373b",
        "dcf566ff291c25bbb8568fc3d376a6d9";
    "13" Aes256Gcm "0000000000000000000000000000000000000000000000000000000000000000", ZERO_IV, "", "" =>
        "", "530f8afbc74536b9a963b4f1c4cb738b";
    "14" Aes256Gcm "0000000000000000000000000000000000000000000000000000000000000000", ZERO_IV, "", ZERO_BLOCK =>
        "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919";
    "15" Aes256Gcm GCM_KEY_256, GCM_IV, "", GCM_64 =>
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
         8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c";
    "16" Aes256Gcm GCM_KEY_256, GCM_IV, GCM_AAD, GCM_60 =>
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
         8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b";
    "17" Aes256Gcm GCM_KEY_256, GCM_SHORT_IV, GCM_AAD, GCM_60 =>
        "c3762df1ca787d32ae47c13bf19844cbaf1ae14d0b976afac52ff7d79bba9de0\
         feb582d33934a4f0954cc2363bc73f7862ac430e64abe499f47c9b1f",
        "3a337dbf46a792c45e454913fe2ea8f2";
    "18" Aes256Gcm GCM_KEY_256, GCM_LONG_IV, GCM_AAD, GCM_60 =>
        "5a8def2f0c9e53f1f75d7853659e2a20eeb2b22aafde6419a058ab4f6f746bf4\
         0fc0c3b780f244452da3ebf1c5d82cdea2418997200ef82e44ae7e3f",
        "a44a8266ee1c8eb0c8b5d4cf5ae9f19a";
};

/// The example messages of FIPS 180 (NIST, "Cryptographic Standards and Guidelines: example values"), and the
/// empty one.
pub(crate) const FIPS180: &[HashVector] = &[
    HashVector {
        message: "",
        times: 1,
        digests: &[
            (Hash::Sha224, "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"),
            (Hash::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                Hash::Sha384,
                "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da\
                 274edebfe76f65fbd51ad2f14898b95b",
            ),
            (
                Hash::Sha512,
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                 47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
            ),
            (Hash::Sha512_256, "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"),
        ],
    },
    HashVector {
        message: "abc",
        times: 1,
        digests: &[
            (Hash::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Hash::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Hash::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (Hash::Sha512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ],
    },
    HashVector {
        message: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        times: 1,
        digests: &[
            (Hash::Sha224, "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525"),
            (Hash::Sha256, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        ],
    },
    HashVector {
        message: "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
                  hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        times: 1,
        digests: &[
            (
                Hash::Sha384,
                "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712\
                 fcc7c71a557e2db966c3e9fa91746039",
            ),
            (
                Hash::Sha512,
                "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018\
                 501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
            ),
            (Hash::Sha512_256, "3928e184fb8690f840da3988121d31be65cb9d3ef83ee6146feac861e19b563a"),
        ],
    },
    HashVector {
        message: "a",
        times: 1_000_000,
        digests: &[
            (Hash::Sha224, "20794655980c91d8bbb4c1ea97618a4bf03f42581948b2ee4ee7ad67"),
            (Hash::Sha256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
            (
                Hash::Sha384,
                "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b\
                 07b8b3dc38ecc4ebae97ddd87f3d8985",
            ),
            (
                Hash::Sha512,
                "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb\
                 de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b",
            ),
            (Hash::Sha512_256, "9a59a052930187a97038cae692f30708aa6491923ef5194394dc68d56c74fb21"),
        ],
    },
];
