//! The Diffie-Hellman of the original, over 64 bits (`docs/protocol.md` §2). It is far too short to be secure.

use rand_core::CryptoRng;

const PRIME: u64 = 0xffff_ffff_ffff_ffc5;
const GENERATOR: u64 = 5;

/// A key pair.
pub(super) struct Pair {
    private: u64,
    pub(super) public: u64,
}

impl Pair {
    pub(super) fn new(rng: &mut impl CryptoRng) -> Self {
        let private = loop {
            let drawn = rng.next_u64() % PRIME;
            if drawn > 1 {
                break drawn;
            }
        };
        Self { private, public: power(GENERATOR, private) }
    }

    /// The shared secret; `None` for a public key out of range.
    pub(super) fn agree(&self, public: u64) -> Option<u64> {
        (1..PRIME).contains(&public).then(|| power(public, self.private))
    }
}

fn power(base: u64, mut exponent: u64) -> u64 {
    let (mut result, mut square) = (1, base % PRIME);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, square);
        }
        square = times(square, square);
        exponent >>= 1;
    }
    result
}

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) % u128::from(PRIME);
    u64::try_from(product).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree() {
        let (a, b) = (Pair::new(&mut rand::rng()), Pair::new(&mut rand::rng()));
        assert_eq!(a.agree(b.public), b.agree(a.public));
        assert!(a.agree(b.public).is_some());
    }

    #[test]
    fn powers_are_right() {
        assert_eq!(power(5, 27), 7_450_580_596_923_828_125);
        assert_eq!(power(5, 28), u64::try_from(5u128.pow(28) % u128::from(PRIME)).unwrap());
        assert_eq!(power(GENERATOR, PRIME - 1), 1, "Fermat");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let pair = Pair::new(&mut rand::rng());
        assert_eq!([0, PRIME, u64::MAX].map(|public| pair.agree(public)), [None; 3]);
    }
}
