//! The plans that come with the program.

/// (name, what it does, its TOML).
pub const PRESETS: [(&str, &str, &str); 2] = [
    (
        "first-run",
        "pretrain on the bundled world, fine-tune on sentiment in four ways, and see what was forgotten",
        include_str!("../../../presets/first-run.toml"),
    ),
    (
        "ulmfit",
        "pretrain, go on with the task's own text, then tune with gradual unfreezing, layer-wise rates and a slanted triangle",
        include_str!("../../../presets/ulmfit.toml"),
    ),
];
