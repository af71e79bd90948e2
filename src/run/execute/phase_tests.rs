use super::super::Observer;
use super::super::testing::{execute, plan};
use super::*;
use crate::protocol::Command;
use candle_core::Tensor;

/// Asks for the weights while the phase trains, and while it is paused.
#[derive(Default)]
struct Asks {
    /// What was handed out at steps 2 and 4, and its numbers as they were then.
    handed_out: Vec<(Arc<Decoder>, Vec<Vec<f32>>)>,
    /// For each of them which parameters had their memory in common with the learner's, at once and a step later.
    shared: Vec<Vec<bool>>,
    trains: Vec<bool>,
}

fn numbers(decoder: &Decoder) -> Vec<Vec<f32>> {
    let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    decoder.parameters.iter().map(|(_, parameter)| numbers(&parameter.value)).collect()
}

fn shared(one: &Decoder, other: &Decoder) -> Vec<bool> {
    let pairs = one.parameters.iter().zip(other.parameters.iter());
    pairs.map(|((_, one), (_, other))| one.value.id() == other.value.id()).collect()
}

impl Asks {
    fn ask(&mut self, phase: &mut PhaseRun) -> Result<()> {
        let weights = phase.weights()?;
        self.shared.push(shared(&weights, &phase.learner.decoder));
        let numbers = numbers(&weights);
        self.handed_out.push((weights, numbers));
        Ok(())
    }
}

impl Observer for Asks {
    fn event(&mut self, _: &Event) {}

    fn waits(&self) -> bool {
        true
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> Result<bool> {
        match (phase.step(), phase.stands_still()) {
            (2, _) => self.ask(phase)?,
            (4, false) => drop(phase.steer(&Command::Pause)?),
            (4, true) => {
                self.ask(phase)?;
                phase.steer(&Command::Continue)?;
            }
            (3 | 5, _) => {
                let (weights, _) = &self.handed_out[self.handed_out.len() - 1];
                self.shared.push(shared(weights, &phase.learner.decoder));
            }
            _ => {
                let parameters = phase.learner.decoder.parameters.iter();
                self.trains = parameters.map(|(id, _)| phase.learner.thaw().trains(id)).collect();
            }
        }
        Ok(false)
    }
}

#[test]
fn weights_are_copied_while_training_and_shared_while_paused() {
    let folder = tempfile::tempdir().unwrap();
    let mut asks = Asks::default();
    execute(&plan(&folder, "frozen = [\"block.0\"]"), &folder, &mut asks);
    let frozen: Vec<bool> = asks.trains.iter().map(|trains| !trains).collect();
    assert!(frozen.contains(&true) && frozen.contains(&false));
    let [training, after_it, paused, after_pause] = &asks.shared[..] else { panic!("{:?}", asks.shared) };
    assert_eq!(training, &frozen, "what trains is copied where it is asked for");
    assert_eq!(after_it, &frozen);
    assert!(paused.iter().all(|is_shared| *is_shared), "nothing is copied in a pause");
    assert_eq!(after_pause, &frozen, "but before the next step");
    for (weights, numbers_then) in &asks.handed_out {
        assert!(numbers(weights) == *numbers_then, "training changed what was handed out");
    }
}
