//! The one error type: it says what failed, why, and what to do next.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller, or the shell, should make of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused or failed: exit code 1.
    Failed,
    /// The command line itself is wrong: exit code 2.
    Usage,
    /// Stopped by the person, after a save: exit code 130.
    Interrupted,
}

/// An error in three parts: what failed, why (outermost cause first), and what to do next.
#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    pub what: String,
    pub why: Vec<String>,
    pub next: Option<String>,
}

impl Error {
    pub fn new(what: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, what: what.into(), why: Vec::new(), next: None }
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(what) }
    }

    /// Adds a cause below the ones already there.
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why.push(why.to_string());
        self
    }

    /// Says what the person can do about it; the innermost advice stays.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next.get_or_insert(next.into());
        self
    }

    /// Wraps this error in a wider one: the old `what` becomes the first cause.
    pub fn within(mut self, what: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.what, what.into());
        self.why.insert(0, inner);
        self
    }

    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Interrupted => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for why in &self.why {
            write!(f, "\n  because: {why}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        // candle appends a backtrace below the first line.
        let text = error.to_string();
        Self::new("a tensor operation failed").because(text.lines().next().unwrap_or_default())
    }
}

/// Turns any error into an [`Error`] that says what was being done.
pub trait Context<T> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Cause>> Context<T> for std::result::Result<T, E> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| match error.into() {
            Cause::Own(own) => own.within(what()),
            Cause::Other(text) => Error::new(what()).because(text),
        })
    }
}

/// Either our own error, whose parts are kept, or the text of a foreign one.
#[derive(Debug)]
pub enum Cause {
    Own(Error),
    Other(String),
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Cause::Own(error)
    }
}

macro_rules! foreign {
    ($($kind:ty),* $(,)?) => { $(
        impl From<$kind> for Cause {
            fn from(error: $kind) -> Self {
                Cause::Other(error.to_string())
            }
        }
    )* };
}

foreign!(
    std::io::Error,
    serde_json::Error,
    toml::de::Error,
    toml::ser::Error,
    tokenizers::Error,
    safetensors::SafeTensorError,
    tempfile::PersistError,
    String,
    &str,
);

impl From<candle_core::Error> for Cause {
    fn from(error: candle_core::Error) -> Self {
        Cause::Own(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_next() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = Err::<(), _>(io).what(|| "cannot read plan.toml".into()).unwrap_err();
        let error = error.within("cannot train").next("give a path that exists");
        let expected =
            "cannot train\n  because: cannot read plan.toml\n  because: no such file\n  next: give a path that exists";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit_code(), 1);
    }
}
