//! What people see: aligned tables, bars, and colour where it is wanted.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::error::CliError;
use crate::terminal;

/// Whether the environment permits colour: `NO_COLOR` is unset or empty, and the terminal is not a dumb one.
pub(crate) fn colour_wanted() -> bool {
    let variable = |name: &str| std::env::var_os(name);
    permits_colour(variable("NO_COLOR").as_deref(), variable("TERM").as_deref())
}

fn permits_colour(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

/// What standard output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Bars, as on a terminal.
    pub(crate) bars: bool,
    /// Colour.
    pub(crate) colour: bool,
}

impl Screen {
    /// What this process's standard output can show.
    pub(crate) fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { bars: terminal, colour: terminal && colour_wanted() }
    }

    /// A text in a style, where there is colour.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// A bar of `share` of `width` cells in eighths of a cell; empty where there are no bars.
    pub(crate) fn bar(self, share: f64, width: u32) -> String {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        if !self.bars || !share.is_finite() {
            return String::new();
        }
        let eighths = rounded(share.clamp(0.0, 1.0) * f64::from(width) * 8.0);
        let bar = format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]);
        self.paint(AnsiColor::Cyan.on_default(), &padded(&bar, width as usize, Align::Left))
    }

    /// An interval on a scale of `width` cells: a line from `lo` to `hi` with a mark at `mean`, each a share of the scale.
    pub(crate) fn interval(self, lo: f64, mean: f64, hi: f64, width: u32) -> String {
        if !self.bars || ![lo, mean, hi].iter().all(|x| x.is_finite()) {
            return String::new();
        }
        let cell = |share: f64| rounded(share.clamp(0.0, 1.0) * f64::from(width - 1));
        let (lo, mean, hi) = (cell(lo), cell(mean), cell(hi));
        let draw = |i: usize| match i {
            i if i == mean => '●',
            i if (lo..=hi).contains(&i) => '━',
            _ => '·',
        };
        let line: String = (0..width as usize).map(draw).collect();
        self.paint(AnsiColor::Cyan.on_default(), &line)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bar's length is small and not negative")]
fn rounded(cells: f64) -> usize {
    cells.round() as usize
}

/// On which side of its column a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under a header.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows. A header that begins with `>` belongs to a column of numbers.
    pub(crate) fn new(header: &[&str]) -> Self {
        let column = |text: &&str| match text.strip_prefix('>') {
            Some(text) => (text.to_owned(), Align::Right),
            None => ((*text).to_owned(), Align::Left),
        };
        Self { header: header.iter().map(column).collect(), rows: Vec::new() }
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as text; columns that are empty in every row are left out, header and all.
    pub(crate) fn render(&self, screen: Screen) -> String {
        let used: Vec<usize> = (0..self.header.len())
            .filter(|&i| self.rows.is_empty() || self.rows.iter().any(|r| !r[i].is_empty()))
            .collect();
        let width = |i: usize| {
            let cells = self.rows.iter().map(|r| visible_width(&r[i]));
            cells.chain([visible_width(&self.header[i].0)]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = used.iter().map(|&i| width(i)).collect();
        let line = |cell: &dyn Fn(usize) -> String| {
            let cells = used.iter().zip(&widths).map(|(&i, &w)| padded(&cell(i), w, self.header[i].1));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = screen.heading(&line(&|i| self.header[i].0.clone()));
        text.push('\n');
        for row in &self.rows {
            text.push_str(&line(&|i| row[i].clone()));
            text.push('\n');
        }
        text
    }
}

/// The number of characters of a text without its escape sequences.
fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut escape = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            _ => width += 1,
        }
    }
    width
}

fn padded(text: &str, width: usize, align: Align) -> String {
    let gap = " ".repeat(width.saturating_sub(visible_width(text)));
    match align {
        Align::Left => format!("{text}{gap}"),
        Align::Right => format!("{gap}{text}"),
    }
}

/// Text that takes the place of the one before, on a terminal that can go back.
#[derive(Debug)]
pub(crate) struct Redrawn {
    goes_back: bool,
    lines: usize,
}

impl Redrawn {
    /// On standard output.
    pub(crate) fn stdout() -> Self {
        let goes_back = std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { goes_back, lines: 0 }
    }

    /// Whether a text takes the place of the one before. Where none does, each is one more.
    pub(crate) const fn goes_back(&self) -> bool {
        self.goes_back
    }

    /// Shows a text of this program's own.
    pub(crate) fn draw(&mut self, text: &str) {
        let back =
            if self.goes_back && self.lines > 0 { format!("\u{1b}[{}F\u{1b}[J", self.lines) } else { String::new() };
        self.lines = text.lines().count();
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{back}{}", text.trim_end_matches('\n'));
        let _ = out.flush();
    }
}

/// Writes text whose values are escaped already; whether anybody reads it.
pub(crate) fn write_text(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Writes to standard output. A reader that has gone away (`| head`) is no fault. Only on a terminal with colour may the text
/// hold escape sequences, this module's own.
pub(crate) fn print_text(text: &str) {
    let text = if Screen::stdout().colour { Cow::Borrowed(text) } else { terminal::lines(text) };
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// Prints an answer as JSON.
pub(crate) fn print_json(value: &Value) {
    print_text(&terminal::json(&format!("{value:#}")));
}

/// Writes a remark to standard error, where it does not mix with what was asked for.
pub(crate) fn print_note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", terminal::lines(text));
}

/// Writes an error to standard error.
pub(crate) fn print_error(error: &CliError) {
    let colour = std::io::stderr().is_terminal() && colour_wanted();
    let style = if colour { AnsiColor::Red.on_default().bold() } else { Style::new() };
    let _ = writeln!(std::io::stderr(), "{style}error:{style:#} {}", terminal::lines(&error.to_string()));
}

/// A share as a percentage with two decimals.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { bars: false, colour: false };
    const BARS: Screen = Screen { bars: true, colour: false };
    const FULL: Screen = Screen { bars: true, colour: true };

    #[test]
    fn colour_can_be_refused() {
        for (no_color, term, wanted) in [
            (None, None, true),
            (None, Some("xterm"), true),
            (Some(""), Some("xterm"), true),
            (Some("1"), Some("xterm"), false),
            (Some("0"), None, false),
            (None, Some("dumb"), false),
        ] {
            assert_eq!(permits_colour(no_color.map(OsStr::new), term.map(OsStr::new)), wanted, "{no_color:?} {term:?}");
        }
    }

    #[test]
    fn a_table_is_aligned_with_colour_and_without() {
        let mut table = Table::new(&["name", ">n", "bar"]);
        table.row(vec!["a".into(), "5".into(), FULL.bar(0.5, 4)]);
        table.row(vec!["long".into(), "12345".into(), FULL.bar(1.0, 4)]);
        let lines: Vec<String> = table.render(FULL).lines().map(str::to_owned).collect();
        assert_eq!(visible_width(&lines[1]), visible_width(&lines[2]));
        assert!(lines[1].contains("\u{1b}["));
        assert!(lines[2].starts_with("long  12345  "));
    }

    #[test]
    fn an_empty_column_disappears() {
        let mut table = Table::new(&["name", "bar"]);
        table.row(vec!["a".into(), PLAIN.bar(0.5, 4)]);
        assert_eq!(table.render(PLAIN), "name\na\n");
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(BARS.bar(0.5, 4), "██  ");
        assert_eq!(BARS.bar(1.0, 4), "████");
        assert_eq!(BARS.bar(0.03125, 4), "▏   ");
        assert_eq!(BARS.bar(7.0, 4), "████");
        assert_eq!(BARS.bar(f64::NAN, 4), "");
        assert_eq!(PLAIN.bar(0.5, 4), "");
        assert_eq!(BARS.interval(0.25, 0.5, 0.75, 5), "·━●━·");
    }

    #[test]
    fn nothing_is_painted_without_colour() {
        assert_eq!(PLAIN.heading("x"), "x");
        assert_eq!(visible_width(&FULL.heading("x")), 1);
    }
}
