//! Tests that end as the self-test wants: see the Go package two folders up.

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, fs, process};

    #[test]
    fn passes() {}

    #[test]
    fn fails_once() {
        let seen = PathBuf::from(env::var("FAKE_DIR").unwrap()).join("seen");
        if !seen.exists() {
            fs::write(seen, "").unwrap();
            panic!("the first time");
        }
    }

    #[test]
    fn fails_each_time() {
        assert!(env::var_os("FAKE_FAILS").is_none(), "as it did before");
    }

    #[test]
    fn ends_the_process() {
        if env::var_os("FAKE_CRASHES").is_some() {
            process::abort();
        }
    }
}
