//! What things look like, by what they mean.

use ratatui::style::{Color, Modifier, Style};

/// Styles by meaning. One idea has one colour everywhere: frozen is ice, training is warm, base and live have a hue each.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    pub text: Style,
    /// What is less important: units, separators, old things.
    pub dim: Style,
    pub title: Style,
    pub border: Style,
    pub border_focused: Style,
    /// Keys in the footer and in help.
    pub key: Style,
    /// What the cursor is on, in a pane with the focus and without.
    pub cursor: Style,
    pub selection: Style,
    pub frozen: Style,
    pub training: Style,
    pub base: Style,
    pub live: Style,
    pub good: Style,
    pub warning: Style,
    pub error: Style,
    /// What was asked for and has not taken effect.
    pub pending: Style,
    /// Lines of charts, in order.
    pub series: [Style; 6],
    /// A raw curve behind its smoothed one.
    pub ghost: Style,
    pub mark: Style,
    /// The curve of another run beside the run's own, and of a stretch that was taken back.
    pub branch: Style,
    pub undone: Style,
    /// From cold to hot, about 24 of them; used for backgrounds of tokens and cells.
    pub heat: Vec<Color>,
    /// A prompt: read, not learned.
    pub masked: Style,
    /// What is learned.
    pub learned: Style,
    /// What everything stands on. Only this, [`Theme::popup`], [`Theme::header`], [`Theme::cursor`] and
    /// [`Theme::selection`] have a ground of their own, so that the rest can be written onto any of them.
    pub screen: Style,
    /// What lies over the screen.
    pub popup: Style,
    /// The line at the top.
    pub header: Style,
}

impl Theme {
    /// The colour of a share from 0 (cold) to 1 (hot); `None` where the theme has no colours.
    pub fn heat(&self, share: f64) -> Option<Color> {
        let last = self.heat.len().checked_sub(1)?;
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.heat.get((share * last as f64).round() as usize).copied()
    }
}

impl Default for Theme {
    /// The dark theme that needs nothing but the terminal's own sixteen colours.
    fn default() -> Self {
        let color = |color| Style::new().fg(color);
        Theme {
            text: Style::new(),
            dim: color(Color::DarkGray),
            title: Style::new().add_modifier(Modifier::BOLD),
            border: color(Color::DarkGray),
            border_focused: color(Color::Cyan),
            key: color(Color::Yellow),
            cursor: Style::new().add_modifier(Modifier::REVERSED),
            selection: Style::new().bg(Color::DarkGray),
            frozen: color(Color::LightBlue),
            training: color(Color::LightRed),
            base: color(Color::Magenta),
            live: color(Color::Green),
            good: color(Color::Green),
            warning: color(Color::Yellow),
            error: color(Color::Red),
            pending: Style::new().add_modifier(Modifier::ITALIC),
            series: [Color::Cyan, Color::Yellow, Color::Magenta, Color::Green, Color::Red, Color::Blue].map(color),
            ghost: color(Color::DarkGray),
            mark: color(Color::Yellow),
            branch: color(Color::LightMagenta),
            undone: color(Color::DarkGray),
            heat: Vec::new(),
            masked: color(Color::DarkGray),
            learned: Style::new(),
            screen: Style::new(),
            popup: Style::new(),
            header: Style::new(),
        }
    }
}
