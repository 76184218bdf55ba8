//! A rectangle with axes: from data to pixels.

use super::svg::{Anchor, GREY, INK, PALE, Svg};

/// Size of the labels of ticks.
const SMALL: f64 = 12.0;
/// Size of titles and of labels of axes.
const LARGE: f64 = 13.0;

/// A panel of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Panel {
    /// Left and upper edge, pixels.
    pub origin: (f64, f64),
    /// Width and height, pixels.
    pub size: (f64, f64),
    /// Range of x.
    pub x: (f64, f64),
    /// Range of y, upwards.
    pub y: (f64, f64),
}

impl Panel {
    /// The pixel of a point.
    #[must_use]
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = (x - self.x.0) / (self.x.1 - self.x.0);
        let up = (y - self.y.0) / (self.y.1 - self.y.0);
        (self.origin.0 + across * self.size.0, self.origin.1 + (1.0 - up) * self.size.1)
    }

    /// Grid lines and tick labels of the vertical axis.
    pub fn y_axis(&self, svg: &mut Svg, ticks: &[f64], label: impl Fn(f64) -> String) {
        for &tick in ticks {
            let (left, y) = self.at(self.x.0, tick);
            svg.line((left, y), (left + self.size.0, y), PALE, 1.0, "");
            svg.text((left - 6.0, y + 4.0), &label(tick), SMALL, GREY, Anchor::End);
        }
    }

    /// The horizontal axis with tick labels.
    pub fn x_axis(&self, svg: &mut Svg, ticks: &[f64], label: impl Fn(f64) -> String) {
        let (left, bottom) = self.at(self.x.0, self.y.0);
        svg.line((left, bottom), (left + self.size.0, bottom), GREY, 1.0, "");
        for &tick in ticks {
            let (x, bottom) = self.at(tick, self.y.0);
            svg.line((x, bottom), (x, bottom + 4.0), GREY, 1.0, "");
            svg.text((x, bottom + 17.0), &label(tick), SMALL, GREY, Anchor::Middle);
        }
    }

    /// What the axes are, with units.
    pub fn labels(&self, svg: &mut Svg, x: &str, y: &str) {
        let (left, top) = self.origin;
        if !x.is_empty() {
            let place = (left + 0.5 * self.size.0, top + self.size.1 + 36.0);
            svg.text(place, x, LARGE, INK, Anchor::Middle);
        }
        if !y.is_empty() {
            svg.upright((left - 50.0, top + 0.5 * self.size.1), y, LARGE, INK);
        }
    }

    /// A title above the panel.
    pub fn title(&self, svg: &mut Svg, title: &str) {
        svg.text((self.origin.0, self.origin.1 - 8.0), title, LARGE, INK, Anchor::Start);
    }

    /// A line through data points.
    pub fn curve(&self, svg: &mut Svg, points: &[(f64, f64)], stroke: &str, width: f64) {
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        svg.path(&points, stroke, width);
    }

    /// The area between two curves given as (x, low, high).
    pub fn band(&self, svg: &mut Svg, points: &[(f64, f64, f64)], fill: &str, opacity: f64) {
        let upper: Vec<(f64, f64)> = points.iter().map(|&(x, _, high)| (x, high)).collect();
        let lower: Vec<(f64, f64)> = points.iter().map(|&(x, low, _)| (x, low)).collect();
        self.between(svg, &upper, &lower, fill, opacity);
    }

    /// The area between two curves that need not have the same points.
    pub fn between(&self, svg: &mut Svg, upper: &[(f64, f64)], lower: &[(f64, f64)], fill: &str, opacity: f64) {
        let around = upper.iter().chain(lower.iter().rev()).map(|&(x, y)| self.at(x, y));
        svg.area(&around.collect::<Vec<_>>(), fill, opacity);
    }
}

/// Round numbers from 0 to `top` or a little below, about `count` of them: steps of 1, 2 or 5 times a power of ten.
#[must_use]
pub fn round_ticks(top: f64, count: f64) -> Vec<f64> {
    let raw = top / count;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= raw * 0.999).unwrap_or(power);
    let mut ticks = Vec::new();
    let mut tick = 0.0;
    while tick <= top * 1.000_001 {
        ticks.push(tick);
        tick += step;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_where_they_belong() {
        let panel = Panel { origin: (10.0, 20.0), size: (100.0, 50.0), x: (0.0, 4.0), y: (1.0, 2.0) };
        assert_eq!(panel.at(0.0, 1.0), (10.0, 70.0));
        assert_eq!(panel.at(4.0, 2.0), (110.0, 20.0));
        assert_eq!(panel.at(1.0, 1.5), (35.0, 45.0));
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(round_ticks(1000.0, 4.0), [0.0, 500.0, 1000.0]);
        assert_eq!(round_ticks(28.0, 4.0), [0.0, 10.0, 20.0]);
        assert_eq!(round_ticks(20.0, 4.0), [0.0, 5.0, 10.0, 15.0, 20.0]);
    }
}
