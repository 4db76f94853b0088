//! The RC4 stream cipher, as the original uses it: obfuscation only.

/// Bytes of a session's key.
pub(super) const KEY_BYTES: usize = 8;

/// One direction's state.
#[derive(Clone)]
pub(super) struct Rc4 {
    table: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    pub(super) fn new(key: [u8; KEY_BYTES]) -> Self {
        let mut table: [u8; 256] = std::array::from_fn(|at| u8::try_from(at).unwrap_or_default());
        let mut j = 0u8;
        for (i, key) in (0..=u8::MAX).zip(key.into_iter().cycle()) {
            j = j.wrapping_add(at(&table, i)).wrapping_add(key);
            table.swap(usize::from(i), usize::from(j));
        }
        Self { table, i: 0, j: 0 }
    }

    /// Encrypts or decrypts the next bytes of the stream.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            let first = at(&self.table, self.i);
            self.j = self.j.wrapping_add(first);
            let second = at(&self.table, self.j);
            self.table.swap(usize::from(self.i), usize::from(self.j));
            *byte ^= at(&self.table, first.wrapping_add(second));
        }
    }
}

/// The table has an entry for each byte, so no index can be out of bounds.
#[expect(clippy::indexing_slicing, reason = "256 places, and the index is a byte")]
fn at(table: &[u8; 256], place: u8) -> u8 {
    table[usize::from(place)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6229, 64-bit key.
    #[test]
    fn it_makes_the_published_stream() {
        let mut rc4 = Rc4::new([1, 2, 3, 4, 5, 6, 7, 8]);
        let mut stream = [0; 32];
        let (first, second) = stream.split_at_mut(5);
        rc4.apply(first);
        rc4.apply(second);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&stream[..16]), "97ab8a1bf0afb96132f2f67258da15a8");
        assert_eq!(hex(&stream[16..]), "8263efdb45c4a18684ef87e6b19e5b09");
    }
}
