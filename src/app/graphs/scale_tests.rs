//! Axes: round bounds, ticks that can be read, and no jitter.

use super::*;
use proptest::prelude::*;

fn labels(ticks: Vec<(f64, String)>) -> Vec<String> {
    ticks.into_iter().map(|(_, label)| label).collect()
}

#[test]
fn bounds_snap_to_round_numbers_around_the_values() {
    let span = |low, high, log| {
        let span = Span::around(low, high, log, None);
        (span.low, span.high)
    };
    assert_eq!(span(1.83, 3.92, false), (1.0, 4.0));
    assert_eq!(span(0.0, 0.0, false), (-1.0, 1.0));
    assert_eq!(span(0.013, 9.2, true), (0.01, 10.0));
    let (low, high) = span(1.83, 1.95, true);
    assert!((low - 1.8).abs() < 1e-9 && (high - 1.95).abs() < 1e-9, "a narrow log axis snaps as a linear one");
    let (low, high) = span(3.0, 3.0, false);
    assert!(low < 3.0 && high > 3.0);
}

#[test]
fn ticks_are_said_as_people_say_them() {
    let ticks = |low, high, log, most| labels(Span { low, high, log }.ticks(most));
    assert_eq!(ticks(0.0, 4.0, false, 4), ["0", "1", "2", "3", "4"]);
    assert_eq!(ticks(1.0, 2.0, false, 5), ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]);
    assert_eq!(ticks(0.0, 3e-4, false, 3), ["0", "1e-4", "2e-4", "3e-4"]);
    assert_eq!(ticks(0.0, 60_000.0, false, 3), ["0", "20k", "40k", "60k"]);
    assert_eq!(ticks(1.0, 10.0, true, 4), ["1", "2", "5", "10"]);
    assert_eq!(ticks(1e-3, 1e3, true, 4), ["0.001", "0.1", "10", "1000"]);
    assert_eq!(ticks(1e20, 1e30, true, 3), ["1e20", "1e24", "1e28"]);
}

#[test]
fn an_axis_stays_while_the_values_fill_it() {
    let first = Span::around(1.1, 3.9, false, None);
    let second = Span::around(1.4, 3.0, false, Some(first));
    assert_eq!(first, second, "the values moved a little within the axis");
    let third = Span::around(1.4, 4.1, false, Some(second));
    assert!(third.high > 4.1, "what is outside of the axis moves it");
    let fourth = Span::around(1.50, 1.60, false, Some(third));
    assert!(fourth.high - fourth.low < 0.3, "what fills too little of it moves it");
}

#[test]
fn places_are_labelled_in_steps_and_in_time() {
    assert_eq!(
        labels(place_ticks(0.0, 4000.0, Unit::Steps, 60)),
        ["0", "500", "1000", "1500", "2000", "2500", "3000", "3500", "4000"]
    );
    assert_eq!(labels(place_ticks(0.0, 4e6, Unit::Steps, 30)), ["0", "1M", "2M", "3M", "4M"]);
    assert_eq!(labels(place_ticks(0.0, 7200.0, Unit::Seconds, 50)), ["0", "30m", "1h", "1h30m", "2h"]);
    assert!(place_ticks(5.0, 5.0, Unit::Steps, 50).is_empty());
    assert!(place_ticks(0.0, 1.0, Unit::Value, 0).is_empty());
}

proptest! {
    #[test]
    fn the_axis_holds_the_values_and_is_not_far_from_them(
        low in prop_oneof![-1e30f64..1e30, -10.0f64..10.0, Just(1e-44)], size in 0.0f64..1e6, log: bool,
    ) {
        let (low, high) = (low, low + size);
        let span = Span::around(low, high, log, None);
        prop_assert!(span.low < span.high, "{span:?}");
        if !log {
            prop_assert!(span.low <= low && high <= span.high, "{span:?}");
        } else if high > 0.0 {
            prop_assert!(span.low > 0.0 && high <= span.high * (1.0 + 1e-9), "{span:?}");
        }
        for most in 1..12 {
            let ticks = span.ticks(most);
            prop_assert!(ticks.len() <= most * 3 + 2);
            prop_assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn labels_of_places_stand_apart(from in 0.0f64..1e7, size in 1.0f64..1e7, unit in prop::sample::select(&[Unit::Steps, Unit::Seconds, Unit::Value][..]), columns in 1usize..250) {
        let ticks = place_ticks(from, from + size, unit, columns);
        let at = |place: f64| (place - from) / size * columns as f64;
        for pair in ticks.windows(2) {
            prop_assert!(at(pair[1].0) - at(pair[0].0) >= pair[1].1.len() as f64 + 2.0, "{pair:?}");
        }
    }
}
