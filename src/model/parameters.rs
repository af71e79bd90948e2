//! The parameters of a model in a fixed order, which of them train, and their gradients.

use super::group::{Group, Layer, Selector, check_selectors};
use super::storage::Storage;
use crate::Result;
use crate::ops::{Precision, Slot};
use candle_core::Tensor;
use std::ops::{Index, IndexMut};

/// The place of a parameter in its model's fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub usize);

/// One tensor that can be trained.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Unique, such as `block.3.attention.packed.weight`.
    pub name: String,
    pub group: Group,
    pub value: Tensor,
    /// Weight decay applies: matrices, embeddings included; not biases and norms.
    pub decays: bool,
}

/// All parameters of a model, from the bottom up.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
    /// The arithmetic of the products that they take part in.
    pub precision: Precision,
}

impl Parameters {
    pub(super) fn add(&mut self, name: String, group: Group, value: Tensor) -> ParameterId {
        let decays = value.rank() >= 2;
        self.list.push(Parameter { name, group, value, decays });
        ParameterId(self.list.len() - 1)
    }

    /// Drops what `keeps` does not say; only from the end, since places are ids.
    pub(super) fn retain(&mut self, keeps: impl Fn(&Parameter) -> bool) {
        self.list.retain(keeps);
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (ParameterId, &Parameter)> {
        self.list.iter().enumerate().map(|(index, parameter)| (ParameterId(index), parameter))
    }

    /// Stores the matrices that `which` says in another type; what has it already, and whatever is no matrix, stays.
    pub fn store(&mut self, storage: Storage, which: impl Fn(&Parameter) -> bool) -> Result<()> {
        for parameter in self.list.iter_mut().filter(|parameter| parameter.value.rank() >= 2) {
            if parameter.value.dtype() != storage.dtype() && which(parameter) {
                parameter.value = parameter.value.to_dtype(storage.dtype())?;
            }
        }
        Ok(())
    }

    /// Scalars in all parameters together.
    pub fn count(&self) -> usize {
        self.list.iter().map(|p| p.value.elem_count()).sum()
    }

    /// The groups there are, in order, each once.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.list.iter().map(|p| p.group).collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

impl Index<ParameterId> for Parameters {
    type Output = Parameter;

    fn index(&self, id: ParameterId) -> &Parameter {
        &self.list[id.0]
    }
}

impl IndexMut<ParameterId> for Parameters {
    fn index_mut(&mut self, id: ParameterId) -> &mut Parameter {
        &mut self.list[id.0]
    }
}

/// Which parameters train.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thaw {
    trains: Vec<bool>,
    frost_line: Option<Layer>,
}

impl Thaw {
    /// Everything trains but what `frozen` names. A selector that names nothing in this model is an error.
    pub fn all_but(parameters: &Parameters, frozen: &[Selector]) -> Result<Self> {
        check_selectors(&parameters.groups(), frozen)?;
        let trains = parameters.iter().map(|(_, p)| !frozen.iter().any(|s| s.matches(p.group))).collect();
        Ok(Self::from_flags(parameters, trains))
    }

    /// What `trains` says of each group.
    pub fn of_groups(parameters: &Parameters, trains: impl Fn(Group) -> bool) -> Self {
        Self::from_flags(parameters, parameters.iter().map(|(_, p)| trains(p.group)).collect())
    }

    fn from_flags(parameters: &Parameters, trains: Vec<bool>) -> Self {
        let frost_line = parameters.iter().filter(|(id, _)| trains[id.0]).map(|(_, p)| p.group.layer).min();
        Self { trains, frost_line }
    }

    pub fn trains(&self, id: ParameterId) -> bool {
        self.trains[id.0]
    }

    /// The lowest layer that trains; `None` where nothing does.
    pub fn frost_line(&self) -> Option<Layer> {
        self.frost_line
    }

    /// Whether the backward pass comes through this layer.
    pub fn reaches(&self, layer: Layer) -> bool {
        self.frost_line.is_some_and(|line| line <= layer)
    }

    /// Whether anything below this layer trains.
    pub fn below(&self, layer: Layer) -> bool {
        self.frost_line.is_some_and(|line| line < layer)
    }

    /// Scalars that train.
    pub fn count(&self, parameters: &Parameters) -> usize {
        parameters.iter().filter(|(id, _)| self.trains(*id)).map(|(_, p)| p.value.elem_count()).sum()
    }
}

/// The gradients of one step: a slot for each parameter that trains.
#[derive(Debug)]
pub struct Gradients {
    slots: Vec<Slot>,
    trains: Vec<bool>,
}

impl Gradients {
    pub fn new(thaw: &Thaw) -> Self {
        Self { slots: vec![None; thaw.trains.len()], trains: thaw.trains.clone() }
    }

    /// Where this parameter's gradient is gathered; `None` where it does not train, so that nothing is computed.
    pub fn slot(&mut self, id: ParameterId) -> Option<&mut Slot> {
        self.trains[id.0].then(|| &mut self.slots[id.0])
    }

    pub fn trains(&self, id: ParameterId) -> bool {
        self.trains[id.0]
    }

    /// What was gathered.
    pub fn get(&self, id: ParameterId) -> Option<&Tensor> {
        self.slots[id.0].as_ref()
    }

    /// Every gathered gradient, in the fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (ParameterId, &Tensor)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| slot.as_ref().map(|g| (ParameterId(index), g)))
    }

    /// Parameters that train but got nothing: the gradient audit.
    pub fn missing(&self) -> Vec<ParameterId> {
        (0..self.slots.len()).filter(|&i| self.trains[i] && self.slots[i].is_none()).map(ParameterId).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::Kind;
    use super::*;
    use candle_core::{DType, Device};

    fn three() -> Parameters {
        let mut parameters = Parameters::default();
        let zeros = |n| Tensor::zeros((n, 2), DType::F32, &Device::Cpu).unwrap();
        parameters.add("a".into(), Group::new(Layer::Embedding, Kind::Embedding), zeros(5));
        parameters.add("b".into(), Group::new(Layer::Block(0), Kind::Mlp), zeros(3));
        parameters.add("c".into(), Group::new(Layer::Head, Kind::Head), zeros(1));
        parameters
    }

    #[test]
    fn the_frost_line_is_the_lowest_layer_that_trains() {
        let parameters = three();
        let thaw = Thaw::all_but(&parameters, &["embedding".parse().unwrap()]).unwrap();
        assert_eq!(thaw.frost_line(), Some(Layer::Block(0)));
        assert!(thaw.reaches(Layer::Block(0)) && !thaw.below(Layer::Block(0)) && !thaw.reaches(Layer::Embedding));
        assert_eq!(thaw.count(&parameters), 8);
        let nothing = Thaw::all_but(&parameters, &["all".parse().unwrap()]).unwrap();
        assert_eq!((nothing.frost_line(), nothing.count(&parameters)), (None, 0));
        assert!(!nothing.reaches(Layer::Head));
    }

    #[test]
    fn a_selector_that_names_nothing_is_refused() {
        let error = Thaw::all_but(&three(), &["block.7".parse().unwrap()]).unwrap_err().to_string();
        assert!(error.contains("block.7") && error.contains("block.0/mlp"), "{error}");
    }

    #[test]
    fn frozen_parameters_have_no_slot_and_missing_ones_are_named() {
        let parameters = three();
        let mut gradients = Gradients::new(&Thaw::all_but(&parameters, &["head".parse().unwrap()]).unwrap());
        assert!(gradients.slot(ParameterId(2)).is_none());
        *gradients.slot(ParameterId(0)).unwrap() = Some(parameters[ParameterId(0)].value.clone());
        assert_eq!(gradients.missing(), [ParameterId(1)]);
        assert_eq!(gradients.iter().count(), 1);
    }
}
