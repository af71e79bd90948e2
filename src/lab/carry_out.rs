//! Carries a study out, run by run. What is done stays done: the same command goes on where it was stopped.

use super::design::{Design, RunDesign};
use super::files::Folder;
use super::gather::{self, BASE};
use super::pace::Pace;
use super::settings::Settings;
use super::{finder, interpolation, report};
use crate::corpus::progress::Progress;
use crate::protocol::{Event, LabProgress, LabReport, LabTrial};
use crate::run::checkpoint;
use crate::run::execute::{self, Observer, execute, find_beginning, go_on};
use crate::run::folder::{PLAN, RunFolder};
use crate::run::plan::{self, Overrides, Plan};
use crate::run::{Home, HostPlace, Lock, overview};
use crate::{Error, Result};
use candle_core::Device;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What is to be studied, and where.
pub struct Request<'a> {
    pub settings: &'a Settings,
    /// The study's folder in the lab; its runs begin with it.
    pub name: &'a str,
    pub device: &'a Device,
    pub home: &'a Home,
    pub progress: &'a dyn Progress,
    pub cancel: &'a AtomicBool,
    /// Keep the checkpoints of all trials, not only of those that others stand on.
    pub keeps_checkpoints: bool,
}

/// Is told how far a study is.
pub trait Watcher {
    /// A phase of a run begins: `RUN ▸ PHASE`.
    fn begins(&mut self, phase: &str);
    /// After every step.
    fn progress(&mut self, progress: &LabProgress);
    /// Trials were added.
    fn report(&mut self, report: &LabReport);
    /// What a run says that a person should know.
    fn notice(&mut self, text: &str);
}

/// Does what of a study is not done yet, and returns everything it found. An interruption is an error of its kind; what was
/// done until then is kept.
pub fn carry_out(request: &Request, watcher: &mut dyn Watcher) -> Result<LabReport> {
    request.settings.validate()?;
    let design = Design::new(request.settings);
    let folder = Folder::open(request.home, request.name, request.settings)?;
    let plans = design.runs.iter().map(|run| load(&folder, &run_name(request, run), run));
    let plans: Vec<Plan> = plans.collect::<Result<_>>()?;
    for plan in &plans {
        execute::check_names(plan, request.home)?;
    }
    // What is refused up to here can be mended, and asked for again.
    folder.begin(request.settings)?;
    let mut study = Study { request, design: &design, folder, trials: Vec::new(), pace: Pace::new(&plans), watcher };
    for (run, plan) in design.runs.iter().zip(&plans) {
        let trials = study.run(run, plan)?;
        study.trials.extend(trials);
        study.tell(&[])?;
    }
    Ok(study.report(&[]))
}

fn run_name(request: &Request, run: &RunDesign) -> String {
    format!("{}-{}", request.name, run.name)
}

fn load(folder: &Folder, name: &str, run: &RunDesign) -> Result<Plan> {
    let path = folder.write_plan(name, &run.plan)?;
    plan::load(&path.to_string_lossy(), &Overrides::default())
}

/// A study that is being carried out.
struct Study<'a> {
    request: &'a Request<'a>,
    design: &'a Design,
    folder: Folder,
    /// Of runs that are done.
    trials: Vec<LabTrial>,
    pace: Pace,
    watcher: &'a mut dyn Watcher,
}

impl Study<'_> {
    /// The trials of a run, which is carried out, gone on with, or was done before.
    fn run(&mut self, design: &RunDesign, plan: &Plan) -> Result<Vec<LabTrial>> {
        let name = run_name(self.request, design);
        if let Some(trials) = self.folder.trials(&name)? {
            self.pace.pass_over(plan);
            return Ok(trials);
        }
        let path = self.request.home.runs().join(&name);
        if overview::of(&path).is_some_and(|overview| overview.is_finished) {
            check_same(&path, plan)?;
            self.pace.pass_over(plan);
        } else {
            self.train(design, &name, plan)?;
        }
        let mut trials = gather::trials(&path, &name, design, self.request.settings.tuning.0)?;
        trials.extend(interpolation::trials(self.request, &name, design, plan)?);
        trials.extend(finder::trials(self.request, &name, design, plan)?);
        if !self.request.keeps_checkpoints {
            let stays = |phase: &str| phase == BASE || design.trials.iter().any(|t| t.is_blended && t.phase == phase);
            checkpoint::remove_all_but(&path, |state| stays(&state.phase))?;
        }
        self.folder.write_trials(&name, &trials)?;
        Ok(trials)
    }

    /// Begins a run, or goes on with it.
    fn train(&mut self, design: &RunDesign, name: &str, plan: &Plan) -> Result<()> {
        let Request { device, home, progress, cancel, .. } = *self.request;
        let path = home.runs().join(name);
        let request = execute::Request { plan, name: Some(name), device, home, progress, cancel, until: None };
        let mut training = Training { study: self, design, name, failure: None };
        if !path.exists() {
            execute(&request, &mut training, None)?;
        } else {
            check_same(&path, plan)?;
            let host = HostPlace::of(&path);
            host.create()?;
            let _lock = Lock::take(&host)?;
            let (mut folder, entries) = RunFolder::open(&path)?;
            let beginning = find_beginning(&mut folder, entries, None)?;
            training.study.pace.skip(plan, beginning.checkpoint.as_ref().map_or(0, |(_, state)| state.step));
            go_on(folder, beginning, &request, &mut training)?;
        }
        training.failure.map_or(Ok(()), Err)
    }

    /// Tells and writes what there is, with what the run that is on its way has so far.
    fn tell(&mut self, under_way: &[LabTrial]) -> Result<()> {
        let report = self.report(under_way);
        self.watcher.report(&report);
        self.folder.write_report(&report)
    }

    fn report(&self, under_way: &[LabTrial]) -> LabReport {
        let trials = self.trials.iter().chain(under_way).cloned().collect();
        let Request { settings, name, .. } = self.request;
        report::of(settings, self.design, name, trials, self.pace.seconds_left())
    }
}

/// A run of that name must be this study's.
fn check_same(path: &Path, plan: &Plan) -> Result<()> {
    let own = plan::load(&path.join(PLAN).to_string_lossy(), &Overrides::default())?;
    match own == *plan {
        true => Ok(()),
        false => Err(Error::new(format!("{} is another run than the study's", path.display()))
            .because("its plan differs")
            .next("give the study another --name, or remove that run")),
    }
}

/// Watches a run of the study.
struct Training<'a, 'b> {
    study: &'a mut Study<'b>,
    design: &'a RunDesign,
    name: &'a str,
    /// Writing the report failed; the run goes on.
    failure: Option<Error>,
}

impl Observer for Training<'_, '_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Phase(phase) => {
                self.study.watcher.begins(&format!("{} ▸ {}", self.name, phase.phase));
                let outcome = self.tell();
                self.failure = self.failure.take().or(outcome.err());
            }
            Event::Step(_) => {
                self.study.pace.step();
                let trials = self.study.design.trials();
                let progress = LabProgress {
                    done: self.study.trials.len() as u64,
                    total: trials,
                    seconds_left: self.study.pace.seconds_left(),
                };
                self.study.watcher.progress(&progress);
            }
            Event::Guarded(guarded) => {
                let text = format!("{} step {}: {}: {}", guarded.phase, guarded.step, guarded.why, guarded.effect);
                self.study.watcher.notice(&text);
            }
            _ => {}
        }
    }
}

impl Training<'_, '_> {
    fn tell(&mut self) -> Result<()> {
        let path = self.study.request.home.runs().join(self.name);
        let steps = self.study.request.settings.tuning.0;
        let trials = gather::trials(&path, self.name, self.design, steps)?;
        self.study.tell(&trials)
    }
}
