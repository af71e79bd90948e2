//! `frostline wise`: what each share of the tuned weights keeps of the old and has of the new (WiSE-FT, Wortsman et al.
//! 2022, arXiv 2109.01903).

use super::frontier::{Bow, Frontier, Place as At};
use super::{Bench, Common, Templates, percent, signed};
use crate::cli::figure::{Axis, Figure, Look, Point, Series};
use crate::cli::{Place, output};
use crate::model::blend;
use crate::{Error, Result};
use serde::Serialize;

#[derive(clap::Args)]
pub struct Wise {
    #[command(flatten)]
    common: Common,
    /// What the base knew: a file, a folder, or world:SET, of which the held-out side is taken
    #[arg(long, value_name = "DATA")]
    old: String,
    /// What live was tuned on
    #[arg(long, value_name = "DATA")]
    new: String,
    /// Shares to measure, from 0 to 1
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1001))]
    points: u32,
    /// For rows of --new with other fields
    #[command(flatten)]
    templates: Templates,
}

/// What is printed with `--json`. Losses are nats per token.
#[derive(Serialize)]
struct Report {
    base: String,
    live: String,
    old: String,
    new: String,
    old_tokens: u64,
    new_tokens: u64,
    points: Vec<At>,
    /// The share with the lowest sum of both losses.
    best_alpha: f64,
    /// How the frontier lies to the straight line between its ends; null where one end is better on both.
    bow: Option<Bow>,
}

pub fn run(arguments: &Wise, place: &Place) -> Result<()> {
    let bench = Bench::open(&arguments.common, place)?;
    let old = bench.read(&arguments.old, None)?;
    let new = bench.read(&arguments.new, arguments.templates.read()?)?;
    let points = arguments.points;
    bench.bar.set_length((old.batches() + new.batches()) * u64::from(points));
    let measured = (0..points).map(|index| {
        let alpha = f64::from(index) / f64::from(points - 1);
        bench.bar.set_message(format!("share {alpha:.3}"));
        let decoder = blend::interpolate(&bench.base, &bench.live, alpha)?;
        Ok((alpha, bench.loss(&old, &decoder)?, bench.loss(&new, &decoder)?))
    });
    let measured = measured.collect::<Result<Vec<_>>>();
    bench.bar.finish_and_clear();
    let frontier = Frontier::new(&measured?);
    let best = frontier.lowest().ok_or_else(|| Error::new("there is nothing to measure"))?;
    let common = &arguments.common;
    let report = Report {
        base: common.base.clone(),
        live: common.live.clone(),
        old: old.name.clone(),
        new: new.name.clone(),
        old_tokens: old.tokens(),
        new_tokens: new.tokens(),
        best_alpha: best.alpha,
        bow: frontier.bow(),
        points: frontier.places,
    };
    if let Some(svg) = &common.svg {
        figure(&report).write(svg)?;
    }
    if common.json { output::write_json(&report) } else { output::show(&render(&report)) }
}

fn render(report: &Report) -> String {
    let mut table = output::table(["α", "old", "forgetting", "new", "sum", ""]);
    for at in &report.points {
        table.add_row([
            format!("{:.3}", at.alpha),
            format!("{:.3}", at.old),
            signed(at.forgetting),
            format!("{:.3}", at.new),
            format!("{:.3}", at.old + at.new),
            if at.alpha == report.best_alpha { "◂ lowest sum".into() } else { String::new() },
        ]);
    }
    format!(
        "{} → {}, θ = (1 − α) · base + α · live\nold: {}, {} tokens · new: {}, {} tokens · losses in nats/token\n\n{}\n\n{}\n",
        report.base,
        report.live,
        report.old,
        output::count(report.old_tokens),
        report.new,
        output::count(report.new_tokens),
        output::lay_out(table, 2),
        verdict(report)
    )
}

/// In words, whether the frontier is better than the straight line between its ends.
fn verdict(report: &Report) -> String {
    let Some(bow) = report.bow else { return without_trade(report).into() };
    let area = percent(bow.area.abs());
    let of = "of the rectangle between the ends";
    match bow.area {
        area_ if area_ > 0.005 => format!(
            "The frontier bows beyond the straight line between the ends: by {area} {of} (50%: all of the new at no cost of the \
             old),\nat most {:.3} nats/token, at α = {:.3}.",
            bow.distance, bow.alpha
        ),
        area_ if area_ < -0.005 => format!(
            "The frontier lies on the worse side of the straight line between the ends, by {area} {of}: the way between these \
             weights leads over a hill.",
        ),
        _ => format!("The frontier is the straight line between its ends, within half a percent {of}."),
    }
}

/// One end is no worse than the other on both, or the ends are the other way round.
fn without_trade(report: &Report) -> &'static str {
    let (Some(base), Some(live)) = (report.points.first(), report.points.last()) else { return "" };
    match (live.old <= base.old, live.new <= base.new) {
        (true, true) => "Live is as good as the base on both, or better: there is nothing to trade.",
        (true, false) => "Live is better on the old and worse on the new: are --old and --new the wrong way round?",
        (false, _) => {
            "Live is worse on the old, and on the new no better than the base: nothing was learned to trade for it."
        }
    }
}

fn figure(report: &Report) -> Figure {
    let point = |at: &At| Point::at(at.old, at.new);
    // At most about a dozen labels, and the ends always.
    let stride = report.points.len().div_ceil(12).max(1);
    let last = report.points.len().saturating_sub(1);
    let labelled = report.points.iter().enumerate().map(|(index, at)| {
        let is_named = index % stride == 0 || index == last;
        if is_named { point(at).named(format!("{:.2}", at.alpha)) } else { point(at) }
    });
    let ends = report.points.first().into_iter().chain(report.points.last()).map(point).collect();
    let best = report.points.iter().filter(|at| at.alpha == report.best_alpha).map(point).collect();
    Figure {
        title: format!("From {} to {}", report.base, report.live),
        note: format!("α beside each point · {} and {} tokens", report.old_tokens, report.new_tokens),
        x: Axis::titled(format!("loss on {} (old), nats/token", report.old)),
        y: Axis::titled(format!("loss on {} (new), nats/token", report.new)),
        series: vec![
            Series { name: "straight line".into(), look: Look::Dashed, points: ends },
            Series { name: "(1 − α) · base + α · live".into(), look: Look::Joined, points: labelled.collect() },
            Series { name: "lowest sum".into(), look: Look::Points, points: best },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(losses: &[(f64, f64, f64)]) -> Report {
        let frontier = Frontier::new(losses);
        Report {
            base: "owl@pretrain".into(),
            live: "owl".into(),
            old: "world:stories".into(),
            new: "world:ledger".into(),
            old_tokens: 50_000,
            new_tokens: 50_000,
            best_alpha: frontier.lowest().unwrap().alpha,
            bow: frontier.bow(),
            points: frontier.places,
        }
    }

    #[test]
    fn the_verdict_says_on_which_side_of_the_line_the_frontier_lies() {
        for (middle, expected) in [
            ((0.5, 1.2, 1.2), "bows beyond"),
            ((0.5, 2.8, 2.8), "worse side"),
            ((0.5, 2.0, 2.0), "is the straight line"),
        ] {
            let report = report(&[(0.0, 1.0, 3.0), middle, (1.0, 3.0, 1.0)]);
            assert!(verdict(&report).contains(expected), "{}", verdict(&report));
        }
        let better = report(&[(0.0, 2.0, 3.0), (1.0, 1.0, 1.0)]);
        assert!(verdict(&better).contains("nothing to trade"));
        assert!(verdict(&report(&[(0.0, 2.0, 3.0), (1.0, 3.0, 4.0)])).contains("nothing was learned"));
        assert!(verdict(&report(&[(0.0, 3.0, 1.0), (1.0, 1.0, 3.0)])).contains("wrong way round"));
    }

    #[test]
    fn table_and_figure_name_the_lowest_sum() {
        let report = report(&[(0.0, 1.0, 3.0), (0.5, 1.2, 1.2), (1.0, 3.0, 1.0)]);
        let text = render(&report);
        assert!(text.contains("0.500   1.200   +0.200       1.200   2.400   ◂ lowest sum"), "{text}");
        let figure = figure(&report);
        assert_eq!((figure.series[2].points[0].x, figure.series[2].points[0].y), (1.2, 1.2));
        assert_eq!(figure.series[1].points[1].label, "0.50");
        assert!(figure.svg().contains(">straight line</text>"));
    }
}
