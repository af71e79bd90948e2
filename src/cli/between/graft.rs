//! `frostline graft`: what each layer alone has to do with what was forgotten and what was learned.

use super::{Bench, Common, Templates, percent, signed};
use crate::cli::figure::{Axis, Figure, Look, Point, Series};
use crate::cli::{Place, output};
use crate::model::{Decoder, Layer, Selector, blend};
use crate::run::eval_set::EvalSet;
use crate::{Error, Result};
use serde::Serialize;

#[derive(clap::Args)]
pub struct Graft {
    #[command(flatten)]
    common: Common,
    /// What to measure: a file, a folder, or world:SET, of which the held-out side is taken
    #[arg(long, value_name = "DATA")]
    data: String,
    /// More to measure, such as what live was tuned on; can be given several times
    #[arg(long, value_name = "DATA")]
    also: Vec<String>,
    /// For rows of --data with other fields
    #[command(flatten)]
    templates: Templates,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    base: String,
    live: String,
    sets: Vec<SetReport>,
}

/// Losses are nats per token.
#[derive(Serialize)]
struct SetReport {
    data: String,
    tokens: u64,
    base_loss: f64,
    live_loss: f64,
    /// From the bottom up.
    layers: Vec<LayerReport>,
}

#[derive(Serialize)]
struct LayerReport {
    layer: String,
    /// Whether live differs from the base in it at all.
    changed: bool,
    /// Of live, with this layer alone as it is in the base.
    put_back: f64,
    /// Of the base, with this layer alone as it is in live.
    taken_over: f64,
}

impl SetReport {
    /// Above zero: live has forgotten. Below: it has learned.
    fn change(&self) -> f64 {
        self.live_loss - self.base_loss
    }
}

/// A layer, its name, and whether it changed.
type Row = (Selector, String, bool);

pub fn run(arguments: &Graft, place: &Place) -> Result<()> {
    let bench = Bench::open(&arguments.common, place)?;
    let rows = rows(&bench)?;
    let mut template = arguments.templates.read()?;
    let names = std::iter::once(&arguments.data).chain(&arguments.also);
    // The template is for the first.
    let sets = names.map(|name| bench.read(name, template.take())).collect::<Result<Vec<_>>>()?;
    let passes = 2 + 2 * rows.iter().filter(|(.., changed)| *changed).count() as u64;
    bench.bar.set_length(sets.iter().map(|set| set.batches() * passes).sum());
    let sets = sets.iter().map(|set| measure(&bench, set, &rows)).collect::<Result<Vec<_>>>();
    bench.bar.finish_and_clear();
    let common = &arguments.common;
    let report = Report { base: common.base.clone(), live: common.live.clone(), sets: sets? };
    if let Some(svg) = &common.svg {
        figure(&report).write(svg)?;
    }
    match common.json {
        true => output::write_json(&report),
        false => output::show(&render(&report, bench.base.config.tied)),
    }
}

/// The layers, from the bottom up. Errors: the models are the same.
fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let differing = blend::differing(&bench.base, &bench.live)?;
    if differing.is_empty() {
        return Err(Error::new("the two models are the same, to the bit")
            .next("give a base, and what was tuned from it: RUN@pretrain RUN"));
    }
    let mut layers: Vec<Layer> = bench.base.parameters.groups().into_iter().map(|group| group.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let row = |layer: Layer| (layer.into(), layer.to_string(), differing.iter().any(|group| group.layer == layer));
    Ok(layers.into_iter().map(row).collect())
}

fn measure(bench: &Bench, set: &EvalSet, rows: &[Row]) -> Result<SetReport> {
    let loss = |what: &str, decoder: &Decoder| {
        bench.bar.set_message(format!("{}: {what}", set.name));
        bench.loss(set, decoder)
    };
    let (base_loss, live_loss) = (loss("base", &bench.base)?, loss("live", &bench.live)?);
    let mut layers = Vec::new();
    for (selector, layer, changed) in rows {
        let (mut put_back, mut taken_over) = (live_loss, base_loss);
        if *changed {
            let selector = std::slice::from_ref(selector);
            put_back = loss(layer, &blend::graft(&bench.base, &bench.live, selector)?)?;
            taken_over = loss(layer, &blend::graft(&bench.live, &bench.base, selector)?)?;
        }
        layers.push(LayerReport { layer: layer.clone(), changed: *changed, put_back, taken_over });
    }
    Ok(SetReport { data: set.name.clone(), tokens: set.tokens(), base_loss, live_loss, layers })
}

fn render(report: &Report, is_tied: bool) -> String {
    let mut text = format!("{} → {}\n", report.base, report.live);
    for set in &report.sets {
        text += &render_set(set, is_tied);
    }
    text + "\nLayers have adapted to each other: the changes of single layers need not add up to the whole.\n"
}

fn render_set(set: &SetReport, is_tied: bool) -> String {
    let mut table = output::table(["layer", "put back in live", "change", "of it", "alone in base", "change", "of it"]);
    let change = set.change();
    let share = |part: f64| if change.abs() < 0.0005 { "–".into() } else { percent(part / change) };
    // From the top down, as the layers stand.
    for layer in set.layers.iter().rev() {
        let name = match layer.layer.as_str() {
            "embedding" if is_tied => "embedding, head",
            name => name,
        };
        let (back, over) = (layer.put_back - set.live_loss, layer.taken_over - set.base_loss);
        match layer.changed {
            true => table.add_row([
                name.to_string(),
                format!("{:.3}", layer.put_back),
                signed(back),
                share(-back),
                format!("{:.3}", layer.taken_over),
                signed(over),
                share(over),
            ]),
            false => table.add_row([name, "the same", "", "", "", "", ""]),
        };
    }
    let what = match change {
        change if change > 0.0 => format!("{change:.3} forgotten"),
        change => format!("{:.3} learned", -change),
    };
    format!(
        "\n{} · {} tokens · base {:.3} · live {:.3} nats/token: {what}\n{}\n{}",
        set.data,
        output::count(set.tokens),
        set.base_loss,
        set.live_loss,
        output::lay_out(table, 2),
        most(set)
    )
}

/// In words, which layer has most to do with it.
fn most(set: &SetReport) -> String {
    let change = set.change();
    let undone = |layer: &LayerReport| (set.live_loss - layer.put_back) * change.signum();
    let most = set.layers.iter().filter(|layer| layer.changed).max_by(|a, b| undone(a).total_cmp(&undone(b)));
    let verb = if change > 0.0 { "comes back" } else { "goes" };
    match most.filter(|layer| undone(layer) > 0.0 && change.abs() >= 0.0005) {
        Some(layer) => format!(
            "The largest part {verb} with {}: {:.3} nats/token, {} of it.\n",
            layer.layer,
            undone(layer),
            percent(undone(layer) / change.abs())
        ),
        None => "No single layer put back undoes any of it.\n".into(),
    }
}

fn figure(report: &Report) -> Figure {
    let names: Vec<String> =
        report.sets.first().map_or(Vec::new(), |set| set.layers.iter().map(|layer| layer.layer.clone()).collect());
    let ends = [-0.5, names.len() as f64 - 0.5];
    let straight = ends.map(|x| Point::at(x, 0.0)).into();
    let mut series = vec![Series { name: String::new(), look: Look::Dashed, points: straight }];
    for set in &report.sets {
        let points = |of: &dyn Fn(&LayerReport) -> f64| {
            set.layers.iter().enumerate().map(|(at, layer)| Point::at(at as f64, of(layer))).collect()
        };
        let back = points(&|layer| layer.put_back - set.live_loss);
        let over = points(&|layer| layer.taken_over - set.base_loss);
        series.push(Series { name: format!("{}: put back in live", set.data), look: Look::Joined, points: back });
        series.push(Series { name: format!("{}: alone in the base", set.data), look: Look::Joined, points: over });
    }
    let wholes: Vec<String> = report
        .sets
        .iter()
        .map(|set| format!("{}: base {:.3}, live {:.3}", set.data, set.base_loss, set.live_loss))
        .collect();
    Figure {
        title: format!("One layer of {} in {}, and the other way round", report.base, report.live),
        note: wholes.join(" · "),
        x: Axis { names, ..Axis::titled("layer") },
        y: Axis { zero: true, ..Axis::titled("change of the loss, nats/token") },
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(base_loss: f64, live_loss: f64, layers: &[(&str, bool, f64, f64)]) -> SetReport {
        let layer = |(name, changed, put_back, taken_over): &(&str, bool, f64, f64)| LayerReport {
            layer: (*name).into(),
            changed: *changed,
            put_back: *put_back,
            taken_over: *taken_over,
        };
        let layers = layers.iter().map(layer).collect();
        SetReport { data: "old".into(), tokens: 50_000, base_loss, live_loss, layers }
    }

    #[test]
    fn tables_say_where_forgetting_and_learning_live() {
        let old =
            set(1.0, 3.0, &[("embedding", false, 3.0, 1.0), ("block.0", true, 2.5, 1.1), ("norm", true, 3.2, 0.9)]);
        let text = render_set(&old, true);
        for expected in
            ["2.000 forgotten", "embedding, head   the same", "−0.500", "25%", "+0.100", "5%", "+0.200", "−10%"]
        {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(text.contains("The largest part comes back with block.0: 0.500 nats/token, 25% of it."), "{text}");
        let new = set(3.0, 1.0, &[("block.0", true, 1.5, 2.9)]);
        let text = render_set(&new, false);
        assert!(text.contains("2.000 learned") && text.contains("The largest part goes with block.0: 0.500"), "{text}");
        let worse = set(1.0, 3.0, &[("block.0", true, 3.5, 2.9)]);
        assert!(render_set(&worse, false).contains("No single layer"));
        assert!(render_set(&set(1.0, 1.0, &[("block.0", true, 1.1, 1.1)]), false).contains('–'));
    }

    #[test]
    fn the_figure_has_both_ways_of_every_set() {
        let sets = vec![set(1.0, 3.0, &[("embedding", true, 2.0, 1.5), ("block.0", true, 2.5, 1.1)])];
        let figure = figure(&Report { base: "a".into(), live: "b".into(), sets });
        let names: Vec<&str> = figure.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["", "old: put back in live", "old: alone in the base"]);
        assert_eq!(figure.series[1].points[0].y, -1.0);
        assert!((figure.series[2].points[1].y - 0.1).abs() < 1e-12 && figure.x.names == ["embedding", "block.0"]);
    }
}
