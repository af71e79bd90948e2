//! What is explained in the prompt pane.

use crate::app::explain::Explanation;

/// What is explained here.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        key: "lane",
        title: "lane",
        what: "A lane is one set of weights that goes on from the prompt: the base (θ*, what this phase started from), \
               the live weights as they are when the answer begins, or any checkpoint. All lanes draw the same random \
               number for the same place, so that their texts part only where their probabilities do. They write with \
               copies of their own, on one processor core, while training goes on.",
        formula: "",
        normal: "Right after a phase begins, live writes what base writes. The further training goes, the earlier \
                 they part.",
        source: "",
    },
    Explanation {
        key: "temperature",
        title: "temperature",
        what: "Divides the logits before they become probabilities. Below 1 the likeliest tokens gain, above 1 the \
               unlikely ones do; 0 always takes the likeliest.",
        formula: "p(token) = exp(logit / T) / Σ exp(logit / T)",
        normal: "0.7 to 1 for stories; 0 to see what a model holds for surest. Above 1.5 most models lose the thread.",
        source: "Ackley, Hinton, Sejnowski 1985, A learning algorithm for Boltzmann machines",
    },
    Explanation {
        key: "top-k",
        title: "top-k",
        what: "Only the k likeliest tokens can be chosen; their probabilities are scaled to sum to 1. 0 turns it off.",
        formula: "keep the k highest p(token)",
        normal: "Off, or 20 to 100. A fixed k is too many where the model is sure and too few where it is not: top-p \
                 and min-p adapt.",
        source: "Fan, Lewis, Dauphin 2018, arXiv 1805.04833",
    },
    Explanation {
        key: "top-p",
        title: "top-p, or nucleus sampling",
        what: "Only the likeliest tokens that together make up the probability p can be chosen: few where the model is \
               sure, many where it is not. It looks at what temperature and top-k have left. 1 turns it off.",
        formula: "smallest set of the likeliest tokens with Σ p(token) ≥ p",
        normal: "0.9 to 0.98.",
        source: "Holtzman et al. 2020, arXiv 1904.09751",
    },
    Explanation {
        key: "min-p",
        title: "min-p",
        what: "Only tokens at least this likely, relative to the likeliest one, can be chosen, after temperature. 0 \
               turns it off.",
        formula: "keep p(token) ≥ min-p · max p",
        normal: "0.02 to 0.1, often with a temperature of 1 and more, which it makes usable.",
        source: "Nguyen et al. 2024, arXiv 2407.01082",
    },
    Explanation {
        key: "repetition penalty",
        title: "repetition penalty",
        what: "Makes tokens less likely that stand in the prompt or in the answer already. It changes the logits before \
               temperature, and does not count how often a token came. 1 turns it off.",
        formula: "logit / r where it is positive, logit · r where it is negative",
        normal: "1 for models that do not repeat themselves; 1.1 to 1.3 for small ones that do. Too much keeps names and \
                 articles from coming back.",
        source: "Keskar et al. 2019 (CTRL), arXiv 1909.05858",
    },
    Explanation {
        key: "seed",
        title: "seed",
        what: "Where the random numbers come from: the number for a place in the answer depends on the seed and the \
               place alone. The same seed, weights and settings give the same text, here and on the command line.",
        formula: "",
        normal: "Any number. A difference between lanes that stands under one seed only is luck: try several.",
        source: "",
    },
    Explanation {
        key: "max tokens",
        title: "max tokens",
        what: "The most tokens that a lane writes. It ends earlier where the model ends its text, where a stop text \
               comes, and where the model's context is full.",
        formula: "",
        normal: "40 to 200. Lanes that never end their text have not seen ends of texts in training.",
        source: "",
    },
    Explanation {
        key: "stop",
        title: "stop texts",
        what: "A lane ends before the first of these texts that comes, however it is cut into tokens; the text itself \
               is not shown.",
        formula: "",
        normal: "None, a new line for one-line answers, or the mark that begins the next question.",
        source: "",
    },
    Explanation {
        key: "chat",
        title: "chat",
        what: "The prompt is what a user says, and the lane answers as the assistant: both are spelled as the chat template \
               beside the lane's weights does, and the answer ends where a turn of the assistant does. What looks like a \
               special token in the prompt is text.",
        formula: "",
        normal: "On for models that were tuned on conversations, off for all others: those have not seen the marks of turns.",
        source: "chat_template in the model's folder, as Hugging Face's transformers renders it",
    },
    Explanation {
        key: "prompt perplexity",
        title: "perplexity of the prompt",
        what: "How surprised the lane's weights are by the prompt itself: the perplexity of its tokens after the first. \
               Of two lanes, the one with the lower has seen more text like it.",
        formula: "ppl = exp(−1/(n−1) Σ ln p(token i | tokens before))",
        normal: "That of held-out text of the kind the model learned, or more for short prompts. A live lane that rises \
                 above base on texts of earlier phases forgets them.",
        source: "Jelinek et al. 1977, Perplexity: a measure of the difficulty of speech recognition tasks",
    },
    Explanation {
        key: "token probability",
        title: "probability and alternatives of a token",
        what: "What the model itself gave the token that was written, and the likeliest tokens in that place: before \
               penalty, temperature and cuts. A token can be written that was unlikely; the random number decided.",
        formula: "p(token) = exp(logit) / Σ exp(logit)",
        normal: "Inside words near 1, at the beginnings of words and sentences much lower.",
        source: "",
    },
    Explanation {
        key: "entropy",
        title: "entropy",
        what: "How open the model was about a token: the mean surprise of its whole distribution, in nats. 0 is \
               certain, and the natural logarithm of the vocabulary's size is a blind guess.",
        formula: "H = −Σ p(token) ln p(token)",
        normal: "Below 0.5 inside words, 2 to 5 where a new thought begins. Near 0 everywhere: the model has learned \
                 texts by heart.",
        source: "Shannon 1948, A mathematical theory of communication",
    },
    Explanation {
        key: "where lanes part",
        title: "where lanes part",
        what: "The first token that a lane has otherwise than the leftmost lane; it is marked. Until there both have \
               written the same text, so that their probabilities in this place can be compared. What comes after goes \
               on from different texts.",
        formula: "",
        normal: "Live parts from base late after a short fine-tuning, and at once after a long one. Look at both lanes' \
                 alternatives there: they say what training changed.",
        source: "",
    },
    Explanation {
        key: "sampling cost",
        title: "what sampling costs",
        what: "The training rate while lanes write, relative to the rate while none does, both as measured in this run. \
               Lanes use one processor core, and share memory bandwidth with training.",
        formula: "steps a second while lanes write / steps a second while none does",
        normal: "Near 1 on many cores or a GPU; about (n−1)/n on n busy cores.",
        source: "",
    },
    Explanation {
        key: "blend",
        title: "blend of two checkpoints",
        what: "A model whose weights lie on the straight line between a base and what was tuned from it. Often some way between them keeps much of what the base knew and most of what the tuning taught, at no cost when it writes. In the prompt pane b adds a lane of base and live with a slider, which - and + move; `blend:A:B:0.3` names one for lanes, `sample`, `eval` and `inspect`; `frostline blend` writes one, and `frostline wise` measures the whole way.",
        formula: "θ = (1 − α) · θ_base + α · θ_tuned",
        normal: "α is 0 for the base and 1 for the tuned model. 0.5 is a good first try. It works between checkpoints that come from the same weights; between models that began apart the loss is high all along the way.",
        source: "Wortsman et al. 2022, arXiv 2109.01903: WiSE-FT",
    },
    Explanation {
        key: "frontier",
        title: "frontier of a blend",
        what: "The losses on the old and on the new data along the way from a base to what was tuned from it, as a curve in the plane of both. The straight line between its ends is what choosing now the one and now the other model would give. Where the curve bows beyond the line, a blend is better than that. `frostline wise` draws it.",
        formula: "u = (old(α) − old(0)) / (old(1) − old(0)); v = (new(α) − new(1)) / (new(0) − new(1)); area between the curve and u + v = 1",
        normal: "An area of 0 is the line itself, and 50% all of the new at no cost of the old. Models tuned gently from their base bow; after a long tuning at a high rate the way can lie on the worse side. The lowest sum weighs both losses alike, which need not be what you want.",
        source: "Wortsman et al. 2022, arXiv 2109.01903: WiSE-FT",
    },
    Explanation {
        key: "graft",
        title: "graft of layers",
        what: "A tuned model with some layers put back to what they were in its base. If the old text becomes easier again, what these layers learned was part of the forgetting. In the layers pane b makes a lane of what the cursor is on, and f in the prompt pane turns it round; `graft:BASE:LIVE:block.0-1` names one for lanes, `sample`, `eval` and `inspect`; `frostline graft` measures every layer alone.",
        formula: "θ_group = θ_base of the groups that are named, θ_live of all others",
        normal: "Layers have adapted to each other: putting one back can also make both the old and the new text harder. That says that it changed together with its neighbours, not that it forgot.",
        source: "",
    },
    Explanation {
        key: "weight averaging",
        title: "weight averaging",
        what: "One model whose weights are the mean of several checkpoints', of one run or of several that were tuned from the same base. It evens out the noise of the last steps, and takes no more work than one model. `average:A:B:C` names one for lanes, `sample`, `eval` and `inspect`; `frostline average` writes one, also of a run's newest with --last.",
        formula: "θ = (1/n) Σ θᵢ",
        normal: "Most is gained with checkpoints from a part of the run where the rate is high or constant; at the end of a decayed schedule little is left to gain. Models that did not begin with the same weights do not average.",
        source: "Izmailov et al. 2018, arXiv 1803.05407: SWA; Wortsman et al. 2022, arXiv 2203.05482: model soups",
    },
];
