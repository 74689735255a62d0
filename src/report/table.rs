//! Columns that line up, text that wraps, and colour that changes neither. What stands in them is `text`'s.

use super::text::Style;

/// How a piece of text is painted when colour is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, paint: Paint) -> Self {
        Self {
            text: text.into(),
            paint,
        }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Paint::Plain)
    }

    pub(super) fn dim(text: impl Into<String>) -> Self {
        Self::new(text, Paint::Dim)
    }
}

/// To which side a column's cells are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows of cells in columns. One column gives way when the line would be too long.
#[derive(Debug)]
pub(super) struct Table {
    aligns: Vec<Align>,
    gap: usize,
    elastic: usize,
    rows: Vec<Vec<Cell>>,
}

/// What every line of a section begins with.
pub(super) const INDENT: usize = 2;

impl Table {
    /// A table with `gap` spaces between columns; cells of the column `elastic` are cut in their middle when need be.
    pub(super) fn new(aligns: &[Align], gap: usize, elastic: usize) -> Self {
        Self {
            aligns: aligns.to_vec(),
            gap,
            elastic,
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether all lines keep to the style's columns once the elastic column has given way.
    pub(super) fn fits(&self, style: &Style) -> bool {
        self.width(&self.widths(&self.texts(style), style)) <= style.columns()
    }

    /// Whether all lines keep to the style's columns as they are.
    pub(super) fn fits_uncut(&self, style: &Style) -> bool {
        self.width(&self.full_widths(&self.texts(style))) <= style.columns()
    }

    /// The lines, indented, without spaces at their ends.
    pub(super) fn lines(&self, style: &Style) -> Vec<String> {
        let texts = self.texts(style);
        let widths = self.widths(&texts, style);
        let rows = texts.into_iter().zip(&self.rows);
        rows.map(|(texts, row)| self.line(texts, row, &widths, style)).collect()
    }

    fn texts(&self, style: &Style) -> Vec<Vec<String>> {
        let plain = |row: &Vec<Cell>| row.iter().map(|cell| style.plain(&cell.text)).collect();
        self.rows.iter().map(plain).collect()
    }

    fn widths(&self, texts: &[Vec<String>], style: &Style) -> Vec<usize> {
        let mut widths = self.full_widths(texts);
        let excess = self.width(&widths).saturating_sub(style.columns());
        // Ten characters are the least that still tells one name from another.
        let elastic = widths[self.elastic];
        widths[self.elastic] = elastic.saturating_sub(excess).max(elastic.min(10));
        widths
    }

    fn full_widths(&self, texts: &[Vec<String>]) -> Vec<usize> {
        let mut widths = vec![0; self.aligns.len()];
        for row in texts {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(chars(text));
            }
        }
        widths
    }

    fn width(&self, widths: &[usize]) -> usize {
        INDENT + widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1)
    }

    fn line(&self, texts: Vec<String>, row: &[Cell], widths: &[usize], style: &Style) -> String {
        let mut line = " ".repeat(INDENT);
        let mut pending = 0;
        for (index, (text, cell)) in texts.into_iter().zip(row).enumerate() {
            let text = shorten(&text, widths[index], style);
            let padding = widths[index] - chars(&text);
            let (before, after) = match self.aligns[index] {
                Align::Left => (0, padding),
                Align::Right => (padding, 0),
            };
            if !text.is_empty() {
                line.push_str(&" ".repeat(pending + before));
                line.push_str(&style.paint(&text, cell.paint));
                pending = 0;
            } else {
                pending += before;
            }
            pending += after + self.gap;
        }
        line
    }
}

/// Cuts the middle out of a text that is too long: both its ends tell something.
fn shorten(text: &str, width: usize, style: &Style) -> String {
    let length = chars(text);
    if length <= width {
        return text.to_owned();
    }
    let mark = style.glyph("…");
    let kept = width.saturating_sub(chars(mark));
    let head = kept.div_ceil(2);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - (kept - head)).collect();
    format!("{start}{mark}{end}")
}

/// Breaks a text at spaces. `first` stands before it, and further lines are indented as far.
pub(super) fn wrap(first: &str, text: &str, style: &Style) -> Vec<String> {
    let text = style.plain(text);
    let indent = chars(first);
    let room = style.columns().saturating_sub(indent).max(20);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word;
        if !line.is_empty() && chars(&line) + 1 + chars(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        // A word longer than a line (a URL) is broken where it must be.
        while line.is_empty() && chars(word) > room {
            let at = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
            lines.push(word[..at].to_owned());
            word = &word[at..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    let margin = " ".repeat(indent);
    let prefixed = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| format!("{}{line}", if index == 0 { first } else { &margin }));
    prefixed.map(|line| line.trim_end().to_owned()).collect()
}

/// How many columns a text takes. Wide characters are counted as one: names in reports are rarely Chinese.
pub(super) fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STYLE: Style = Style {
        unicode: true,
        colour: false,
        width: 80,
    };

    #[test]
    fn columns_line_up_and_lines_end_where_their_text_ends() {
        let mut table = Table::new(&[Align::Left, Align::Right, Align::Left], 2, 0);
        table.push(vec![Cell::plain("a"), Cell::plain("1"), Cell::plain("")]);
        table.push(vec![Cell::plain("bcd"), Cell::plain(""), Cell::plain("x")]);
        table.push(vec![Cell::plain(""), Cell::plain("1,000"), Cell::plain("yz")]);
        assert_eq!(
            table.lines(&STYLE),
            ["  a        1", "  bcd         x", "       1,000  yz"]
        );
    }

    #[test]
    fn only_the_elastic_column_gives_way() {
        let mut table = Table::new(&[Align::Left, Align::Right], 2, 0);
        table.push(vec![
            Cell::plain("x".repeat(50) + &"y".repeat(50)),
            Cell::plain("12345"),
        ]);
        let lines = table.lines(&STYLE);
        assert_eq!(chars(&lines[0]), 80);
        assert!(lines[0].contains("x…y") && lines[0].ends_with("y  12345"), "{lines:?}");
        assert!(table.fits(&STYLE));
        table.push(vec![Cell::plain(""), Cell::plain("1".repeat(70))]);
        assert!(!table.fits(&STYLE), "ten characters of the name are kept");
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_keeps_the_width(text in "[a-c ]{0,300}|[a-c]{90,300}") {
            let lines = wrap("  - ", &text, &STYLE);
            prop_assert!(lines.iter().all(|line| chars(line) <= 80 && line.trim_end() == line));
            let squeeze = |text: &str| text.replace(' ', "");
            let joined = lines.concat();
            prop_assert_eq!(squeeze(joined.trim_start_matches("  -")), squeeze(&text));
        }
    }
}
