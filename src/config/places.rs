//! Lines and columns of a text.

use std::ops::Range;

use crate::cli::Place;

/// What turns offsets into places.
pub(super) struct Places<'t> {
    file: String,
    text: &'t str,
    /// Where each line begins.
    line_starts: Vec<usize>,
}

impl<'t> Places<'t> {
    /// Those of a file's text.
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        let behind_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { file: file.to_owned(), text, line_starts: std::iter::once(0).chain(behind_newlines).collect() }
    }

    /// Where a part of the text begins.
    pub(super) fn of(&self, span: Range<usize>) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        let start = line.checked_sub(1).and_then(|index| self.line_starts.get(index)).copied().unwrap_or_default();
        let before = self.text.get(start..span.start).unwrap_or_default();
        Place { line, column: before.chars().count() + 1, file: self.file.clone() }
    }

    /// Whether the line of a place is the heading of a section.
    pub(super) fn is_in_heading(&self, place: &Place) -> bool {
        let start = place.line.checked_sub(1).and_then(|index| self.line_starts.get(index));
        let line = start.and_then(|start| self.text.get(*start..)).unwrap_or_default();
        line.trim_start_matches([' ', '\t']).starts_with('[')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters_from_1() {
        let text = "a = 1\n[größe]\n\n b";
        let places = Places::new("f", text);
        let place = |part: &str| places.of(text.find(part).unwrap()..text.len());
        for (part, line, column) in [("a", 1, 1), ("1", 1, 5), ("[", 2, 1), ("]", 2, 7), ("b", 4, 2)] {
            assert_eq!((place(part).line, place(part).column), (line, column), "{part}");
        }
        let end = places.of(text.len()..text.len());
        assert_eq!((end.line, end.column, end.to_string()), (4, 3, "f:4:3".to_owned()));
        assert!(places.is_in_heading(&place("]")) && !places.is_in_heading(&place("a")) && !places.is_in_heading(&end));
    }
}
