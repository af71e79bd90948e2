//! Orders of unfreezing: which groups train after how many steps, and what a person's word does to them.

use super::super::Made;
use super::*;
use crate::Result;
use crate::model::preset;
use crate::protocol::By;

/// Four blocks; untied heads are a group of their own.
fn steering(tied: bool, unfreeze: Option<&str>) -> Steering {
    let mut config = preset::find("llama-1m").unwrap().config(300, 16);
    config.tied = tied;
    Steering::new(config.groups(), &[], 1e-3, Vec::new()).with_unfreezing(unfreeze.map(|text| text.parse().unwrap()))
}

fn give(steering: &mut Steering, command: &str) -> Result<String> {
    let proposal = steering.propose(&command.parse().unwrap())?.unwrap();
    let effect = proposal.effect.clone();
    steering.take(proposal, Made { step: 1, line: 1, by: By::Person });
    Ok(effect)
}

/// The layers of which anything trains, from the bottom: `e0123nh`.
fn trained(steering: &Steering) -> String {
    let letter = |layer: Layer| match layer {
        Layer::Embedding => 'e',
        Layer::Block(index) => char::from_digit(index as u32, 10).unwrap(),
        Layer::Norm => 'n',
        Layer::Head => 'h',
    };
    let groups = steering.states().into_iter().filter(|state| state.trainable).map(|state| state.group.layer);
    groups.collect::<BTreeSet<Layer>>().into_iter().map(letter).collect()
}

fn course(steering: &mut Steering, steps: &[u64]) -> Vec<String> {
    let at = |done: &u64| {
        steering.advance(*done);
        trained(steering)
    };
    steps.iter().map(at).collect()
}

#[test]
fn each_order_opens_its_layers_stage_by_stage() {
    let steps = [0, 9, 10, 20, 30, 40, 50, 60, 1 << 40];
    let cases: [(&str, bool, [&str; 9]); 6] = [
        ("gradual 10", true, ["3n", "3n", "23n", "123n", "0123n", "e0123n", "e0123n", "e0123n", "e0123n"]),
        ("gradual 10", false, ["nh", "nh", "3nh", "23nh", "123nh", "0123nh", "e0123nh", "e0123nh", "e0123nh"]),
        ("chain-thaw 10", true, ["3n", "3n", "e", "0", "1", "2", "e0123n", "e0123n", "e0123n"]),
        ("chain-thaw 10", false, ["nh", "nh", "e", "0", "1", "2", "3", "e0123nh", "e0123nh"]),
        ("head-first 10", true, ["3n", "3n", "e0123n", "e0123n", "e0123n", "e0123n", "e0123n", "e0123n", "e0123n"]),
        ("head-first 40", false, ["nh", "nh", "nh", "nh", "nh", "e0123nh", "e0123nh", "e0123nh", "e0123nh"]),
    ];
    for (order, tied, want) in cases {
        let mut steering = steering(tied, Some(order));
        assert_eq!(course(&mut steering, &steps), want, "{order}, tied {tied}");
        let end = steering.steps_of(order.parse().unwrap());
        steering.advance(end - 1);
        assert!(steering.states().iter().any(|state| !state.trainable), "{order}");
        steering.advance(end);
        assert!(steering.states().iter().all(|state| state.trainable), "{order}");
    }
}

#[test]
fn what_is_said_by_hand_wins() {
    let mut steering = steering(true, Some("gradual 10"));
    give(&mut steering, "freeze block.2").unwrap();
    give(&mut steering, "thaw embedding").unwrap();
    assert_eq!(course(&mut steering, &[0, 10, 20, 30, 40]), ["e3n", "e3n", "e13n", "e013n", "e013n"]);
    give(&mut steering, "thaw block.2").unwrap();
    assert_eq!(trained(&steering), "e0123n");
    give(&mut steering, "frost-line block.3").unwrap();
    assert_eq!(trained(&steering), "3n");
    // A new order begins where it is given; what is frozen by hand stays so to its end, and behind it.
    give(&mut steering, "thaw all").unwrap();
    give(&mut steering, "freeze block.1").unwrap();
    let effect = give(&mut steering, "unfreeze chain-thaw 5").unwrap();
    assert_eq!(effect, "unfreezing (chain-thaw): block.3, norm first, a stage every 5 steps");
    assert_eq!(course(&mut steering, &[40, 45, 50, 55, 60, 65]), ["3n", "e", "0", "2", "2", "e023n"]);
    give(&mut steering, "unfreeze head-first 100").unwrap();
    assert_eq!(trained(&steering), "3n");
    assert_eq!(give(&mut steering, "unfreeze off").unwrap(), "everything trains that is not frozen by hand");
    assert_eq!(trained(&steering), "e023n");
    assert!(give(&mut steering, "unfreeze off").unwrap().starts_with("no change"));
}

#[test]
fn a_stage_without_anything_to_train_gives_way_and_nothing_is_ever_left() {
    let mut steering = steering(true, Some("head-first 10"));
    give(&mut steering, "freeze block.3 norm").unwrap();
    assert_eq!(trained(&steering), "e012", "the head is frozen by hand, so all the rest begins");
    assert!(give(&mut steering, "freeze all").unwrap_err().to_string().contains("nothing would be left"));
    let mut steering = self::steering(true, Some("chain-thaw 10"));
    give(&mut steering, "freeze block.3 norm embedding block.0-1").unwrap();
    assert_eq!(course(&mut steering, &[0, 30, 40, 50]), ["2", "2", "2", "2"]);
}

#[test]
fn an_advance_says_what_changed_and_says_nothing_else() {
    let mut steering = steering(true, Some("chain-thaw 10"));
    let said: Vec<(u64, String)> =
        (0..=70).filter_map(|done| steering.advance(done).map(|text| (done, text))).collect();
    assert_eq!(said.iter().map(|(done, _)| *done).collect::<Vec<_>>(), [10, 20, 30, 40, 50]);
    assert_eq!(said[0].1, "unfreezing (chain-thaw): embedding took over from block.3, norm, stage 2 of 6");
    assert_eq!(said[4].1, "unfreezing (chain-thaw): embedding, block.0, block.1, block.3, norm joined, stage 6 of 6");
    let mut plain = self::steering(true, None);
    assert_eq!(plain.advance(10), None);
}

#[test]
fn a_score_beside_a_tied_head_is_the_last_layer_with_the_norm() {
    let mut groups = preset::find("llama-1m").unwrap().config(300, 16).groups();
    groups.push(Group::new(Layer::Head, crate::model::Kind::Score));
    let steering = Steering::new(groups, &[], 1e-3, Vec::new());
    let mut steering = steering.with_unfreezing(Some("gradual 10".parse().unwrap()));
    assert_eq!(course(&mut steering, &[0, 10, 50]), ["nh", "3nh", "e0123nh"]);
}
