//! What is shown in the corpus pane, explained.

use crate::app::explain::Explanation;

/// What is explained here.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        key: "surprise",
        title: "Surprise of a token",
        what: "How little the model expected a token, given the tokens before it. The brighter a token, the more it \
               surprised the model; its mean over a text is the loss. The live model's surprise beside the base's \
               (θ*) shows where training changed what the model expects.",
        formula: "surprise = −ln p(token | tokens before it), in nats; p = e^(−surprise)",
        normal: "Under 1 nat the token was expected (p above 0.37). Names, numbers and first words of sentences take 3 \
                 to 8. A model that knows nothing has ln(vocabulary) everywhere, about 8.3 for 4096 tokens. Single \
                 tokens above that are mostly typing errors or characters that are rare in the corpus.",
        source: "C. E. Shannon, A Mathematical Theory of Communication, 1948",
    },
    Explanation {
        key: "tokens",
        title: "Tokens",
        what: "The pieces that the tokenizer cuts text into; a model reads and writes nothing else. Neighbours are told \
               apart by turns. Marks such as <|endoftext|> are tokens of their own: they end documents and turns. A \
               token may be a part of a character, and then shows nothing: the token that completes the character \
               has all of it.",
        formula: "",
        normal: "Common words are one token, with the space before them; names and rare words are several. A text in \
                 which nearly every letter is a token is in a language or a notation that the tokenizer was not \
                 trained on.",
        source: "R. Sennrich, B. Haddow, A. Birch, Neural Machine Translation of Rare Words with Subword Units, 2016",
    },
    Explanation {
        key: "bytes-per-token",
        title: "Bytes per token",
        what: "How much text a token stands for on average. The more bytes a token has, the more text fits into the \
               model's context, and the fewer steps it takes to read it. Losses of models with different tokenizers \
               compare only after it is divided out, as bits per byte.",
        formula: "bytes of text ÷ tokens; bits per byte = loss ÷ ln 2 ÷ bytes per token",
        normal: "3 to 4.5 for English with a vocabulary of 4,000 to 50,000; less for code and for languages that the \
                 tokenizer saw little of. Near 1 the tokenizer does not fit the text.",
        source: "",
    },
    Explanation {
        key: "masked",
        title: "Prompts and completions",
        what: "Of a pair or a conversation the model reads everything and learns to write only the completion: the \
               prompt has no loss. What is learned has the sign ▏ before its lines; the rest is only read. Marks of \
               the chat format belong to the prompt, but for the one that ends an answer.",
        formula: "loss = Σ surprise over learned tokens ÷ learned tokens",
        normal: "Something must be learned in every row. A prompt that is longer than the model's context loses its \
                 beginning, a completion its end.",
        source: "",
    },
    Explanation {
        key: "lengths",
        title: "Lengths of rows",
        what: "How many tokens rows have, of a sample that is spread evenly over the source. Each bar counts the rows \
               longer than the bar before and up to its own length. The lengths tell which context a phase needs: of examples, what is longer is cut; of \
               running text, a window takes in several short rows and parts of long ones.",
        formula: "",
        normal: "The context should hold nearly all examples. A few rows that are very much longer than the others are \
                 often broken lines.",
        source: "",
    },
    Explanation {
        key: "batch",
        title: "What a step learned from",
        what: "The rows of one step's batch, in tokens, as the model read them: windows of running text, or examples \
               packed side by side, none of which sees another. What is learned has the sign ▏. Behind a text that \
               is scored as a whole stands → with its label or number. A batch is a function \
               of the seed and the step, so that any step of the run can be shown again.",
        formula: "",
        normal: "Text as it is in the corpus. A spike of the loss often has its reason here: a table, another \
                 language, a row that repeats one word.",
        source: "",
    },
];
