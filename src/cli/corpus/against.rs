//! A corpus beside what a base learned from, for people.

use super::super::output::{self, count, number};
use crate::run::against::{Against, Figures};

pub(super) fn render(against: &Against) -> String {
    let Against { base, known, loss, known_loss, distance, advice } = against;
    let mut table = output::table(["to the base", "this corpus", known.as_str()]);
    let figures = |figures: &Figures| {
        let bits = figures.bits_per_byte.map_or("–".into(), number);
        [number(figures.loss), number(figures.perplexity), bits, count(figures.tokens)]
    };
    let titles = ["loss, nats/token", "perplexity", "bits/byte", "tokens measured"];
    for ((title, own), known) in titles.into_iter().zip(figures(loss)).zip(figures(known_loss)) {
        table.add_row([title.to_string(), own, known]);
    }
    table.add_row(["tokens/byte".into(), number(distance.tokens_per_byte), number(distance.known_tokens_per_byte)]);
    let divergence = distance.divergence.map_or("too few tokens to tell how far their distributions are apart".into(), |bits| {
        format!(
            "their distributions of tokens are {bits:.2} bits apart, beyond chance (Jensen–Shannon: 0 for the same, 1 for no \
             token in common)"
        )
    });
    let mut text = format!(
        "against the base {base}, which learned from {known}:\n{}\n{divergence}\n{:.1}% of its bytes are characters that the \
         base's tokenizer does not know\n",
        output::lay_out(table, 2),
        100.0 * distance.unknown,
    );
    if advice.is_empty() {
        text += "nothing here says that it is another domain: a usual rate and a short warm-up will do\n";
    }
    advice.iter().for_each(|said| text += &format!("note: {said}\n"));
    text
}
