//! The chat format of a phase, and the tokenizer whose files bring it.

use super::plan::Plan;
use crate::corpus::chat::{Chat, Source};
use crate::corpus::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::sync::Arc;

/// How a phase spells conversations.
#[derive(Clone)]
pub struct PhaseChat {
    pub chat: Arc<Chat>,
    /// The run's tokenizer with the phase's template among its files, where the plan names one.
    pub tokenizer: Option<Arc<Tokenizer>>,
}

/// Of the phase at `index`: its own, or else that of the nearest phase it stands on, or else the tokenizer's, or else the
/// built-in one. `tokenizer` is `None` before there is one.
pub(super) fn of_phase(plan: &Plan, index: usize, tokenizer: Option<&Tokenizer>) -> Result<PhaseChat> {
    let line = std::iter::once(index).chain(plan.ancestors(index));
    let named = line.filter_map(|place| Some((place, plan.phases[place].chat.template.as_deref()?))).next();
    let source = named.map(|(place, name)| {
        find(name, tokenizer).map_err(|error| error.within(format!("phase.{}.chat_template", plan.phases[place].name)))
    });
    let (source, moment) = (source.transpose()?, plan.phases[index].chat.moment());
    let Some(tokenizer) = tokenizer else {
        return Ok(PhaseChat { chat: Arc::new(Chat::before_tokenizer(source.as_ref(), moment)?), tokenizer: None });
    };
    let chat = Arc::new(Chat::new(source.as_ref(), tokenizer, moment)?);
    let with_template = source.map(|source| tokenizer.with_chat_template(&source.text).map(Arc::new));
    Ok(PhaseChat { chat, tokenizer: with_template.transpose()? })
}

/// What a plan names: one of the tokenizer's files, one that is known here, or a file.
pub fn find(name: &str, tokenizer: Option<&Tokenizer>) -> Result<Source> {
    match tokenizer.map(|tokenizer| tokenizer.named_chat_template(name)).transpose()?.flatten() {
        Some(source) => Ok(source),
        None => Source::find(name),
    }
}

/// What a person should know where turns of the assistant were read and could not be found.
pub fn about_turns(chat: &Chat) -> Option<String> {
    let not_found = chat.turns_not_found();
    (not_found > 0).then(|| {
        format!(
            "{not_found} turns of the assistant are read and not learned: the chat template spells what comes before them \
             otherwise once more is said; put what the assistant writes between {{% generation %}} and {{% endgeneration %}}"
        )
    })
}

/// What a person should know of how conversations were spelled.
pub fn notices(chat: &Chat, tokenizer: &Tokenizer) -> Vec<String> {
    let (token, text) = chat.stop(tokenizer);
    let endless = match (chat.is_built_in(), token, text) {
        (true, ..) | (_, Some(_), _) => None,
        (_, None, Some(text)) => Some(format!(
            "the chat template ends turns with {text:?}, which is no token of the tokenizer: it is learned and read as text"
        )),
        (_, None, None) => Some(
            "the chat template ends no turn of the assistant: the model will not learn where to stop; write eos_token \
             behind what it says"
                .into(),
        ),
    };
    about_turns(chat).into_iter().chain(endless).collect()
}

impl PhaseChat {
    /// The tokenizer that belongs beside the phase's weights.
    pub fn tokenizer_or<'a>(&'a self, run: &'a Arc<Tokenizer>) -> &'a Arc<Tokenizer> {
        self.tokenizer.as_ref().unwrap_or(run)
    }
}

/// The format of a checkpoint, as its files bring it.
pub fn of_checkpoint(tokenizer: &Tokenizer) -> Result<Chat> {
    Chat::new(None, tokenizer, crate::corpus::chat::Moment::now())
        .map_err(|error: Error| error.within("the checkpoint's chat template cannot be used"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::chat::{Message, Role, known};
    use crate::run::plan::{Overrides, load};

    #[test]
    fn a_phase_has_the_template_of_the_nearest_phase_it_stands_on() {
        let folder = tempfile::tempdir().unwrap();
        let phase = |name: &str, lines: &str| {
            format!(
                "[[phase]]\nname = \"{name}\"\nobjective = \"sft\"\ncorpus = \"x\"\nsteps = 1\n\
                 optimizer = {{ learning_rate = 1e-3 }}\n{lines}\n"
            )
        };
        let phases = [
            phase("plain", ""),
            phase("own", "chat_template = \"chatml\""),
            phase("after", ""),
            phase("beside", "from = \"plain\""),
            phase("lost", "chat_template = \"nowhere\""),
        ];
        let head = "name = \"a\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\" }\n";
        let path = folder.path().join("plan.toml");
        std::fs::write(&path, format!("{head}{}", phases.concat())).unwrap();
        let plan = load(path.to_str().unwrap(), &Overrides::default()).unwrap();
        let tokenizer = Arc::new(Tokenizer::train(["a"], 300).unwrap());
        let messages = [Message { role: Role::User, content: "a".into() }];
        for (index, marks) in [(0, "<|user|>"), (1, "<|im_start|>"), (2, "<|im_start|>"), (3, "<|user|>")] {
            let found = of_phase(&plan, index, Some(&tokenizer)).unwrap();
            assert!(found.chat.prompt(&messages).unwrap().text.starts_with(marks), "{index}");
            let template = found.tokenizer_or(&tokenizer).chat_template().unwrap().unwrap().text;
            assert_eq!(template == known("chatml").unwrap(), index == 1 || index == 2);
            let before = of_phase(&plan, index, None).unwrap().chat;
            assert_eq!(before.prompt(&messages).unwrap().text, found.chat.prompt(&messages).unwrap().text);
        }
        let error = of_phase(&plan, 4, Some(&tokenizer)).err().unwrap().to_string();
        assert!(error.contains("phase.lost.chat_template") && error.contains("chatml"), "{error}");
        let notices = notices(&of_phase(&plan, 1, Some(&tokenizer)).unwrap().chat, &tokenizer);
        assert!(notices[0].contains("<|im_end|>"), "{notices:?}");
    }
}
