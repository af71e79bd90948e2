//! Which of a phase's checkpoints stay.

use super::super::checkpoint::Keep;
use super::section::Section;
use crate::Result;

pub(super) fn read_keep(phase: &Section) -> Result<Keep> {
    let standard = Keep::default();
    let Some(section) = phase.section("keep", &["last", "every", "best"])? else { return Ok(standard) };
    let count = |key| section.integer(key, 0..=1 << 30);
    Ok(Keep {
        last: count("last")?.map_or(standard.last, |count| count as usize),
        every: section.integer("every", 0..=1 << 40)?.unwrap_or(standard.every),
        best: count("best")?.map_or(standard.best, |count| count as usize),
    })
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::super::{Overrides, Plan};
    use super::*;

    fn with(lines: &str) -> Result<Plan> {
        let text = format!(
            "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\" }}\n[[phase]]\n\
             name = \"tune\"\nobjective = \"sft\"\ncorpus = \"b.jsonl\"\nepochs = 3\n\
             optimizer = {{ learning_rate = 1e-4 }}\n{lines}"
        );
        parse("small.toml", &text, &Overrides::default())
    }

    #[test]
    fn defaults_are_written_out_and_what_is_given_is_kept() {
        let plan = with("").unwrap();
        assert_eq!(plan.phases[0].keep, Keep { last: 3, every: 0, best: 1 });
        let text = plan.to_toml().unwrap();
        assert!(text.contains("[phase.keep]\nlast = 3\nevery = 0\nbest = 1"), "{text}");
        let plan = with("keep = { last = 0, every = 1000 }").unwrap();
        assert_eq!(plan.phases[0].keep, Keep { last: 0, every: 1000, best: 1 });
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("keep = 3", "phase.tune.keep"),
            ("keep = { last = -1 }", "phase.tune.keep.last"),
            ("keep = { best = \"one\" }", "phase.tune.keep.best"),
            ("keep = { evry = 3 }", "phase.tune.keep.evry"),
        ];
        for (line, key) in cases {
            let error = with(line).unwrap_err().to_string();
            assert!(error.contains(key), "{line}: {error}");
        }
    }
}
