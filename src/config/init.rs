//! A new file: every key with its default, in comments.

use super::keys::{Key, SECTIONS};
use super::show::literal;

const INTRODUCTION: &str = "\
# Settings of fastway. Each key stands here with its default: remove the # in front
# of a key to change it. Flags of the same name win over this file, and
#     fastway check --config FILE
# shows every value that holds, or all that is wrong.
#
# Sizes are bytes or strings with a unit of 1024 (\"512K\", \"1M\", \"1G\"), times are
# seconds or strings (\"30s\", \"1m30s\", \"500ms\"), relative paths count from the
# folder of this file. Secrets may stand here when nobody else can read the file
# (chmod 600).
";

/// The text of a new file.
pub(crate) fn template() -> String {
    let keys = Key::all();
    let mut text = INTRODUCTION.to_owned();
    for section in SECTIONS {
        text.push_str(&format!("\n[{section}]\n"));
        let mut heading = "";
        for key in keys.iter().filter(|key| key.section == section) {
            if heading != key.table.description {
                heading = key.table.description;
                text.push_str(&format!("\n# {heading}\n"));
            }
            text.push_str(&format!("\n# {}\n#{} = {}\n", key.description(), key.name, default(key)));
        }
    }
    text
}

/// A key's default; where there is none, or it follows another value, an example.
fn default(key: &Key) -> String {
    match key.default() {
        None if key.repeats() => "[]".to_owned(),
        None => "\"admin.token\"".to_owned(),
        Some("NAME.pid") => "\"fastway.pid\"".to_owned(),
        Some(default) => literal(key, default),
    }
}
