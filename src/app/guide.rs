//! The guided first run: a few steps at the foot of the bench, told with the reader's own numbers. A step is over when
//! the person did what it asks for.

use super::{App, Pane};
use crate::protocol::{Evaluation, Event, Status};

/// Where the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guide {
    pub step: usize,
    /// Whether a prompt was sent since the guide began.
    pub has_sampled: bool,
}

/// A part of the tour.
struct Part {
    title: &'static str,
    /// What to look at and what to press; keys in it are the defaults' names of actions in braces.
    text: fn(&App) -> String,
    is_done: fn(&App) -> bool,
}

const PARTS: &[Part] = &[
    Part { title: "a model learns to read", text: it_learns, is_done: |app| app.focus == Pane::Corpus },
    Part { title: "what it reads", text: what_it_reads, is_done: |app| app.focus == Pane::Layers },
    Part { title: "freeze a block", text: freeze, is_done: |app| frozen(app) > 0 },
    Part { title: "what that does", text: after_freezing, is_done: |app| app.focus == Pane::Prompt },
    Part { title: "ask it", text: ask_it, is_done: has_sampled },
    Part { title: "two lanes", text: two_lanes, is_done: is_tuning },
    Part { title: "stage two: fine-tuning", text: fine_tuning, is_done: |app| last_retention(app).is_some() },
    Part { title: "what it kept", text: what_it_kept, is_done: |_| false },
];

/// What the guide's box says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    pub title: &'static str,
    pub text: String,
    /// From 1, and how many there are.
    pub number: usize,
    pub of: usize,
}

impl App {
    /// What the guide says now; `None` while there is no guide.
    pub fn guide_says(&self) -> Option<Saying> {
        let guide = self.guide?;
        let part = PARTS.get(guide.step)?;
        Some(Saying { title: part.title, text: (part.text)(self), number: guide.step + 1, of: PARTS.len() })
    }

    /// Goes on when the person did what the step asks for.
    pub(super) fn advance_guide(&mut self) {
        let Some(guide) = self.guide else { return };
        if PARTS.get(guide.step).is_some_and(|part| (part.is_done)(self)) {
            self.guide = Some(Guide { step: guide.step + 1, ..guide });
        }
    }

    /// Starts the guide, takes its next step, or ends it after the last.
    pub(super) fn guide_on(&mut self) {
        self.guide = match self.guide {
            None => Some(Guide::default()),
            Some(guide) if guide.step + 1 < PARTS.len() => Some(Guide { step: guide.step + 1, ..guide }),
            Some(_) => None,
        };
    }

    /// The first key of an action, as the guide names it.
    fn key_of(&self, action: &str) -> String {
        self.keymap.keys(action).next().map_or_else(|| format!(":{action}"), |key| key.to_string())
    }
}

fn status(app: &App) -> Option<&Status> {
    app.mirror.status.as_ref()
}

/// Whether the phase started from what an earlier one learned.
fn is_tuning(app: &App) -> bool {
    status(app).and_then(|status| status.phase.as_ref()).is_some_and(|phase| phase.base.is_some())
}

fn frozen(app: &App) -> usize {
    status(app).map_or(0, |status| status.groups.iter().filter(|state| !state.trainable).count())
}

fn has_sampled(app: &App) -> bool {
    app.guide.is_some_and(|guide| guide.has_sampled)
}

/// The newest measure of what the base knew, once the phase that started from it has learned something.
fn last_retention(app: &App) -> Option<&Evaluation> {
    let phase = status(app)?.phase.as_ref().filter(|phase| phase.base.is_some())?;
    app.mirror.events.iter().rev().find_map(|event| match event {
        Event::Evaluation(evaluation)
            if evaluation.retention.is_some()
                && evaluation.phase == phase.name
                && evaluation.step >= phase.first_step =>
        {
            Some(evaluation)
        }
        _ => None,
    })
}

/// Steps that the guide speaks of: tens, so that its text can be read before it changes.
fn steps_told(app: &App) -> usize {
    let steps = app.mirror.steps.loss.len();
    if steps < 10 { steps } else { steps - steps % 10 }
}

/// The loss at the beginning and now, each smoothed over a few steps; `None` before the first.
fn losses(app: &App) -> Option<(f64, f64)> {
    let all = &app.mirror.steps.loss[..steps_told(app)];
    let mean = |part: &[f32]| {
        let finite: Vec<f64> = part.iter().filter(|loss| loss.is_finite()).map(|loss| f64::from(*loss)).collect();
        (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
    };
    let few = all.len().min(8);
    Some((mean(&all[..few])?, mean(&all[all.len() - few..])?))
}

fn it_learns(app: &App) -> String {
    let progress = match losses(app) {
        None => "The model is new: its weights are noise. In a moment it takes its first steps.".to_string(),
        Some((first, now)) => format!(
            "After {} steps its loss went from {first:.2} to {now:.2} nats a token: it now wavers between about {:.0} \
             tokens at each place, where it began with {:.0}.",
            steps_told(app),
            now.exp(),
            first.exp(),
        ),
    };
    format!("{progress} Press {} to see what it reads.", app.key_of("corpus"))
}

fn what_it_reads(app: &App) -> String {
    format!(
        "These rows are all it will ever know. Move with the arrows; {} explains whatever the cursor is on, here and \
         everywhere. Then press {} for its layers.",
        app.key_of("explain"),
        app.key_of("layers"),
    )
}

fn freeze(app: &App) -> String {
    format!(
        "Every row is a layer, the input at the bottom; filled cells train. The cursor begins on block 0: press {} and it \
         freezes (❄) between two steps, while everything above goes on learning.",
        app.key_of("layers.toggle"),
    )
}

fn after_freezing(app: &App) -> String {
    let groups = status(app).map_or(0, |status| status.groups.len());
    let pace = status(app).and_then(|status| status.step_seconds);
    let pace = pace.map_or_else(String::new, |seconds| format!(" A step takes {:.0} ms.", seconds * 1e3));
    format!(
        "{} of {groups} groups are frozen: their weights stay as they are to the last bit.{pace} The change stands as a \
         mark in the graphs. {} goes back to just before it. Press {} to talk to the model.",
        frozen(app),
        app.key_of("undo"),
        app.key_of("prompt"),
    )
}

fn ask_it(app: &App) -> String {
    format!(
        "Press {} and write how a story begins, such as: The miller of Dunmarrow. Then send it with enter. Training goes on \
         meanwhile.",
        app.key_of("prompt.edit"),
    )
}

fn two_lanes(app: &App) -> String {
    let wait = match status(app).and_then(|status| status.seconds_left) {
        Some(seconds) if seconds >= 1.0 => format!(" Stage two begins in about {seconds:.0} s."),
        _ => String::new(),
    };
    format!(
        "One prompt, the same random numbers, two models. The left lane is what this phase began from (at first, noise); \
         the right lane is alive: ask again later and it has learned more.{wait}"
    )
}

fn fine_tuning(app: &App) -> String {
    let name = status(app).and_then(|status| status.phase.as_ref()).map_or("the next", |phase| phase.name.as_str());
    format!(
        "\"{name}\" has begun: the same model, a new task. base θ* is the model as stage one left it. What it learns now \
         may cost it what it knew; the next evaluation says how much."
    )
}

fn what_it_kept(app: &App) -> String {
    let kept = last_retention(app).and_then(|evaluation| Some((evaluation, evaluation.retention?)));
    let kept = match kept {
        Some((evaluation, cost)) if cost > 0.0 => format!(
            "On {} the loss is {cost:+.3} nats a token against θ*: that much is forgotten. Freezing low layers, or a \
             smaller learning rate, keeps more.",
            evaluation.suite
        ),
        Some((evaluation, cost)) => {
            format!("On {} the loss is {cost:+.3} nats a token against θ*: nothing is forgotten.", evaluation.suite)
        }
        None => "Retention is the loss on what θ* knew, minus its own; above zero is forgetting.".to_string(),
    };
    format!(
        "{kept} That is the bench. {} shows every key; {} leaves, and training goes on. esc puts this away.",
        app.key_of("help"),
        app.key_of("detach"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;
    use crate::protocol::{Ask, Lane, SampleAsk, SampleSettings};

    fn title(app: &App) -> &'static str {
        app.guide_says().map_or("", |saying| saying.title)
    }

    #[test]
    fn each_step_goes_on_when_it_was_done() {
        let mut app = testing::first_phase_app();
        app.guide = Some(Guide::default());
        assert_eq!(title(&app), "a model learns to read");
        assert!(app.guide_says().unwrap().text.contains("300 steps"));
        app.key("1".parse().unwrap());
        assert_eq!(title(&app), "what it reads");
        app.key("3".parse().unwrap());
        assert_eq!(title(&app), "freeze a block");
        app.message(testing::status_with_frozen(3));
        assert_eq!(title(&app), "what that does");
        app.key("4".parse().unwrap());
        app.ask(Ask::Sample(SampleAsk {
            prompt: "Mira".into(),
            lanes: vec![Lane::Live],
            settings: SampleSettings::default(),
        }));
        app.message(testing::status_with_frozen(3));
        assert_eq!(title(&app), "two lanes");
    }

    #[test]
    fn it_can_be_skipped_through_and_put_away() {
        let mut app = testing::sample_app();
        for _ in 0..=PARTS.len() {
            app.guide_on();
            if let Some(saying) = app.guide_says() {
                assert!(saying.text.chars().count() < 300, "{} is too long", saying.title);
            }
        }
        assert!(app.guide.is_none());
        app.guide_on();
        app.key("esc".parse().unwrap());
        assert!(app.guide.is_none() && app.toast.is_some());
    }
}
