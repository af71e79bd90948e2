//! A figure as SVG, for papers and pages: points and lines over two axes.
//!
//! ```text
//! Figure {
//!     title: "Task against retention".into(),
//!     note: "3 seeds each".into(),
//!     x: Axis::titled("forgetting of the old, nats/token"),
//!     y: Axis::titled("loss on the new, nats/token"),
//!     series: vec![Series { name: "replay".into(), look: Look::Points, points: vec![
//!         Point::at(0.1, 1.2).named("5%"),
//!         Point::at(0.2, 1.1).spread((0.15, 0.25), (1.0, 1.2)),
//!     ]}],
//! }.svg()
//! ```
//!
//! Series tell themselves apart by colour (Okabe and Ito's, which the colour-blind tell apart) and by the shape of their
//! marks. Whatever is no number is left out, and so is what is not above zero where an axis is logarithmic.

use crate::app::graphs::scale::Span;
use crate::{Context, Error, Result};
use std::fmt::Write as _;
use std::path::Path;

/// A picture of two axes and what stands between them.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    pub title: String,
    /// Said in small letters below the title: seeds, data. May be empty.
    pub note: String,
    pub x: Axis,
    pub y: Axis,
    /// Later ones are drawn over earlier ones.
    pub series: Vec<Series>,
}

/// How an axis is read.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// With its unit.
    pub title: String,
    /// Logarithmic, for values above zero.
    pub log: bool,
    /// Zero is shown even where no value is near it; not on logarithmic axes.
    pub zero: bool,
    /// What stands at 0, 1, 2…, instead of numbers.
    pub names: Vec<String>,
}

/// What belongs together, in one colour.
#[derive(Clone, Debug)]
pub struct Series {
    /// As the legend says it; without a name it is not in the legend.
    pub name: String,
    pub look: Look,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Marks.
    Points,
    /// A line through the points in their order, without marks.
    Line,
    /// Both.
    Joined,
    /// A line of dashes, grey, without marks: for what others are held against.
    Dashed,
}

/// A place, and how sure it is.
#[derive(Clone, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// Written beside it; may be empty.
    pub label: String,
    /// From where to where it lies: of several seeds, the lowest and the highest.
    pub x_spread: Option<(f64, f64)>,
    pub y_spread: Option<(f64, f64)>,
}

impl Axis {
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }
}

impl Point {
    pub fn at(x: f64, y: f64) -> Self {
        Self { x, y, label: String::new(), x_spread: None, y_spread: None }
    }

    pub fn named(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Lines through the point from the lowest to the highest, sideways and upwards.
    pub fn spread(self, x: (f64, f64), y: (f64, f64)) -> Self {
        Self { x_spread: Some(x), y_spread: Some(y), ..self }
    }
}

const SIZE: (f64, f64) = (760.0, 500.0);
/// What is left of the picture for axes and titles: left, right, above, below. The legend's rows come above.
const EDGE: (f64, f64, f64, f64) = (78.0, 24.0, 58.0, 60.0);
const LEGEND_ROW: f64 = 18.0;
/// Width of a letter at the size of labels, about: what overlaps is judged by it.
const LETTER: f64 = 6.4;
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const GREY: &str = "#777777";

/// A rectangle: left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// Where values stand in the picture.
struct Frame {
    x: Span,
    y: Span,
    /// Of the plot's own rectangle.
    area: Box4,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.area.0 + self.x.share(value) * (self.area.2 - self.area.0)
    }

    fn y(&self, value: f64) -> f64 {
        self.area.3 - self.y.share(value) * (self.area.3 - self.area.1)
    }
}

impl Figure {
    /// The whole picture: one SVG document that needs nothing else.
    pub fn svg(&self) -> String {
        let legend = self.legend();
        let rows = legend.last().map_or(0.0, |(_, _, row)| row + 1.0);
        let above = EDGE.2 + rows * LEGEND_ROW;
        let frame = Frame {
            x: span(&self.x, self.values(|point| (point.x, point.x_spread))),
            y: span(&self.y, self.values(|point| (point.y, point.y_spread))),
            area: (EDGE.0, above, SIZE.0 - EDGE.1, SIZE.1 + rows * LEGEND_ROW - EDGE.3),
        };
        let (width, height) = (SIZE.0, SIZE.1 + rows * LEGEND_ROW);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" \
             fill=\"#222222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        let title = fitting(&self.title, 16.0);
        text(&mut svg, (EDGE.0, 26.0), &format!("font-size=\"{title:.1}\" font-weight=\"bold\""), &self.title);
        let note = fitting(&self.note, 12.0);
        text(&mut svg, (EDGE.0, 44.0), &format!("font-size=\"{note:.1}\" fill=\"{GREY}\""), &self.note);
        for (index, x, row) in legend {
            let (place, series) = ((x, EDGE.2 + row * LEGEND_ROW), &self.series[index]);
            self.mark(&mut svg, index, place);
            if series.look != Look::Points {
                line(&mut svg, (place.0 - 9.0, place.1), (place.0 + 9.0, place.1), &self.stroke(index));
            }
            text(&mut svg, (place.0 + 14.0, place.1 + 4.0), "", &series.name);
        }
        self.axes(&mut svg, &frame);
        for index in 0..self.series.len() {
            self.draw(&mut svg, index, &frame);
        }
        self.labels(&mut svg, &frame);
        svg.push_str("</svg>\n");
        svg
    }

    /// Writes the picture whole, or leaves what was there.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = Path::new(&name);
        let written = std::fs::write(part, self.svg()).and_then(|()| std::fs::rename(part, path));
        if written.is_err() {
            // The error says what there is to say; half a picture is of no use.
            let _ = std::fs::remove_file(part);
        }
        written.what(|| format!("cannot draw into {}", path.display()))
    }

    /// All that an axis must hold.
    fn values(&self, of: impl Fn(&Point) -> (f64, Option<(f64, f64)>)) -> Vec<f64> {
        let points = self.series.iter().flat_map(|series| &series.points);
        points
            .flat_map(|point| {
                let (value, spread) = of(point);
                [Some(value), spread.map(|spread| spread.0), spread.map(|spread| spread.1)]
            })
            .flatten()
            .collect()
    }

    /// Series with a name: which, how far right, and in which row, from 0.
    fn legend(&self) -> Vec<(usize, f64, f64)> {
        let (mut x, mut row) = (EDGE.0 + 9.0, 0.0);
        let mut found = Vec::new();
        for (index, series) in self.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
            let width = 40.0 + series.name.chars().count() as f64 * LETTER;
            if x > EDGE.0 + 9.0 && x + width > SIZE.0 - EDGE.1 {
                (x, row) = (EDGE.0 + 9.0, row + 1.0);
            }
            found.push((index, x, row));
            x += width;
        }
        found
    }

    fn color(&self, index: usize) -> &'static str {
        let before = self.series[..index].iter().filter(|series| series.look != Look::Dashed).count();
        if self.series[index].look == Look::Dashed { GREY } else { COLORS[before % COLORS.len()] }
    }

    fn stroke(&self, index: usize) -> String {
        let dashes = if self.series[index].look == Look::Dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        format!("stroke=\"{}\" stroke-width=\"1.8\" fill=\"none\"{dashes}", self.color(index))
    }

    /// The mark of a series; of lines none.
    fn mark(&self, svg: &mut String, index: usize, (x, y): (f64, f64)) {
        if matches!(self.series[index].look, Look::Line | Look::Dashed) {
            return;
        }
        let color = self.color(index);
        let corners = |corners: &[(f64, f64)]| {
            let at: Vec<String> =
                corners.iter().map(|(right, down)| format!("{:.1},{:.1}", x + right, y + down)).collect();
            format!("<polygon points=\"{}\" fill=\"{color}\"/>", at.join(" "))
        };
        let shape = match index % 4 {
            0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{color}\"/>"),
            1 => corners(&[(-3.8, -3.8), (3.8, -3.8), (3.8, 3.8), (-3.8, 3.8)]),
            2 => corners(&[(0.0, -5.0), (4.8, 3.6), (-4.8, 3.6)]),
            _ => corners(&[(0.0, -5.2), (5.2, 0.0), (0.0, 5.2), (-5.2, 0.0)]),
        };
        let _ = writeln!(svg, "{shape}");
    }

    fn axes(&self, svg: &mut String, frame: &Frame) {
        let (left, top, right, bottom) = frame.area;
        let faint = "stroke=\"#e4e4e4\" stroke-width=\"1\"";
        for (value, name) in ticks(&self.x, &frame.x, 8) {
            let x = frame.x(value);
            line(svg, (x, top), (x, bottom), faint);
            text(svg, (x, bottom + 18.0), "text-anchor=\"middle\"", &name);
        }
        for (value, name) in ticks(&self.y, &frame.y, 7) {
            let y = frame.y(value);
            line(svg, (left, y), (right, y), faint);
            text(svg, (left - 8.0, y + 4.0), "text-anchor=\"end\"", &name);
        }
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\" stroke=\"#999999\"/>",
            right - left,
            bottom - top
        );
        text(svg, ((left + right) / 2.0, bottom + 44.0), "text-anchor=\"middle\" font-size=\"13\"", &self.x.title);
        let middle = (top + bottom) / 2.0;
        let turned = format!("text-anchor=\"middle\" font-size=\"13\" transform=\"rotate(-90 18 {middle:.1})\"");
        text(svg, (18.0, middle), &turned, &self.y.title);
    }

    /// Where a point stands; none if it has no place on the axes.
    fn place(&self, point: &Point, frame: &Frame) -> Option<(f64, f64)> {
        let fits = |axis: &Axis, value: f64| value.is_finite() && (!axis.log || value > 0.0);
        (fits(&self.x, point.x) && fits(&self.y, point.y)).then(|| (frame.x(point.x), frame.y(point.y)))
    }

    fn draw(&self, svg: &mut String, index: usize, frame: &Frame) {
        let series = &self.series[index];
        let places: Vec<(&Point, (f64, f64))> =
            series.points.iter().filter_map(|point| Some((point, self.place(point, frame)?))).collect();
        if series.look != Look::Points && places.len() > 1 {
            let path: Vec<String> = places.iter().map(|(_, (x, y))| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(svg, "<polyline points=\"{}\" {}/>", path.join(" "), self.stroke(index));
        }
        let thin = format!("stroke=\"{}\" stroke-width=\"1\" opacity=\"0.6\"", self.color(index));
        let bounded = |value: f64, span: &Span| if span.log { value.max(span.low) } else { value };
        for (point, (x, y)) in places {
            if let Some((low, high)) = point.x_spread.filter(|(low, high)| low.is_finite() && high.is_finite()) {
                line(svg, (frame.x(bounded(low, &frame.x)), y), (frame.x(bounded(high, &frame.x)), y), &thin);
            }
            if let Some((low, high)) = point.y_spread.filter(|(low, high)| low.is_finite() && high.is_finite()) {
                line(svg, (x, frame.y(bounded(low, &frame.y))), (x, frame.y(bounded(high, &frame.y))), &thin);
            }
            self.mark(svg, index, (x, y));
        }
    }

    /// Labels beside their points, where they cover neither points nor other labels, if there is such a place.
    fn labels(&self, svg: &mut String, frame: &Frame) {
        let points = self.series.iter().flat_map(|series| &series.points);
        let placed: Vec<(&Point, (f64, f64))> =
            points.filter_map(|point| Some((point, self.place(point, frame)?))).collect();
        let mut taken: Vec<Box4> = placed.iter().map(|(_, (x, y))| (x - 4.0, y - 4.0, x + 4.0, y + 4.0)).collect();
        for (point, (x, y)) in placed.into_iter().filter(|(point, _)| !point.label.is_empty()) {
            let width = point.label.chars().count() as f64 * LETTER;
            let corners = [
                (x + 8.0, y - 6.0),
                (x - 8.0 - width, y - 6.0),
                (x - width / 2.0, y - 19.0),
                (x - width / 2.0, y + 7.0),
                (x + 6.0, y - 17.0),
                (x - 6.0 - width, y + 5.0),
            ];
            let boxes = corners.map(|(left, top)| (left, top, left + width, top + 12.0));
            let fits = |own: &&Box4| {
                own.0 >= frame.area.0 && own.2 <= frame.area.2 && own.1 >= frame.area.1 && own.3 <= frame.area.3
            };
            let free = |own: &&Box4| {
                taken.iter().all(|other| own.2 <= other.0 || other.2 <= own.0 || own.3 <= other.1 || other.3 <= own.1)
            };
            let own = boxes.iter().filter(fits).find(free).or(boxes.iter().find(fits)).unwrap_or(&boxes[0]);
            taken.push(*own);
            text(svg, (own.0, own.1 + 10.0), "font-size=\"11\"", &point.label);
        }
    }
}

/// The part of an axis that holds all values.
fn span(axis: &Axis, values: Vec<f64>) -> Span {
    if !axis.names.is_empty() {
        return Span { low: -0.5, high: axis.names.len() as f64 - 0.5, log: false };
    }
    let (mut low, mut high) = if axis.zero && !axis.log { (0.0, 0.0) } else { (f64::INFINITY, f64::NEG_INFINITY) };
    for value in values.into_iter().filter(|value| value.is_finite() && (!axis.log || *value > 0.0)) {
        (low, high) = (f64::min(low, value), f64::max(high, value));
    }
    Span::around(low, high, axis.log, None)
}

fn ticks(axis: &Axis, span: &Span, most: usize) -> Vec<(f64, String)> {
    if axis.names.is_empty() {
        return span.ticks(most);
    }
    axis.names.iter().enumerate().map(|(at, name)| (at as f64, name.clone())).collect()
}

/// Refuses a path that no picture can be drawn to: before anything is measured, not after it.
pub fn check_writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let why = match (path.is_dir(), folder.is_dir()) {
        (true, _) => "it is a folder".to_string(),
        (_, false) => format!("there is no folder {}", folder.display()),
        _ => return Ok(()),
    };
    Err(Error::new(format!("cannot draw into {}", path.display())).because(why).next("give --svg a file's name"))
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), look: &str) {
    let _ =
        writeln!(svg, "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {look}/>", from.0, from.1, to.0, to.1);
}

/// The size of letters, at most that one, at which a line of text ends where the plot does.
fn fitting(words: &str, size: f64) -> f64 {
    let width = words.chars().count() as f64 * LETTER / 12.0;
    if width > 0.0 { size.min((SIZE.0 - EDGE.0 - EDGE.1) / width) } else { size }
}

/// Text of any origin: what XML takes for marks, and what it does not allow, is written so that it is text.
fn text(svg: &mut String, (x, y): (f64, f64), look: &str, words: &str) {
    if words.is_empty() {
        return;
    }
    let words: String = words
        .chars()
        .map(|c| match c {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}'.into(),
            c => String::from(crate::tui::text::printable(c)),
        })
        .collect();
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {look}>{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let marks = vec![Point::at(0.0, 1.0).named("a <b>"), Point::at(10.0, 3.0).spread((9.0, 10.0), (2.0, 3.0))];
        Figure {
            title: "one & two".into(),
            note: "a note".into(),
            x: Axis::titled("across, steps"),
            y: Axis::titled("up, nats"),
            series: vec![
                Series { name: "marks".into(), look: Look::Points, points: marks },
                Series {
                    name: "straight".into(),
                    look: Look::Dashed,
                    points: vec![Point::at(0.0, 1.0), Point::at(f64::NAN, 2.0), Point::at(10.0, 3.0)],
                },
            ],
        }
    }

    #[test]
    fn points_stand_where_the_axes_say() {
        let svg = figure().svg();
        // From 0 to 10 across the plot, which is 78 to 736; from 1 to 3 up it, 76 (below a row of the legend) to 458.
        for expected in [
            "<circle cx=\"78.0\" cy=\"458.0\" r=\"4\" fill=\"#0072b2\"/>",
            "<circle cx=\"736.0\" cy=\"76.0\" r=\"4\" fill=\"#0072b2\"/>",
            "<polyline points=\"78.0,458.0 736.0,76.0\" stroke=\"#777777\" stroke-width=\"1.8\" fill=\"none\" stroke-dasharray=\"5 4\"/>",
            "<line x1=\"670.2\" y1=\"76.0\" x2=\"736.0\" y2=\"76.0\" stroke=\"#0072b2\" stroke-width=\"1\" opacity=\"0.6\"/>",
            ">one &amp; two</text>",
            ">a &lt;b&gt;</text>",
            ">across, steps</text>",
            ">2.5</text>",
        ] {
            assert!(svg.contains(expected), "{expected}\n{svg}");
        }
        // Nothing that is no number gets into the picture, and the document is one.
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn named_places_logarithms_and_empty_figures_are_drawn() {
        let mut figure = figure();
        figure.x.names = ["embedding", "block 0\u{1b}[31m"].map(String::from).into();
        figure.y.log = true;
        figure.series[0].points = vec![Point::at(0.0, 0.0), Point::at(1.0, 0.01), Point::at(1.0, 100.0)];
        let svg = figure.svg();
        assert!(svg.contains(">embedding</text>") && svg.contains("block 0␛[31m"), "{svg}");
        // Zero has no place on a logarithmic axis.
        assert_eq!(svg.matches("<circle").count(), 3, "two, and the legend's");
        assert!(svg.contains(">100</text>") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let empty = Figure::default().svg();
        assert!(empty.starts_with("<svg") && empty.ends_with("</svg>\n") && !empty.contains("NaN"), "{empty}");
    }

    #[test]
    fn an_axis_of_rates_holds_seven_decades() {
        let axis = Axis { log: true, ..Axis::default() };
        let span = span(&axis, vec![1e-7, 1e-3, 1.0]);
        assert!(span.share(1e-7) >= 0.0 && span.share(1.0) <= 1.0, "{span:?}");
    }

    #[test]
    fn what_is_long_is_written_small() {
        let sized = |title: &str| Figure { title: title.into(), ..Figure::default() }.svg();
        assert!(sized("short").contains("font-size=\"16.0\" font-weight"));
        let long = "a".repeat(200);
        let size = 658.0 / (200.0 * 6.4 / 12.0);
        assert!(sized(&long).contains(&format!("font-size=\"{size:.1}\" font-weight")));
    }

    #[test]
    fn labels_keep_clear_of_each_other() {
        let points = (0..4).map(|i| Point::at(0.5 + f64::from(i) * 1e-3, 0.5).named(format!("point {i}"))).collect();
        let ends =
            Series { name: String::new(), look: Look::Line, points: vec![Point::at(0.0, 0.0), Point::at(1.0, 1.0)] };
        let series = vec![ends, Series { name: String::new(), look: Look::Points, points }];
        let svg = Figure { series, ..Figure::default() }.svg();
        let places: Vec<&str> = svg.lines().filter(|line| line.contains(">point ")).collect();
        let distinct: std::collections::BTreeSet<&str> =
            places.iter().filter_map(|line| line.split(" font-size").next()).collect();
        assert_eq!((places.len(), distinct.len()), (4, 4), "{places:?}");
    }
}
