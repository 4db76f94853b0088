//! The file of the gateway's private key: 64 hexadecimal digits, readable by its owner alone, or by a group too where
//! root owns it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use fastway_session::{KEY_BYTES, KeyPair, PublicKey};

/// More than a key and the end of its line: what is longer was not meant.
const MAX_BYTES: u64 = 256;
/// Permissions of everybody but the owner.
const OTHERS: u32 = 0o077;
/// What a group may have where root owns the file: a secret that is mounted for a service is often root's, and readable by
/// the service's group.
const GROUP_READS: u32 = 0o040;
const OWNER_ONLY: u32 = 0o600;

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// It cannot be opened, read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody else could read the private key.
    #[error(
        "others may read or write it (mode {mode:03o}); expected mode 600 (chmod 600 FILE), or 640 where root owns the file"
    )]
    Exposed {
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error("it does not hold a private key; expected 64 hexadecimal digits, as fastway keygen writes them")]
    Malformed,
}

/// Makes a key pair and writes its private half to a new file, or leaves none.
///
/// # Errors
/// The file exists, or cannot be written.
pub(crate) fn generate(path: &Path) -> Result<PublicKey, KeyFileError> {
    let keys = KeyPair::generate(&mut rand::rng());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path)?;
    let mut line: String = keys.private_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    line.push('\n');
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is of no use and would be in the way of the next try. The error that counts is the first one.
        let _ = fs::remove_file(path);
    }
    written?;
    Ok(keys.public())
}

/// Reads a key pair.
///
/// # Errors
/// The file cannot be read, others may read it, or it holds something else.
pub(crate) fn read(path: &Path) -> Result<KeyPair, KeyFileError> {
    let file = File::open(path)?;
    check_readers(&file.metadata()?)?;
    let mut text = String::new();
    let read = file.take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(
        |error| if error.kind() == io::ErrorKind::InvalidData { KeyFileError::Malformed } else { error.into() },
    )?;
    decode(text.trim_end_matches(['\r', '\n'])).map(KeyPair::from_private).ok_or(KeyFileError::Malformed)
}

/// Whether nobody reads the file who should not.
fn check_readers(file: &Metadata) -> Result<(), KeyFileError> {
    exposed_mode(file).map_or(Ok(()), |mode| Err(KeyFileError::Exposed { mode }))
}

/// The permissions of a file that others than its owner may read or write, which no file with a secret should have.
pub(crate) fn exposed_mode(file: &Metadata) -> Option<u32> {
    let mode = file.mode() & 0o777;
    let allowed = if file.uid() == 0 { GROUP_READS } else { 0 };
    (mode & OTHERS & !allowed != 0).then_some(mode)
}

fn decode(digits: &str) -> Option<[u8; KEY_BYTES]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|pair| hex_byte(*pair)).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

fn hex_byte(pair: [u8; 2]) -> Option<u8> {
    let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_generated_key_is_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let public = generate(&path).unwrap();
        assert_eq!(read(&path).unwrap().public(), public);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(
            matches!(generate(&path), Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(read(&path).unwrap().public(), public);
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        generate(&path).unwrap();
        let right = std::fs::read_to_string(&path).unwrap();
        for wrong in
            ["", "\n", &right[1..], &format!(" {right}"), &format!("0{right}"), &right.replacen(&right[..1], "g", 1)]
        {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(read(&path), Err(KeyFileError::Malformed)), "{wrong:?}");
        }
        std::fs::write(&path, [0xff; 65]).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::Malformed)));
        for fine in [right.to_uppercase(), right.trim_end().to_owned(), format!("{}\r\n\n", right.trim_end())] {
            std::fs::write(&path, &fine).unwrap();
            assert!(read(&path).is_ok(), "{fine:?}");
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        generate(&path).unwrap();
        for mode in [0o604, 0o620, 0o660, 0o644, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = read(&path).unwrap_err().to_string();
            assert!(refused.contains(&format!("{mode:03o}")) && refused.contains("chmod 600"), "{refused}");
        }
        let is_roots = path.metadata().unwrap().uid() == 0;
        for mode in [0o440, 0o640] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), is_roots, "{mode:o}");
        }
    }
}
