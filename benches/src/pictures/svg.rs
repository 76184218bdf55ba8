//! A small writer of SVG: shapes with explicit colours on a light ground.

use std::fmt::Write;

/// Text.
pub const INK: &str = "#1f2933";
/// Lesser text and axes.
pub const GREY: &str = "#616e7c";
/// Grid lines.
pub const PALE: &str = "#e4e7eb";
/// Colours that are told apart also without red or green (Okabe and Ito 2008).
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#616e7c"];

/// Where a text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its start.
    Start,
    /// At its middle.
    Middle,
    /// At its end.
    End,
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    /// An empty picture of so many pixels.
    #[must_use]
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a text does not fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    /// A filled rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        self.push(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"/>"#
        ));
    }

    /// A line from a to b; dashed where `dash` is not empty.
    pub fn line(&mut self, (ax, ay): (f64, f64), (bx, by): (f64, f64), stroke: &str, width: f64, dash: &str) {
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        self.push(format_args!(
            r#"<line x1="{ax:.1}" y1="{ay:.1}" x2="{bx:.1}" y2="{by:.1}" stroke="{stroke}" stroke-width="{width}"{dash}/>"#
        ));
    }

    /// A line through points.
    pub fn path(&mut self, points: &[(f64, f64)], stroke: &str, width: f64) {
        self.push(format_args!(
            r#"<polyline points="{}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"/>"#,
            joined(points)
        ));
    }

    /// A filled polygon.
    pub fn area(&mut self, points: &[(f64, f64)], fill: &str, opacity: f64) {
        self.push(format_args!(r#"<polygon points="{}" fill="{fill}" fill-opacity="{opacity}"/>"#, joined(points)));
    }

    /// A filled disc.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, fill: &str) {
        self.push(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{fill}"/>"#));
    }

    /// A text with its baseline at the point.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, size: f64, fill: &str, anchor: Anchor) {
        let anchor = anchor_name(anchor);
        let text = escaped(text);
        self.push(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// A text that reads upwards, its middle at the point.
    pub fn upright(&mut self, (x, y): (f64, f64), text: &str, size: f64, fill: &str) {
        let text = escaped(text);
        self.push(format_args!(
            r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" font-size="{size}" fill="{fill}" text-anchor="middle">{text}</text>"#
        ));
    }

    /// The picture as a document. `title`: for readers who do not see it.
    #[must_use]
    pub fn finish(self, title: &str) -> String {
        let Self { width, height, body } = self;
        let title = escaped(title);
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" "#,
                r#"viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" role="img">"#,
                "\n<title>{title}</title>\n",
                r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##,
                "\n{body}</svg>\n"
            ),
            width = width,
            height = height,
            title = title,
            body = body
        )
    }
}

fn anchor_name(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    }
}

fn joined(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_closed_and_escaped() {
        let mut svg = Svg::new(100.0, 50.0);
        svg.text((1.0, 2.0), "a < b & \"c\"", 12.0, INK, Anchor::End);
        svg.path(&[(0.0, 1.25), (10.0, 2.0)], COLOURS[0], 1.5);
        svg.line((0.0, 0.0), (1.0, 1.0), GREY, 1.0, "4 3");
        let text = svg.finish("p > 0");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("a &lt; b &amp; &quot;c&quot;") && text.contains("<title>p &gt; 0</title>"));
        assert!(text.contains(r#"points="0.0,1.2 10.0,2.0""#) && text.contains(r#"stroke-dasharray="4 3""#));
        let (opened, closed) = (text.matches('<').count(), text.matches('>').count());
        assert_eq!(opened, closed);
    }
}
