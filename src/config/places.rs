//! Lines and columns of a text.

use std::ops::Range;

use crate::cli::Place;

/// What turns offsets into places.
pub(super) struct Places<'t> {
    file: String,
    text: &'t str,
}

impl<'t> Places<'t> {
    /// Those of a file's text.
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.to_owned(), text }
    }

    /// Where a part of the text begins. What is behind the end of the text is at its end.
    pub(super) fn of(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Place { line, column: in_line.chars().count() + 1, file: self.file.clone() }
    }

    /// The line that holds a place in the text.
    pub(super) fn line(&self, place: &Place) -> &'t str {
        self.text.lines().nth(place.line - 1).unwrap_or_default()
    }
}
