//! Presets: a device's numbers under a name that says what they imitate, each with its source.
//!
//! ```text
//!                    ┌─► Preset, ALL, ALLOWED, name
//!   presets! { .. } ─┼─► apply: the numbers are text of the one grammar, set before every other key
//!                    └─► the table in the documentation   (docs/configuration.md is held to the numbers by a test)
//! ```
//!
//! `tests/presets.rs` fits each of them to the figures of its source.

use std::fmt;
use std::str::FromStr;

use super::grammar::Items;
use super::{Config, ConfigError, grammar};
use crate::in_words;

/// Declares the presets once: each with its name, what it imitates, its numbers, and their source.
macro_rules! presets {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Preset:ident {
            $($(#[$attribute:meta])* $Variant:ident { $name:literal, $imitates:literal, $numbers:literal, $source:literal })+
        }
    ) => {
        $(#[$meta])*
        ///
        /// | preset | imitates | numbers | source |
        /// |---|---|---|---|
        $(#[doc = concat!("| `", $name, "` | ", $imitates, " | `", $numbers, "` | ", $source, " |")])+
        $vis enum $Preset { $(#[doc = $imitates] $(#[$attribute])* $Variant,)+ }

        impl $Preset {
            /// All there are.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            const NAMES: [&'static str; Self::ALL.len()] = [$($name),+];

            /// As in a configuration.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }

            /// As text of the one grammar.
            const fn numbers(self) -> &'static str {
                match self { $(Self::$Variant => $numbers,)+ }
            }
        }
    };
}

presets! {
    /// A documented set of numbers; each can be overridden by its own key, and an entry of `service` by one
    /// for the same requests. Queue pairs, depth, workers, timing, faults and seed are unchanged, except for
    /// the depth of `saturated`. What a device has no figures for takes what its general keys say.
    #[non_exhaustive]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Preset {
        #[default]
        Ideal {
            "ideal",
            "a device as quick as the processor",
            "",
            "none: no model of time"
        }
        Saturated {
            "saturated",
            "a card whose other users leave little: short rings, long and irregular queues",
            "compute_units=1;completion_nsec=100000;mbps=500;latency_dist=exponential;intc_thresh=4;intc_nsec=200000;depth=4",
            "none: chosen so that rings are full and queues long"
        }
        Qat8950 {
            "qat-8950",
            "Intel's QuickAssist adapter 8950: its bandwidth",
            "compute_units=29;link_mbps=6250",
            "the vendor's figure, 50 Gbit/s of bulk encryption; times of single requests were not found"
        }
        QatC62x {
            "qat-c62x",
            "an Intel C62x card with its three endpoints: RSA and bulk encryption",
            "compute_units=29;completion_nsec=52200;mbps=313.793;service=rsa-2048/sign:nsec=433000,mbps=0;service=rsa-2048/decrypt:nsec=433000,mbps=0;service=rsa-2048/verify:nsec=74000,mbps=0;service=rsa-2048/encrypt:nsec=74000,mbps=0",
            "RSA-2048: private 433 µs and public 74 µs one at a time, private 65,901/s with 72 in flight ([QAT_Engine 132](https://github.com/intel/QAT_Engine/issues/132)), which 29 units give; bulk: 2.73 µs each for 8 KiB and 3.63 µs for 16 KiB with 256 in flight ([QAT_Engine 93](https://github.com/intel/QAT_Engine/issues/93)), which is 1.8 µs and 9,100 MB/s, shared by the units; the time of a single bulk request follows from that, and was not found"
        }
        Qat8970 {
            "qat-8970",
            "Intel's QuickAssist adapter 8970, a C62x card: the rates of its public-key operations",
            "compute_units=29;completion_nsec=52200;mbps=313.793;service=rsa-2048/sign:nsec=655200,mbps=0;service=rsa-2048/decrypt:nsec=655200,mbps=0;service=rsa-2048/verify:nsec=180100,mbps=0;service=rsa-2048/encrypt:nsec=180100,mbps=0;service=rsa-2048/generate:nsec=186300000,mbps=0;service=p-256/sign:nsec=525300,mbps=0;service=p-256/verify:nsec=674600,mbps=0;service=p-256/derive:nsec=526200,mbps=0",
            "[wolfSSL's benchmark](https://github.com/wolfSSL/wolfAsyncCrypt/blob/master/wolfcrypt/src/port/intel/README.md), operations a second of eight threads together: RSA-2048 private 44,259, key generation 156, ECDSA P-256 sign 55,211 and verify 42,990, ECDH P-256 55,109; RSA-2048 public 160,990 of one thread; how many at once was chosen as for `qat-c62x`, whose chip it has, and so were the times of bulk requests"
        }
        NitroxV {
            "nitrox-v",
            "a Cavium Nitrox V (CNN5560-900-C45), as one thread sees it",
            "compute_units=1;service=rsa-2048/sign:nsec=120951;service=rsa-2048/decrypt:nsec=120951;service=rsa-2048/verify:nsec=7101;service=rsa-2048/encrypt:nsec=7101;service=p-256/sign:nsec=45108;service=p-256/verify:nsec=134985;service=p-256/derive:nsec=95371;service=aes-128-cbc:mbps=247.255;service=aes-192-cbc:mbps=225.879;service=aes-256-cbc:mbps=206.475;service=aes-128-gcm:mbps=139.060;service=aes-192-gcm:mbps=138.868;service=aes-256-gcm:mbps=138.850",
            "[wolfSSL's benchmark](https://github.com/wolfSSL/wolfAsyncCrypt/blob/master/wolfcrypt/src/port/cavium/README.md), operations a second of one thread: RSA-2048 private 8,268 and public 140,825, ECDSA P-256 sign 22,169 and verify 7,408, ECDH P-256 10,485; AES on blocks of 1 MiB; as one unit that has these rates, because the time of a single request was not found"
        }
        CloudHsm {
            "cloudhsm",
            "two hardware security modules of a cloud (AWS CloudHSM, hsm1.medium)",
            "compute_units=2;completion_nsec=1000000;ops_limit=2000;ops_burst=16;limit=busy;service=p-256/sign:nsec=4000000",
            "[RSA-2048 2,000/s, P-256 500/s](https://docs.aws.amazon.com/cloudhsm/latest/userguide/performance.html), and \"busy\" above its rate; the burst is chosen; P-256 above its rate waits in the ring"
        }
        CloudHsm2 {
            "cloudhsm2",
            "the same with modules of the second generation (hsm2m.medium)",
            "compute_units=2;completion_nsec=1000000;ops_limit=3000;ops_burst=16;limit=busy;service=p-256/sign:nsec=666667",
            "[RSA-2048 2,000/s, P-256 3,000/s](https://docs.aws.amazon.com/cloudhsm/latest/userguide/performance.html); as above, but RSA above its rate waits in the ring"
        }
        KeyVault {
            "key-vault",
            "keys in hardware of a cloud's vault (Azure Key Vault), by its limits",
            "compute_units=1;completion_nsec=5000000;service=rsa-3072:nsec=20000000;service=rsa-4096:nsec=40000000;service=generate:nsec=1000000000;service=rsa-3072/generate:nsec=1000000000;service=rsa-4096/generate:nsec=1000000000",
            "[in ten seconds 2,000 operations with RSA-2048 or elliptic curves, 500 with RSA-3072, 250 with RSA-4096, or 10 new keys](https://learn.microsoft.com/azure/key-vault/general/service-limits), weighted and added up, which one unit does, too; what would be refused there waits in the ring; times of single requests were not found"
        }
        Tpm {
            "tpm",
            "a trusted platform module that signs with P-256",
            "compute_units=1;completion_nsec=250000000;latency_dist=lognormal:75",
            "ECDSA P-256: median 200 ms, 95 % below 600 ms (stiankri.substack.com, which cites Chrome)"
        }
        Eip93 {
            "eip93",
            "the EIP-93 of a MT7621 router: from the kernel, and AES-256-CBC as a program sees it through /dev/crypto",
            "compute_units=1;completion_nsec=33700;mbps=67;service=aes-256-cbc:nsec=41100,mbps=46",
            "[mtk-eip93 14](https://github.com/vschagen/mtk-eip93/issues/14) (ecb(aes), 16 to 8,192 bytes); [openwrt 10042](https://github.com/openwrt/openwrt/issues/10042) (AES-256-CBC, 16 to 16,384 bytes)"
        }
        Cesa {
            "cesa",
            "the CESA of a Marvell Armada (WRT3200ACM), through AF_ALG",
            "compute_units=1;completion_nsec=12500;mbps=107",
            "[openwrt packages 11182](https://github.com/openwrt/packages/issues/11182) (AES-256-CBC, 16 to 16,384 bytes)"
        }
        Ipq40xx {
            "ipq40xx",
            "the crypto engine of a Qualcomm IPQ40xx: a step between 64 and 512 bytes",
            "compute_units=1;service=all:points=16:51510/64:52020/256:85360/512:121730/1024:129270/2048:202780/4096:347460/8192:652880",
            "[openwrt 2518](https://github.com/openwrt/openwrt/pull/2518) (gcm(aes), 16 to 8,192 bytes)"
        }
        GpuBatch {
            "gpu-batch",
            "a GPU that takes up to 512 key encapsulations at once, behind PCI Express",
            "compute_units=1;completion_nsec=2000;link_nsec=12500;batch=512;batch_nsec=1000",
            "[cuSSL](https://github.com/ngkore/cuSSL): ML-KEM-768 takes 2 µs, PCI Express 10 to 15 µs each way, 512 slots; how long it waits for company is chosen"
        }
    }
}

impl Preset {
    const ALLOWED: &str = in_words!("", &Preset::NAMES, ", ", " or ", "");

    /// The default configuration with the preset's numbers.
    pub fn config(self) -> Config {
        let mut config = Config::default();
        self.apply(&mut config);
        config
    }

    /// Sets the preset's numbers.
    pub(super) fn apply(self, config: &mut Config) {
        let given = std::mem::take(config);
        *config = Config {
            queue_pairs: given.queue_pairs,
            depth: given.depth,
            workers: given.workers,
            spin_nsec: given.spin_nsec,
            timing: given.timing,
            model: given.model,
            operations: given.operations,
            faults: given.faults,
            seed: given.seed,
            ..Config::default()
        };
        let items = Items::parse(self.numbers()).expect("a test parses the numbers of each preset");
        for (key, value) in items.iter() {
            let known = config.set(key, value).expect("a test parses the numbers of each preset");
            debug_assert!(known, "{key} is a key of the device");
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| grammar::refused("preset", text, Self::ALLOWED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_come_first_wherever_they_stand() {
        let config = Config::parse("completion_nsec=7; preset = tpm ;seed=3").unwrap();
        let expected = Config { completion_nsec: 7, seed: 3, ..Preset::Tpm.config() };
        assert_eq!(config, expected);
        assert_eq!(Config::parse("preset=ideal").unwrap(), Config::default());
    }

    #[test]
    fn every_preset_is_what_its_numbers_say() {
        for preset in Preset::ALL {
            let config = preset.config();
            assert_eq!(Config::parse(preset.numbers()), Ok(config.clone()), "{preset}");
            assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()), "{preset}");
            assert_eq!(Config::parse(&format!("preset={preset}")), Ok(config.clone()));
            assert_eq!((config.check(), config.is_modelled()), (Ok(()), preset != Preset::Ideal), "{preset}");
        }
    }

    #[test]
    fn entries_and_names_of_a_preset_give_way_to_the_users() {
        let text = "preset=cloudhsm;service=my-sign:nsec=1;operation=my-sign;service=prime256v1/sign:nsec=5;\
                    service=encrypt:nsec=7";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.operations(), ["my-sign"]);
        let entries: Vec<_> = config.services().iter().map(ToString::to_string).collect();
        assert_eq!(entries, ["p-256/sign:nsec=5", "my-sign:nsec=1", "encrypt:nsec=7"]);
        assert_eq!(Config::parse(&config.to_string()), Ok(config));
    }
}
