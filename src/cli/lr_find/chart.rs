//! The curve as text: dots of braille, two across and four down in a cell.

use super::super::output::number;
use super::readings;
use crate::app::range_test;
use crate::run::range_test::Report;

/// Cells of the plot.
const WIDTH: usize = 64;
pub(super) const HEIGHT: usize = 12;
/// What stands left of the plot.
const GUTTER: usize = 8;

/// The heights that are drawn.
pub(super) fn heights(report: &Report) -> (f64, f64) {
    let smoothed: Vec<f64> = report.points.iter().map(|point| point.smoothed).collect();
    range_test::heights(&smoothed).filter(|(low, high)| low.is_finite() && high.is_finite()).unwrap_or((0.0, 1.0))
}

/// Where a rate stands between the ends of the range, from 0 to 1.
pub(super) fn share(report: &Report, rate: f64) -> f64 {
    ((rate / report.range.from).ln() / (report.range.to / report.range.from).ln()).clamp(0.0, 1.0)
}

/// Smoothed loss over the logarithm of the rate, with the letters of the readings below.
pub(super) fn draw(report: &Report) -> String {
    let (low, high) = heights(report);
    let cells = cells(report, low, high);
    let mut text = String::new();
    for (row, line) in cells.iter().enumerate() {
        let label = match row {
            0 => number(high),
            row if row == HEIGHT - 1 => number(low),
            _ => String::new(),
        };
        let dots: String = line.iter().map(|dots| char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ')).collect();
        text += &format!("{label:>width$} │{dots}\n", width = GUTTER - 2);
    }
    let gutter = " ".repeat(GUTTER - 1);
    text += &format!("{gutter}└{}\n", "─".repeat(WIDTH));
    text += &format!("{gutter} {}\n", marks(report));
    text + &format!("{gutter} {}\n", axis(report))
}

fn cells(report: &Report, low: f64, high: f64) -> Vec<Vec<u8>> {
    let mut cells = vec![vec![0; WIDTH]; HEIGHT];
    let (across, down) = (2 * WIDTH - 1, 4 * HEIGHT - 1);
    let dot = |rate: f64, loss: f64| {
        let up = ((loss - low) / (high - low)).clamp(0.0, 1.0);
        ((share(report, rate) * across as f64).round() as usize, ((1.0 - up) * down as f64).round() as usize)
    };
    let dots: Vec<(usize, usize)> = report.points.iter().map(|point| dot(point.rate, point.smoothed)).collect();
    let mut light = |x: usize, y: usize| cells[y / 4][x / 2] |= bit(x % 2, y % 4);
    dots.iter().for_each(|(x, y)| light(*x, *y));
    // Columns between two points have a dot on the line between them.
    for pair in dots.windows(2) {
        let ((left, from), (right, to)) = (pair[0], pair[1]);
        for x in left..=right {
            let part = (x - left) as f64 / (right - left).max(1) as f64;
            light(x, (from as f64 + part * (to as f64 - from as f64)).round() as usize);
        }
    }
    cells
}

/// The bit of a dot in a braille character.
fn bit(x: usize, y: usize) -> u8 {
    const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    BITS[x][y]
}

/// The readings' letters at their rates, and the plan's; where several meet, the first stays.
fn marks(report: &Report) -> String {
    let found = readings(report).into_iter().filter_map(|(_, letter, rate, _)| Some((letter, rate?)));
    let planned = std::iter::once(('p', report.planned));
    let mut line = vec![' '; WIDTH];
    for (letter, rate) in found.chain(planned.filter(|(_, rate)| *rate >= report.range.from)) {
        let cell = &mut line[(share(report, rate) * (WIDTH - 1) as f64).round() as usize];
        if *cell == ' ' {
            *cell = letter;
        }
    }
    line.into_iter().collect::<String>().trim_end().to_string()
}

/// Whole powers of ten, as many as have room.
fn axis(report: &Report) -> String {
    let mut line = vec![' '; WIDTH + 5];
    let powers = report.range.from.log10().ceil() as i32..=report.range.to.log10().floor() as i32;
    let mut free = 0;
    for power in powers {
        let at = (share(report, 10f64.powi(power)) * (WIDTH - 1) as f64).round() as usize;
        let label = format!("1e{power}");
        if at >= free {
            label.chars().enumerate().for_each(|(place, letter)| line[at + place] = letter);
            free = at + label.len() + 1;
        }
    }
    line.into_iter().collect::<String>().trim_end().to_string()
}
