//! Charts as static SVG, which reads without a script and prints.

use std::fmt::Write as _;

use super::html::escaped;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 60.0;

/// A linear scale with round ticks.
struct Scale {
    lo: f64,
    hi: f64,
    from: f64,
    to: f64,
    step: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64, zero: bool) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let start = if zero { (0.0, 0.0) } else { (f64::INFINITY, f64::NEG_INFINITY) };
        let (mut lo, mut hi) = finite.fold(start, |(lo, hi): (f64, f64), value| (lo.min(value), hi.max(value)));
        if !lo.is_finite() || hi - lo <= 0.0 {
            (lo, hi) = if lo.is_finite() { (lo - 0.5, lo + 0.5) } else { (0.0, 1.0) };
        }
        let rough = (hi - lo) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let unit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|unit| rough / power <= *unit).unwrap_or(10.0);
        let step = unit * power;
        Self { lo: (lo / step).floor() * step, hi: (hi / step).ceil() * step, from, to, step }
    }

    fn at(&self, value: f64) -> f64 {
        let place = self.from + (value - self.lo) / (self.hi - self.lo) * (self.to - self.from);
        place.clamp(self.from.min(self.to), self.from.max(self.to))
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (lo, step) = (self.lo, self.step);
        let steps = (0..=20).map(f64::from).map(move |i| lo + i * step);
        steps
            .take_while(move |tick| *tick <= self.hi + step / 2.0)
            .map(move |tick| if tick.abs() < step / 1e6 { 0.0 } else { tick })
    }
}

fn open(height: f64, alt: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">",
        escaped(alt)
    )
}

/// A day of a series: its name, the value, and the intervals at one look and at every look.
pub(super) struct Point {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) narrow: Option<[f64; 2]>,
    pub(super) wide: Option<[f64; 2]>,
}

/// A line with two bands. The frame is made for the later three quarters; what is known of the first days would flatten it.
pub(super) fn bands(points: &[Point], alt: &str, text: impl Fn(f64) -> String) -> String {
    let height = 260.0;
    let late = points.iter().skip((points.len() / 4).min(points.len().saturating_sub(1)));
    let ends = late.flat_map(|p| [Some([p.value, p.value]), p.narrow, p.wide].into_iter().flatten().flatten());
    let y = Scale::over(ends, height - 28.0, 10.0, true);
    let x = |i: usize| LEFT + 10.0 + place(i, points.len()) * (WIDTH - LEFT - 30.0);
    let mut svg = open(height, alt);
    for tick in y.ticks() {
        let (at, class) = (y.at(tick), if tick == 0.0 { "zero" } else { "grid" });
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            escaped(&text(tick))
        );
    }
    for (class, of) in [("wide", (|p| p.wide) as fn(&Point) -> Option<[f64; 2]>), ("narrow", |p| p.narrow)] {
        let known: Vec<(f64, [f64; 2])> = points.iter().enumerate().filter_map(|(i, p)| Some((x(i), of(p)?))).collect();
        let over = known.iter().map(|(x, ends)| format!("{x:.1},{:.1}", y.at(ends[1])));
        let under = known.iter().rev().map(|(x, ends)| format!("{x:.1},{:.1}", y.at(ends[0])));
        let _ =
            write!(svg, "<polygon class=\"{class}\" points=\"{}\"/>", over.chain(under).collect::<Vec<_>>().join(" "));
    }
    let line: Vec<String> =
        points.iter().enumerate().map(|(i, p)| format!("{:.1},{:.1}", x(i), y.at(p.value))).collect();
    let _ = write!(svg, "<polyline class=\"line\" points=\"{}\"/>", line.join(" "));
    if let Some(last) = points.last() {
        let _ = write!(
            svg,
            "<circle class=\"dot\" r=\"4\" cx=\"{:.1}\" cy=\"{:.1}\"/>",
            x(points.len() - 1),
            y.at(last.value)
        );
    }
    let every = points.len().div_ceil(9).max(1);
    for (i, point) in points.iter().enumerate().filter(|(i, _)| (points.len() - 1 - i).is_multiple_of(every)) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(i),
            height - 8.0,
            escaped(&point.name)
        );
    }
    svg + "</svg>"
}

#[expect(clippy::cast_precision_loss, reason = "a series has few points")]
fn place(i: usize, of: usize) -> f64 {
    if of < 2 { 0.5 } else { i as f64 / (of - 1) as f64 }
}

/// A row of an interval chart.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) narrow: Option<[f64; 2]>,
    pub(super) wide: Option<[f64; 2]>,
    pub(super) note: String,
    /// The baseline.
    pub(super) hollow: bool,
}

/// Values with their intervals, one below the other on one scale.
pub(super) fn intervals(rows: &[Row], alt: &str, zero: bool, text: impl Fn(f64) -> String) -> String {
    const EACH: f64 = 28.0;
    const NAMES: f64 = 270.0;
    const LONGEST: usize = 40;
    #[expect(clippy::cast_precision_loss, reason = "there are few rows")]
    let height = rows.len() as f64 * EACH + 30.0;
    let ends = rows.iter().flat_map(|r| [Some([r.value, r.value]), r.narrow, r.wide].into_iter().flatten().flatten());
    let x = Scale::over(ends, NAMES, WIDTH - 90.0, zero);
    let mut svg = open(height, alt);
    for tick in x.ticks() {
        let (at, class) = (x.at(tick), if tick == 0.0 { "zero" } else { "grid" });
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"2\" y2=\"{}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            height - 24.0,
            height - 8.0,
            escaped(&text(tick))
        );
    }
    let mut y = EACH / 2.0 + 2.0;
    for row in rows {
        let name: String = if row.name.chars().count() > LONGEST {
            row.name.chars().take(LONGEST - 1).chain(['…']).collect()
        } else {
            row.name.clone()
        };
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 14.0,
            y + 4.0,
            escaped(&name)
        );
        for (class, ends) in [("thin", row.wide), ("whisker", row.narrow)] {
            if let Some([lo, hi]) = ends {
                let _ = write!(
                    svg,
                    "<line class=\"{class}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/>",
                    x.at(lo),
                    x.at(hi)
                );
            }
        }
        if row.value.is_finite() {
            let class = if row.hollow { "dot hollow" } else { "dot" };
            let _ = write!(svg, "<circle class=\"{class}\" r=\"4.5\" cx=\"{:.1}\" cy=\"{y}\"/>", x.at(row.value));
        }
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            y + 4.0,
            escaped(&row.note)
        );
        y += EACH;
    }
    svg + "</svg>"
}

/// Shares that add up to one, a column a day; `series` in the order of `names`.
pub(super) fn stack(days: &[String], names: &[String], shares: &[Vec<f64>], alt: &str) -> String {
    let (top, bottom) = (10.0, 200.0);
    #[expect(clippy::cast_precision_loss, reason = "there are few days and names")]
    let (each, height) = ((WIDTH - LEFT) / days.len().max(1) as f64, 232.0 + names.len() as f64 * 20.0);
    let y = Scale { lo: 0.0, hi: 1.0, from: bottom, to: top, step: 0.25 };
    let mut svg = open(height, alt);
    for tick in y.ticks() {
        let at = y.at(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
            LEFT - 8.0,
            at + 4.0,
            tick * 100.0
        );
    }
    let every = days.len().div_ceil(9).max(1);
    let mut x = LEFT;
    for (day, name) in days.iter().enumerate() {
        let mut below = 0.0;
        for (i, of) in shares.iter().enumerate() {
            let over = below + of.get(day).copied().unwrap_or(0.0);
            let _ = write!(
                svg,
                "<rect class=\"s{i}\" x=\"{:.1}\" width=\"{:.1}\" y=\"{:.1}\" height=\"{:.1}\"/>",
                x + each * 0.08,
                each * 0.84,
                y.at(over),
                y.at(below) - y.at(over)
            );
            below = over;
        }
        if (days.len() - 1 - day).is_multiple_of(every) {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x + each / 2.0,
                bottom + 18.0,
                escaped(name)
            );
        }
        x += each;
    }
    let mut y = bottom + 40.0;
    for (i, name) in names.iter().enumerate() {
        let _ = write!(
            svg,
            "<rect class=\"s{i}\" x=\"{LEFT}\" y=\"{}\" width=\"12\" height=\"12\"/><text class=\"name\" x=\"{}\" y=\"{y}\">{}</text>",
            y - 10.0,
            LEFT + 20.0,
            escaped(name)
        );
        y += 20.0;
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_ticks_and_hold_their_values() {
        for values in [vec![-5.04, 10.0], vec![0.031, 0.077], vec![3.0], vec![], vec![-1e-4, 2e-4], vec![1e6, 3.3e6]] {
            let scale = Scale::over(values.iter().copied(), 0.0, 100.0, true);
            let ticks: Vec<f64> = scale.ticks().collect();
            assert!((3..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(values.iter().all(|value| scale.lo <= *value && *value <= scale.hi), "{values:?}");
            assert!(ticks.contains(&0.0), "{ticks:?}");
            assert!(
                ticks.iter().all(|tick| (tick / scale.step - (tick / scale.step).round()).abs() < 1e-6),
                "{ticks:?}"
            );
        }
    }

    #[test]
    fn names_are_text_and_numbers_that_are_none_draw_nothing() {
        let row = Row {
            name: "<script>".into(),
            value: f64::NAN,
            narrow: None,
            wide: None,
            note: "a & b".into(),
            hollow: false,
        };
        let svg = intervals(&[row], "\"x\"", true, |v| v.to_string());
        assert!(svg.contains("&lt;script&gt;") && svg.contains("a &amp; b") && svg.contains("&quot;x&quot;"), "{svg}");
        assert!(!svg.contains("<circle") && !svg.contains("NaN"), "{svg}");
    }
}
