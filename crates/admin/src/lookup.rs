//! What all `lookup` commands have in common: their optional number.

use super::{Args, CommandError};

/// How much a `lookup` shows, 0 to 9999; 0 when the operator does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verbosity(u16);

impl Verbosity {
    const MAX: u16 = 9999;

    /// The number itself.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<Args<'_>> for Verbosity {
    type Error = CommandError;

    fn try_from(args: Args<'_>) -> Result<Self, CommandError> {
        match args.words() {
            [] => Ok(Self::default()),
            [number] => parse(number),
            [_, surplus, ..] => {
                Err(CommandError::argument(surplus, "expected: one number from 0 to 9999 is all it takes"))
            }
        }
    }
}

fn parse(word: &str) -> Result<Verbosity, CommandError> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    match word.parse() {
        Ok(number) if digits && number <= Verbosity::MAX => Ok(Verbosity(number)),
        _ => Err(CommandError::argument(word, "a number from 0 to 9999")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Registry;
    use super::*;

    fn verbosity(line: &str) -> Result<String, String> {
        let mut registry = Registry::default();
        let show =
            |args: Args<'_>, out: &mut dyn std::fmt::Write| Ok(write!(out, "{}", Verbosity::try_from(args)?.get())?);
        registry.register("lookup gc", "", "", show).unwrap();
        let mut answer = String::new();
        registry.run(line, &mut answer).map(|()| answer).map_err(|error| error.to_string())
    }

    #[test]
    fn the_number_is_optional() {
        assert_eq!(verbosity("lookup gc").unwrap(), "0");
        assert_eq!(verbosity("lookup gc 0").unwrap(), "0");
        assert_eq!(verbosity("lookup gc 9999").unwrap(), "9999");
    }

    #[test]
    fn what_is_no_such_number_is_named() {
        for word in ["10000", "-1", "+1", "x", "1.5", "0x1", "99999999999999999999"] {
            let error = verbosity(&format!("lookup gc {word}")).unwrap_err();
            assert_eq!(error, format!("{word:?} is not a number from 0 to 9999"));
        }
        assert!(verbosity("lookup gc 1 2").unwrap_err().starts_with(r#""2" is not expected"#));
    }
}
