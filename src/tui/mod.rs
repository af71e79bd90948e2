//! What the screen shows: the terminal, the panes, the widgets they are made of, the themes.

pub mod panes;
pub mod text;
pub mod theme;
pub mod widgets;
