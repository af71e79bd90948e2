//! Keys in, state and requests out.

use super::testing::{evaluation, of_losses, phase, record, records, steered, two_phases};
use super::window::View;
use super::*;
use crate::app::{Effect, Gesture, Key, Pane, Pointer, Spot};
use crate::protocol::{Evaluation, Event, Message, MetricValue, StepRecord, Welcome};

/// Presses keys as the shell does: the action that has the key, unless it refuses.
fn press(app: &mut App, keys: &str) {
    for key in keys.split(' ') {
        let key: Key = key.parse().unwrap();
        let is_bound = |action: &&crate::app::Action| action.keys.iter().any(|own| own.parse() == Ok(key));
        let action = ACTIONS.iter().find(is_bound).unwrap();
        match (action.refusal)(app) {
            Some(why) => app.refuse(why),
            None => (action.run)(app),
        }
    }
}

fn refusal(app: &mut App, key: &str) -> String {
    app.toast = None;
    press(app, key);
    app.toast.take().filter(|toast| toast.is_refusal).map(|toast| toast.text).unwrap_or_default()
}

fn window(app: &App) -> (f64, f64) {
    let window = app.graphs.window(&app.mirror);
    (window.from, window.to)
}

#[test]
fn every_key_is_one_actions_own_and_none_of_the_shells() {
    let shells = "tab s-tab 1 2 3 4 z : ? q c-z c-c e P u [ ] y S C K W esc";
    let mut keys: Vec<Key> = ACTIONS.iter().flat_map(|action| action.keys).map(|key| key.parse().unwrap()).collect();
    keys.extend(shells.split(' ').map(|key| key.parse::<Key>().unwrap()));
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn whatever_is_chosen_is_explained() {
    let mut app = two_phases();
    for _ in app.graphs.metrics() {
        press(&mut app, "m");
        let key = explained(&app).unwrap();
        assert!(EXPLANATIONS.iter().any(|explanation| explanation.key == key), "{key}");
    }
    assert_eq!(app.graphs.metric, Metric::Loss, "once around");
    press(&mut app, "r");
    assert_eq!(explained(&app), Some("plane"));
}

#[test]
fn what_a_head_is_measured_by_is_explained_as_such() {
    let of = |perplexity: f64, names: &[&str]| {
        let metrics = names.iter().map(|name| MetricValue { name: name.to_string(), value: 0.5 }).collect();
        Event::Evaluation(Evaluation { perplexity, metrics, ..evaluation("one", 10, "one", 1.0) })
    };
    let keys = |perplexity: f64, names: &[&str]| {
        let mut app = of_losses(&[2.0; 30]);
        app.message(Message::Events { start: 0, events: vec![phase("one", 1, 40), of(perplexity, names)] });
        let key = |task| {
            app.graphs.metric = Metric::Task(task);
            let key = explained(&app).unwrap();
            assert!(EXPLANATIONS.iter().any(|explanation| explanation.key == key), "{key}");
            key
        };
        (0..names.len()).map(key).collect::<Vec<_>>()
    };
    assert_eq!(keys(f64::NAN, &["accuracy", "macro_f1"]), ["head-accuracy", "head-macro-f1"]);
    assert_eq!(
        keys(2.7, &["accuracy", "macro_f1"]),
        ["accuracy", "macro-f1"],
        "generated answers have a loss of tokens"
    );
    assert_eq!(keys(f64::NAN, &["pearson", "spearman", "mse"]), ["pearson", "spearman", "mse"]);
}

#[test]
fn every_metric_of_the_table_is_explained() {
    for facts in crate::protocol::METRICS {
        let mut app = of_losses(&[2.0; 30]);
        let metrics = vec![MetricValue { name: facts.name.into(), value: 0.5 }];
        let of = Evaluation { metrics, ..evaluation("one", 10, "one", 1.0) };
        app.message(Message::Events { start: 0, events: vec![phase("one", 1, 40), Event::Evaluation(of)] });
        app.graphs.metric = Metric::Task(0);
        assert_ne!(explained(&app), Some("task-metric"), "{}", facts.name);
    }
}

#[test]
fn a_suite_of_several_metrics_has_a_line_in_the_chart_of_each() {
    let mut app = two_phases();
    let metrics = |value: f64| {
        let named = |(name, value): (&str, f64)| MetricValue { name: name.into(), value };
        [("exact_match", value), ("token_f1", value + 0.1)].map(named).to_vec()
    };
    let events = [(1_600, 0.2), (2_000, 0.5)].map(|(step, value)| {
        let of = evaluation("sentiment", step, "sentiment:task", 1.0);
        let (metric, value, metrics) = (Some("exact_match".into()), Some(value), metrics(value));
        Event::Evaluation(Evaluation { metric, value, metrics, ..of })
    });
    let start = app.mirror.events.len() as u64;
    app.message(Message::Events { start, events: events.to_vec() });
    let lines = |task: usize| {
        let series = app.graphs.series(&app.mirror, Metric::Task(task));
        series.iter().map(|series| (series.name.to_string(), series.curve.at(2_000).unwrap().1)).collect::<Vec<_>>()
    };
    assert_eq!(app.graphs.metric_name(Metric::Task(1)), "token f1");
    assert_eq!(lines(0).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["reviews", "sentiment:task"]);
    assert!(matches!(&lines(1)[..], [(name, value)] if name == "sentiment:task" && (value - 0.6).abs() < 1e-6));
}

#[test]
fn a_refusal_says_why() {
    let mut app = App::new();
    assert!(refusal(&mut app, "left").contains("no step yet"));
    assert!(refusal(&mut app, "x").contains("no step yet"));
    let mut app = of_losses(&[3.0; 40]);
    assert!(refusal(&mut app, "r").contains("no evaluation"));
    assert!(refusal(&mut app, "b").contains("cursor"));
    assert!(refusal(&mut app, "c").contains("no cursor"));
    assert!(refusal(&mut app, "n").contains("nothing was changed"));
    assert!(refusal(&mut app, "<").contains("whole run"));
    app.graphs.metric = Metric::Retention;
    assert!(refusal(&mut app, "l").contains("below zero"));
}

#[test]
fn the_cursor_moves_by_columns_and_at_least_by_a_step() {
    let mut app = two_phases();
    app.graphs.last_columns.set(100);
    press(&mut app, "left");
    assert_eq!(app.graphs.cursor, Some(2000), "at first it stands on the newest");
    press(&mut app, "left left s-left right");
    assert_eq!(app.graphs.cursor, Some(2000 - 20 * 11));
    press(&mut app, "home");
    assert_eq!(app.graphs.cursor, Some(0));
    press(&mut app, "left right");
    assert_eq!(app.graphs.cursor, Some(20));
    app.graphs.view = View::Fixed(Window { from: 10.0, to: 18.0 });
    press(&mut app, "left");
    assert_eq!(app.graphs.cursor, Some(19), "a column is less than a step");
    press(&mut app, "end c");
    assert_eq!(app.graphs.cursor, None);
}

#[test]
fn a_cursor_that_leaves_the_window_takes_it_along() {
    let mut app = two_phases();
    app.graphs.view = View::Fixed(Window { from: 100.0, to: 300.0 });
    press(&mut app, "end");
    let (from, to) = window(&app);
    assert!(from <= 2000.0 && 2000.0 <= to && (to - from - 200.0).abs() < 1e-6, "{from} {to}");
    press(&mut app, "home");
    assert_eq!(window(&app), (0.0, 200.0));
}

#[test]
fn zooming_keeps_the_cursor_and_without_one_follows_the_newest() {
    let mut app = two_phases();
    press(&mut app, "+");
    assert_eq!(app.graphs.view, View::Follow(1000.0));
    press(&mut app, "- -");
    assert_eq!((app.graphs.view, window(&app)), (View::All, (0.0, 2000.0)));
    app.graphs.cursor = Some(500);
    press(&mut app, "+ +");
    assert_eq!(window(&app), (375.0, 875.0));
    for _ in 0..40 {
        press(&mut app, "+");
    }
    let (from, to) = window(&app);
    assert!((to - from - 8.0).abs() < 1e-6 && from <= 500.0 && 500.0 <= to, "{from} {to}");
    press(&mut app, "a");
    assert_eq!(app.graphs.view, View::All);
}

#[test]
fn panning_ends_where_the_run_does() {
    let mut app = two_phases();
    app.graphs.view = View::Fixed(Window { from: 100.0, to: 500.0 });
    press(&mut app, "< <");
    assert_eq!(window(&app), (0.0, 400.0));
    assert!(refusal(&mut app, "<").contains("begins here"));
    press(&mut app, "> > > > > > > > > > > > > > > >");
    assert_eq!(window(&app), (1600.0, 2000.0));
    assert!(refusal(&mut app, ">").contains("not come further"));
}

#[test]
fn phases_fill_the_window_one_after_the_other() {
    let mut app = two_phases();
    press(&mut app, "p");
    assert_eq!(window(&app), (1200.0, 2000.0), "the phase of the newest step");
    press(&mut app, "p");
    assert_eq!(window(&app), (0.0, 1200.0));
    press(&mut app, "p");
    assert_eq!(window(&app), (1200.0, 2000.0));
}

#[test]
fn marks_are_visited_in_order() {
    let mut app = two_phases();
    press(&mut app, "home");
    let mut visited = Vec::new();
    while (ACTIONS.iter().find(|action| action.name == "graphs.next-mark").unwrap().refusal)(&app).is_none() {
        press(&mut app, "n");
        visited.push(app.graphs.cursor.unwrap());
    }
    assert_eq!(visited, [400, 500, 800, 1200, 1360, 1600, 1720]);
    press(&mut app, "N N");
    assert_eq!(app.graphs.cursor, Some(1360));
    let reading = app.graphs.reading(&app.mirror).unwrap();
    assert_eq!((reading.phase.as_deref(), reading.mark.unwrap().2.as_str()), (Some("sentiment"), "froze block.0–3"));
}

#[test]
fn time_and_steps_show_the_same_part_of_the_run() {
    let mut app = two_phases();
    app.graphs.view = View::Fixed(Window { from: 500.0, to: 1000.0 });
    press(&mut app, "t");
    assert_eq!(app.graphs.axis, Axis::Seconds);
    let (from, to) = window(&app);
    assert!((from - 55.0).abs() < 1e-6 && (to - 110.0).abs() < 1e-6, "{from} {to}");
    press(&mut app, "t");
    assert_eq!(window(&app), (500.0, 1000.0));
}

#[test]
fn the_batch_of_the_cursors_step_is_shown() {
    let mut app = two_phases();
    press(&mut app, "home");
    assert!(refusal(&mut app, "b").contains("before training"));
    press(&mut app, "right b");
    assert_eq!(app.focus, Pane::Corpus);
}

#[test]
fn other_smoothing_leaves_measured_values_and_the_schedule_alone() {
    let mut app = two_phases();
    let value = |app: &App, metric| {
        let series = app.graphs.series(&app.mirror, metric);
        app.graphs.figures(&series[0]).unwrap()
    };
    let (smoothed, raw) = value(&app, Metric::Loss);
    assert!((smoothed - raw.unwrap()).abs() > 1e-3);
    press(&mut app, "s s");
    assert_eq!(app.graphs.smoothing(), 0.0);
    assert_eq!(value(&app, Metric::Loss), (raw.unwrap(), None));
    assert_eq!(value(&app, Metric::LearningRate).1, None);
}

#[test]
fn the_grid_shows_what_was_measured_and_the_chosen_metric() {
    let mut app = of_losses(&[2.0; 30]);
    let charts = |app: &App, slots| app.graphs.charts(&app.mirror, slots);
    let measured = [Metric::Loss, Metric::GradientNorm, Metric::LearningRate, Metric::TokensPerSecond];
    assert_eq!(charts(&app, 4), measured);
    app.graphs.metric = Metric::BitsPerByte;
    assert_eq!(charts(&app, 2), [Metric::Perplexity, Metric::BitsPerByte]);
    assert_eq!(charts(&app, 1), [Metric::BitsPerByte]);
    app.graphs.last_slots.set(4);
    press(&mut app, "g");
    assert_eq!(charts(&app, 4), [Metric::BitsPerByte]);
}

#[test]
fn figures_are_those_of_the_cursor_or_the_newest() {
    let mut app = two_phases();
    let said = |app: &App| {
        let entries = app.graphs.entries(&app.mirror);
        entries.iter().map(|entry| format!("{} {}", entry.label, entry.text)).collect::<Vec<_>>().join(" ")
    };
    let newest = said(&app);
    assert!(newest.starts_with("train 1.2"), "{newest}");
    for part in ["valid 1.26", "ppl 3.52", "retention +0.089", "exact match 0.867", "lr 1.00e-4", "tok/s 63.0k"] {
        assert!(newest.contains(part), "{part}: {newest}");
    }
    app.graphs.cursor = Some(600);
    let earlier = said(&app);
    assert!(earlier.contains("valid 2.28") && earlier.contains("retention –"), "{earlier}");
}

#[test]
fn a_phase_told_after_its_steps_starts_the_average_over_and_a_new_run_everything() {
    let losses = |step: u64| StepRecord { loss: if step > 50 { 1.0 } else { 4.0 }, ..record(step, u64::MAX) };
    let mut app = App::new();
    app.message(Message::Steps(records(1..=60, losses)));
    app.message(Message::Events { start: 0, events: vec![phase("one", 1, 50), phase("two", 51, 50)] });
    let series = app.graphs.series(&app.mirror, Metric::Loss);
    assert_eq!(series[0].curve.at(51), Some((51, 1.0)));
    assert_eq!(series[0].curve.starts, [0, 50]);
    let welcome = Welcome {
        version: 1,
        run: "other".into(),
        path: "runs/other".into(),
        plan: String::new(),
        phases: Vec::new(),
        parents: Vec::new(),
        sources: Vec::new(),
        device: "cpu".into(),
        process: 1,
        absence: None,
    };
    app.message(Message::Welcome(Box::new(welcome)));
    assert_eq!((app.graphs.history.newest, app.graphs.history.phases.len()), (0, 0));
}

#[test]
fn the_table_has_every_value_once() {
    let mut app = App::new();
    app.message(Message::Steps(records(1..=3, |step| StepRecord { loss: step as f32, ..record(step, u64::MAX) })));
    let events = vec![
        phase("warm, up", 1, 2),
        Event::Evaluation(evaluation("warm, up", 0, "held \"out\"", 5.0)),
        Event::Evaluation(evaluation("warm, up", 2, "held \"out\"", 4.0)),
        phase("two", 3, 2),
        Event::Evaluation(evaluation("two", 2, "held \"out\"", 3.5)),
        steered("two", 2, "froze head"),
    ];
    app.message(Message::Events { start: 0, events });
    press(&mut app, "s s x");
    let effects = app.take_effects();
    let [Effect::WriteFile { name, text }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(name, "frostline-run-metrics.csv");
    let expected = "step,phase,seconds,loss:train,\"loss:held \"\"out\"\"\"\n\
                    0,,,,\n\
                    0,\"warm, up\",,,5\n\
                    1,\"warm, up\",0.110,1,\n\
                    2,\"warm, up\",0.220,2,4\n\
                    2,two,0.220,,3.5\n\
                    3,two,0.330,3,\n";
    assert_eq!(*text, expected.replacen("0,,,,\n", "", 1));
}

fn point(app: &mut App, gesture: Gesture, spot: Spot, x: u16) {
    pointed(app, Pointer { gesture, spot, x, y: 0, width: 100, height: 10 });
}

#[test]
fn the_mouse_reads_selects_and_zooms() {
    let mut app = two_phases();
    app.graphs.last_charts.replace(vec![Metric::Loss, Metric::GradientNorm]);
    point(&mut app, Gesture::Press, Spot::Chart(1), 25);
    assert_eq!((app.graphs.metric, app.graphs.cursor), (Metric::GradientNorm, Some(510)));
    point(&mut app, Gesture::Release, Spot::Chart(1), 25);
    assert_eq!(app.graphs.view, View::All, "a click is no selection");
    point(&mut app, Gesture::Press, Spot::Chart(0), 50);
    point(&mut app, Gesture::Drag, Spot::Chart(0), 24);
    point(&mut app, Gesture::Release, Spot::Chart(0), 24);
    assert_eq!(window(&app), (490.0, 1010.0));
    point(&mut app, Gesture::WheelDown, Spot::Chart(0), 50);
    let (from, to) = window(&app);
    assert!(from < 490.0 && to > 1010.0);
    point(&mut app, Gesture::Press, Spot::Metric(3), 0);
    assert_eq!(app.graphs.metric, Metric::Retention);
    app.graphs.last_plane.set(None);
    press(&mut app, "r");
    point(&mut app, Gesture::Press, Spot::Chart(0), 3);
}

#[test]
fn the_plane_walks_from_evaluation_to_evaluation() {
    let mut app = two_phases();
    press(&mut app, "r home");
    press(&mut app, "right");
    assert_eq!(app.graphs.cursor, Some(1200));
    press(&mut app, "right right");
    assert_eq!(app.graphs.cursor, Some(1360));
    press(&mut app, "left");
    assert_eq!(app.graphs.cursor, Some(1280));
    let plane = app.graphs.plane().unwrap();
    assert_eq!((plane.task.as_str(), plane.points.len(), plane.higher_is_better), ("exact match", 11, true));
    let saved: Vec<u64> = plane.points.iter().filter(|point| point.is_saved).map(|point| point.step).collect();
    assert_eq!(saved, [1200, 1600]);
}

#[test]
fn what_pulls_has_a_line_of_its_own_from_where_it_began() {
    let mut app = of_losses(&[2.0; 30]);
    let has_chart = |app: &App| app.graphs.charts(&app.mirror, 9).contains(&Metric::Pull);
    assert!(!has_chart(&app), "nothing pulls");
    let pulled = |step| StepRecord { pull: Some((step - 30) as f32), ..record(step, u64::MAX) };
    app.message(Message::Steps(records(31..=40, pulled)));
    assert!(has_chart(&app));
    let series = app.graphs.series(&app.mirror, Metric::Pull);
    let [line] = &series[..] else { panic!("{} lines", series.len()) };
    let raw = line.raw.unwrap_or(line.curve);
    assert_eq!((raw.values.len(), raw.values[39]), (40, 10.0));
    assert!(raw.values[..30].iter().all(|value| value.is_nan()));
    app.graphs.metric = Metric::Pull;
    app.graphs.last_slots.set(1);
    let csv = app.graphs.csv(&app.mirror);
    assert!(csv.starts_with("step,phase,seconds,pull_to_the_base"), "{csv}");
    // The run goes back: so does the line.
    let mut steps = app.mirror.steps.clone();
    steps.cut_after(35);
    assert_eq!((steps.pull.len(), steps.get(34).unwrap().pull, steps.get(3).unwrap().pull), (35, Some(5.0), None));
}

#[test]
fn the_divergence_from_the_base_is_a_chart_and_no_task() {
    let mut app = of_losses(&[2.0; 30]);
    let metric = |value| vec![crate::protocol::MetricValue { name: crate::protocol::KL_BASE.into(), value }];
    let of = |suite, retention, value| {
        let of = evaluation("tune", 20, suite, 2.0);
        Event::Evaluation(crate::protocol::Evaluation { retention, metrics: metric(value), ..of })
    };
    let events = vec![phase("tune", 1, 40), of("tune", None, 0.5), of("stories", Some(0.1), 0.25)];
    app.message(Message::Events { start: 0, events });
    let names: Vec<String> = app.graphs.metrics().into_iter().map(|metric| app.graphs.metric_name(metric)).collect();
    assert!(names.contains(&"kl base".to_string()), "{names:?}");
    app.graphs.metric = Metric::Task(0);
    assert_eq!(app.graphs.series(&app.mirror, Metric::Task(0)).len(), 2);
    assert_eq!(explained(&app), Some("kl-base"));
    let plane = app.graphs.plane().unwrap();
    assert_eq!((plane.task.as_str(), plane.higher_is_better), ("loss on its own text", false));
}
