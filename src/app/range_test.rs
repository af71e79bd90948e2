//! Looking for a learning rate, over the screen: a range test on a fork of the run's weights, as its points come, and the
//! rates that it suggests.

use super::overlay::Overlay;
use super::{App, Code, Key};
use crate::protocol::{Ask, Command, RangeAnswer, RangeAsk, RangeEnd, RangeFound, RangePoint, RangeStarted, Rate};

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeTest {
    /// Of the request.
    pub id: u64,
    pub ask: RangeAsk,
    pub started: Option<RangeStarted>,
    pub points: Vec<RangePoint>,
    pub end: Option<RangeEnd>,
    /// Which of the suggestions `enter` takes.
    pub selected: usize,
}

/// A rate that the curve suggests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggestion {
    pub key: char,
    pub name: &'static str,
    pub what: &'static str,
    /// `None` where the loss never fell.
    pub rate: Option<f64>,
}

/// The least height of a curve, nats: steps at low rates differ by noise alone.
const LEAST: f64 = 0.2;

/// The heights of a curve that are worth drawing, from smoothed losses in the order of their rates: from the lowest to the
/// highest before it, with some room above, so that what diverges leaves at the top. Where noise made the very first the
/// lowest, the level of the first half stands in. `None` without a number.
pub fn heights(losses: &[f64]) -> Option<(f64, f64)> {
    let low = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let place = losses.iter().position(|loss| *loss == low)?;
    let mut half: Vec<f64> = losses[..losses.len().div_ceil(2)].iter().copied().filter(|loss| !loss.is_nan()).collect();
    half.sort_by(f64::total_cmp);
    let level = half.get(half.len() / 2).copied().unwrap_or(low);
    let high = losses[..=place].iter().copied().fold(level, f64::max);
    Some((low, (high + 0.3 * (high - low)).max(low + LEAST)))
}

impl RangeTest {
    pub fn new(id: u64, ask: RangeAsk) -> Self {
        Self { id, ask, started: None, points: Vec::new(), end: None, selected: 1 }
    }

    pub fn is_running(&self) -> bool {
        self.end.is_none()
    }

    /// The three readings, once the test came to an end of its own.
    pub fn suggestions(&self) -> Option<[Suggestion; 3]> {
        let Some(RangeEnd::Done(found) | RangeEnd::Diverged(found)) = &self.end else { return None };
        let RangeFound { steepest, valley, minimum_tenth } = *found;
        let suggestion = |key, name, what, rate| Suggestion { key, name, what, rate };
        Some([
            suggestion('s', "steepest", "where the loss falls fastest", steepest),
            suggestion('v', "valley", "inside the longest fall", valley),
            suggestion('m', "minimum / 10", "a tenth of the rate of the lowest loss", minimum_tenth),
        ])
    }

    /// The host said more. What comes behind an end belongs to it no longer.
    fn take_in(&mut self, answer: RangeAnswer) {
        if self.end.is_some() {
            return;
        }
        match answer {
            RangeAnswer::Started(started) => self.started = Some(started),
            RangeAnswer::Point(point) => self.points.push(point),
            RangeAnswer::Ended(end) => self.end = Some(end),
        }
    }

    /// Whoever leaves a test ends it: it costs training time.
    pub fn left(&self, app: &mut App) {
        if self.is_running() {
            app.ask(Ask::Cancel(self.id));
        }
    }

    pub fn select(&mut self, suggestion: usize) {
        self.selected = suggestion.min(2);
    }

    /// Whether it stays.
    pub fn key(&mut self, app: &mut App, key: Key) -> bool {
        match key.code {
            Code::Escape | Code::Char('q') if self.is_running() => {
                self.left(app);
                self.end = Some(RangeEnd::Cancelled);
                true
            }
            Code::Escape | Code::Char('q') => false,
            Code::Up | Code::Char('k') => {
                self.select(self.selected.saturating_sub(1));
                true
            }
            Code::Down | Code::Char('j') => {
                self.select(self.selected + 1);
                true
            }
            Code::Char('r') if !self.is_running() => {
                match app.cannot_find_rate() {
                    Some(why) => app.refuse(why),
                    None => *self = Self::new(app.ask(Ask::RangeTest(self.ask)), self.ask),
                }
                true
            }
            Code::Enter => self.take(app, self.selected),
            Code::Char(letter) => {
                let keys = ['s', 'v', 'm'];
                keys.iter().position(|key| *key == letter).is_none_or(|place| self.take(app, place))
            }
            _ => true,
        }
    }

    /// Tells the run to train at a suggested rate; whether the test stays on the screen.
    fn take(&mut self, app: &mut App, place: usize) -> bool {
        let suggested = self.suggestions().and_then(|all| all.get(place).and_then(|found| found.rate));
        let Some(rate) = suggested else {
            app.refuse(match self.is_running() {
                true => "the test still runs: wait for its end",
                false => "the test suggests no such rate",
            });
            return true;
        };
        if let Some(why) = self.cannot_take(app) {
            app.refuse(why);
            return true;
        }
        app.steer(Command::Rate { of: None, rate: Rate::Set(rounded(rate)) });
        false
    }

    /// Why no rate of this test can be told to the run now.
    fn cannot_take(&self, app: &App) -> Option<String> {
        let tested = self.started.as_ref().map_or("", |started| started.phase.as_str());
        let now = app.mirror.status.as_ref().and_then(|status| status.phase.as_ref()).map(|phase| phase.name.as_str());
        app.mirror.refusal().or_else(|| {
            now.filter(|now| *now != tested)
                .map(|now| format!("the test was of phase {tested}, and the run is in {now}: test again"))
        })
    }
}

/// To three digits: more than that a curve does not say.
pub fn rounded(rate: f64) -> f64 {
    format!("{rate:.2e}").parse().unwrap_or(rate)
}

impl App {
    /// Why no rate can be looked for now.
    pub(super) fn cannot_find_rate(&self) -> Option<String> {
        self.cannot_ask_host().or_else(|| {
            let has_phase = self.mirror.status.as_ref().is_some_and(|status| status.phase.is_some());
            (!has_phase).then(|| "no phase has begun yet: look for a rate when the run trains".to_string())
        })
    }

    pub(super) fn find_rate(&mut self) {
        let ask = RangeAsk::default();
        let id = self.ask(Ask::RangeTest(ask));
        self.toast = None;
        self.overlay = Some(Overlay::RangeTest(RangeTest::new(id, ask)));
    }

    /// Part of a test came; one that nobody looks at any more is ended.
    pub(super) fn rates_answered(&mut self, id: u64, answer: RangeAnswer) {
        match &mut self.overlay {
            Some(Overlay::RangeTest(test)) if test.id == id => test.take_in(answer),
            _ if matches!(answer, RangeAnswer::Started(_)) => drop(self.ask(Ask::Cancel(id))),
            _ => {}
        }
    }

    /// The connection ended, and with it the test.
    pub(super) fn rates_lost(&mut self, why: &str) {
        if let Some(Overlay::RangeTest(test)) = &mut self.overlay
            && test.is_running()
        {
            test.end = Some(RangeEnd::Failed(format!("the host is gone: {why}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;
    use crate::protocol::{Message, Request, State};

    fn press(app: &mut App, keys: &str) {
        for key in keys.split(' ') {
            app.key(key.parse().unwrap());
        }
    }

    #[test]
    fn noise_at_the_lowest_rates_does_not_flatten_the_curve() {
        assert_eq!(heights(&[6.0, 4.0, 2.0, 9.0]), Some((2.0, 7.2)));
        // The first batch was the easiest.
        let (low, high) = heights(&[2.4, 2.8, 2.7, 2.8, 2.7, 2.6, 5.0, 9.0]).unwrap();
        assert!(low == 2.4 && (2.8..4.0).contains(&high), "{high}");
        assert_eq!(heights(&[3.0]), Some((3.0, 3.2)));
        assert_eq!((heights(&[]), heights(&[f64::NAN])), (None, None));
    }

    fn shown(app: &App) -> &RangeTest {
        match &app.overlay {
            Some(Overlay::RangeTest(test)) => test,
            other => panic!("{other:?}"),
        }
    }

    /// A test that was asked for, and its id.
    fn asked() -> (App, u64) {
        let mut app = testing::sample_app();
        app.take_requests();
        press(&mut app, "f5");
        let [Request { id, ask: Ask::RangeTest(ask) }] = app.take_requests()[..] else { panic!("no test") };
        assert_eq!(ask, RangeAsk::default());
        (app, id)
    }

    #[test]
    fn a_suggestion_is_taken_by_an_ordinary_command() {
        let (mut app, id) = asked();
        press(&mut app, "v");
        assert!(app.take_requests().is_empty() && app.toast.take().unwrap().text.contains("still runs"));
        testing::range_test(id).into_iter().for_each(|message| app.message(message));
        assert_eq!((shown(&app).points.len(), shown(&app).is_running()), (80, false));
        press(&mut app, "v");
        let command = Command::Rate { of: None, rate: Rate::Set(1.23e-3) };
        assert!(matches!(&app.take_requests()[..], [Request { ask: Ask::Steer(own), .. }] if *own == command));
        assert!(app.overlay.is_none());
    }

    #[test]
    fn escape_cancels_first_and_puts_away_then() {
        let (mut app, id) = asked();
        let messages = testing::range_test(id);
        messages[..9].iter().for_each(|message| app.message(message.clone()));
        press(&mut app, "esc");
        assert!(matches!(&app.take_requests()[..], [Request { ask: Ask::Cancel(own), .. }] if *own == id));
        messages[9..].iter().for_each(|message| app.message(message.clone()));
        assert_eq!((shown(&app).points.len(), &shown(&app).end), (8, &Some(RangeEnd::Cancelled)));
        press(&mut app, "enter");
        assert!(app.take_requests().is_empty(), "half a curve suggests nothing");
        press(&mut app, "r");
        let [Request { id: again, ask: Ask::RangeTest(_) }] = app.take_requests()[..] else { panic!("no test") };
        assert_eq!((shown(&app).id, shown(&app).points.len()), (again, 0));
        press(&mut app, "esc esc");
        assert!(app.overlay.is_none());
        app.take_requests();
        app.message(messages[0].clone());
        assert!(matches!(app.take_requests()[..], [Request { ask: Ask::Cancel(own), .. }] if own == id), "left alone");
    }

    #[test]
    fn a_run_that_ended_or_went_on_to_another_phase_takes_no_rate() {
        let (mut app, id) = asked();
        testing::range_test(id).into_iter().for_each(|message| app.message(message));
        app.message(Message::Status(Box::new(testing::status(State::Training, 300, 0))));
        press(&mut app, "s");
        assert!(app.toast.take().unwrap().text.contains("the run is in pretrain"));
        app.message(Message::Status(Box::new(testing::status(State::Finished, 1_200, 0))));
        press(&mut app, "down enter");
        assert!(app.toast.take().unwrap().text.contains("the run is finished"));
        assert!(app.take_requests().iter().all(|request| !matches!(request.ask, Ask::Steer(_))));
    }

    #[test]
    fn a_lost_host_ends_the_test_and_refuses_another() {
        let (mut app, id) = asked();
        app.message(testing::range_test(id)[0].clone());
        app.lost();
        assert!(matches!(&shown(&app).end, Some(RangeEnd::Failed(why)) if why.contains("the host is gone")));
        press(&mut app, "r");
        assert!(app.take_requests().is_empty() && app.toast.take().unwrap().text.contains("the host is gone"));
        press(&mut app, "esc f5");
        assert!(app.overlay.is_none() && app.take_requests().is_empty());
        let mut preparing = testing::preparing_app();
        press(&mut preparing, "f5");
        assert!(preparing.toast.take().unwrap().text.contains("no phase has begun"));
    }
}
