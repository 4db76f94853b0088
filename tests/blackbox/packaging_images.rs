//! The image, the manifests and the Debian package, as far as they can be judged without an engine that runs them: rules for
//! the Dockerfile, and what all of them say of the program against the program. Their schemas: `scripts/manifests`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastway_testkit::Gateway;
use fastway_testkit::process::Process;
use serde_json::Value;

const DOCKERFILE: &str = "packaging/container/Dockerfile";
const EXAMPLE: &str = "packaging/container/Dockerfile.example";
const COMPOSE: &str = "packaging/container/compose.yaml";
const DEPLOYMENT: &str = "packaging/kubernetes/gateway.yaml";
const SERVICES: &str = "packaging/kubernetes/services.yaml";
const UNIT: &str = "packaging/systemd/fastway.service";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The instructions of a Dockerfile, each in one line, with its arguments.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let text = lines.join("\n").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let parts = lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line:?} has no arguments")));
    parts.map(|(name, rest)| (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

/// What is wrong with a Dockerfile; the names are those of hadolint's rules where it has them.
fn faults(text: &str) -> Vec<String> {
    let (mut faults, mut stages) = (Vec::new(), Vec::new());
    let (mut user, mut is_root) = (String::new(), true);
    for (name, rest) in instructions(text) {
        let words: Vec<&str> = rest.split(' ').collect();
        let mut fault = |rule: &str| faults.push(format!("{rule}: {name} {rest}"));
        match name.as_str() {
            "FROM" => {
                let tag = words[0].rsplit_once(':').map(|(_, tag)| tag);
                if words[0] != "scratch" && tag.is_none_or(|tag| tag == "latest") {
                    fault("DL3006: the image has no fixed version");
                }
                stages.extend(words.iter().position(|word| *word == "AS").map(|at| words[at + 1].to_owned()));
                is_root = true;
            }
            "ADD" => fault("DL3020: COPY copies files"),
            "MAINTAINER" => fault("DL4000: deprecated"),
            "WORKDIR" if !rest.starts_with('/') => fault("DL3000: not absolute"),
            "CMD" | "ENTRYPOINT" if serde_json::from_str::<Vec<String>>(&rest).is_err() => {
                fault("DL3025: not in JSON, so that a shell is process 1 and keeps signals away");
            }
            "HEALTHCHECK" if !rest.contains("CMD [\"/usr/bin/fastway\", \"ctl\", ") => fault("a check by fastway ctl"),
            "STOPSIGNAL" if rest != "SIGTERM" => fault("a signal that stops"),
            "RUN" if rest.contains("sudo") => fault("DL3004: sudo"),
            "RUN" if rest.contains("apt-get install") && !rest.contains("--no-install-recommends") => fault("DL3015"),
            "USER" => {
                user.clone_from(&rest);
                is_root = rest.split(':').any(|id| id.parse::<u32>().is_ok_and(|id| id == 0) || id == "root");
                if rest.split(':').any(|id| id.parse::<u32>().is_err()) {
                    fault("a name, of which runAsNonRoot of Kubernetes cannot tell that it is not root");
                }
            }
            "COPY" => {
                if let Some(stage) = words[0].strip_prefix("--from=")
                    && !stages.iter().any(|known| known == stage)
                {
                    fault("DL3022: no such stage");
                }
            }
            "ARG" | "CMD" | "ENTRYPOINT" | "EXPOSE" | "HEALTHCHECK" | "RUN" | "STOPSIGNAL" | "WORKDIR" => {}
            _ => fault("an unknown instruction"),
        }
    }
    if is_root {
        faults.push(format!("DL3002: the last user is root: {user:?}"));
    }
    faults
}

#[test]
fn the_dockerfiles_keep_to_the_rules() {
    for file in [DOCKERFILE, EXAMPLE] {
        assert_eq!(faults(&read(file)), Vec::<String>::new(), "{file}");
    }
    let has = |wanted: &str| instructions(&read(DOCKERFILE)).iter().any(|(name, _)| name == wanted);
    assert!(["STOPSIGNAL", "HEALTHCHECK", "USER", "ENTRYPOINT", "WORKDIR"].into_iter().all(has));
}

#[test]
fn a_dockerfile_against_the_rules_would_be_told() {
    let good = "FROM scratch\nUSER 1:1\n";
    for (text, rule) in [
        ("FROM debian\nUSER 1:1\n", "DL3006"),
        ("FROM debian:latest\nUSER 1:1\n", "DL3006"),
        ("FROM scratch\n", "DL3002"),
        ("FROM scratch\nUSER 0:0\n", "DL3002"),
        ("FROM scratch\nUSER fastway\n", "runAsNonRoot"),
        ("FROM scratch\nCMD fastway\nUSER 1:1\n", "DL3025"),
        ("FROM scratch\nCOPY --from=build a /a\nUSER 1:1\n", "DL3022"),
        ("FROM scratch\nADD a /a\nUSER 1:1\n", "DL3020"),
        ("FROM scratch\nVOLUMES /a\nUSER 1:1\n", "unknown instruction"),
        ("FROM scratch\nHEALTHCHECK CMD curl localhost\nUSER 1:1\n", "fastway ctl"),
    ] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].contains(rule), "{text}: {faults:?}");
    }
    assert!(faults(good).is_empty());
}

/// Words that look like flags, in quotes or not, with or without a value.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '[' | ']' | '='));
    words.filter(|word| word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase())))
}

#[test]
fn every_flag_that_the_files_give_to_the_program_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let help: String =
        [&["--help"][..], &["ctl", "--help"]].map(|words| Process::run_in(dir.path(), words).stdout).concat();
    let commands = |text: &str, starts: &[&str]| {
        let lines = text.lines().map(str::trim).filter(|line| starts.iter().any(|start| line.starts_with(start)));
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let mut seen = 0;
    for (file, starts) in [
        (UNIT, &["ExecStart="][..]),
        (DOCKERFILE, &["CMD", "ENTRYPOINT"]),
        (COMPOSE, &["- --"]),
        (DEPLOYMENT, &["- --"]),
    ] {
        for flag in flags(&commands(&read(file), starts)) {
            assert!(help.lines().any(|line| line.trim().split(' ').next() == Some(flag)), "{file}: {flag}");
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

/// The value behind each `name: ` of a text, to the end of a word.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let name = format!("{name}: ");
    let found = text.match_indices(&name).map(|(at, _)| &text[at + name.len()..]);
    found.filter_map(|rest| rest.split([',', ' ', '}', '\n']).next()).collect()
}

#[test]
fn probes_and_services_name_paths_and_ports_that_exist() {
    let gateway = Gateway::with_admin(&[]);
    let (deployment, services) = (read(DEPLOYMENT), read(SERVICES));
    let probes: Vec<&str> = deployment.lines().filter(|line| line.contains("httpGet:")).collect();
    assert_eq!(probes.len(), 3);
    for probe in probes {
        let path = values(probe, "path")[0];
        assert_eq!(gateway.get(path).status, 200, "{path}");
        assert_eq!(values(probe, "port"), ["admin"]);
    }
    let ports: Vec<&str> = deployment.lines().filter(|line| line.contains("containerPort:")).collect();
    let names: Vec<&str> = ports.iter().map(|port| values(port, "name")[0]).collect();
    assert_eq!(names, ["client", "server", "admin"]);
    for (port, name) in ports.iter().zip(names.iter()) {
        let addr = format!("--{name}-addr=:{}", values(port, "containerPort")[0]);
        assert!(deployment.contains(&addr), "{addr}");
    }
    assert!(values(&services, "targetPort").iter().all(|target| names.contains(target)));
    let seconds = |name: &str| values(&deployment, name)[0].parse::<u32>().unwrap();
    let flag = |name: &str| -> u32 {
        let (_, value) = deployment.split_once(&format!("--{name}=")).unwrap();
        value.split('s').next().unwrap().parse().unwrap()
    };
    let stop: u32 = ["drain-delay", "drain-timeout", "drain-spread", "shutdown-grace"].into_iter().map(flag).sum();
    assert!(seconds("terminationGracePeriodSeconds") > stop);
}

#[test]
fn the_files_that_compose_and_the_images_name_exist() {
    let compose = read(COMPOSE);
    let folder = root("packaging/container");
    let mounts = compose.lines().map(|line| line.trim().trim_start_matches("- ")).filter(|line| line.starts_with('.'));
    for mount in mounts {
        let file = mount.split(':').next().unwrap();
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert_eq!(values(&compose, "dockerfile").len(), 2);
    for dockerfile in values(&compose, "dockerfile") {
        assert!(root(dockerfile).is_file(), "{dockerfile}");
    }
    let build = instructions(&read(DOCKERFILE)).into_iter().find(|(name, _)| name == "RUN").unwrap().1;
    assert!(root(build.split(' ').next().unwrap()).is_file(), "{build}");
}

#[test]
fn the_debian_package_has_files_that_exist() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--locked", "--offline", "--format-version=1"]).current_dir(root(""));
    let metadata: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "fastway").unwrap();
    let deb = &package["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    assert!(assets.len() > 8);
    for asset in assets {
        let file = asset[0].as_str().unwrap();
        assert!(file == "target/release/fastway" || root(file).is_file(), "{file}");
    }
    let postinst = root(deb["maintainer-scripts"].as_str().unwrap()).join("postinst");
    assert!(Command::new("sh").arg("-n").arg(postinst).status().unwrap().success());
    // The user that the unit and the package have.
    assert!(read(UNIT).contains("User=fastway\n") && read("packaging/debian/postinst").contains(" fastway\n"));
}
