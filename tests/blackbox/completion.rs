//! `fastway completion` and `fastway man`: what is committed is what the program prints, and shells and formatters take it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fastway_testkit::process::Process;
use tempfile::tempdir;

const MAN: &str = "packaging/man/fastway.1";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn printed(words: &[&str]) -> String {
    let dir = tempdir().unwrap();
    let exit = Process::run_in(dir.path(), words);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""), "{words:?}");
    exit.stdout
}

#[test]
fn what_is_packaged_is_what_the_program_prints() {
    for (words, file) in [
        (&["completion", "bash"][..], "packaging/completion/fastway.bash"),
        (&["completion", "zsh"], "packaging/completion/fastway.zsh"),
        (&["completion", "fish"], "packaging/completion/fastway.fish"),
        (&["man"], MAN),
    ] {
        let packaged = fs::read_to_string(root(file)).unwrap_or_default();
        let command = words.join(" ");
        assert!(packaged.trim_end() == printed(words), "{file} is out of date: fastway {command} >{file}");
    }
}

#[test]
fn anything_else_is_refused_with_what_is_accepted() {
    let dir = tempdir().unwrap();
    for (words, part) in [
        (&["completion"][..], "bash, zsh or fish"),
        (&["completion", "tcsh"], "bash, zsh or fish"),
        (&["completion", "bash", "zsh"], "one shell"),
        (&["man", "fastway"], "unexpected argument 'fastway': man takes none"),
    ] {
        let exit = Process::run_in(dir.path(), words);
        assert!(exit.code == Some(2) && exit.stderr.contains(part), "{exit:?}");
    }
}

/// What bash offers for a line whose last word is unfinished.
fn offered(line: &str) -> Vec<String> {
    const SCRIPT: &str = "\
        source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _fastway; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", SCRIPT]).arg(root("packaging/completion/fastway.bash")).args(line.split(' '));
    let output = bash.current_dir(root("packaging")).output().expect("bash is there");
    assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).filter(|word| !word.is_empty()).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    for (line, expected) in [
        ("fastway c", &["ctl", "check", "completion"][..]),
        ("fastway --client-s", &["--client-send-chan-size", "--client-send-bytes", "--client-slow-grace"]),
        ("fastway --workers 2 --reuse", &["--reuse-port"]),
        ("fastway --log-level w", &["warn"]),
        // bash takes = for a word of its own.
        ("fastway --log-format = j", &["json"]),
        ("fastway --mem-pool-type = ", &["sync", "atom", "chan"]),
        ("fastway --client-addr ", &[]),
        ("fastway --session-key complet", &["completion"]),
        ("fastway ctl --ti", &["--timeout"]),
        ("fastway ctl --dir m", &["man"]),
        ("fastway keygen --p", &["--public"]),
        ("fastway keygen complet", &["completion"]),
        ("fastway completion ", &["bash", "zsh", "fish"]),
        ("fastway man -", &[]),
    ] {
        let mut offered = offered(line);
        // Those of the original's sessions begin the same way.
        offered.retain(|word| !word.contains("snet"));
        assert_eq!(offered, expected, "{line:?}");
    }
}

#[test]
fn bash_offers_every_flag() {
    let help = printed(&["--help"]);
    let flags: Vec<&str> = help.lines().filter_map(|line| line.trim().split(' ').next()).collect();
    let offered = offered("fastway --");
    for flag in flags.into_iter().filter(|word| word.starts_with("--") && word.len() > 2) {
        assert!(offered.iter().any(|word| word == flag), "{flag} is not offered");
    }
}

/// Runs a program that may not be installed; `None`: it is not.
fn run(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).current_dir(root("")).stdin(Stdio::null()).output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{program} {words:?}:\n{said}");
    Some(said)
}

/// Where these shells are installed.
#[test]
fn zsh_and_fish_take_their_files() {
    for (shell, words) in [
        ("zsh", &["-n", "packaging/completion/fastway.zsh"][..]),
        ("fish", &["--no-execute", "packaging/completion/fastway.fish"]),
    ] {
        assert!(run(shell, words).is_none_or(|said| said.is_empty()), "{shell}");
    }
    let offered = run("fish", &["-c", "source packaging/completion/fastway.fish; complete -C 'fastway --log-format '"]);
    assert!(offered.is_none_or(|offered| ["text", "json"].iter().all(|format| offered.contains(format))));
}

/// Where these formatters are installed. That the page has no date is on purpose: the same source makes the same page.
#[test]
fn formatters_take_the_manual_page_without_a_warning() {
    let formatted = run("groff", &["-ww", "-Tutf8", "-man", MAN]);
    assert!(formatted.is_none_or(|text| !text.contains("warning") && text.contains("--shutdown-grace")));
    assert!(run("mandoc", &["-Tlint", "-Werror", MAN]).is_none_or(|said| said.is_empty()));
}

#[test]
fn the_manual_page_has_every_flag_and_command() {
    let page = fs::read_to_string(root(MAN)).unwrap().replace("\\-", "-");
    let help = printed(&["--help"]) + &printed(&["ctl", "--help"]);
    for flag in help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        assert!(!flag.starts_with("--") || page.contains(&format!("\\fB{flag}\\fR")), "{flag}");
    }
    for command in ["ctl", "keygen", "completion", "man"] {
        assert!(page.contains(&format!(".B fastway {command}\n")), "{command}");
    }
}
