//! Keeps sources open, and answers.

use super::{BatchSource, Scorer};
use crate::corpus::chat::Chat;
use crate::corpus::examples::Template;
use crate::corpus::tokenizer::Tokenizer;
use crate::corpus::view::{Pattern, Reading, View, row_tokens, token_views};
use crate::protocol::{CorpusAnswer, CorpusAsk, Lane, RowTokens};
use crate::run::Home;
use crate::run::data::open_source;
use crate::run::plan::{Objective, Plan};
use crate::{Error, Result, error};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sources that stay open, the one asked about last among them.
const OPEN_SOURCES: usize = 4;
/// A row's tokens past these are not scored: it would hold up whoever lends the weights.
const MOST_SCORED: usize = 2048;
/// Of the text before a row, the model reads this many tokens first.
const CONTEXT_TOKENS: usize = 128;
/// Bytes of it that surely hold as many.
const CONTEXT_BYTES: usize = 1024;
/// Rows before a row that are looked at for it.
const CONTEXT_ROWS: u32 = 32;

/// How a plan reads a source.
#[derive(Clone, Debug, Default)]
struct PlanSource {
    reading: Reading,
    skip_broken: bool,
    /// The first phase that reads it.
    phase: usize,
}

/// The service; it may be asked by several threads at once.
pub struct CorpusService {
    home: Home,
    plan_sources: HashMap<String, PlanSource>,
    /// The one used last at the end.
    views: Mutex<Vec<(String, Arc<View>)>>,
    tokenizer: Mutex<Option<Arc<Tokenizer>>>,
    /// How each phase of the plan spells conversations, once that is known.
    chats: Mutex<Vec<Arc<Chat>>>,
    batches: Mutex<Option<Arc<dyn BatchSource>>>,
    scorer: Mutex<Option<Box<dyn Scorer>>>,
}

impl CorpusService {
    /// Errors: a template in the plan that cannot be read.
    pub fn new(home: Home, plan: &Plan) -> Result<CorpusService> {
        let mut plan_sources = HashMap::new();
        for (place, phase) in plan.phases.iter().enumerate() {
            let template = match (&phase.prompt, &phase.completion) {
                (Some(prompt), Some(completion)) => Some(Template::new(prompt, completion)?),
                _ => phase.labelled()?,
            };
            let is_supervised = phase.objective != Objective::Clm;
            for corpus in &phase.corpus {
                let reading = Reading { template: template.clone(), is_supervised, chat: None };
                let source = PlanSource { reading, skip_broken: phase.skip_broken, phase: place };
                plan_sources.entry(corpus.path.clone()).or_insert(source);
            }
        }
        Ok(CorpusService {
            home,
            plan_sources,
            views: Mutex::default(),
            tokenizer: Mutex::default(),
            chats: Mutex::default(),
            batches: Mutex::default(),
            scorer: Mutex::default(),
        })
    }

    /// From now on tokens can be asked for.
    pub fn set_tokenizer(&self, tokenizer: Arc<Tokenizer>) {
        *locked(&self.tokenizer) = Some(tokenizer);
    }

    /// From now on conversations are shown as the phases of the plan spell them; in the plan's order.
    pub fn set_chats(&self, chats: Vec<Arc<Chat>>) {
        *locked(&self.chats) = chats;
        locked(&self.views).clear();
    }

    /// From now on batches are those of `batches`; a phase sets its own.
    pub fn set_batches(&self, batches: Arc<dyn BatchSource>) {
        *locked(&self.batches) = Some(batches);
    }

    /// From now on surprise can be asked for.
    pub fn set_scorer(&self, scorer: Box<dyn Scorer>) {
        *locked(&self.scorer) = Some(scorer);
    }

    /// Answers a question: a search with any number of [`CorpusAnswer::Searching`] first, everything with one answer
    /// at the end. Long work ends soon after `cancel` is set.
    pub fn answer(&self, ask: &CorpusAsk, cancel: &AtomicBool, reply: &mut dyn FnMut(CorpusAnswer)) {
        let answer = match ask {
            CorpusAsk::Page { source, place, rows } => {
                self.with_view(source, |view| view.page(*place, *rows).map(CorpusAnswer::Page))
            }
            CorpusAsk::Search { source, pattern, from, backwards } => Pattern::new(pattern).and_then(|pattern| {
                let mut progress = |done, total| reply(CorpusAnswer::Searching { done, total });
                self.with_view(source, |view| {
                    view.search(&pattern, *from, *backwards, cancel, &mut progress).map(CorpusAnswer::Found)
                })
            }),
            CorpusAsk::Tokens { source, offset, surprise } => self
                .with_view(source, |view| self.tokens(view, source, *offset, surprise.as_ref()))
                .map(CorpusAnswer::Tokens),
            CorpusAsk::Lengths { source } => self.tokenizer().and_then(|tokenizer| {
                self.with_view(source, |view| view.lengths(&tokenizer, cancel).map(CorpusAnswer::Lengths))
            }),
            CorpusAsk::Batch { step } => {
                self.batches().and_then(|batches| batches.batch(*step)).map(CorpusAnswer::Batch)
            }
        };
        reply(answer.unwrap_or_else(|error| CorpusAnswer::Failed(error.to_string())));
    }

    /// Opens a source, or takes it if it is open. After an error it is closed, so that what changed is opened anew.
    fn with_view<T>(&self, source: &str, work: impl FnOnce(&View) -> Result<T>) -> Result<T> {
        let kept = locked(&self.views).iter().find(|(name, _)| name == source).map(|(_, view)| view.clone());
        let view = match kept {
            Some(view) => view,
            None => Arc::new(self.open(source)?),
        };
        let result = work(&view);
        let is_sound = result.as_ref().err().is_none_or(|error| error.kind == error::Kind::Interrupted);
        let mut views = locked(&self.views);
        views.retain(|(name, _)| name != source);
        if is_sound {
            views.push((source.into(), view));
        }
        let surplus = views.len().saturating_sub(OPEN_SOURCES);
        views.drain(..surplus);
        result
    }

    fn open(&self, source: &str) -> Result<View> {
        let mut planned = self.plan_sources.get(source).cloned().unwrap_or_default();
        planned.reading.chat = locked(&self.chats).get(planned.phase).cloned();
        let opened = open_source(source, planned.skip_broken, &self.home)?;
        Ok(View::open(source, &opened, planned.reading))
    }

    fn tokenizer(&self) -> Result<Arc<Tokenizer>> {
        locked(&self.tokenizer).clone().ok_or_else(|| not_yet("the tokenizer is not there yet"))
    }

    fn batches(&self) -> Result<Arc<dyn BatchSource>> {
        locked(&self.batches).clone().ok_or_else(|| not_yet("there are no batches yet"))
    }

    fn tokens(&self, view: &View, source: &str, offset: u64, surprise: Option<&Lane>) -> Result<RowTokens> {
        let tokenizer = self.tokenizer()?;
        let row = view.row(offset)?;
        let tokens = row_tokens(&row.segments, &tokenizer)?;
        let mut views = token_views(&tokens, &tokenizer)?;
        let mut weights = None;
        if let Some(lane) = surprise {
            let before = before(view, offset, &tokenizer)?;
            let row = tokens.iter().take(MOST_SCORED).map(|&(id, _)| id);
            let all: Vec<u32> = before.iter().copied().chain(row).collect();
            let mut scorer = locked(&self.scorer);
            let scorer = scorer.as_mut().ok_or_else(|| not_yet("there are no weights to read with yet"))?;
            let (name, surprises) = scorer.score(lane, &all)?;
            // The first of all tokens has no surprise; where nothing comes before the row, that is the row's own first.
            let unscored = usize::from(before.is_empty());
            let surprises = surprises.into_iter().skip(before.len().saturating_sub(1));
            for (view, surprise) in views.iter_mut().skip(unscored).zip(surprises) {
                view.surprise = Some(surprise);
            }
            weights = Some(name);
        }
        let is_cut = row.is_cut || (weights.is_some() && views.len() > MOST_SCORED);
        Ok(RowTokens { source: source.into(), offset: row.offset, tokens: views, weights, is_cut })
    }
}

/// What the model reads before a row: the lines before it in a text, or the mark that ends the document before.
fn before(view: &View, offset: u64, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let text = view.text_before(offset, CONTEXT_ROWS, CONTEXT_BYTES)?;
    if text.is_empty() {
        return Ok(tokenizer.end_of_text().into_iter().collect());
    }
    let tokens = tokenizer.encode(&text)?;
    Ok(tokens[tokens.len().saturating_sub(CONTEXT_TOKENS)..].to_vec())
}

fn not_yet(what: &str) -> Error {
    Error::new(what).because("the run is still preparing").next("ask again in a moment")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
