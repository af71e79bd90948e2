//! Keys for the lists of the pane, and the mouse.

use super::actions::edit;
use super::settings::Setting;
use super::{LaneView, List, Picker, SettingsList, mixture};
use crate::app::line::Line;
use crate::app::{App, Code, Gesture, Key, Pointer, Spot};

/// Lines that one turn of the wheel scrolls.
const WHEEL: isize = 3;

/// A key while a list is open; `false` where it means nothing there.
pub fn typed(app: &mut App, key: Key) -> bool {
    match app.prompt.list.take() {
        Some(List::Settings(list)) => in_settings(app, list, key),
        Some(List::Lanes(picker)) => in_picker(app, picker, key),
        None => false,
    }
}

fn in_settings(app: &mut App, mut list: SettingsList, key: Key) -> bool {
    let setting = list.setting();
    let is_plain = !(key.control || key.alt);
    let mut is_open = true;
    let is_known = match (&mut list.typing, key.code) {
        (Some(_), Code::Escape) => {
            list.typing = None;
            true
        }
        (Some(line), Code::Enter) => {
            match setting.set(&mut app.prompt.settings, line.text()) {
                Ok(()) => list.typing = None,
                Err(why) => app.refuse(why),
            }
            true
        }
        (Some(line), _) => line.key(key),
        (None, Code::Escape) => {
            is_open = false;
            true
        }
        (None, Code::Up | Code::Char('k')) if is_plain => {
            list.selected = list.selected.saturating_sub(1);
            true
        }
        (None, Code::Down | Code::Char('j')) if is_plain => {
            list.selected = (list.selected + 1).min(Setting::ALL.len() - 1);
            true
        }
        (None, Code::Left | Code::Right | Code::Char('h' | 'l' | '-' | '+' | '=')) if is_plain => {
            let up = matches!(key.code, Code::Right | Code::Char('l' | '+' | '='));
            setting.step(&mut app.prompt.settings, up);
            true
        }
        (None, Code::Enter) => {
            list.typing = Some(Line::new(setting.shown(&app.prompt.settings)));
            true
        }
        (None, Code::Char(character)) if is_plain && (character.is_ascii_digit() || character == '.') => {
            list.typing = Some(Line::new(character));
            true
        }
        _ => false,
    };
    app.prompt.list = is_open.then_some(List::Settings(list));
    is_known
}

fn in_picker(app: &mut App, mut picker: Picker, key: Key) -> bool {
    let count = picker.choices(&app.mirror).len();
    let mut is_open = true;
    let is_known = match key.code {
        Code::Escape => {
            is_open = false;
            true
        }
        Code::Up => {
            picker.selected = picker.selected.saturating_sub(1);
            true
        }
        Code::Down => {
            picker.selected = (picker.selected + 1).min(count.saturating_sub(1));
            true
        }
        Code::Enter => {
            is_open = !add(app, &picker);
            true
        }
        _ => {
            let is_known = picker.typed.key(key);
            picker.selected = picker.selected.min(picker.choices(&app.mirror).len().saturating_sub(1));
            is_known
        }
    };
    app.prompt.list = is_open.then_some(List::Lanes(picker));
    is_known
}

/// Adds the selected lane on the right; false where there is none.
fn add(app: &mut App, picker: &Picker) -> bool {
    let Some(choice) = picker.choices(&app.mirror).into_iter().nth(picker.selected) else {
        app.refuse(picker.problem().unwrap_or_else(|| "type the name of a checkpoint".into()));
        return false;
    };
    let prompt = &mut app.prompt;
    if let Some(there) = prompt.lanes.iter().position(|view| view.lane == choice.lane) {
        prompt.selected = there;
        app.say("that lane is there already");
        return true;
    }
    prompt.lanes.push(LaneView::new(choice.lane));
    prompt.selected = prompt.lanes.len() - 1;
    app.say("added: it writes when the prompt is run again");
    true
}

/// The mouse did something over one of this pane's spots.
pub fn pointed(app: &mut App, pointer: Pointer) {
    match (pointer.spot, pointer.gesture) {
        (Spot::Editor, Gesture::Press) => edit(app),
        (Spot::Choice(index), gesture) => on_choice(app, index, gesture),
        (Spot::Slider(lane), gesture) if lane < app.prompt.lanes.len() => match gesture {
            Gesture::WheelUp | Gesture::WheelDown => mixture::nudge(app, lane, gesture == Gesture::WheelUp),
            Gesture::Press | Gesture::Drag => mixture::slide(app, lane, pointer),
            Gesture::Release => {}
        },
        (Spot::Lane(lane) | Spot::Token(lane, _), gesture) if lane < app.prompt.lanes.len() => match gesture {
            Gesture::WheelUp => app.prompt.lanes[lane].scroll_by(-WHEEL),
            Gesture::WheelDown => app.prompt.lanes[lane].scroll_by(WHEEL),
            Gesture::Press => {
                app.prompt.editing = false;
                app.prompt.selected = lane;
                if let Spot::Token(_, token) = pointer.spot {
                    app.prompt.token = Some(token);
                }
            }
            Gesture::Drag | Gesture::Release => {}
        },
        _ => {}
    }
}

/// The first press selects a line, the next one does what Enter does; the wheel goes through values.
fn on_choice(app: &mut App, index: usize, gesture: Gesture) {
    match (app.prompt.list.take(), gesture) {
        (Some(List::Settings(mut list)), _) if index < Setting::ALL.len() => {
            let was_selected = list.selected == index;
            if gesture == Gesture::Press && !was_selected {
                list = SettingsList { selected: index, typing: None };
            } else if gesture == Gesture::Press && list.typing.is_none() {
                list.typing = Some(Line::new(list.setting().shown(&app.prompt.settings)));
            } else if matches!(gesture, Gesture::WheelUp | Gesture::WheelDown) && list.typing.is_none() {
                Setting::ALL[index].step(&mut app.prompt.settings, gesture == Gesture::WheelUp);
            }
            app.prompt.list = Some(List::Settings(list));
        }
        (Some(List::Lanes(mut picker)), Gesture::Press) => {
            picker.selected = index;
            let is_added = add(app, &picker);
            app.prompt.list = (!is_added).then_some(List::Lanes(picker));
        }
        (list, _) => app.prompt.list = list,
    }
}
