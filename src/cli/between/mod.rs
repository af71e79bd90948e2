//! `frostline graft` and `frostline wise`: what lies between a base and what was tuned from it, measured.

mod frontier;
mod graft;
mod wise;

pub use graft::{Graft, run as graft};
pub use wise::{Wise, run as wise};

use super::figure::check_writable;
use super::progress::style;
use super::{Place, interruption};
use crate::corpus::examples::Template;
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::TextScore;
use crate::model::Decoder;
use crate::run::Home;
use crate::run::checkpoint::Named;
use crate::run::eval_set::{EvalSet, Reading};
use crate::{Error, Result};
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What both commands take.
#[derive(clap::Args)]
struct Common {
    /// The base: a model's folder, RUN, RUN@STEP, RUN@PHASE or RUN@best; or blend:A:B:SHARE, average:A:B…
    base: String,
    /// What was tuned from it, of the same shape
    live: String,
    /// Measure on at most about this many tokens of each
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    tokens: u64,
    /// Tokens of a window [default: the model's context, at most 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    context: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Draw it into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Makes prompts and completions of rows with other fields.
#[derive(clap::Args)]
struct Templates {
    /// Makes prompts from rows of other fields, such as "Opinion: {text}"
    #[arg(long, value_name = "TEMPLATE", requires = "completion")]
    prompt: Option<String>,
    /// With --prompt, what is to be answered, such as " {label}"
    #[arg(long, value_name = "TEMPLATE", requires = "prompt")]
    completion: Option<String>,
}

impl Templates {
    fn read(&self) -> Result<Option<Template>> {
        match (&self.prompt, &self.completion) {
            (Some(prompt), Some(completion)) => Template::new(prompt, completion).map(Some),
            _ => Ok(None),
        }
    }
}

/// Both models, and what is needed to measure what lies between them.
struct Bench {
    base: Decoder,
    live: Decoder,
    tokenizer: Tokenizer,
    context: usize,
    tokens: usize,
    home: Home,
    cancel: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Bench {
    /// Reads both models. Errors: another tokenizer, another shape, a window that does not fit.
    fn open(common: &Common, place: &Place) -> Result<Self> {
        if let Some(svg) = &common.svg {
            check_writable(svg)?;
        }
        let cancel = interruption()?;
        let (base, tokenizer) = Named::find(&common.base, &place.home)?.open(&place.device)?;
        let (live, other) = Named::find(&common.live, &place.home)?.open(&place.device)?;
        if tokenizer.fingerprint() != other.fingerprint() {
            return Err(Error::new(format!("{} was not tuned from {}", common.live, common.base))
                .because("it has another tokenizer")
                .next("take two checkpoints of one run, or of runs that began with the same model"));
        }
        crate::model::blend::check(&base, &live)?;
        let most = base.config.context;
        let context = common.context.map_or(most.min(1024), |context| context as usize);
        if context > most {
            return Err(Error::new(format!("a window of {context} tokens does not fit the model"))
                .because(format!("its context is {most}"))
                .next(format!("give --context {most} or less")));
        }
        let bar = ProgressBar::new(0).with_style(style("{msg}  {bar:30} {pos} of {len}  {eta} left"));
        let (tokens, home) = (usize::try_from(common.tokens).unwrap_or(usize::MAX), place.home.clone());
        Ok(Self { base, live, tokenizer, context, tokens, home, cancel, bar })
    }

    fn read(&self, name: &str, template: Option<Template>) -> Result<EvalSet> {
        let (tokenizer, context, tokens) = (&self.tokenizer, self.context, self.tokens);
        let reading = Reading { tokenizer, context, tokens, template, home: &self.home, cancel: &self.cancel };
        EvalSet::open(name, &reading)
    }

    fn measure(&self, set: &EvalSet, decoder: &Decoder) -> Result<TextScore> {
        set.measure(decoder, &self.tokenizer, &self.cancel, &|| self.bar.inc(1))
    }

    /// Nats per token.
    fn loss(&self, set: &EvalSet, decoder: &Decoder) -> Result<f64> {
        Ok(self.measure(set, decoder)?.loss())
    }
}

/// +0.123 or −0.123, three digits: losses of one table stand under each other.
fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if text.trim_start_matches(['+', '-']).parse() == Ok(0.0) { "0.000".into() } else { text.replace('-', "−") }
}

fn percent(share: f64) -> String {
    // Nothing has no sign.
    let whole = (100.0 * share).round() + 0.0;
    format!("{whole:.0}%").replace('-', "−")
}
