//! Plots as SVG, written by hand: the curves on logarithmic axes, and the rows as bars against their targets.

use std::fmt::Write;

use crate::results::{Curve, Results, Row};
use crate::server::Kind;

const COLORS: [&str; 6] = ["#9aa0a6", "#5f6368", "#1a73e8", "#00897b", "#f9ab00", "#d93025"];
const STYLE: &str = "<style>text{font:12px sans-serif;fill:#444}.grid{stroke:#ddd}.axis{stroke:#888}</style>";

/// The processor time of all together over n. A line that rises by one square a square is linear.
pub fn curves(curves: &[Curve]) -> String {
    const SIDE: f64 = 400.0;
    const LEFT: f64 = 70.0;
    const TOP: f64 = 20.0;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let decades = |numbers: &mut dyn Iterator<Item = f64>| {
        let (low, high) = numbers.fold((f64::MAX, f64::MIN), |(low, high), number| {
            (low.min(number), high.max(number))
        });
        (low.max(1e-3).log10().floor(), high.max(1e-3).log10().ceil())
    };
    let (x_low, x_high) = decades(&mut points().map(|point| point.n as f64));
    let (y_low, y_high) = decades(&mut points().map(|point| point.cpu_us));
    let decade = SIDE / (x_high - x_low).max(y_high - y_low).max(1.0);
    let (width, height) = ((x_high - x_low) * decade, (y_high - y_low) * decade);
    let x = |n: f64| LEFT + (n.max(1e-3).log10() - x_low) * decade;
    let y = |cost: f64| TOP + height - (cost.max(1e-3).log10() - y_low) * decade;
    let mut out = svg(LEFT + width + 150.0, TOP + height + 50.0);
    let ticks = |low: f64, high: f64| (low as i32..=high as i32).map(|power| (power, 10_f64.powi(power)));
    for (power, n) in ticks(x_low, x_high) {
        let (at, bottom) = (x(n), TOP + height);
        let _ = writeln!(
            out,
            r#"<line class="grid" x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom:.1}"/>"#
        );
        let _ = writeln!(
            out,
            r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + 16.0,
            count(power)
        );
    }
    for (power, cost) in ticks(y_low, y_high) {
        let (at, right) = (y(cost), LEFT + width);
        let _ = writeln!(
            out,
            r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{right:.1}" y2="{at:.1}"/>"#
        );
        let _ = writeln!(
            out,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 6.0,
            at + 4.0,
            time(power)
        );
    }
    let _ = writeln!(
        out,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">how many; CPU time of all together</text>"#,
        LEFT + width / 2.0,
        TOP + height + 38.0
    );
    for (nth, curve) in curves.iter().enumerate() {
        let color = COLORS[nth % COLORS.len()];
        let line: Vec<_> = curve
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.n as f64), y(point.cpu_us)))
            .collect();
        let _ = writeln!(
            out,
            r#"<polyline fill="none" stroke="{color}" stroke-width="2" points="{}"/>"#,
            line.join(" ")
        );
        legend(
            &mut out,
            LEFT + width + 14.0,
            TOP + 10.0 + 18.0 * nth as f64,
            color,
            &curve.name,
        );
    }
    out + "</svg>\n"
}

/// Each row's medians as parts of its target: the line is the target, shorter is better. Bars that do not fit end in their number.
pub fn rows(results: &Results) -> String {
    const LEFT: f64 = 390.0;
    const TARGET: f64 = 120.0;
    const WIDEST: f64 = 420.0;
    const BAR: f64 = 13.0;
    let kinds: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| results.rows.values().any(|servers| servers.contains_key(kind.name())))
        .collect();
    let mut body = String::new();
    let mut top = 34.0;
    for (nth, kind) in kinds.iter().enumerate() {
        legend(&mut body, 20.0 + 130.0 * nth as f64, 14.0, color(*kind), kind.name());
    }
    for row in Row::all() {
        let bars: Vec<_> = kinds
            .iter()
            .filter_map(|kind| Some((*kind, results.median(row, *kind)?)))
            .collect();
        if bars.is_empty() {
            continue;
        }
        let middle = top + BAR * bars.len() as f64 / 2.0 + 4.0;
        let _ = writeln!(
            body,
            r#"<text x="{:.1}" y="{middle:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            row.title
        );
        for (kind, median) in bars {
            let width = (median / row.target * TARGET).min(WIDEST);
            let _ = writeln!(
                body,
                r#"<rect x="{LEFT}" y="{top:.1}" width="{width:.1}" height="{:.1}" fill="{}"/><text x="{:.1}" y="{:.1}">{}</text>"#,
                BAR - 2.0,
                color(kind),
                LEFT + width + 4.0,
                top + BAR - 3.0,
                if median >= 100.0 {
                    format!("{median:.0}")
                } else {
                    format!("{median:.2}")
                },
            );
            top += BAR;
        }
        top += 10.0;
    }
    let at = LEFT + TARGET;
    let _ = writeln!(
        body,
        r#"<line class="axis" x1="{at}" y1="28" x2="{at}" y2="{top:.1}" stroke-dasharray="4 3"/>"#
    );
    let _ = writeln!(
        body,
        r#"<text x="{at}" y="{:.1}" text-anchor="middle">target</text>"#,
        top + 12.0
    );
    svg(LEFT + WIDEST + 70.0, top + 20.0) + &body + "</svg>\n"
}

fn color(kind: Kind) -> &'static str {
    let at = Kind::ALL.iter().position(|other| *other == kind).unwrap_or(0);
    COLORS[at % COLORS.len()]
}

fn svg(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\">\n{STYLE}\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    )
}

fn legend(out: &mut String, x: f64, y: f64, color: &str, name: &str) {
    let _ = writeln!(
        out,
        r#"<rect x="{x:.1}" y="{:.1}" width="12" height="12" fill="{color}"/><text x="{:.1}" y="{y:.1}">{name}</text>"#,
        y - 10.0,
        x + 17.0
    );
}

fn count(power: i32) -> String {
    format!("{:.0}", 10_f64.powi(power))
}

fn time(power: i32) -> String {
    let us = 10_f64.powi(power);
    match power {
        6.. => format!("{:.0} s", us / 1e6),
        3.. => format!("{:.0} ms", us / 1e3),
        _ => format!("{us} µs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Measured, Point};

    #[test]
    fn a_linear_curve_is_drawn_at_45_degrees() {
        let points = [1_usize, 10, 100].map(|n| Point {
            n,
            cpu_us: n as f64 * 10.0,
            memory_kib: 0.0,
        });
        let curve = Curve {
            name: "topics".to_owned(),
            points: points.to_vec(),
        };
        let text = curves(&[curve]);
        assert!(text.contains("70.0,420.0 270.0,220.0 470.0,20.0"), "{text}");
    }

    #[test]
    fn a_bar_at_its_target_ends_at_the_line() {
        let (row, mut results) = (Row::of("life").unwrap(), Results::default());
        let servers = [("kfake".to_owned(), Measured::of(vec![row.target]))];
        results.rows.insert(row, servers.into());
        assert!(rows(&results).contains(r#"width="120.0""#));
    }
}
