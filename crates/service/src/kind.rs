//! Enums whose variants are counted, and what is kept for each variant.

use std::fmt;
use std::ops::{AddAssign, Index, IndexMut};

/// An enum whose variants have names, under which they are counted and shown. [`kinds!`](crate::kinds) declares one.
pub trait Kind: Copy + Eq + fmt::Debug + 'static {
    /// A value for each variant.
    type Array<T>: IntoIterator<Item = T> + AsRef<[T]> + AsMut<[T]>;

    /// Every variant, in the order of their declaration.
    const ALL: Self::Array<Self>;

    /// The variant's name, in snake case.
    fn name(self) -> &'static str;

    /// Makes a value for each variant.
    fn array<T>(make: impl FnMut(Self) -> T) -> Self::Array<T>;

    /// The value for this variant.
    fn pick<T>(self, values: &Self::Array<T>) -> &T;

    /// The same, to change it.
    fn pick_mut<T>(self, values: &mut Self::Array<T>) -> &mut T;
}

/// Declares an enum as a [`Kind`]: each variant with its name.
///
/// ```
/// use fastway_service::{Counts, kinds};
///
/// kinds! {
///     /// What became of a message.
///     pub enum Outcome {
///         /// It has arrived.
///         Delivered = "delivered",
///         /// It has not.
///         Lost = "lost",
///     }
/// }
///
/// let mut counts = Counts::<Outcome>::default();
/// counts[Outcome::Lost] += 1;
/// assert!(counts.by_name().eq([("delivered", 0), ("lost", 1)]));
/// ```
#[macro_export]
macro_rules! kinds {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $kind:ident {
            $($(#[$variant_attribute:meta])* $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $kind {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl $kind {
            /// Every variant, in the order of their declaration.
            $visibility const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name under which it is counted and shown.
            $visibility const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl $crate::Kind for $kind {
            type Array<T> = [T; Self::ALL.len()];

            const ALL: Self::Array<Self> = Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }

            fn array<T>(make: impl FnMut(Self) -> T) -> Self::Array<T> {
                Self::ALL.map(make)
            }

            // A value is found by its place in a pattern, so that none can be missing.
            #[inline]
            #[allow(non_snake_case)]
            fn pick<T>(self, [$($variant),+]: &Self::Array<T>) -> &T {
                match self {
                    $(Self::$variant => $variant,)+
                }
            }

            #[inline]
            #[allow(non_snake_case)]
            fn pick_mut<T>(self, [$($variant),+]: &mut Self::Array<T>) -> &mut T {
                match self {
                    $(Self::$variant => $variant,)+
                }
            }
        }
    };
}

/// A value for each variant of a [`Kind`], by which it is indexed; there is one for each, so indexing cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerKind<K: Kind, T>(K::Array<T>);

/// How often each variant of a [`Kind`] was met.
pub type Counts<K> = PerKind<K, u64>;

impl<K: Kind, T> PerKind<K, T> {
    /// Makes a value for each variant.
    pub fn new(make: impl FnMut(K) -> T) -> Self {
        Self(K::array(make))
    }

    /// Each variant with its value, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        K::ALL.into_iter().zip(self.0.as_ref())
    }

    /// The same, to change the values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        K::ALL.into_iter().zip(self.0.as_mut())
    }
}

impl<K: Kind> Counts<K> {
    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.as_ref().iter().sum()
    }

    /// Each count by the name of its variant.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.iter().map(|(kind, count)| (kind.name(), *count))
    }
}

impl<K: Kind, T> Default for PerKind<K, T>
where
    K::Array<T>: Default,
{
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<K: Kind, T> Index<K> for PerKind<K, T> {
    type Output = T;

    #[inline]
    fn index(&self, kind: K) -> &T {
        kind.pick(&self.0)
    }
}

impl<K: Kind, T> IndexMut<K> for PerKind<K, T> {
    #[inline]
    fn index_mut(&mut self, kind: K) -> &mut T {
        kind.pick_mut(&mut self.0)
    }
}

/// Adds the value of each variant.
impl<K: Kind, T: for<'a> AddAssign<&'a T>> AddAssign<&Self> for PerKind<K, T> {
    fn add_assign(&mut self, other: &Self) {
        self.0.as_mut().iter_mut().zip(other.0.as_ref()).for_each(|(sum, value)| *sum += value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    kinds! {
        enum Fruit {
            Apple = "apple",
            Pear = "pear",
            Fig = "fig",
        }
    }

    #[test]
    fn each_variant_has_a_value_of_its_own() {
        let mut names = PerKind::new(Fruit::name);
        for kind in Fruit::ALL {
            assert_eq!(names[kind], kind.name());
            names[kind] = "eaten";
            assert!(names.iter().all(|(other, name)| (*name == "eaten") == (other <= kind)), "{names:?}");
        }
        names.iter_mut().for_each(|(kind, name)| *name = kind.name());
        assert_eq!(names, PerKind::new(Fruit::name));
    }

    #[test]
    fn counts_add_up_and_are_shown_by_name() {
        let mut counts = Counts::default();
        assert_eq!(counts.total(), 0);
        counts[Fruit::Apple] += 1;
        counts[Fruit::Fig] += 2;
        let mut sum = counts;
        sum += &counts;
        assert_eq!((counts.total(), sum.total()), (3, 6));
        assert_eq!(sum.by_name().collect::<Vec<_>>(), [("apple", 2), ("pear", 0), ("fig", 4)]);
    }
}
