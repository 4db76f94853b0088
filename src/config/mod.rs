//! The configuration file: what it says, what is wrong with it, and what a new one looks like.
//!
//! Its keys are the flags (`keys`). A file becomes values of flags (`file`, `value`), over which those of the command line
//! are laid; what depends on more than one of them is checked for both alike (`crate::cli::options`).

mod changes;
mod file;
mod init;
mod keys;
mod loaded;
mod places;
mod schema;
mod show;
mod value;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub(crate) use self::changes::Changes;
use self::file::{FileValues, Source};
pub(crate) use self::init::template;
pub(crate) use self::loaded::Loaded;
use self::places::Places;
pub(crate) use self::schema::schema;
use crate::cli::{self, CommandLine, Fault, Faults, OneLine};
use crate::key_file;

/// More than any configuration: what is longer was not meant, or does not end.
const MAX_BYTES: u64 = 1 << 20;

/// What a command line and the file that it names say. It reads that file and the files of keys and tokens, and touches
/// nothing else: it can be called again while the gateway runs.
///
/// # Errors
/// All that is wrong with the file, in its order, or the first fault of the command line.
pub(crate) fn load(line: &CommandLine, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, Faults> {
    let Some(path) = cli::config_file(line) else {
        return Ok(Loaded { options: cli::options(line, env)?, line: line.clone(), flags: line.clone() });
    };
    cli::check_values(line)?;
    lay_over(line, read(path)?, env)
}

/// Lays a command line over a file, and checks both together.
fn lay_over(flags: &CommandLine, file: FileValues, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, Faults> {
    let FileValues { flags: values, unusable, faults } = file;
    let line = flags.over(values, unusable);

    let mut wrong = Faults::default();
    wrong.extend(faults);
    match cli::options(&line, env) {
        Ok(options) => wrong.or(Loaded { options, line, flags: flags.clone() }),
        Err(further) => {
            wrong.extend(further);
            Err(wrong.in_order())
        }
    }
}

impl Loaded {
    /// What the same command line and its files say now, but for what needs a restart: that stays as it is here.
    ///
    /// # Errors
    /// As [`load`]; or what may change does not go with what stays.
    pub(crate) fn again(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Result<(Self, Changes), Faults> {
        let found = load(&self.flags, env)?;
        let changes = Changes::between(self, &found);
        let fixed = changes.fixed();
        if fixed.is_empty() {
            return Ok((found, changes));
        }

        let line = fixed.iter().fold(found.line, |line, flag| line.with(flag, self.line.given(flag)));
        let options = cli::options(&line, env).map_err(|mut faults| {
            let names: Vec<_> = fixed.iter().map(|flag| flag.trim_start_matches('-')).collect();
            faults.push(Fault::new(None, format!("until a restart, these stay as they are: {}", names.join(", "))));
            faults
        })?;
        let next = Self { options, line, flags: found.flags };
        // Values that follow those that stay have not changed either.
        let changes = changes.of_rest(Changes::between(self, &next));
        Ok((next, changes))
    }
}

fn read(path: &str) -> Result<FileValues, Faults> {
    let unreadable = |error: io::Error| {
        let text = format!("cannot read '{}', the file of --config: {error}", OneLine::from(path));
        Faults::from(Fault::new(None, text))
    };
    let (bytes, exposed) = read_bounded(path).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| not_utf8(path, &bytes, error.valid_up_to()))?;
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    Ok(file::read(&Source { name: path, text, folder, exposed }))
}

/// The file's bytes, and its permissions if others have some.
fn read_bounded(path: &str) -> io::Result<(Vec<u8>, Option<u32>)> {
    let file = File::open(path)?;
    let exposed = key_file::exposed_mode(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok((bytes, exposed))
}

fn not_utf8(path: &str, bytes: &[u8], valid: usize) -> Faults {
    let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let place = Places::new(path, &text).of(valid..valid);
    Faults::from(Fault::new(Some(place), "this byte is not UTF-8: expected a TOML file, which is UTF-8 text"))
}
