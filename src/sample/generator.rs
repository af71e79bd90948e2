//! One model writing several answers, a token each in one pass.

use super::answer::{Answer, Ended, Task};
use super::report::Report;
use crate::model::{Cache, Decoder};
use crate::ops::linear::FEW_ROWS;
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use std::sync::Arc;

/// Tokens of prompts that are read at once: whoever waits for the model is asked for in between.
const PIECE: usize = 256;

/// Answers being written by one model: lanes, each with a prompt and a seed of its own. Prompts are read together, and
/// a prompt that several lanes share is read once. The model reads what the lanes have written when one of them asks
/// for its next token: of all lanes that wait, in passes of up to [`FEW_ROWS`]. Lanes that have ended cost nothing.
///
/// On the CPU an answer is the same, to the bit of its logits, whatever else is asked for. Few positions take another
/// way through the products than many, with other bits; so answers are always written by few, and no piece of a prompt
/// is read beside others that would change its way. More than [`FEW_ROWS`] lanes therefore read the weights more than
/// once for a token of each.
pub struct Generator {
    decoder: Arc<Decoder>,
    cache: Cache,
    answers: Vec<Answer>,
    /// For each lane the first with the same prompt, which reads it.
    readers: Vec<usize>,
}

impl Generator {
    /// A lane for each task. Reads nothing yet: see [`Generator::read`]. A prompt that leaves no room in the model's
    /// context for half of the limit loses its beginning. An empty prompt is an error: a model needs something to go
    /// on.
    pub fn new(decoder: Arc<Decoder>, tasks: Vec<Task>) -> Result<Self> {
        let (context, vocabulary) = (decoder.config.context, decoder.config.vocabulary);
        let answer = |task| Answer::new(task, context, vocabulary);
        let answers: Vec<Answer> = tasks.into_iter().map(answer).collect::<Result<_>>()?;
        let longest = answers.iter().map(|answer| answer.task.prompt.len().saturating_add(answer.task.limit)).max();
        let Some(longest) = longest else { return Err(Error::new("there is no prompt to answer")) };
        let cache = decoder.cache(answers.len(), longest)?;
        let first = |answer: &Answer| answers.iter().position(|other| other.task.prompt == answer.task.prompt);
        let readers = answers.iter().enumerate().map(|(lane, answer)| first(answer).unwrap_or(lane)).collect();
        Ok(Self { decoder, cache, answers, readers })
    }

    /// Asks for the prompts' perplexities; to be called before anything is read.
    pub fn with_prompt_perplexity(mut self) -> Self {
        for answer in &mut self.answers {
            answer.prompt_loss = (answer.task.prompt.len() > 1).then_some(0.0);
        }
        self
    }

    pub fn answer(&self, lane: usize) -> &Answer {
        &self.answers[lane]
    }

    /// Ends an answer, where something outside the model says so.
    pub fn end(&mut self, lane: usize, why: Ended) {
        self.answers[lane].ended = Some(why);
    }

    /// Reads a piece of the prompts; true once all were read.
    pub fn read(&mut self) -> Result<bool> {
        let pieces = self.next_pieces();
        if pieces.is_empty() {
            return Ok(true);
        }
        let piece = |&(lane, end): &(usize, usize)| {
            let answer = &self.answers[lane];
            (lane, &answer.task.prompt[answer.read..end])
        };
        let new: Vec<(usize, &[u32])> = pieces.iter().map(piece).collect();
        let hidden = self.decoder.read_rows(&new, &mut self.cache)?;
        self.take_pieces(&pieces, &hidden)?;
        Ok(self.answers.iter().all(|answer| answer.read == answer.task.prompt.len()))
    }

    /// The pieces of prompts that are read next, (lane, end). Few positions stay few, and many go with many alone.
    fn next_pieces(&self) -> Vec<(usize, usize)> {
        let mut pieces = Vec::new();
        let (mut total, mut most) = (0, PIECE);
        for (lane, answer) in self.answers.iter().enumerate() {
            let count = (answer.task.prompt.len() - answer.read).min(PIECE);
            let is_few = count <= FEW_ROWS;
            let goes_along = total == 0 || (total + count <= most && is_few == (most == FEW_ROWS));
            if count > 0 && self.readers[lane] == lane && goes_along {
                most = if is_few { FEW_ROWS } else { PIECE };
                pieces.push((lane, answer.read + count));
                total += count;
            }
        }
        pieces
    }

    /// Notes what was read, (lane, end), from the hidden states of all pieces; where a prompt is finished, its lanes
    /// get their logits.
    fn take_pieces(&mut self, pieces: &[(usize, usize)], hidden: &Tensor) -> Result<()> {
        let mut first = 0;
        let (mut finished, mut last) = (Vec::new(), Vec::new());
        for &(lane, end) in pieces {
            let answer = &mut self.answers[lane];
            let prompt = &answer.task.prompt;
            // Each position predicts the token after it; the last of all predicts the answer.
            let targets = &prompt[answer.read + 1..(end + 1).min(prompt.len())];
            if let Some(loss) = answer.prompt_loss.as_mut().filter(|_| !targets.is_empty()) {
                let losses = self.decoder.losses(&hidden.narrow(0, first, targets.len())?.contiguous()?, targets)?;
                *loss += losses.iter().map(|row| row.loss as f64).sum::<f64>();
            }
            first += end - answer.read;
            answer.read = end;
            if end == prompt.len() {
                finished.push(lane);
                last.push(first as u32 - 1);
            }
        }
        if finished.is_empty() {
            return Ok(());
        }
        let last = Tensor::new(last, hidden.device())?;
        // Few again: of more than that many pieces each would have few positions, and then so had all together.
        let logits = self.decoder.logits(&hidden.index_select(&last, 0)?)?;
        self.take_logits(&finished, &logits)?;
        finished.into_iter().try_for_each(|lane| self.share_prompt(lane))
    }

    /// Gives what was read of a prompt to the other lanes that go on from it.
    fn share_prompt(&mut self, reader: usize) -> Result<()> {
        for lane in reader + 1..self.answers.len() {
            if self.readers[lane] == reader {
                self.cache.copy_row(reader, lane)?;
                let (before, after) = self.answers.split_at_mut(lane);
                let (from, to) = (&before[reader], &mut after[0]);
                (to.read, to.prompt_loss) = (from.read, from.prompt_loss);
                to.logits.clone_from(&from.logits);
            }
        }
        Ok(())
    }

    /// Takes the rows of logits over, one for each of `lanes`.
    fn take_logits(&mut self, lanes: &[usize], logits: &Tensor) -> Result<()> {
        let width = logits.dim(1)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        for (&lane, row) in lanes.iter().zip(logits.chunks_exact(width)) {
            let answer = &mut self.answers[lane];
            answer.logits.clear();
            answer.logits.extend_from_slice(row);
            answer.unread = None;
        }
        Ok(())
    }

    /// The next token of a lane, or `None` once its answer has ended.
    pub fn next_token(&mut self, lane: usize) -> Result<Option<u32>> {
        Ok(self.write(lane, 0)?.map(|(token, _)| token))
    }

    /// The next token with what the model thought of it, `alternatives` of the likeliest tokens included.
    pub fn next_reported(&mut self, lane: usize, alternatives: usize) -> Result<Option<(u32, Report)>> {
        Ok(self.write(lane, alternatives.max(1))?.and_then(|(token, report)| Some((token, report?))))
    }

    fn write(&mut self, lane: usize, alternatives: usize) -> Result<Option<(u32, Option<Report>)>> {
        if self.answers[lane].ended.is_some() {
            return Ok(None);
        }
        while !self.read()? {}
        if self.answers[lane].unread.is_some() {
            self.read_answers()?;
        }
        let is_full = self.cache.room(lane) == 0;
        self.answers[lane].choose(alternatives, is_full)
    }

    /// The model reads the newest token of every answer that goes on.
    fn read_answers(&mut self) -> Result<()> {
        let waiting = |(lane, answer): (usize, &Answer)| {
            answer.unread.filter(|_| answer.ended.is_none()).map(|token| (lane, [token]))
        };
        let newest: Vec<(usize, [u32; 1])> = self.answers.iter().enumerate().filter_map(waiting).collect();
        for newest in newest.chunks(FEW_ROWS) {
            let new: Vec<(usize, &[u32])> = newest.iter().map(|(lane, token)| (*lane, &token[..])).collect();
            let logits = self.decoder.extend_rows(&new, &mut self.cache)?;
            let lanes: Vec<usize> = newest.iter().map(|(lane, _)| *lane).collect();
            self.take_logits(&lanes, &logits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::choose::Sampling;
    use super::*;
    use crate::model::{Config, preset};
    use candle_core::Device;

    fn decoder(context: usize) -> Arc<Decoder> {
        let config = Config { layers: 1, ..preset::find("llama-1m").unwrap().config(300, context) };
        Arc::new(Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap())
    }

    fn task(prompt: &[u32], limit: usize, stop: Vec<u32>) -> Task {
        Task { prompt: prompt.to_vec(), sampling: Sampling::GREEDY, limit, stop }
    }

    fn one(decoder: Arc<Decoder>, task: Task) -> Generator {
        Generator::new(decoder, vec![task]).unwrap()
    }

    fn run(prompt: &[u32], limit: usize, stop: Vec<u32>) -> (Vec<u32>, Option<Ended>, usize) {
        let mut generator = one(decoder(16), task(prompt, limit, stop));
        while generator.next_token(0).unwrap().is_some() {}
        let Answer { tokens, ended, left_out, .. } = generator.answer(0);
        (tokens.clone(), *ended, *left_out)
    }

    #[test]
    fn an_answer_ends_at_its_limit_at_a_stop_token_or_when_the_context_is_full() {
        let (tokens, ended, _) = run(&[1, 2, 3], 5, vec![]);
        assert_eq!((tokens.len(), ended), (5, Some(Ended::Complete)));
        let (shorter, ended, _) = run(&[1, 2, 3], 5, vec![tokens[0]]);
        assert_eq!((shorter.len(), ended), (0, Some(Ended::Stopped)));
        // 16 positions hold 3 + 13; one more token can be chosen after the last is read.
        let (tokens, ended, left_out) = run(&[1, 2, 3], 100, vec![]);
        assert_eq!((tokens.len(), ended, left_out), (14, Some(Ended::Full), 0));
        assert_eq!(run(&[1], 0, vec![]).1, Some(Ended::Complete));
    }

    #[test]
    fn a_prompt_that_does_not_fit_loses_its_beginning() {
        let prompt: Vec<u32> = (0..40).collect();
        let (tokens, _, left_out) = run(&prompt, 4, vec![]);
        assert_eq!((tokens.len(), left_out), (4, 28));
        assert_eq!(tokens, run(&prompt[28..], 4, vec![]).0);
        assert!(Generator::new(decoder(16), vec![task(&[], 4, vec![])]).is_err());
        assert!(Generator::new(decoder(16), Vec::new()).is_err());
    }

    #[test]
    fn a_prompt_read_in_pieces_has_the_perplexity_of_one_read_at_once() {
        let decoder = decoder(700);
        let prompt: Vec<u32> = (0..600).map(|i| i * 7 % 300).collect();
        let mut generator = one(decoder.clone(), task(&prompt, 2, vec![])).with_prompt_perplexity();
        assert!(!generator.read().unwrap() && !generator.read().unwrap() && generator.read().unwrap());
        let mut cache = decoder.cache(1, 600).unwrap();
        let hidden = decoder.read(&prompt, &mut cache).unwrap().narrow(0, 0, 599).unwrap().contiguous().unwrap();
        let losses = decoder.losses(&hidden, &prompt[1..]).unwrap();
        let mean = losses.iter().map(|row| row.loss as f64).sum::<f64>() / 599.0;
        assert!((generator.answer(0).prompt_perplexity().unwrap() / mean.exp() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_penalty_keeps_from_repeating() {
        let with = |repetition_penalty| {
            let sampling = Sampling { repetition_penalty, ..Sampling::GREEDY };
            let mut generator = one(decoder(64), Task { sampling, ..task(&[1, 2], 50, vec![]) });
            while generator.next_token(0).unwrap().is_some() {}
            let mut distinct = generator.answer(0).tokens.clone();
            distinct.sort();
            distinct.dedup();
            distinct.len()
        };
        assert!(with(1e6) == 50 && with(1.0) < 50, "{} {}", with(1e6), with(1.0));
    }

    /// Prompts of different lengths, one of them shared, limits and seeds of their own.
    fn several() -> Vec<Task> {
        let long: Vec<u32> = (0..300).map(|i| i * 11 % 300).collect();
        let sampled = |seed| Sampling { temperature: 0.8, seed, ..Sampling::GREEDY };
        [(&[5, 6, 7][..], 9, 1), (&long[..], 12, 1), (&[5, 6, 7], 20, 2), (&[9], 3, 1), (&long, 7, 3)]
            .map(|(prompt, limit, seed)| Task { sampling: sampled(seed), ..task(prompt, limit, vec![]) })
            .to_vec()
    }

    #[test]
    fn lanes_write_what_they_write_alone() {
        let decoder = decoder(400);
        let mut together = Generator::new(decoder.clone(), several()).unwrap().with_prompt_perplexity();
        let mut writes = true;
        while writes {
            writes = false;
            for lane in 0..several().len() {
                writes |= together.next_token(lane).unwrap().is_some();
            }
        }
        for (lane, task) in several().into_iter().enumerate() {
            let mut alone = one(decoder.clone(), task).with_prompt_perplexity();
            while alone.next_token(0).unwrap().is_some() {}
            let (alone, together) = (alone.answer(0), together.answer(lane));
            assert_eq!((&alone.tokens, alone.ended), (&together.tokens, together.ended), "lane {lane}");
            if let (Some(a), Some(b)) = (alone.prompt_perplexity(), together.prompt_perplexity()) {
                assert!((a / b - 1.0).abs() < 1e-5, "lane {lane}: {a} {b}");
            }
        }
    }

    /// The bits of the logits that every token of an answer was chosen from.
    fn traced(generator: &mut Generator, lanes: usize) -> Vec<Vec<Vec<u32>>> {
        let mut trace = vec![Vec::new(); lanes];
        let mut writes = true;
        while writes {
            writes = false;
            for (lane, trace) in trace.iter_mut().enumerate() {
                if generator.next_token(lane).unwrap().is_some() {
                    trace.push(generator.answer(lane).logits.iter().map(|logit| logit.to_bits()).collect());
                    writes = true;
                }
            }
        }
        trace
    }

    #[test]
    fn an_answer_is_the_same_to_the_bit_whatever_else_is_asked() {
        let decoder = decoder(300);
        // Few positions and many, a long prompt with a few left over, and more lanes than are read in one pass, which
        // end one after the other.
        let lengths = [3, 260, 16, 17, 40, 1, 9, 255];
        let tasks: Vec<Task> = (0..FEW_ROWS + 8)
            .map(|lane| {
                let prompt: Vec<u32> =
                    (0..lengths[lane % lengths.len()]).map(|at| (at * 7 + lane) as u32 % 300).collect();
                task(&prompt, 2 + lane % 5, vec![])
            })
            .collect();
        let mut together = Generator::new(decoder.clone(), tasks.clone()).unwrap().with_prompt_perplexity();
        let together_traces = traced(&mut together, tasks.len());
        for (lane, task) in tasks.into_iter().enumerate() {
            let mut alone = one(decoder.clone(), task).with_prompt_perplexity();
            assert!(traced(&mut alone, 1)[0] == together_traces[lane], "lane {lane}");
            let (alone, together) = (alone.answer(0), together.answer(lane));
            assert_eq!(alone.tokens, together.tokens, "lane {lane}");
            assert_eq!(alone.prompt_perplexity(), together.prompt_perplexity(), "lane {lane}");
        }
    }

    #[test]
    fn lanes_that_are_not_asked_hold_nobody_up() {
        let mut generator = Generator::new(decoder(400), several()).unwrap();
        let first = generator.next_token(0).unwrap();
        generator.end(2, Ended::StopText);
        while generator.next_token(1).unwrap().is_some() {}
        assert_eq!(generator.answer(1).tokens.len(), 12);
        assert_eq!((generator.answer(0).tokens.len(), generator.next_token(2).unwrap()), (1, None));
        while generator.next_token(0).unwrap().is_some() {}
        let mut alone = one(decoder(400), several().swap_remove(0));
        assert_eq!(first, alone.next_token(0).unwrap());
        while alone.next_token(0).unwrap().is_some() {}
        assert_eq!(generator.answer(0).tokens, alone.answer(0).tokens);
    }
}
