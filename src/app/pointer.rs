//! The mouse, as panes understand it: what is under it, not where it is on the screen.

use super::Pane;

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    Press,
    Drag,
    Release,
    WheelUp,
    WheelDown,
}

/// Something on the screen that can be pointed at. The drawing says which stands where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spot {
    /// Anywhere in a pane that is nothing more.
    Pane(Pane),
    /// The title or tab of a pane.
    Title(Pane),
    /// A chart, by its place in the graphs pane.
    Chart(usize),
    /// A metric's name in the graphs pane.
    Metric(usize),
    /// A cell of the layer grid, by row from the top and column; the column of the row's name is `None`.
    Cell(usize, Option<usize>),
    /// The head of a column of the layer grid.
    Column(usize),
    /// A row of the corpus page, from the top.
    Row(usize),
    /// The editor of the prompt.
    Editor,
    /// A lane.
    Lane(usize),
    /// A token of a lane.
    Token(usize, usize),
    /// The slider of a lane, from its first column to its last.
    Slider(usize),
    /// A line of a list that lies over the screen: palette, help, welcome.
    Item(usize),
    /// A key in the footer, by its action's place in the table.
    Action(usize),
    /// What lies over the screen, outside of its lines.
    Overlay,
    /// A line of the list that is open in the prompt pane.
    Choice(usize),
}

impl Spot {
    /// The pane that it is in; `None` for what belongs to the screen as a whole.
    pub fn pane(self) -> Option<Pane> {
        match self {
            Spot::Pane(pane) | Spot::Title(pane) => Some(pane),
            Spot::Row(_) => Some(Pane::Corpus),
            Spot::Chart(_) | Spot::Metric(_) => Some(Pane::Graphs),
            Spot::Cell(..) | Spot::Column(_) => Some(Pane::Layers),
            Spot::Editor | Spot::Lane(_) | Spot::Slider(_) | Spot::Token(..) | Spot::Choice(_) => Some(Pane::Prompt),
            Spot::Item(_) | Spot::Action(_) | Spot::Overlay => None,
        }
    }
}

/// One gesture at a spot; x and y count cells from the spot's corner, of its width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    pub gesture: Gesture,
    pub spot: Spot,
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}
