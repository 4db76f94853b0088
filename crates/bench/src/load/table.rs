//! Lists that only grow, with keys that cannot be mixed up.

use std::marker::PhantomData;

/// Where something stands in a [`Table`] of `T`.
#[derive(Debug)]
pub(crate) struct Key<T>(u32, PhantomData<fn() -> T>);

impl<T> Key<T> {
    /// The number of the entry, counted from 0.
    pub(crate) const fn index(self) -> u32 {
        self.0
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Key<T> {}

/// Entries by [`Key`]. Nothing is ever removed, so a key that a table gave out is good for as long as the table lives.
#[derive(Debug)]
pub(crate) struct Table<T>(Vec<T>);

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, entry: T) -> Key<T> {
        self.0.push(entry);
        Key(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX), PhantomData)
    }

    /// The key that an event of the poller carries.
    pub(crate) fn key(&self, index: u64) -> Option<Key<T>> {
        let index = u32::try_from(index).ok().filter(|&index| (index as usize) < self.0.len());
        index.map(|index| Key(index, PhantomData))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "keys come from this table, and nothing is ever removed from it")]
    pub(crate) fn at(&self, key: Key<T>) -> &T {
        &self.0[key.0 as usize]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "keys come from this table, and nothing is ever removed from it")]
    pub(crate) fn at_mut(&mut self, key: Key<T>) -> &mut T {
        &mut self.0[key.0 as usize]
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key<T>> + use<T> {
        (0..u32::try_from(self.0.len()).unwrap_or(u32::MAX)).map(|index| Key(index, PhantomData))
    }
}
