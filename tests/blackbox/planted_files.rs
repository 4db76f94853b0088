//! A working directory that somebody else may write to: what is planted there is neither followed nor obeyed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use fastway_testkit::process::{Process, Signal};
use tempfile::tempdir;

const PRECIOUS: &str = "precious";

/// Plants links to a file that must stay as it is.
fn plant(dir: &Path, names: &[&str]) -> std::path::PathBuf {
    let victim = dir.join("victim");
    fs::write(&victim, PRECIOUS).unwrap();
    for name in names {
        symlink(&victim, dir.join(name)).unwrap();
    }
    victim
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().unwrap().is_symlink()
}

#[test]
fn what_commands_write_goes_through_no_link() {
    let mut gateway = Process::start(&[]);
    let dir = gateway.file("").to_owned();
    let files = ["fastway.cmd.out", "fastway.goroutine.prof", "fastway.block.prof", "fastway.threadcreate.prof"];
    let links: Vec<String> = files.iter().flat_map(|file| [(*file).to_owned(), format!("{file}.unfinished")]).collect();
    let victim = plant(&dir, &links.iter().map(String::as_str).collect::<Vec<_>>());
    gateway.command("lookup goroutine\nlookup block\nlookup threadcreate");
    gateway.wait_log_with(&["command done", "lookup threadcreate"]);
    // The result file is finished behind the last command.
    assert_eq!(gateway.ctl(&["help"]).code, Some(0));
    assert_eq!(fs::read_to_string(&victim).unwrap(), PRECIOUS);
    for file in files {
        assert!(!is_link(&dir.join(file)), "{file}");
        assert!(!dir.join(format!("{file}.unfinished")).exists(), "{file}");
    }
}

#[test]
fn the_pid_file_goes_through_no_link() {
    let dir = tempdir().unwrap();
    let victim = plant(dir.path(), &["fastway.pid"]);
    let mut gateway = Process::in_dir(dir.path(), &[]);
    gateway.wait_log_with(&["WARN", "fastway.pid", "symbolic link"]);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(0));
    assert_eq!(fs::read_to_string(&victim).unwrap(), PRECIOUS);
    assert!(is_link(&dir.path().join("fastway.pid")), "what is not the gateway's is not removed");
}

#[test]
fn a_command_file_behind_a_link_is_not_run() {
    let mut gateway = Process::start(&[]);
    fs::write(gateway.file("elsewhere"), "help").unwrap();
    symlink(gateway.file("elsewhere"), gateway.file("fastway.cmd")).unwrap();
    gateway.signal(Signal::USR1);
    gateway.wait_log_with(&["ERROR", "command file not run", "symbolic link"]);
}

#[test]
fn a_command_file_that_everybody_may_write_to_is_not_run() {
    let mut gateway = Process::start(&[]);
    let path = gateway.file("fastway.cmd");
    fs::write(&path, "help").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
    gateway.signal(Signal::USR1);
    gateway.wait_log_with(&["ERROR", "command file not run", "everybody may write to it"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    gateway.signal(Signal::USR1);
    gateway.wait_log_with(&["command done", "help"]);
}

/// It needs root, and fails for anybody else: a rule that nobody has tried may not hold.
#[test]
fn a_command_file_of_another_user_is_not_run() {
    const SOMEBODY: u32 = 12_345;
    let mut gateway = Process::start(&[]);
    let path = gateway.file("fastway.cmd");
    fs::write(&path, "help").unwrap();
    chown(&path, Some(SOMEBODY), None).expect("only root can give a file away: be root, or skip this test by its name");
    gateway.signal(Signal::USR1);
    gateway.wait_log_with(&["ERROR", "command file not run", "it belongs to user 12345"]);
}

#[test]
fn a_directory_that_others_may_write_to_is_warned_of() {
    let dir = tempdir().unwrap();
    let mut alone = Process::in_dir(dir.path(), &[]);
    assert!(!alone.log().contains("not the gateway's alone"), "{}", alone.log());
    alone.signal(Signal::TERM);
    alone.wait_exit();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut gateway = Process::in_dir(dir.path(), &[]);
    gateway.wait_log_with(&["WARN", "not the gateway's alone", "everybody may write to it"]);
}
