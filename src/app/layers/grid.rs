//! Where the groups of a model stand: rows are layers, the head on top; columns are the kinds that blocks are made of.

use crate::protocol::{Group, Kind, Layer};

/// The places of a model's groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// From the head down to the embedding. There is always a row for the head, also where it is tied.
    pub layers: Vec<Layer>,
    /// From left to right.
    pub kinds: Vec<Kind>,
    /// The index of the group at row · columns + column.
    cells: Vec<Option<usize>>,
    /// For rows of a single group, its column.
    single: Vec<Option<usize>>,
    /// Of each cell whether it is of its column's kind: head and embedding stand in the column of another.
    is_of_kind: Vec<bool>,
}

impl Grid {
    /// `groups` in the order of the run's facts: the grid's indices count in it.
    pub fn of(groups: &[Group]) -> Self {
        let layers = layers_of(groups);
        let kinds = kinds_of(groups);
        let mut cells = vec![None; layers.len() * kinds.len()];
        let mut counts = vec![0; layers.len()];
        let mut single = vec![None; layers.len()];
        let mut is_of_kind = vec![false; cells.len()];
        for (index, group) in groups.iter().enumerate() {
            let Some(row) = layers.iter().position(|layer| *layer == group.layer) else { continue };
            let column = column_of(group.kind, &kinds);
            counts[row] += 1;
            single[row] = (counts[row] == 1).then_some(column);
            let at = row * kinds.len() + column;
            if let (Some(cell), Some(is_of_kind)) = (cells.get_mut(at), is_of_kind.get_mut(at)) {
                *cell = Some(index);
                *is_of_kind = kinds.get(column) == Some(&group.kind);
            }
        }
        Self { layers, kinds, cells, single, is_of_kind }
    }

    /// The group that stands at this place.
    pub fn cell(&self, row: usize, column: usize) -> Option<usize> {
        let is_inside = row < self.layers.len() && column < self.kinds.len();
        self.cells.get(row * self.kinds.len() + column).copied().flatten().filter(|_| is_inside)
    }

    /// Where somebody in this column stands in this row: a row of one group is that group, from wherever one comes.
    pub fn column_at(&self, row: usize, column: usize) -> usize {
        self.single.get(row).copied().flatten().unwrap_or(column)
    }

    /// Whether the group at this place is of its column's kind.
    pub fn is_of_column(&self, row: usize, column: usize) -> bool {
        self.cell(row, column).is_some() && self.is_of_kind.get(row * self.kinds.len() + column) == Some(&true)
    }

    /// Whether a row is a single group.
    pub fn is_single(&self, row: usize) -> bool {
        self.single.get(row).copied().flatten().is_some()
    }

    /// The groups of a row, from left to right.
    pub fn row(&self, row: usize) -> impl Iterator<Item = usize> {
        (0..self.kinds.len()).filter_map(move |column| self.cell(row, column))
    }
}

fn layers_of(groups: &[Group]) -> Vec<Layer> {
    let mut layers: Vec<Layer> = groups.iter().map(|group| group.layer).collect();
    if !groups.is_empty() {
        layers.push(Layer::Head);
    }
    layers.sort_by(|left, right| right.cmp(left));
    layers.dedup();
    layers
}

/// The kinds found in blocks; of a model without blocks, all there are.
fn kinds_of(groups: &[Group]) -> Vec<Kind> {
    let found = |is_wanted: fn(Layer) -> bool| -> Vec<Kind> {
        let holds = |kind: &Kind| groups.iter().any(|group| group.kind == *kind && is_wanted(group.layer));
        Kind::ALL.into_iter().filter(holds).collect()
    };
    let of_blocks = found(|layer| matches!(layer, Layer::Block(_)));
    if of_blocks.is_empty() { found(|_| true) } else { of_blocks }
}

/// Embedding and head are matrices, as the MLP is: without a column of their own they stand in its column. The score
/// stands beside the head, in the column of the norms.
fn column_of(kind: Kind, kinds: &[Kind]) -> usize {
    let position = |kind: Kind| kinds.iter().position(|other| *other == kind);
    let beside = if kind == Kind::Score { position(Kind::Norm) } else { None };
    position(kind).or(beside).or_else(|| position(Kind::Mlp)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::layers::testing::groups;

    #[test]
    fn rows_go_from_the_head_down_and_single_groups_fill_their_row() {
        let groups = groups(2, true);
        let grid = Grid::of(&groups);
        let expected = [Layer::Head, Layer::Norm, Layer::Block(1), Layer::Block(0), Layer::Embedding];
        assert_eq!(grid.layers, expected);
        assert_eq!(grid.kinds, [Kind::Attention, Kind::Mlp, Kind::Norm]);
        assert_eq!(grid.cell(2, 0).map(|index| groups[index]), Some(Group::new(Layer::Block(1), Kind::Attention)));
        assert_eq!(grid.cell(0, 0), None);
        assert_eq!(grid.column_at(0, 0), 1);
        assert_eq!(grid.column_at(1, 0), 2);
        assert_eq!(grid.column_at(2, 0), 0);
        assert_eq!(grid.row(4).count(), 1);
        assert_eq!(grid.cell(0, 3), None);
        assert_eq!(grid.cell(9, 0), None);
    }

    #[test]
    fn a_tied_head_has_a_row_and_no_group() {
        let grid = Grid::of(&groups(1, false));
        assert_eq!(grid.layers[0], Layer::Head);
        assert_eq!(grid.row(0).count(), 0);
        assert!(Grid::of(&[]).layers.is_empty());
    }
}
