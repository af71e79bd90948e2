//! A screen as SVG, for papers and pages, and as bare text.

use super::theme::Theme;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// Size of a cell in the picture's own units: that of common monospaced fonts at 14 units, so that frames have no gaps.
const CELL: (f64, f64) = (8.4, 16.4);
const FONT: f64 = 14.0;
/// From the top of a cell to the line that letters stand on.
const BASELINE: f64 = 13.0;
const MARGIN: f64 = 12.0;

/// A stretch of cells in a row that look alike.
struct Stretch {
    x: u16,
    width: u16,
    text: String,
    look: Look,
}

#[derive(Clone, Copy, PartialEq)]
struct Look {
    ink: [u8; 3],
    ground: [u8; 3],
    modifier: Modifier,
}

/// The screen as a picture. Colours that the theme leaves to the terminal are a light ink on a dark ground.
pub fn render(buffer: &Buffer, theme: &Theme) -> String {
    let ground = theme.screen.bg.map_or([14, 20, 32], |color| rgb(color, [14, 20, 32]));
    let ink = theme.screen.fg.map_or([216, 222, 233], |color| rgb(color, [216, 222, 233]));
    let (columns, rows) = (f64::from(buffer.area.width), f64::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2.0 * MARGIN, rows * CELL.1 + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         height=\"{height:.0}\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n<g font-family=\"\
         ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"{FONT}\" xml:space=\"preserve\" \
         text-rendering=\"geometricPrecision\">\n",
        hex(ground),
    );
    for row in 0..buffer.area.height {
        let y = MARGIN + f64::from(row) * CELL.1;
        let stretches = stretches(buffer, row, ink, ground);
        for same in stretches.chunk_by(|one, other| one.look.ground == other.look.ground) {
            if same[0].look.ground != ground {
                write_ground(&mut svg, same, y);
            }
        }
        for stretch in stretches.iter().filter(|stretch| !stretch.text.trim().is_empty()) {
            write_text(&mut svg, stretch, y + BASELINE);
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// What stretches that follow each other stand on.
fn write_ground(svg: &mut String, stretches: &[Stretch], y: f64) {
    let width: u16 = stretches.iter().map(|stretch| stretch.width).sum();
    let (x, width) = (MARGIN + f64::from(stretches[0].x) * CELL.0, f64::from(width) * CELL.0);
    let (height, fill) = (CELL.1, hex(stretches[0].look.ground));
    let _ =
        writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>");
}

/// `textLength` keeps columns under each other in any font.
fn write_text(svg: &mut String, stretch: &Stretch, y: f64) {
    let Look { ink, modifier, .. } = stretch.look;
    let (x, width) = (MARGIN + f64::from(stretch.x) * CELL.0, f64::from(stretch.width) * CELL.0);
    let attributes = [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        (Modifier::CROSSED_OUT, " text-decoration=\"line-through\""),
        (Modifier::DIM, " opacity=\"0.6\""),
    ];
    let look: String =
        attributes.iter().filter(|(held, _)| modifier.contains(*held)).map(|(_, attribute)| *attribute).collect();
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         fill=\"{}\"{look}>{}</text>",
        hex(ink),
        escaped(&stretch.text),
    );
}

/// Characters of one kind are equally wide in any font, and can be written as one text. Others stand alone: fonts
/// disagree about them.
fn kind(symbol: &str) -> Option<u8> {
    match symbol.chars().next()? {
        ' '..='~' => Some(0),
        '\u{2500}'..='\u{257f}' => Some(1),
        '\u{2580}'..='\u{259f}' => Some(2),
        '\u{2800}'..='\u{28ff}' => Some(3),
        _ => None,
    }
}

/// The cells of a row from left to right, in stretches of one look and one kind of character.
fn stretches(buffer: &Buffer, row: u16, ink: [u8; 3], ground: [u8; 3]) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut x = 0;
    while let Some(cell) = buffer.cell((x, row)).filter(|_| x < buffer.area.width) {
        let look = look(cell, ink, ground);
        let width = u16::try_from(cell.symbol().width()).unwrap_or(1).max(1);
        let own = kind(cell.symbol());
        match found.last_mut().filter(|last| last.look == look && own.is_some() && kind(&last.text) == own) {
            Some(last) => {
                last.text.push_str(cell.symbol());
                last.width += width;
            }
            None => found.push(Stretch { x, width, text: cell.symbol().to_string(), look }),
        }
        x += width;
    }
    found
}

fn look(cell: &Cell, ink: [u8; 3], ground: [u8; 3]) -> Look {
    let (front, back) = (rgb(cell.fg, ink), rgb(cell.bg, ground));
    match cell.modifier.contains(Modifier::REVERSED) {
        true => Look { ink: back, ground: front, modifier: cell.modifier },
        false => Look { ink: front, ground: back, modifier: cell.modifier },
    }
}

/// The screen as text: one line a row, without blanks at the ends.
pub fn plain(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in 0..buffer.area.height {
        let mut x = 0;
        let mut line = String::new();
        while let Some(cell) = buffer.cell((x, row)).filter(|_| x < buffer.area.width) {
            line.push_str(cell.symbol());
            x += u16::try_from(cell.symbol().width()).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The sixteen colours that terminals name, in the shades of xterm's common themes.
const NAMED: [[u8; 3]; 16] = [
    [29, 31, 33],
    [204, 102, 102],
    [165, 189, 104],
    [222, 181, 90],
    [110, 150, 190],
    [178, 148, 187],
    [120, 180, 175],
    [197, 200, 198],
    [120, 125, 130],
    [232, 131, 136],
    [190, 210, 124],
    [240, 205, 130],
    [150, 190, 225],
    [205, 176, 214],
    [160, 215, 208],
    [255, 255, 255],
];

/// `own` stands for what is left to the terminal.
fn rgb(color: Color, own: [u8; 3]) -> [u8; 3] {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match color {
        Color::Reset => own,
        Color::Rgb(red, green, blue) => [red, green, blue],
        Color::Indexed(index @ 0..16) => NAMED[usize::from(index)],
        Color::Indexed(index @ 16..232) => {
            let place = usize::from(index - 16);
            [LEVELS[place / 36], LEVELS[place / 6 % 6], LEVELS[place % 6]]
        }
        Color::Indexed(index) => [8 + 10 * (index - 232); 3],
        Color::Black => NAMED[0],
        Color::Red => NAMED[1],
        Color::Green => NAMED[2],
        Color::Yellow => NAMED[3],
        Color::Blue => NAMED[4],
        Color::Magenta => NAMED[5],
        Color::Cyan => NAMED[6],
        Color::Gray => NAMED[7],
        Color::DarkGray => NAMED[8],
        Color::LightRed => NAMED[9],
        Color::LightGreen => NAMED[10],
        Color::LightYellow => NAMED[11],
        Color::LightBlue => NAMED[12],
        Color::LightMagenta => NAMED[13],
        Color::LightCyan => NAMED[14],
        Color::White => NAMED[15],
    }
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn sample() -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(0, 0, "a <b> 日本⣧", Style::new().fg(Color::Rgb(1, 2, 3)));
        buffer.set_string(0, 1, "x", Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD));
        buffer
    }

    #[test]
    fn cells_keep_their_columns_and_looks() {
        let svg = render(&sample(), &Theme::default());
        assert!(
            svg.contains("textLength=\"50.4\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#010203\">a &lt;b&gt; </text>"),
            "{svg}"
        );
        // Column 6: after six of 8.4 units.
        assert!(svg.contains("<text x=\"62.4\" y=\"25.0\" textLength=\"16.8\""), "{svg}");
        assert!(svg.contains("<rect x=\"12.0\" y=\"28.4\" width=\"8.4\" height=\"16.4\" fill=\"#d8dee9\"/>"), "{svg}");
        assert!(svg.contains("fill=\"#0e1420\" font-weight=\"bold\">x</text>"), "{svg}");
    }

    #[test]
    fn text_has_one_line_a_row() {
        assert_eq!(plain(&sample()), "a <b> 日本⣧\nx\n");
    }
}
