//! Writing SVG: elements with escaped text, and the look that all plots share.

use std::fmt::Write;

/// Colours of gateways, in the order in which they were given; a seventh begins anew.
pub(super) const COLOURS: usize = 6;

/// Light and dark, as the reader's system asks for. Each plot carries it, so that it can stand alone.
const STYLE: &str = "\
svg{--ink:#1f2328;--soft:#667079;--grid:#e4e7ea;--axis:#b4bac0;\
--c0:#2f6fd0;--c1:#d2601a;--c2:#16855a;--c3:#8250c4;--c4:#b83280;--c5:#6b7280;\
font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif}\
@media(prefers-color-scheme:dark){svg{--ink:#e6e9ec;--soft:#97a1ab;--grid:#2b3138;--axis:#4a525b;\
--c0:#6aa5f5;--c1:#f2924f;--c2:#3fc08b;--c3:#b18cf0;--c4:#ec74b8;--c5:#a3abb5}}\
.title{font-weight:600;font-size:14px;fill:var(--ink)}.label{fill:var(--ink)}.tick,.note{fill:var(--soft)}\
.grid{stroke:var(--grid)}.axis{stroke:var(--axis)}\
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.thin{stroke-width:1.5;opacity:.75}.dashed{stroke-dasharray:5 4}\
.dot{fill:var(--ink);opacity:.55}\
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}\
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}";

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows element by element; lengths are pixels at its natural size.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(super) const fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.add(format_args!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format_args!("<polyline points=\"{}\" class=\"{class}\"/>", points.join(" ")));
    }

    /// A bar; `title` shows when it is pointed at.
    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str, title: &str) {
        let title = escape(title);
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\" class=\"{class}\">\
             <title>{title}</title></rect>"
        ));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), class: &str) {
        self.add(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"{class}\"/>"));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    /// The document; `label` is what it is called for those who cannot see it.
    pub(super) fn finish(self, label: &str) -> String {
        let Self { width, height, body } = self;
        let label = escape(label);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n{body}</svg>\n"
        )
    }
}

/// Text as XML and HTML take it, in elements and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML knows no other control characters, not even escaped ones.
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text((0.0, 0.0), "label", Anchor::Start, "</text><script>&\"'\u{1}");
        let text = svg.finish("\"<x>");
        let page = roxmltree::Document::parse(&text).unwrap();
        let written =
            page.descendants().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text"))).unwrap();
        assert_eq!(written.text(), Some("</text><script>&\"'\u{fffd}"));
        assert_eq!(page.root_element().attribute("aria-label"), Some("\"<x>"));
    }
}
