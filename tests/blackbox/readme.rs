//! The READMEs and the pages that were part of them: their commands run, their snippets compile, their links lead somewhere.

pub(crate) mod markdown;
mod shell;

use std::path::{Path, PathBuf};

use fastway_testkit::process::Process;
use markdown::{Block, anchors, blocks, documents, files, read, root, targets};
use shell::Shell;

/// Pages whose shell blocks are run, each in both languages.
const PAGES: [[&str; 2]; 2] = [["README.md", "README.zh.md"], ["docs/by-hand.md", "docs/by-hand.zh.md"]];

/// The blocks that are not run, and the reasons that stand above them.
const NOT_RUN: [(&str, &str, &str); 2] = [
    ("README.md", "./test.sh\n", "it runs this test among all others"),
    ("README.zh.md", "./test.sh\n", "it runs this test among all others"),
];

#[test]
fn the_blocks_of_the_english_pages_run_as_they_stand() {
    PAGES.iter().for_each(|[english, _]| run(english));
}

#[test]
fn the_blocks_of_the_chinese_pages_run_as_they_stand() {
    PAGES.iter().for_each(|[_, chinese]| run(chinese));
}

/// Runs the shell blocks of a page in their order. A `text` block shows what the shell block before it prints.
fn run(page: &str) {
    let all = blocks(&read(page));
    let mut shell = Shell::new();
    for (index, block) in all.iter().enumerate().filter(|(_, block)| is_run(block)) {
        let shown = all.get(index + 1).filter(|next| next.language == "text").map_or("", |next| &next.text);
        shell.run(page, block, shown);
    }
    shell.end(page);
}

fn is_shell(block: &Block) -> bool {
    matches!(block.language.as_str(), "sh" | "bash")
}

fn is_run(block: &Block) -> bool {
    is_shell(block) && block.not_run.is_none()
}

#[test]
fn only_these_blocks_are_not_run() {
    let mut not_run = Vec::new();
    for page in PAGES.into_iter().flatten() {
        let marked = blocks(&read(page)).into_iter().filter_map(|block| Some((page, block.text, block.not_run?)));
        not_run.extend(marked);
    }
    let expected = NOT_RUN.map(|(page, text, reason)| (page, text.to_owned(), reason.to_owned()));
    assert_eq!(not_run, expected);
}

#[test]
fn every_text_block_shows_what_a_shell_block_prints() {
    for page in PAGES.iter().flatten() {
        let all = blocks(&read(page));
        for [before, block] in all.array_windows() {
            let stray = block.language == "text" && !is_run(before);
            assert!(!stray, "{page}, line {}: shown without a command", block.line);
        }
    }
}

#[test]
fn both_languages_show_the_same_blocks() {
    for [english, chinese] in PAGES {
        let [in_english, in_chinese] = [english, chinese].map(|page| blocks(&read(page)));
        for (one, other) in in_english.iter().zip(&in_chinese) {
            assert_eq!(essence(one), essence(other), "{english}, line {}; {chinese}, line {}", one.line, other.line);
        }
        assert_eq!(in_english.len(), in_chinese.len(), "{english} and {chinese} have as many blocks");
    }
}

/// A block without its comments, which are in the language of their page.
fn essence(block: &Block) -> (&str, String) {
    let text = match block.language.as_str() {
        "text" => block.text.clone(),
        _ if is_shell(block) => shell_code(&block.text),
        _ => code(&block.text),
    };
    (&block.language, text)
}

/// A comment stands two blanks or more behind its command.
fn shell_code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("  # ").next().unwrap_or_default().trim_end());
    lines.map(|line| format!("{line}\n")).collect()
}

/// What is neither comment nor blank nor indentation. Of documentation comments the text counts: it may be an example.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("/// ").unwrap_or(line);
        line.split("//").next().unwrap_or_default().trim().to_owned()
    });
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// `test.sh` compiles examples and documentation of each SDK.
#[test]
fn every_snippet_stands_in_a_source_that_is_compiled() {
    for page in PAGES.iter().flatten() {
        for block in blocks(&read(page)) {
            let folders: &[&str] = match block.language.as_str() {
                "rust" => &["rust-client/examples", "rust-client/src"],
                "go" => &["go"],
                "csharp" => &["csharp/examples", "csharp/unity/Samples~"],
                "sh" | "bash" | "text" => continue,
                other => panic!("{page}, line {}: nobody compiles {other}", block.line),
            };
            let snippet = code(&block.text);
            let sources = folders.iter().flat_map(|folder| sources(&root().join(folder)));
            let compiled = sources.map(|source| code(&read(source))).any(|source| source.contains(&snippet));
            assert!(compiled, "{page}, line {}: nothing compiles\n{}", block.line, block.text);
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "rs" || ext == "go" || ext == "cs");
    let mut found: Vec<PathBuf> = files.into_iter().filter(is_source).collect();
    found.extend(folders.iter().flat_map(|folder| sources(folder)));
    found
}

#[test]
fn the_pages_of_flags_name_every_flag_of_the_help() {
    let help = Process::run_in(root(), &["--help"]).stdout;
    let flags = help.lines().filter_map(|line| line.strip_prefix("  --")?.split_whitespace().next());
    let flags: Vec<String> = flags.map(|name| format!("--{name}")).collect();
    assert!(flags.len() > 40, "{flags:?}");
    for page in ["docs/flags.md", "docs/flags.zh.md"] {
        let text = read(page);
        let is_named = |flag: &str| [format!("`{flag}`"), format!("`{flag} ")].iter().any(|name| text.contains(name));
        let missing: Vec<_> = flags.iter().filter(|flag| !is_named(flag)).collect();
        assert!(missing.is_empty(), "{page} does not name {missing:?}");
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        for target in targets(&read(&document)) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let has_anchor = || anchor.is_empty() || anchors(&read(&file)).iter().any(|have| have == anchor);
            if !(root().join(&file).exists() && has_anchor()) {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_document_that_a_source_names_exists() {
    let mut missing = Vec::new();
    for source in files(&["rs", "go", "cs", "sh", "toml"]) {
        for name in documents_named_in(&read(&source)) {
            if !root().join(&name).exists() {
                missing.push(format!("{}: {name}", source.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The pages of `docs/` that a source names, in comments and elsewhere.
fn documents_named_in(source: &str) -> impl Iterator<Item = String> {
    source.split("docs/").skip(1).filter_map(|rest| {
        let is_of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        let path = rest.split(|c| !is_of_path(c)).next().unwrap_or_default().trim_end_matches('.');
        path.ends_with(".md").then(|| format!("docs/{path}"))
    })
}
