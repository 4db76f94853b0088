//! What the manifests promise: which crate may know of which, and what each says about itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// For each crate of ours, by folder, those that its code may know of, and those that only its tests may know of.
/// Nothing below knows of what is above: wire <- session <- gateway; service <- admin <- gateway;
/// wire <- session <- rust-client.
const MAY_USE: [(&str, &[&str], &[&str]); 13] = [
    ("crates/wire", &[], &[]),
    ("crates/session", &["crates/wire"], &[]),
    ("crates/proxy-protocol", &[], &[]),
    ("crates/sys", &[], &[]),
    ("crates/service", &[], &[]),
    // It watches and steers any gateway that implements its trait.
    ("crates/admin", &["crates/service", "crates/sys", "crates/wire"], &[]),
    ("crates/transport", &["crates/sys"], &[]),
    (
        "",
        &[
            "crates/admin",
            "crates/proxy-protocol",
            "crates/service",
            "crates/session",
            "crates/sys",
            "crates/transport",
            "crates/wire",
        ],
        &["tests/support", "rust-client"],
    ),
    ("rust-client", &["crates/wire", "crates/session"], &["tests/support"]),
    // It measures any gateway of the protocol, so it knows nothing but the bytes on it.
    ("crates/bench", &["crates/wire", "crates/session"], &[]),
    ("tests/interop/rust", &["rust-client"], &[]),
    ("tests/support", &["crates/wire", "crates/session"], &[]),
    ("fuzz", &["crates/wire", "crates/session", "crates/proxy-protocol"], &[]),
];

#[test]
fn no_crate_knows_of_what_is_above_it() {
    for package in packages() {
        let (_, code, tests) =
            MAY_USE.into_iter().find(|(folder, ..)| *folder == package.folder).unwrap_or_else(|| {
                panic!(
                    "tests/blackbox/manifests.rs does not say what the crate in {:?} may use: add it to MAY_USE",
                    package.folder
                )
            });
        for (used, only_in_tests) in package.ours() {
            let may = code.contains(&used.as_str()) || only_in_tests && tests.contains(&used.as_str());
            assert!(may, "{} must not depend on {used:?}; what it may use: {code:?}", package.name());
        }
    }
}

#[test]
fn every_crate_says_what_it_is() {
    for package in packages() {
        for field in ["description", "license"] {
            let said = package.text(field).is_some_and(|text| !text.is_empty());
            assert!(said, "{}/Cargo.toml has no `{field}`", package.folder);
        }
        assert_eq!(package.text("license"), Some("MIT OR Apache-2.0"), "{}", package.name());
    }
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(root().join(file).is_file(), "{file} is missing");
    }
}

/// The SDK and what it is built on: what a game's own `Cargo.toml` can name.
const PUBLISHED: [&str; 3] = ["crates/wire", "crates/session", "rust-client"];

#[test]
fn what_is_published_can_be_found_read_and_used() {
    for package in packages().into_iter().filter(|package| PUBLISHED.contains(&package.folder.as_str())) {
        for field in ["description", "documentation", "readme", "rust_version", "license"] {
            assert!(package.text(field).is_some(), "{} has no `{field}`", package.name());
        }
        for field in ["keywords", "categories", "authors"] {
            let count = package.manifest[field].as_array().unwrap().len();
            assert!((1..=5).contains(&count), "{} has {count} {field}; a registry takes 1 to 5", package.name());
        }
        let dependencies = package.manifest["dependencies"].as_array().unwrap();
        // What only tests need and only this repository has is left out of what is published.
        for dependency in dependencies.iter().filter(|used| used["kind"] != "dev" || used["path"].is_null()) {
            assert_ne!(dependency["req"], "*", "{} uses {} in any version", package.name(), dependency["name"]);
        }
    }
}

#[test]
fn what_is_published_ships_its_licences_and_its_readme_as_they_are_here() {
    for folder in PUBLISHED {
        let shipped = shipped_files(folder);
        for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "src/lib.rs"] {
            assert!(shipped.contains(file), "{folder} would be published without {file}: {shipped:#?}");
        }
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let texts =
                [root().join(folder).join(file), root().join(file)].map(|path| fs::read_to_string(path).unwrap());
            assert!(texts[0] == texts[1], "{folder}/{file} is another text than {file}");
        }
    }
}

/// What `cargo publish` would take of a crate; asked without a network.
fn shipped_files(folder: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--locked", "--offline", "--allow-dirty", "--manifest-path"]);
    let output = cargo.arg(root().join(folder).join("Cargo.toml")).output().unwrap();
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_crate_that_stable_builds_states_the_same_msrv() {
    let stated = packages().into_iter().filter(|package| package.folder != "fuzz");
    let stated: BTreeSet<Option<String>> = stated.map(|p| p.text("rust_version").map(str::to_owned)).collect();
    assert_eq!(stated.len(), 1, "the crates state different `rust-version`s: {stated:?}");
    assert_ne!(stated, BTreeSet::from([None]), "no crate states its `rust-version`");
}

#[test]
fn the_readmes_name_the_msrv_of_the_manifest() {
    let msrv = packages().iter().find_map(|package| package.text("rust_version").map(str::to_owned)).unwrap();
    let readmes = ["README.md", "README.zh.md"].map(|file| root().join(file));
    let written = readmes.iter().any(|readme| readme.exists());
    for readme in readmes.iter().filter(|_| written) {
        let text = fs::read_to_string(readme).unwrap_or_else(|error| panic!("{readme:?}: {error}"));
        let mut numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
        assert!(numbers.any(|number| number == msrv), "{readme:?} does not name Rust {msrv}, as Cargo.toml does");
    }
}

/// Cargo finds no tests by itself here: a file that nobody names would never run.
#[test]
fn every_file_with_tests_belongs_to_the_program_beside_it() {
    for (folder, program) in [("tests", "blackbox"), ("rust-client/tests", "sdk")] {
        let folder = root().join(folder);
        let loose = modules_in(&folder);
        assert!(loose.is_empty(), "{loose:?} in {folder:?} are compiled by nobody: move them to {program}/");

        let main = fs::read_to_string(folder.join(program).join("main.rs")).unwrap();
        let mut forgotten = modules_in(&folder.join(program));
        forgotten.retain(|module| module != "main" && !main.contains(&format!("\nmod {module};\n")));
        assert!(forgotten.is_empty(), "{program}/main.rs does not name {forgotten:?}");
    }
}

fn modules_in(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// A crate of ours as cargo reads its manifest.
struct Package {
    /// Relative to the root of the repository; empty for the gateway itself.
    folder: String,
    manifest: Value,
}

impl Package {
    fn text(&self, field: &str) -> Option<&str> {
        self.manifest[field].as_str()
    }

    fn name(&self) -> &str {
        self.text("name").unwrap()
    }

    /// The crates of ours that it depends on, and whether only its tests do.
    fn ours(&self) -> impl Iterator<Item = (String, bool)> {
        let dependencies = self.manifest["dependencies"].as_array().unwrap();
        dependencies.iter().filter_map(|dependency| {
            let folder = folder(dependency["path"].as_str()?);
            Some((folder, dependency["kind"] == "dev"))
        })
    }
}

/// All crates of the workspace, and the fuzz targets, which are a workspace of their own.
fn packages() -> Vec<Package> {
    ["Cargo.toml", "fuzz/Cargo.toml"].into_iter().flat_map(packages_of).collect()
}

fn packages_of(manifest: &str) -> Vec<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--locked", "--offline", "--format-version=1", "--manifest-path"]);
    let output = cargo.arg(root().join(manifest)).output().unwrap();
    assert!(output.status.success(), "{manifest}: {}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array_mut().unwrap().drain(..);
    packages.map(|manifest| Package { folder: folder_of(&manifest), manifest }).collect()
}

fn folder_of(manifest: &Value) -> String {
    let path = Path::new(manifest["manifest_path"].as_str().unwrap());
    folder(path.parent().unwrap().to_str().unwrap())
}

fn folder(path: &str) -> String {
    Path::new(path).strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
