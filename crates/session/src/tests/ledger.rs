//! Notes every key and nonce that is sealed with, and panics when a pair comes again.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::KEY_BYTES;

thread_local! {
    static PLAINTEXTS: RefCell<Option<HashMap<Tag, Vec<u8>>>> = const { RefCell::new(None) };
    static NEXT: RefCell<HashMap<[u8; KEY_BYTES], u64>> = RefCell::new(HashMap::new());
}

/// Nonces of a key may only grow.
pub(crate) fn sealed(key: &[u8; KEY_BYTES], nonce: u64) {
    NEXT.with_borrow_mut(|next| {
        let next = next.entry(*key).or_insert(0);
        assert!(nonce >= *next, "nonce {nonce} is used again");
        *next = nonce + 1;
    });
}

type Tag = [u8; 16];

/// From now on plaintexts are kept, too.
pub(crate) fn keep_plaintexts() {
    PLAINTEXTS.set(Some(HashMap::new()));
}

/// Keeps, if wanted, what was sealed in the record with this tag.
pub(crate) fn keep(tag: &[u8], plaintext: Vec<u8>) {
    PLAINTEXTS.with_borrow_mut(|plaintexts| {
        if let (Some(plaintexts), Ok(tag)) = (plaintexts, tag.try_into()) {
            plaintexts.insert(tag, plaintext);
        }
    });
}

/// What was sealed in a record.
pub(crate) fn plaintext(record: &[u8]) -> Vec<u8> {
    let tag = record.last_chunk::<16>().expect("a record has a tag");
    PLAINTEXTS.with_borrow(|plaintexts| plaintexts.as_ref().expect("they are kept")[tag].clone())
}

/// Forgets the keys of a history that is over.
pub(crate) fn forget() {
    NEXT.with_borrow_mut(HashMap::clear);
}
