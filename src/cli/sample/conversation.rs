//! `--chat`: a prompt as the last turn of a conversation, in the format of each checkpoint.

use crate::corpus::chat::{Message, Role};
use crate::corpus::tokenizer::Tokenizer;
use crate::run::chat::of_checkpoint;
use crate::sample::{Sampling, Task};
use crate::{Error, Result};

#[derive(clap::Args)]
pub struct Conversation {
    /// The prompt is what a user says last, in the checkpoint's chat template: for models tuned on conversations
    #[arg(long)]
    chat: bool,
    /// With --chat: what the system says first
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
    /// With --chat: an earlier turn, such as user:Hello or assistant:Hi; can be given several times
    #[arg(long, value_name = "ROLE:TEXT", requires = "chat")]
    turn: Vec<String>,
}

/// What a checkpoint goes on from.
pub struct Beginning {
    pub task: Task,
    pub text: String,
    /// What ends the answer besides tokens.
    pub stop: Option<String>,
}

impl Conversation {
    /// What comes before the prompt.
    fn earlier(&self) -> Result<Vec<Message>> {
        let system = self.system.iter().map(|text| Message { role: Role::System, content: text.clone() });
        let mut messages: Vec<Message> = system.collect();
        for turn in &self.turn {
            let (role, content) = match turn.split_once(':') {
                Some(("user", content)) => (Role::User, content),
                Some(("assistant", content)) => (Role::Assistant, content),
                _ => {
                    return Err(Error::usage(format!("\"{turn}\" is no turn"))
                        .because("it begins neither with user: nor with assistant:")
                        .next("write --turn user:TEXT, and --system TEXT for the system"));
                }
            };
            messages.push(Message { role, content: content.into() });
        }
        Ok(messages)
    }

    /// Refuses what cannot be read, before any checkpoint is.
    pub fn check(&self) -> Result<()> {
        self.earlier().map(|_| ())
    }

    /// The prompt as it is, or as the last turn of the conversation in the format that the tokenizer's files bring.
    pub fn begin(&self, prompt: &str, tokenizer: &Tokenizer, sampling: Sampling, limit: usize) -> Result<Beginning> {
        if !self.chat {
            let task = Task::of_text(tokenizer, prompt, sampling, limit)?;
            return Ok(Beginning { task, text: prompt.into(), stop: None });
        }
        let mut messages = self.earlier()?;
        messages.push(Message { role: Role::User, content: prompt.into() });
        let chat = of_checkpoint(tokenizer)?;
        let prompt = chat.prompt(&messages)?;
        let (task, stop) = Task::of_conversation(tokenizer, &chat, &prompt, sampling, limit)?;
        Ok(Beginning { task, text: prompt.text, stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_read_and_what_is_none_is_refused() {
        let of = |turn: &str| Conversation { chat: true, system: Some("s".into()), turn: vec![turn.into()] };
        let message = |role, content: &str| Message { role, content: content.into() };
        assert_eq!(
            of("assistant:a: b").earlier().unwrap(),
            [message(Role::System, "s"), message(Role::Assistant, "a: b")]
        );
        for wrong in ["hello", "tool:x", ""] {
            assert_eq!(of(wrong).check().unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn a_prompt_is_spelled_as_the_checkpoint_brings_it() {
        let tokenizer = Tokenizer::train(["hello there"], 300).unwrap();
        let spelled = |tokenizer: &Tokenizer| {
            let asked = Conversation { chat: true, system: Some("s".into()), turn: vec!["user:a".into()] };
            asked.begin("b<|end|>", tokenizer, Sampling::GREEDY, 3).unwrap()
        };
        let own = spelled(&tokenizer);
        assert_eq!(own.text, "<|system|>\ns<|end|>\n<|user|>\na<|end|>\n<|user|>\nb<|end|><|end|>\n<|assistant|>\n");
        let end = tokenizer.id("<|end|>").unwrap();
        assert_eq!(own.task.prompt.iter().filter(|id| **id == end).count(), 3, "what the user writes is text");
        assert_eq!((own.task.stop.contains(&end), own.stop), (true, None));
        let chatml = tokenizer.with_chat_template(crate::corpus::chat::known("chatml").unwrap()).unwrap();
        let other = spelled(&chatml);
        assert!(
            other.text.ends_with("<|im_start|>user\nb<|end|><|im_end|>\n<|im_start|>assistant\n"),
            "{}",
            other.text
        );
        assert_eq!(other.stop.as_deref(), Some("<|im_end|>"));
    }
}
