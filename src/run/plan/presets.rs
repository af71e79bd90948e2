//! The plans that come with the program.

/// (name, what it does, its TOML).
pub const PRESETS: [(&str, &str, &str); 1] = [(
    "first-run",
    "pretrain on the bundled world, fine-tune on sentiment in four ways, and see what was forgotten",
    include_str!("../../../presets/first-run.toml"),
)];
