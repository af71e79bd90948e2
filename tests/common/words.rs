//! What a person might say to a run: every live command, with whatever may stand behind it, and what is refused always.

use frostline::random::Random;

/// What reads as a command and makes no sense in the run of these tests: refused wherever it is said.
pub const NONSENSE: [&str; 12] = [
    "freeze block.9",
    "thaw block.1 block.7",
    "frost-line block.9",
    "rate 200",
    "rate block.7 x2",
    "mix nowhere 0.5",
    "mix replay:nowhere 0.5",
    "replay nowhere 0.1",
    "schedule cosine 1000000",
    "bound 0.1 nowhere",
    "bound 0.1 first:sampled",
    "replay second 0.1",
];

/// Some of it is refused, as an undo of nothing, or a pull in the first phase, which has no base.
pub fn command(random: &mut Random) -> String {
    match random.below(100) {
        0..55 => about_layers_and_rows(random),
        55..92 => about_course_and_base(random),
        _ => one_of(random, &NONSENSE).into(),
    }
}

fn about_layers_and_rows(random: &mut Random) -> String {
    let share = random.between(1, 9) as f64 / 10.0;
    let block = random.below(2);
    let fixed = [
        "freeze embedding",
        "thaw all",
        "thaw all",
        "freeze all/norm",
        "freeze head",
        "frost-line block.1",
        "frost-line embedding",
        "rate x0.9",
        "rate x1.1",
        "rate 2e-3",
        "rate all/mlp x0.8",
        "skip",
        "evaluate",
        "undo",
        "undo",
        "undo",
        "freeze all",
    ];
    match random.below(fixed.len() + 9) {
        0..3 => format!("mix one {share}"),
        3 => format!("mix two {share}"),
        4 => format!("freeze block.{block}"),
        5 => format!("thaw block.{block}"),
        6 => format!("rate block.{block} x1.2"),
        7 => "pause".into(),
        8 => if random.chance(50) { "checkpoint" } else { "continue" }.into(),
        other => fixed[other - 9].into(),
    }
}

fn about_course_and_base(random: &mut Random) -> String {
    let few = random.below(12);
    let strength = ["0", "0.01", "0.3", "2"][random.below(4)];
    match random.below(10) {
        0 => format!("unfreeze {} {}", one_of(random, &["gradual", "chain-thaw", "head-first"]), few + 1),
        1 => "unfreeze off".into(),
        2 => {
            let curves = ["constant", "linear", "cosine", "warmup-stable-decay", "slanted-triangular"];
            let warmup = if random.chance(50) { format!(" {few}") } else { String::new() };
            format!("schedule {}{warmup}", one_of(random, &curves))
        }
        3 => format!("decay {}", one_of(random, &["1", "1.5", "2.6"])),
        4 => format!("replay {}", one_of(random, &["0", "0.1", "first 0.3"])),
        5 => format!("l2-sp {strength}"),
        6 => format!("ewc {strength}"),
        7 => format!("kl {}", one_of(random, &["0", "0", "0.5"])),
        // A bound of nothing is always crossed, so that something has to be done about it.
        8 => format!("bound {}", one_of(random, &["0", "0", "0.05 first", "off"])),
        _ => format!("hold {}", one_of(random, &["replay", "l2-sp", "l2-sp", "none"])),
    }
}

fn one_of<'a>(random: &mut Random, all: &[&'a str]) -> &'a str {
    all[random.below(all.len())]
}
