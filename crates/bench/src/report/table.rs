//! Tables that read well on a terminal and are Markdown at the same time.

/// Columns as wide as their widest cell; all but the first `names` are numbers and stand to the right.
pub(crate) fn markdown(head: &[&str], rows: &[Vec<String>], names: usize) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0).max(3)
        })
        .collect();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = widths.iter().enumerate().map(|(column, width)| match column < names {
        true => "-".repeat(*width),
        false => "-".repeat(width - 1) + ":",
    });
    let rule: Vec<String> = rule.collect();
    let lines = [&head, &rule].into_iter().chain(rows).map(|cells| line(cells, &widths, names));
    lines.collect()
}

fn line(cells: &[String], widths: &[usize], names: usize) -> String {
    let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column < names {
        true => format!(" {cell:<width$} |"),
        false => format!(" {cell:>width$} |"),
    });
    format!("|{}\n", cells.collect::<String>())
}

/// A number with as many digits as its size deserves, and commas in large ones.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 || value.fract() == 0.0 => commas(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn commas(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows = [vec!["echo".to_owned(), "1.5".to_owned()], vec!["x".to_owned(), "1,000".to_owned()]];
        let table = markdown(&["work", "µs"], &rows, 1);
        assert_eq!(table, "| work |    µs |\n| ---- | ----: |\n| echo |   1.5 |\n| x    | 1,000 |\n");
    }

    #[test]
    fn numbers_have_three_digits_or_commas() {
        let texts = [0.0, 7.0].map(number);
        assert_eq!(texts, ["0", "7"]);
        let texts = [0.1234, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0].map(number);
        assert_eq!(texts, ["0.123", "1.23", "12.3", "123", "1,234", "1,234,567"]);
    }
}
