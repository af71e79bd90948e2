//! Values as Python writes them: `json.dumps` and `str`.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, escape_formatter};
use minijinja_contrib::pycompat;

/// Values in values, this many at most: each takes room on the stack.
const DEEPEST: usize = 100;

fn refused(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// Methods that texts, lists and mappings have in Python.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, args) {
        (Some(text), "title", []) => Ok(Value::from(title(text))),
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// Every letter behind none is a capital.
fn title(text: &str) -> String {
    let mut follows = false;
    let mut titled = String::with_capacity(text.len());
    for c in text.chars() {
        match follows {
            true => titled.extend(c.to_lowercase()),
            false => titled.extend(c.to_uppercase()),
        }
        follows = c.is_alphabetic();
    }
    titled
}

/// How JSON is written.
struct Style {
    /// What stands before a value, for each level it is inside of; `None` for all on one line.
    indent: Option<String>,
    between: String,
    after_key: String,
    ensure_ascii: bool,
    sort_keys: bool,
}

/// The filter `tojson` of chat templates: `json.dumps` with these arguments, and nothing escaped for HTML.
pub(super) fn tojson(value: &Value, args: Kwargs) -> Result<String, Error> {
    let indent = match args.get::<Option<Value>>("indent")? {
        None => None,
        Some(value) if value.is_none() => None,
        Some(value) => Some(match value.as_str() {
            Some(text) => text.to_string(),
            None => " ".repeat(
                usize::try_from(value)
                    .ok()
                    .filter(|width| *width <= 64)
                    .ok_or_else(|| refused("the indent of tojson is a text, or a number of spaces up to 64"))?,
            ),
        }),
    };
    let separators = args.get::<Option<Vec<String>>>("separators")?;
    let (between, after_key) = match separators.as_deref() {
        None => (if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()),
        Some([between, after_key]) => (between.clone(), after_key.clone()),
        Some(_) => return Err(refused("the separators of tojson are two texts")),
    };
    let flag = |name| args.get::<Option<bool>>(name).map(Option::unwrap_or_default);
    let style =
        Style { indent, between, after_key, ensure_ascii: flag("ensure_ascii")?, sort_keys: flag("sort_keys")? };
    args.assert_all_used()?;
    let mut out = String::new();
    json(value, &style, 0, &mut out)?;
    Ok(out)
}

fn json(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    check_depth(depth)?;
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value, ["NaN", "Infinity", "-Infinity"])),
        ValueKind::String => json_string(value.as_str().unwrap_or_default(), style.ensure_ascii, out),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.collect::<Vec<Value>>();
            enclosed(['[', ']'], items.len(), style, depth, out, |at, out| json(&items[at], style, depth + 1, out))?;
        }
        ValueKind::Map => {
            let mut keys = value.try_iter()?.collect::<Vec<Value>>();
            if style.sort_keys {
                keys.sort();
            }
            enclosed(['{', '}'], keys.len(), style, depth, out, |at, out| {
                let key = &keys[at];
                json_string(&key.as_str().map_or_else(|| key.to_string(), str::to_string), style.ensure_ascii, out);
                out.push_str(&style.after_key);
                json(&value.get_item(key)?, style, depth + 1, out)
            })?;
        }
        kind => return Err(refused(format!("tojson cannot write a value that is {kind}"))),
    }
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(refused(format!("values lie more than {DEEPEST} deep in each other")));
    }
    Ok(())
}

/// `count` items between brackets, each written by `item`.
fn enclosed(
    brackets: [char; 2],
    count: usize,
    style: &Style,
    depth: usize,
    out: &mut String,
    mut item: impl FnMut(usize, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    out.push(brackets[0]);
    for at in 0..count {
        if at > 0 {
            out.push_str(&style.between);
        }
        line(depth + 1, out);
        item(at, out)?;
    }
    if count > 0 {
        line(depth, out);
    }
    out.push(brackets[1]);
    Ok(())
}

fn json_string(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || (ensure_ascii && !c.is_ascii()) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number as Python's `repr`; `odd` names what is not a number, infinity and minus infinity.
fn number(value: &Value, odd: [&str; 3]) -> String {
    let text = value.to_string();
    let Ok(float) = f64::try_from(value.clone()) else { return text };
    if value.is_integer() {
        return text;
    }
    if float.is_nan() {
        return odd[0].into();
    }
    if float.is_infinite() {
        return odd[if float > 0.0 { 1 } else { 2 }].into();
    }
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{float:?}")
}

/// What `{{ value }}` writes: as Python's `str`, so `None`, `True`, and lists and mappings with quoted texts.
pub(super) fn write(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Seq | ValueKind::Map | ValueKind::Number => {
            let mut text = String::new();
            repr(value, 0, &mut text)?;
            text
        }
        _ => return escape_formatter(out, state, value),
    };
    out.write_str(&text).map_err(Error::from)
}

fn repr(value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
    check_depth(depth)?;
    let style =
        Style { indent: None, between: ", ".into(), after_key: ": ".into(), ensure_ascii: false, sort_keys: false };
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value, ["nan", "inf", "-inf"])),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq => {
            let items = value.try_iter()?.collect::<Vec<Value>>();
            enclosed(['[', ']'], items.len(), &style, depth, out, |at, out| repr(&items[at], depth + 1, out))?;
        }
        ValueKind::Map => {
            let keys = value.try_iter()?.collect::<Vec<Value>>();
            enclosed(['{', '}'], keys.len(), &style, depth, out, |at, out| {
                repr(&keys[at], depth + 1, out)?;
                out.push_str(": ");
                repr(&value.get_item(&keys[at])?, depth + 1, out)
            })?;
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == '\\' || c == quote => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
}
