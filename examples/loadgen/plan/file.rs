//! The plan of a file through the device.

use std::path::{Path, PathBuf};

use simaccel_device::Algorithm;

use super::File;
use super::checks::{delivering, device, jobs, refuse_given};
use crate::alg;
use crate::args::{Mode, Options};
use crate::failure::Failure;
use crate::work::Work;

impl Options {
    pub(super) fn into_file(self, input: PathBuf) -> Result<File, Failure> {
        let Some(Work { algorithm, .. }) = self.alg else {
            return Err(Failure::option("--alg", "required together with --input"));
        };
        if let Some(work) = self.alg.filter(|work| work.key().is_some()) {
            let why = format!(
                "{work} takes no file, allowed together with --input are ciphers, AEADs, digests and HMAC"
            );
            return Err(Failure::option("--alg", why));
        }
        let load_only = [
            ("--duration", self.duration.is_some()),
            ("--ops", self.ops.is_some()),
            ("--expect-errors", self.expect_errors),
            ("--seed", self.seed.is_some()),
            ("--wide", self.wide),
            ("--own-cost", self.own_cost.own_cost),
        ];
        refuse_given(&load_only, "not allowed together with --input")?;
        self.threads.refuse_with_input()?;
        self.mixing.refuse_with_input()?;
        self.warm_up.refuse_with("--input")?;
        self.pacing.refuse_with_input()?;
        self.pictures.refuse_with("--input")?;
        self.trace.refuse_with_input()?;
        self.virtual_time.refuse_with_input()?;
        self.files.refuse_with_input()?;
        self.searches.refuse_with_input()?;
        self.judging.refuse_with("--input")?;
        self.check_mode()?;
        self.check_chain(algorithm)?;
        let mode = self.mode.unwrap_or(Mode::WakeFd);
        if mode == Mode::Futures {
            let why = "futures is not allowed together with --input, whose pieces go through jobs";
            return Err(Failure::option("--mode", why));
        }
        let piece = self.piece(algorithm)?;
        Ok(File {
            algorithm,
            key: self.file_key(algorithm)?,
            iv: self.file_iv(algorithm)?,
            decrypt: self.decrypt,
            input,
            output: self.file_output(algorithm)?,
            piece,
            jobs: jobs(self.jobs, 1, 16, piece, 2)?,
            mode,
            device: delivering(&device(self.device.as_deref().unwrap_or(""), Some(mode))?, mode)?,
            output_as: self.output()?,
        })
    }

    /// Pieces of a chain wait for each other.
    fn check_chain(&self, algorithm: Algorithm) -> Result<(), Failure> {
        let is_chain = alg::parallel_shape(algorithm, self.decrypt).is_none();
        if is_chain && self.jobs.is_some_and(|jobs| jobs > 1) {
            let why = format!("the pieces of {algorithm} wait for each other, allowed is 1");
            return Err(Failure::option("--jobs", why));
        }
        Ok(())
    }

    fn file_key(&self, algorithm: Algorithm) -> Result<Vec<u8>, Failure> {
        let key = match (&self.key, algorithm) {
            (Some(_), Algorithm::Hash(_)) => {
                return Err(Failure::option("--key", format_args!("{algorithm} takes none")));
            }
            (None, Algorithm::Hash(_)) => Vec::new(),
            (None, _) => {
                return Err(Failure::option("--key", format_args!("required with {algorithm} and --input")));
            }
            (Some(hex), _) => from_hex("--key", hex)?,
        };
        if key.is_empty() && matches!(algorithm, Algorithm::Hmac(_)) {
            return Err(Failure::option("--key", "at least one byte"));
        }
        alg::software(algorithm, &key).map_err(|error| Failure::option("--key", error))?;
        Ok(key)
    }

    fn file_iv(&self, algorithm: Algorithm) -> Result<Vec<u8>, Failure> {
        if !alg::gives_text(algorithm) {
            refuse_given(&[("--iv", self.iv.is_some())], "only allowed with a cipher")?;
            return Ok(Vec::new());
        }
        let len = algorithm.usual_iv_len();
        match (&self.iv, algorithm) {
            (Some(hex), Algorithm::Aead(_)) => {
                let iv = from_hex("--iv", hex)?;
                if iv.is_empty() { Err(Failure::option("--iv", "at least one byte")) } else { Ok(iv) }
            }
            (Some(_), _) if len == 0 => Err(Failure::option("--iv", format_args!("{algorithm} takes none"))),
            (None, _) if len == 0 => Ok(Vec::new()),
            (Some(hex), _) => {
                let iv = from_hex("--iv", hex)?;
                let wrong =
                    || format!("{algorithm} takes {len} bytes ({} digits), not {}", 2 * len, iv.len());
                if iv.len() == len { Ok(iv) } else { Err(Failure::option("--iv", wrong())) }
            }
            (None, _) => Err(Failure::option("--iv", format_args!("required with {algorithm} and --input"))),
        }
    }

    fn file_output(&self, algorithm: Algorithm) -> Result<Option<PathBuf>, Failure> {
        if !alg::gives_text(algorithm) {
            let cipher_only = [("--output", self.output.is_some()), ("--decrypt", self.decrypt)];
            refuse_given(&cipher_only, "only allowed with a cipher; a digest is printed")?;
            return Ok(None);
        }
        match &self.output {
            Some(output) if output == Path::new("-") => {
                Err(Failure::option("--output", "has to be a file, which standard output is not"))
            }
            Some(output) => Ok(Some(output.clone())),
            None => Err(Failure::option("--output", format_args!("required with {algorithm} and --input"))),
        }
    }

    /// Pieces are whole blocks, so that the input alone determines positions and chains.
    fn piece(&self, algorithm: Algorithm) -> Result<usize, Failure> {
        if alg::is_xts(algorithm) {
            refuse_given(&[("--size", self.size.is_some())], "XTS goes by data unit; see --sector-size")?;
            return Ok(self.sector_size.unwrap_or(512));
        }
        refuse_given(&[("--sector-size", self.sector_size.is_some())], "only allowed with XTS")?;
        Ok(self.size.unwrap_or(64 << 10).next_multiple_of(16))
    }
}

fn from_hex(option: &str, text: &str) -> Result<Vec<u8>, Failure> {
    // The text is not repeated: it may be a key.
    hex::decode(text).map_err(|_| Failure::option(option, "allowed are pairs of hexadecimal digits"))
}
