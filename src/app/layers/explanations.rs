//! What the lenses and figures of the layer grid mean.

use crate::app::explain::Explanation;

pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        key: "frozen",
        title: "frozen and training",
        what: "A group is the parameters of one kind in one layer: the attention of block 3. While it is frozen ❄ its weights and the optimizer's moments stay as they are, byte for byte; weight decay leaves them alone too. Thawed, it goes on from its own step count, so that its first steps are neither too large nor too small. A change takes effect between two steps; until then the cell shows what was asked for, with a …",
        formula: "",
        normal: "Pretraining trains everything. Fine-tuning on little data often trains the upper half: what a text is about is decided high up, and what language is sits low.",
        source: "Howard and Ruder 2018, arXiv 1801.06146: gradual unfreezing",
    },
    Explanation {
        key: "frost line",
        title: "frost line",
        what: "The lowest layer that trains. Below it no gradient is computed and no activations are kept, so freezing from the bottom up saves time and memory. A frozen layer above the frost line saves the gradient of its own weights alone: what trains below still needs the gradient to pass through it. Where examples come again, the prefix cache keeps what the frozen layers below made of them, and from the second epoch on their forward pass is skipped too; when the line moves it begins anew.",
        formula: "step ∝ forward, from the line up where rows are kept + gradients down to the frost line + gradients of the weights that train",
        normal: "With everything frozen but the head, a step costs little more than a forward pass: a third of a full step.",
        source: "Liu et al. 2021, arXiv 2102.01386: AutoFreeze; Wang et al. 2022, arXiv 2201.06227: Egeria",
    },
    Explanation {
        key: "trainable parameters",
        title: "trainable parameters and step",
        what: "How many of the model's scalars train, and what a step costs beside one in which everything trains. The prediction counts floating-point operations, ahead of a change with the prefix cache as full as it can get; once at least ten steps have run on either side of a change, the medians of their times stand beside it. Memory is gradients, both moments and kept activations.",
        formula: "predicted = operations with the change / without it; measured = median step time after / before",
        normal: "Measured and predicted differ by a few percent. In very small models what does not depend on the groups, such as reading batches, weighs more, and less is saved than predicted.",
        source: "",
    },
    Explanation {
        key: "group gradient",
        title: "gradient norm of a group",
        what: "How strongly the loss pulls on a group in this step, before clipping. Beside the cells runs its recent history for the whole layer, each layer from zero to its own largest.",
        formula: "‖∂loss/∂θ_group‖₂; a row: the root of the sum of its groups' squares",
        normal: "All layers within about two orders of magnitude of each other, falling slowly. A layer that is far above the others is unstable; one at 0 gets no gradient and learns nothing.",
        source: "Glorot and Bengio 2010; Pascanu et al. 2013, arXiv 1211.5063",
    },
    Explanation {
        key: "update ratio",
        title: "update-to-weight ratio",
        what: "How large the last change of a group's weights was, beside the weights themselves. It says whether the learning rate fits a group better than the gradient does, since AdamW divides by the gradient's size.",
        formula: "‖Δθ_group‖₂ / ‖θ_group‖₂ of one step, learning rate and weight decay included",
        normal: "About 0.001. Above 0.01 the group is being overwritten: lower its rate. Below 0.0001 it hardly learns: raise it. During warm-up it rises from 0.",
        source: "Karpathy, CS231n notes on neural networks 3",
    },
    Explanation {
        key: "drift",
        title: "drift from θ*",
        what: "How far a group has gone from the checkpoint that the phase started from. What has not moved has not forgotten; where drift is large, the base's knowledge is most at risk. A bar beside the cells shows the largest of a layer's groups.",
        formula: "‖θ_group − θ*_group‖₂ / ‖θ*_group‖₂",
        normal: "0 right after the phase began and in groups that were never thawed. Fine-tuning ends between 0.001 and 0.1; in pretraining from new weights it passes 1.",
        source: "Li et al. 2018, arXiv 1802.01483: L2-SP, which holds drift down",
    },
    Explanation {
        key: "rate multiplier",
        title: "learning-rate multiplier",
        what: "What the run's learning rate is multiplied by for a group. The schedule goes on underneath. A multiplier of 0 is not a freeze: gradients are still computed.",
        formula: "rate of a group = schedule(step) · changes by hand · multiplier",
        normal: "×1. For fine-tuning, lower layers may learn more slowly: 1/2.6 from layer to layer was proposed for 3 to 4 layers, less from layer to layer in deep models.",
        source: "Howard and Ruder 2018, arXiv 1801.06146: discriminative learning rates",
    },
    Explanation {
        key: "group memory",
        title: "memory of a group",
        what: "What training a group holds beyond its weights: gradient and the two moments of AdamW where it trains, and activations that the backward pass needs wherever it comes by. With recompute = \"blocks\" in the plan a block keeps its input alone and goes forward again on the way back: all blocks but the last weigh little here, and a step takes up to a third longer. It is computed from shapes.",
        formula: "trains: gradient + 2 moments; at or above the frost line: + kept activations",
        normal: "Large batches and long contexts: activations weigh most. Large vocabularies: embedding and head do.",
        source: "Rajbhandari et al. 2020, arXiv 1910.02054: ZeRO, on what training holds",
    },
    Explanation {
        key: "group time",
        title: "share of a step's time",
        what: "The share of a step's floating-point operations that goes into a group as things train now. It is computed from shapes; what a change did to the clock is measured, and stands at the foot of the pane.",
        formula: "(forward + gradient through it, if it is needed + gradient of its weights, if it trains) / the same of all groups",
        normal: "MLPs take about twice what attention does until contexts get long; in small models with large vocabularies the head takes most.",
        source: "Kaplan et al. 2020, arXiv 2001.08361, table 1: operations per token",
    },
];
