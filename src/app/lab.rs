//! What the lab found, over the screen: of each study the plane, the points as a list to walk, and its findings.

use super::overlay::Overlay;
use super::welcome::Choice;
use super::{App, Code, Key};
use crate::protocol::{Ask, LabPoint, LabReport};

/// The studies, and what of them is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Lab {
    pub studies: Vec<LabReport>,
    /// Which of them, and which of its shown points.
    pub study: usize,
    pub selected: usize,
    /// All rates, not each method's best alone.
    pub all_rates: bool,
    /// Findings instead of points.
    pub shows_findings: bool,
    /// The first line of the findings that is shown.
    pub scroll: usize,
}

impl Lab {
    /// Of the studies, that which the run on the screen belongs to is shown, or else the first that found something.
    pub fn new(studies: Vec<LabReport>, run: &str) -> Self {
        let is_of = |report: &LabReport| run.strip_prefix(&report.name).is_some_and(|rest| rest.starts_with('-'));
        let own = studies.iter().position(is_of);
        let study = own.or(studies.iter().position(|report| !report.points.is_empty())).unwrap_or(0);
        Self { studies, study, selected: 0, all_rates: false, shows_findings: false, scroll: 0 }
    }

    pub fn report(&self) -> Option<&LabReport> {
        self.studies.get(self.study)
    }

    /// The points of the list.
    pub fn points(&self) -> Vec<&LabPoint> {
        let all = self.report().map_or(&[][..], |report| &report.points);
        all.iter().filter(|point| self.all_rates || point.is_best_rate || point.is_front).collect()
    }

    pub fn select(&mut self, point: usize) {
        self.selected = point.min(self.points().len().saturating_sub(1));
    }

    /// The same studies, read again: what is looked at stays.
    fn renew(&mut self, studies: Vec<LabReport>) {
        let shown = self.report().map(|report| report.name.clone());
        self.studies = studies;
        self.study = self.studies.iter().position(|report| Some(&report.name) == shown.as_ref()).unwrap_or(0);
        self.select(self.selected);
    }

    fn pass_to_study(&mut self, by: isize) {
        let count = self.studies.len().max(1) as isize;
        self.study = (self.study as isize + by).rem_euclid(count) as usize;
        (self.selected, self.scroll) = (0, 0);
    }

    fn walk(&mut self, by: isize) {
        match self.shows_findings {
            true => self.scroll = self.scroll.saturating_add_signed(by),
            false => self.select(self.selected.saturating_add_signed(by)),
        }
    }

    /// Whether it stays.
    pub fn key(&mut self, app: &mut App, key: Key) -> bool {
        match key.code {
            Code::Up | Code::Char('k') => self.walk(-1),
            Code::Down | Code::Char('j') => self.walk(1),
            Code::PageUp => self.walk(-10),
            Code::PageDown => self.walk(10),
            Code::Left | Code::Char('h') => self.pass_to_study(-1),
            Code::Right | Code::Char('l') => self.pass_to_study(1),
            Code::Char('f') => self.shows_findings = !self.shows_findings,
            Code::Char('a') => {
                self.all_rates = !self.all_rates;
                self.select(self.selected);
            }
            Code::Char('r') => drop(app.ask(Ask::Lab)),
            Code::Enter => {
                let run = self.points().get(self.selected).and_then(|point| point.runs.first().cloned());
                let Some((run, _)) = run.as_deref().and_then(|run| run.split_once('@')) else { return true };
                app.open(Choice::Run(run.into()));
                return false;
            }
            _ => return false,
        }
        true
    }
}

impl App {
    pub(super) fn show_lab(&mut self, studies: Vec<LabReport>) {
        if let Some(Overlay::Lab(lab)) = &mut self.overlay {
            return lab.renew(studies);
        }
        if studies.is_empty() {
            self.refuse("the lab has no studies yet: `frostline lab mitigations` carries one out");
        } else if self.overlay.is_none() && !self.wants_text() {
            self.toast = None;
            let run = self.mirror.welcome.as_ref().map_or("", |welcome| welcome.run.as_str());
            self.overlay = Some(Overlay::Lab(Lab::new(studies, run)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;
    use crate::protocol::{Answer, Message};

    fn press(app: &mut App, keys: &str) {
        for key in keys.split(' ') {
            app.key(key.parse().unwrap());
        }
    }

    fn lab(app: &App) -> &Lab {
        match &app.overlay {
            Some(Overlay::Lab(lab)) => lab,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_study_of_the_run_is_shown_first() {
        let studies = || vec![testing::study("mit"), testing::study("mitigations"), testing::study("transfer")];
        for (run, study) in [("mitigations-2", 1), ("transfer-1", 2), ("owl", 0), ("mitigations", 0)] {
            assert_eq!(Lab::new(studies(), run).study, study, "{run}");
        }
        let mut unmeasured = testing::study("mit");
        unmeasured.points.clear();
        assert_eq!(Lab::new(vec![unmeasured, testing::study("transfer")], "owl").study, 1);
    }

    #[test]
    fn studies_are_walked_and_renewed() {
        let mut app = testing::sample_app();
        app.show_lab(Vec::new());
        assert!(app.overlay.is_none());
        let answer = Answer::Lab(vec![testing::study("forgetting"), testing::study("mitigations")]);
        app.message(Message::Answer { id: 1, answer });
        assert_eq!((lab(&app).points().len(), lab(&app).selected), (4, 0));
        press(&mut app, "down down");
        assert_eq!(lab(&app).selected, 2);
        press(&mut app, "a down");
        assert_eq!((lab(&app).points().len(), lab(&app).selected), (5, 3));
        press(&mut app, "right");
        assert_eq!((lab(&app).study, lab(&app).selected), (1, 0));
        app.message(Message::Answer { id: 2, answer: Answer::Lab(vec![testing::study("mitigations")]) });
        assert_eq!(lab(&app).report().unwrap().name, "mitigations");
        press(&mut app, "f down");
        assert_eq!(lab(&app).scroll, 1);
        press(&mut app, "esc");
        assert!(app.overlay.is_none());
    }
}
