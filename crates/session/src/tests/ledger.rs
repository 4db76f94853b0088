//! Notes every key and nonce that is sealed with, and panics when a pair comes again.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::KEY_BYTES;

thread_local! {
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

/// Forgets the keys of a history that is over.
pub(crate) fn forget() {
    NEXT.with_borrow_mut(HashMap::clear);
}
