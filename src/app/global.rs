//! What can be done everywhere: moving between panes, steering the run, and what lies over the screen.

use super::action::{Action, Scope, always};
use super::explain::{self, Explanation};
use super::overlay::{Confirm, Overlay};
use super::{App, Effect, Pane, help::Help, palette::Palette};
use crate::protocol::{Ask, Command, Rate, State};

const fn action(
    name: &'static str,
    keys: &'static [&'static str],
    label: &'static str,
    help: &'static str,
    run: fn(&mut App),
) -> Action {
    Action { name, scope: Scope::Everywhere, keys, label, help, in_footer: false, refusal: always, run }
}

const fn in_footer(action: Action) -> Action {
    Action { in_footer: true, ..action }
}

/// Only for a run that can still be told something.
const fn steering(action: Action) -> Action {
    Action { refusal: |app| app.mirror.refusal(), ..action }
}

/// Only while a host is there to be asked.
const fn of_host(action: Action) -> Action {
    Action { refusal: |app| app.cannot_ask_host(), ..action }
}

/// Only while a run is on the screen.
const fn on_bench(action: Action) -> Action {
    Action { refusal: needs_bench, ..action }
}

pub const ACTIONS: &[Action] = &[
    in_footer(on_bench(action("next-pane", &["tab"], "pane", "Go to the next pane.", |app| app.focus_by(1)))),
    on_bench(action("previous-pane", &["s-tab"], "pane back", "Go to the pane before.", |app| app.focus_by(3))),
    on_bench(action("corpus", &["1"], "corpus", "Go to the corpus.", |app| app.focus = Pane::Corpus)),
    on_bench(action("graphs", &["2"], "graphs", "Go to the graphs.", |app| app.focus = Pane::Graphs)),
    on_bench(action("layers", &["3"], "layers", "Go to the layer grid.", |app| app.focus = Pane::Layers)),
    on_bench(action("prompt", &["4"], "prompt", "Go to the prompt.", |app| app.focus = Pane::Prompt)),
    in_footer(on_bench(action("zoom", &["z"], "zoom", "Give the focused pane the whole screen, and back.", |app| {
        app.zoomed = !app.zoomed
    }))),
    in_footer(action(
        "palette",
        &[":"],
        "command",
        "Run any action by name, or a command such as freeze block.0-3.",
        open_palette,
    )),
    in_footer(action("help", &["?", "f1"], "help", "Show every key there is, searchable.", |app| {
        app.overlay = Some(Overlay::Help(Help::new(app)))
    })),
    on_bench(action(
        "explain",
        &["e"],
        "explain",
        "Say what the cursor is on: its formula, what is normal.",
        explain_cursor,
    )),
    steering(action("pause", &["P"], "pause", "Hold training after this step, or go on.", pause_or_continue)),
    steering(action("evaluate", &[], "evaluate", "Measure everything that is watched, now.", |app| {
        app.steer(Command::Evaluate)
    })),
    steering(action("checkpoint", &[], "checkpoint", "Write a checkpoint, now.", |app| app.steer(Command::Checkpoint))),
    Action {
        refusal: cannot_undo,
        ..action(
            "undo",
            &["u"],
            "undo",
            "Go back to the state just before the last change: weights, moments and step; asks first where steps go back.",
            undo,
        )
    },
    steering(action("slower", &["["], "lr ×0.5", "Halve the learning rate.", |app| app.steer(rate(0.5)))),
    steering(action("faster", &["]"], "lr ×2", "double the learning rate", |app| app.steer(rate(2.0)))),
    steering(action("stop", &[], "stop", "Finish the step, save, and end the run; asks first.", |app| {
        app.overlay = Some(Overlay::Confirm(Confirm::Stop))
    })),
    in_footer(Action {
        refusal: |app| app.cannot_resume(),
        ..action(
            "resume",
            &["C"],
            "go on",
            "Go on with a run that was stopped, killed, or failed, from where it was saved.",
            |app| app.resume(),
        )
    }),
    of_host(action(
        "fork",
        &[],
        "fork",
        "Make a run that has this one's steps up to its newest checkpoint, and goes on by itself.",
        |app| app.fork(None),
    )),
    of_host(action(
        "lineage",
        &["K"],
        "lineage",
        "Show the runs that this one is related to, their phases and changes, as a tree to walk.",
        |app| {
            app.ask(Ask::Lineage);
        },
    )),
    of_host(action(
        "lab",
        &["f4"],
        "lab",
        "Show what the lab's studies found: each method over seeds and rates, on the plane of learning and forgetting.",
        |app| {
            app.ask(Ask::Lab);
        },
    )),
    Action {
        refusal: |app| app.cannot_find_rate(),
        ..action(
            "find-rate",
            &["f5"],
            "find rate",
            "Find a learning rate: a range test on a fork of the weights; the run stays as it is.",
            |app| app.find_rate(),
        )
    },
    Action {
        refusal: |app| app.away.is_none().then(|| "nothing happened while you were away".to_string()),
        ..action("away", &["W"], "away", "Show again what happened while you were away.", |app| {
            app.overlay = app.away.clone().map(Overlay::Away)
        })
    },
    action("copy-screen", &["y"], "copy", "Copy the screen as text to the terminal's clipboard.", |app| {
        app.effect(Effect::CopyScreen)
    }),
    action("export-screen", &["S"], "export", "Write the screen as SVG and as text into this folder.", |app| {
        app.effect(Effect::ExportScreen)
    }),
    action("next-theme", &[], "theme", "Take the next theme.", |app| app.next_theme()),
    action("reload", &[], "reload", "Read themes and keymap again.", |app| app.effect(Effect::Reload)),
    on_bench(action("guide", &["f2"], "guide", "Start the guided tour, or take its next step.", |app| app.guide_on())),
    action("back", &["esc"], "back", "Put away the line at the foot, then the zoom, then the guide.", go_back),
    in_footer(action("detach", &["q", "c-c"], "detach", "Leave the screen; the run goes on.", |app| {
        app.effect(Effect::Quit)
    })),
    action("suspend", &["c-z"], "suspend", "Go back to the shell; fg brings the screen back.", |app| {
        app.effect(Effect::Suspend)
    }),
];

/// What the line at the top shows.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        key: "lineage",
        title: "run and phases",
        what: "A run is one model's life. Its phases are the stages of that life: pretraining on plain text, then \
               fine-tuning on a task. A phase starts from the checkpoint that an earlier one ended in, called its base \
               (θ*), or from new weights; several can start from the same one. The line at the top has the phases that \
               the current one stands on, and itself, after ▸, and those that stand beside them after ·.",
        formula: "",
        normal: "Phases follow each other by themselves; each leaves a checkpoint.",
        source: "",
    },
    Explanation {
        key: "step",
        title: "step",
        what: "One update of the weights, by the gradient of the loss on one batch of text. The line at the top counts \
               within the phase, graphs count through the whole run. Whatever is asked of a run takes effect between two \
               steps.",
        formula: "w ← w − η · (m̂ / (√v̂ + ε) + λ w)",
        normal: "A small model on a laptop makes a few to tens of steps a second, a large one takes seconds for one.",
        source: "AdamW: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101",
    },
    Explanation {
        key: "time-left",
        title: "time left",
        what: "How long the phase still takes at the pace of its last steps. What is changed by hand changes it: frozen \
               layers make steps shorter.",
        formula: "steps left × seconds of a step, smoothed",
        normal: "It is rough in the first steps of a phase, and while lanes write. A pause makes it longer by the pause.",
        source: "",
    },
    Explanation {
        key: "undo",
        title: "undo",
        what: "Goes back to the state just before the last change that was made by hand: weights, the optimizer's moments \
               and the step are what they were, to the bit, as if the change had never been made. What the run did since \
               no longer counts; it stays on the graphs as a branch. The change, and that it was undone, stay in the \
               journal.",
        formula: "",
        normal: "At once where nothing was trained since; where steps go back it asks first. States from before changes are \
                 kept in memory, the newest ones longest: what is too long ago cannot be undone, but the run can be forked \
                 there.",
        source: "",
    },
    Explanation {
        key: "fork",
        title: "forks and lineage",
        what: "A fork is another run that has this one's steps up to some step, and goes on by itself: with it one thing is \
               tried in two ways. Runs that come from each other are a family; lineage shows it as a tree, with each run's \
               phases and changes.",
        formula: "",
        normal: "A fork begins at the newest checkpoint that is not after its step, and does again what comes between.",
        source: "",
    },
    Explanation {
        key: "lab",
        title: "lab",
        what: "Studies that compare methods: `frostline lab transfer`, `forgetting`, `mitigations`, `schedules` or \
               `objectives`. Each repeats every method with several seeds and peak rates, in ordinary runs, and shows what \
               it learned against what it forgot: a point for each method, setting and rate, with the mean and the \
               standard deviation over the seeds. The front joins the points that no other one beats on both axes. \
               Findings say what the literature claims, whether it came out here, and on which figures that rests.",
        formula: "a point is on the front if no other is at least as good on both axes and better on one",
        normal: "Two or three seeds say which differences are large, not which small ones are real: what lies within a \
                 standard deviation is the same. Small models forget more, and gain less from pretraining, than large ones.",
        source: "",
    },
];

fn needs_bench(app: &App) -> Option<String> {
    app.welcome.is_some().then(|| "no run is open yet: choose one with enter".to_string())
}

fn cannot_undo(app: &App) -> Option<String> {
    let nothing = || "nothing to undo: nothing was changed by hand in this phase".to_string();
    app.mirror.refusal().or_else(|| {
        let status = app.mirror.status.as_ref()?;
        // What waits for the end of the step can be taken back as soon as it took effect.
        (status.undo.is_none() && status.pending.is_empty()).then(nothing)
    })
}

/// At once where no step goes back, or where the change itself still waits.
fn undo(app: &mut App) {
    let Some(status) = &app.mirror.status else { return };
    match &status.undo {
        Some(undo) if status.pending.is_empty() && undo.step < status.step => {
            app.overlay = Some(Overlay::Confirm(Confirm::Undo(undo.clone())));
        }
        _ => app.steer(Command::Undo),
    }
}

fn rate(factor: f64) -> Command {
    Command::Rate { of: None, rate: Rate::Times(factor) }
}

fn open_palette(app: &mut App) {
    app.overlay = Some(Overlay::Palette(Palette::new(app)));
}

fn explain_cursor(app: &mut App) {
    match app.explained().filter(|key| explain::find(key).is_some()) {
        Some(key) => app.overlay = Some(Overlay::Explain(key)),
        // From the first of them all can be reached.
        None => app.overlay = EXPLANATIONS.first().map(|first| Overlay::Explain(first.key)),
    }
}

fn pause_or_continue(app: &mut App) {
    let is_paused = app.mirror.status.as_ref().is_some_and(|status| status.state == State::Paused);
    app.steer(if is_paused { Command::Continue } else { Command::Pause });
}

fn go_back(app: &mut App) {
    if app.toast.take().is_some() {
        return;
    }
    match (app.zoomed, app.guide.take()) {
        (true, guide) => (app.zoomed, app.guide) = (false, guide),
        (false, Some(_)) => app.say("the guide is away; f2 brings it back"),
        (false, None) => {}
    }
}

impl App {
    /// Tells the run something; what comes of it is said at the foot.
    pub fn steer(&mut self, command: Command) {
        self.say(format!("asked: {command}"));
        self.ask(Ask::Steer(command));
    }

    fn focus_by(&mut self, panes: usize) {
        let now = Pane::ALL.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        self.focus = Pane::ALL[(now + panes) % Pane::ALL.len()];
    }

    fn next_theme(&mut self) {
        let now = self.theme_names.iter().position(|name| *name == self.theme).map_or(0, |at| at + 1);
        if let Some(name) = self.theme_names.get(now).or(self.theme_names.first()) {
            self.theme = name.clone();
            self.say(format!("theme {}", self.theme));
        }
    }
}
