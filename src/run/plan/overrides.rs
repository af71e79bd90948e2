//! What the command line changes of a plan, before it is read.

use crate::{Error, Result};
use toml::{Table, Value};

/// What the command line changes of a plan.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `KEY=VALUE`, such as `phase.pretrain.steps=100`; the value is TOML, or text where it is not.
    pub set: Vec<String>,
    /// Steps of every phase.
    pub steps: Option<u64>,
    pub seed: Option<u64>,
}

/// A key of the plan's top that stands for the same key of every phase.
const OF_ALL_PHASES: &str = "precision";

impl Overrides {
    /// Puts what is set into a plan's table. What is set for all phases replaces what each phase's own key says, which
    /// a run's own plan writes out in each; only a phase's key that is set too goes before it, in either order.
    pub(super) fn apply(&self, table: &mut Table) -> Result<()> {
        let is_of_all = |assignment: &String| assignment.split_once('=').is_some_and(|(key, _)| key == OF_ALL_PHASES);
        if self.set.iter().any(is_of_all)
            && let Some(Value::Array(phases)) = table.get_mut("phase")
        {
            for phase in phases.iter_mut().filter_map(Value::as_table_mut) {
                phase.remove(OF_ALL_PHASES);
            }
        }
        self.set.iter().try_for_each(|assignment| assign(table, assignment))
    }
}

/// Puts `a.b.c=value` into the table; a phase is named by its name or its number.
fn assign(table: &mut Table, assignment: &str) -> Result<()> {
    let usage = |why: String| {
        Error::usage(format!("--set {assignment} cannot be used"))
            .because(why)
            .next("write KEY=VALUE, such as seed=3 or phase.NAME.optimizer.learning_rate=1e-4")
    };
    let (key, text) = assignment.split_once('=').ok_or_else(|| usage("it has no =".into()))?;
    let value = format!("value = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(text.to_string()));
    let (path, last) = key.rsplit_once('.').map_or((None, key), |(path, last)| (Some(path), last));
    let mut place = table;
    let mut parts = path.into_iter().flat_map(|path| path.split('.'));
    while let Some(part) = parts.next() {
        let entry = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        place = match entry {
            Value::Table(inner) => inner,
            Value::Array(list) => {
                let wanted = parts.next().ok_or_else(|| usage(format!("say which {part}")))?;
                phase_called(list, wanted).ok_or_else(|| usage(format!("there is no {part} \"{wanted}\"")))?
            }
            _ => return Err(usage(format!("{part} is no table"))),
        };
    }
    place.insert(last.to_string(), value);
    Ok(())
}

fn phase_called<'a>(list: &'a mut [Value], wanted: &str) -> Option<&'a mut Table> {
    let named = |value: &Value| value.get("name").and_then(Value::as_str) == Some(wanted);
    let index = list.iter().position(named).or_else(|| wanted.parse().ok())?;
    list.get_mut(index)?.as_table_mut()
}
