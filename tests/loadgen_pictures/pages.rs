//! The page and the pictures, as any parser sees them.

use std::collections::BTreeMap;
use std::process::Output;

use roxmltree::{Document, Node, ParsingOptions};

use crate::scratch::Folder;

/// A load of every kind of row: without a device, closed and open, modelled and ideal.
const SMALL: &[&str] = &["--ops", "300", "--size", "64", "--jobs", "4"];

/// A name that XML has to escape.
const NAME: &str = "<b>&amp; \"it\"'s.html";

impl Folder {
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(crate::built::example("loadgen")).args(arguments).output().unwrap()
    }

    #[track_caller]
    fn succeed(&self, load: &[&str], pictures: &[&str]) -> String {
        let output = self.run(&[load, pictures].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{load:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Expects exit code 2, and one line on standard error that begins with the option.
    #[track_caller]
    fn refused(&self, option: &str, arguments: &[&str]) {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.starts_with(&format!("loadgen: {option}: ")), "{arguments:?}: {told}");
        assert_eq!((told.lines().count(), output.stdout.len()), (1, 0), "{arguments:?}: {told}");
    }
}

#[track_caller]
fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap()
}

fn elements<'a>(root: Node<'a, 'a>, tag: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    root.descendants().filter(move |node| node.has_tag_name(("http://www.w3.org/2000/svg", tag)))
}

fn of_class<'a>(root: Node<'a, 'a>, tag: &'a str, class: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    elements(root, tag).filter(move |node| node.attribute("class") == Some(class))
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).map_or(0.0, |value| value.parse().unwrap())
}

/// From left to right, from top to bottom.
#[derive(Clone, Copy, Debug)]
struct Area {
    x: (f64, f64),
    y: (f64, f64),
}

impl Area {
    fn of(rect: Node<'_, '_>) -> Self {
        let (x, y) = (number(rect, "x"), number(rect, "y"));
        Self { x: (x, x + number(rect, "width")), y: (y, y + number(rect, "height")) }
    }

    /// A text of 13 pixels in an average font; no font is at hand to measure it.
    fn of_text(text: Node<'_, '_>) -> Self {
        let letters = u16::try_from(text.text().unwrap_or("").chars().count()).unwrap();
        let is_heading = text.attribute("class").is_some_and(|class| class.contains('h'));
        let width = f64::from(letters) * if is_heading { 8.0 } else { 6.8 };
        let (x, y) = (number(text, "x"), number(text, "y"));
        let left = match text.attribute("text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        Self { x: (left, left + width), y: (y - 10.0, y + 2.0) }
    }

    /// Numbers are rounded to a tenth.
    fn contains(self, other: Self) -> bool {
        self.x.0 - 0.11 <= other.x.0
            && other.x.1 <= self.x.1 + 0.11
            && self.y.0 - 0.11 <= other.y.0
            && other.y.1 <= self.y.1 + 0.11
    }

    fn overlaps(self, other: Self) -> bool {
        self.x.0 < other.x.1 && other.x.0 < self.x.1 && self.y.0 < other.y.1 && other.y.0 < self.y.1
    }
}

/// Each point of all lines and dots.
fn points(svg: Node<'_, '_>) -> Vec<(f64, f64)> {
    let series: Vec<_> = of_class(svg, "g", "series").collect();
    let lines = series.iter().flat_map(|group| elements(*group, "polyline"));
    let lines = lines.flat_map(|line| line.attribute("points").unwrap().split(' ')).map(|point| {
        let (x, y) = point.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    });
    let dots = series.iter().flat_map(|group| elements(*group, "circle"));
    lines.chain(dots.map(|dot| (number(dot, "cx"), number(dot, "cy")))).collect()
}

/// What holds of every picture.
#[track_caller]
fn check_picture(name: &str, svg: Node<'_, '_>) {
    let whole = Area { x: (0.0, number(svg, "width")), y: (0.0, number(svg, "height")) };
    assert!(elements(svg, "title").next().is_some_and(|title| title.text().is_some()), "{name} has no title");
    let plot = Area::of(of_class(svg, "rect", "plot").next().unwrap());
    assert!(whole.contains(plot), "{name}: {plot:?}");
    for (x, y) in points(svg) {
        assert!(plot.contains(Area { x: (x, x), y: (y, y) }), "{name}: ({x}, {y}) is not in {plot:?}");
    }
    let texts: Vec<_> =
        elements(svg, "text").map(|text| (text.text().unwrap_or(""), Area::of_text(text))).collect();
    assert!(texts.len() > 5, "{name}: {texts:?}");
    for (index, (text, area)) in texts.iter().enumerate() {
        assert!(whole.contains(*area), "{name}: {text:?} at {area:?} is not in {whole:?}");
        for (other, there) in &texts[..index] {
            assert!(!area.overlaps(*there), "{name}: {text:?} at {area:?} lies on {other:?} at {there:?}");
        }
    }
}

/// Nothing is loaded, and nothing runs.
#[track_caller]
fn check_that_it_stands_alone(name: &str, document: &Document<'_>) {
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        assert!(
            !["script", "link", "img", "iframe", "object", "use", "image"].contains(&tag),
            "{name}: {tag}"
        );
        for attribute in node.attributes() {
            assert!(!["src", "href", "data"].contains(&attribute.name()), "{name}: {attribute:?}");
            assert!(!attribute.value().contains("://"), "{name}: {attribute:?}");
        }
        if tag == "style" {
            let style = node.text().unwrap();
            assert!(
                !style.contains("url(") && !style.contains("@import") && !style.contains("://"),
                "{name}"
            );
        }
    }
}

#[test]
fn the_page_and_every_picture_stand_alone_and_nothing_overlaps() {
    let folder = Folder::new();
    folder.succeed(SMALL, &["--report", NAME, "--svg", "svg"]);
    let page = folder.read_text(NAME);
    let page = parse(&page);
    check_that_it_stands_alone(NAME, &page);
    let drawn: Vec<_> = elements(page.root(), "svg").collect();
    drawn.iter().for_each(|svg| check_picture("a picture of the page", *svg));
    let names = folder.names_in("svg");
    assert_eq!(names.len(), drawn.len());
    for name in names {
        let text = folder.read_text(format!("svg/{name}"));
        let picture = parse(&text);
        check_that_it_stands_alone(&name, &picture);
        check_picture(&name, picture.root_element());
        assert!(text.contains("prefers-color-scheme:dark"), "{name}");
    }
}

#[test]
fn each_row_is_a_line_of_the_table_and_a_series_of_each_picture() {
    let folder = Folder::new();
    let report = folder
        .succeed(&[SMALL, &["--output-format", "json"]].concat(), &["--report", "r.html", "--svg", "."]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() > 3);
    for name in ["percentiles", "throughput", "in-flight"] {
        let text = folder.read_text(format!("{name}.svg"));
        let picture = parse(&text);
        let series: Vec<_> = of_class(picture.root(), "g", "series").collect();
        assert_eq!(series.len(), rows.len(), "{name}");
        for (series, row) in series.iter().zip(rows) {
            let title = elements(*series, "title").next().unwrap().text().unwrap();
            assert!(title.starts_with(row["mode"].as_str().unwrap()), "{name}: {title}");
        }
        let styles: BTreeMap<_, _> = series
            .iter()
            .filter_map(|series| elements(*series, "polyline").next())
            .map(|line| ((line.attribute("class"), line.attribute("stroke-dasharray")), ()))
            .collect();
        let lines = series.iter().filter(|series| elements(**series, "polyline").next().is_some()).count();
        assert_eq!(styles.len(), lines, "{name}: two lines look alike");
    }
    let latencies = folder.names().iter().filter(|name| name.starts_with("latency-")).count();
    assert_eq!(latencies, rows.len());
    let page = folder.read_text("r.html");
    let page = parse(&page);
    let body = page.descendants().find(|node| node.tag_name().name() == "tbody").unwrap();
    let lines: Vec<_> = body.children().filter(Node::is_element).collect();
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(rows) {
        let cells: Vec<_> = line.children().filter_map(|cell| cell.text()).collect();
        assert!(cells.contains(&row["mode"].as_str().unwrap()), "{cells:?}");
        let ops = row["ops"].as_u64().unwrap().to_string();
        assert!(cells.contains(&&ops[..]), "{cells:?} lack {ops} operations");
    }
}

#[test]
fn the_page_names_command_seed_device_and_configuration() {
    let folder = Folder::new();
    let device = "completion_nsec=20000;compute_units=2";
    let load = ["--ops", "50", "--mode", "wake-fd", "--seed", "77", "--device", device];
    let report = folder.succeed(&load, &["--report", NAME]);
    let page = folder.read_text(NAME);
    assert!(!page.contains(NAME), "a text is not escaped");
    let page = parse(&page);
    let text: String =
        page.descendants().filter_map(|node| node.is_text().then(|| node.text()).flatten()).collect();
    assert!(text.contains("--seed 77 --device 'completion_nsec=20000;compute_units=2'"), "{text}");
    let quoted = format!("--report '{}'", NAME.replace('\'', "'\\''"));
    assert!(text.contains(&quoted), "{text}");
    assert!(text.contains("seed 77") && text.contains("compute_units=2; completion_nsec=20000"), "{text}");
    let changed: Vec<_> = page
        .descendants()
        .filter(|node| node.attribute("class") == Some("changed"))
        .filter_map(|node| node.text())
        .collect();
    assert_eq!(changed, ["compute_units=2", "completion_nsec=20000"]);
    let keys = page.descendants().filter(|node| node.tag_name().name() == "li").count();
    let config = String::from_utf8(folder.run(&["--print-config", "--device", device]).stdout).unwrap();
    let is_set_by_rows = |pair: &&str| pair.starts_with("timing=");
    assert_eq!(keys, config.split(';').filter(|pair| !is_set_by_rows(pair)).count());
    let checked = report.lines().find(|line| line.starts_with("checked: ")).unwrap();
    assert!(text.contains(checked), "{text}");
}

#[test]
fn what_cannot_be_written_is_known_before_the_run_and_leaves_nothing() {
    let folder = Folder::new();
    folder.write("file", "kept");
    folder.refused("--report", &["--report", "none/r.html"]);
    folder.refused("--report", &["--report", "-"]);
    folder.refused("--report", &["--report", "/dev/full"]);
    folder.refused("--report", &["--report", "."]);
    folder.refused("--svg", &["--svg", "none/svg"]);
    folder.refused("--svg", &["--svg", "file"]);
    folder.refused("--svg", &["--svg", "file/svg"]);
    for option in ["--report", "--svg"] {
        folder.refused(option, &["--alg", "sha256", "--input", "file", option, "out"]);
    }
    assert_eq!((folder.names(), folder.read_text("file").as_str()), (vec!["file".to_owned()], "kept"));
}

#[test]
fn a_run_that_fails_has_its_pictures_too() {
    let folder = Folder::new();
    let load = ["--ops", "200", "--mode", "sync", "--device", "fault=fail:every=10", "--report", "r.html"];
    let output = folder.run(&load);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let page = folder.read_text("r.html");
    assert_eq!(elements(parse(&page).root(), "svg").count(), 4);
}

#[test]
fn an_operation_and_no_time_at_all_are_drawn() {
    let folder = Folder::new();
    folder.succeed(&["--ops", "1", "--mode", "poll"], &["--report", "r.html"]);
    let page = folder.read_text("r.html");
    let page = parse(&page);
    let drawn: Vec<_> = elements(page.root(), "svg").collect();
    drawn.iter().for_each(|svg| check_picture("a picture of one operation", *svg));
    assert!(drawn.iter().all(|svg| !points(*svg).is_empty()));
}

/// The only picture of a sweep, which is in the page, too, and the points of its report.
#[track_caller]
fn sweep(options: &str, check: impl FnOnce(Node<'_, '_>, &[serde_json::Value])) {
    let folder = Folder::new();
    let load: Vec<&str> = options.split_whitespace().chain(["--output-format", "json"]).collect();
    let report = folder.succeed(&load, &["--report", "r.html", "--svg", "svg"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(folder.names_in("svg"), ["sweep.svg"], "{options}");
    let (page, alone) = (folder.read_text("r.html"), folder.read_text("svg/sweep.svg"));
    let (page, alone) = (parse(&page), parse(&alone));
    check_that_it_stands_alone("r.html", &page);
    check_that_it_stands_alone("sweep.svg", &alone);
    let in_page: Vec<_> = elements(page.root(), "svg").collect();
    assert_eq!(in_page.len(), 1, "{options}");
    check_picture("the sweep of the page", in_page[0]);
    check_picture("sweep.svg", alone.root_element());
    let texts = |svg| elements(svg, "text").filter_map(|text| text.text()).collect::<Vec<_>>().join("|");
    assert_eq!(texts(in_page[0]), texts(alone.root_element()), "{options}");
    check(alone.root_element(), report["sweep"]["points"].as_array().unwrap());
}

fn per_second(row: &serde_json::Value) -> f64 {
    row["ops_per_second"].as_f64().unwrap()
}

/// The heights of the points of each series, by its title.
fn series<'a>(svg: Node<'a, 'a>) -> Vec<(&'a str, Vec<(f64, f64)>)> {
    let each = of_class(svg, "g", "series").map(|series| {
        let title = elements(series, "title").next().unwrap().text().unwrap();
        let line = elements(series, "polyline").next().unwrap_or_else(|| panic!("{title} has no line"));
        let points = line.attribute("points").unwrap().split(' ').map(|point| {
            let (x, y) = point.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        });
        (title, points.collect())
    });
    each.collect()
}

/// Over one axis a point for each value, from left to right, and the higher the more operations a second:
/// by the logarithm, as the axis is.
#[test]
fn a_sweep_of_one_axis_is_a_line_of_offload_and_one_of_software() {
    let device = "--device completion_nsec=300000;compute_units=16";
    sweep(&format!("--sweep jobs=1,2,8 --ops 200 --size 64 --mode poll {device}"), |svg, points| {
        let lines = series(svg);
        let titles: Vec<&str> = lines.iter().map(|(title, _)| *title).collect();
        assert_eq!(titles, ["on the device", "software, in the calling thread"]);
        let (offload, software) = (&lines[0].1, &lines[1].1);
        assert_eq!((offload.len(), software.len()), (3, 3));
        assert!(offload.is_sorted_by(|one, other| one.0 < other.0), "{offload:?}");
        assert!(offload.iter().zip(software).all(|(one, other)| one.0 == other.0), "below each other");
        // Two points make a scale, which all others are on.
        let values: Vec<(f64, f64)> = points
            .iter()
            .zip(offload)
            .map(|(point, at)| (per_second(&point["row"]), at.1))
            .chain(
                points
                    .iter()
                    .zip(software)
                    .map(|(point, at)| (point["software_ops_per_second"].as_f64().unwrap(), at.1)),
            )
            .collect();
        let ((low, y_of_low), (high, y_of_high)) = (values[0], values[3]);
        let expected =
            |value: f64| y_of_low + (value / low).ln() / (high / low).ln() * (y_of_high - y_of_low);
        for (value, y) in &values {
            assert!(
                (expected(*value) - y).abs() < 0.3,
                "{value} op/s is at {y}, not {}: {values:?}",
                expected(*value)
            );
        }
        let labels: Vec<_> = elements(svg, "text").filter_map(|text| text.text()).collect();
        assert!(["1", "2", "8", "jobs in flight"].iter().all(|label| labels.contains(label)), "{labels:?}");
    });
}

/// Of each cell: its place, its colour, its text, and what it tells.
fn cells<'a>(svg: Node<'a, 'a>) -> Vec<(Area, [u16; 3], &'a str, &'a str)> {
    let each = of_class(svg, "g", "cell").map(|cell| {
        let rect = elements(cell, "rect").next().unwrap();
        let fill = rect.attribute("style").unwrap().strip_prefix("fill:rgb(").unwrap();
        let parts: Vec<u16> =
            fill.trim_end_matches(')').split(',').map(|part| part.parse().unwrap()).collect();
        let text = elements(cell, "text").next().unwrap();
        assert!(Area::of(rect).contains(Area::of_text(text)), "{text:?} is not in its cell");
        let told = elements(cell, "title").next().unwrap().text().unwrap();
        (Area::of(rect), [parts[0], parts[1], parts[2]], text.text().unwrap(), told)
    });
    each.collect()
}

/// Places by the values of the axes: the first one goes up, the second one to the right; cells touch.
#[track_caller]
fn check_grid(cells: &[(Area, [u16; 3], &str, &str)], rows: usize, columns: usize) {
    assert_eq!(cells.len(), rows * columns);
    for (index, (area, ..)) in cells.iter().enumerate() {
        if (index + 1) % columns != 0 {
            let right = cells[index + 1].0;
            assert!((area.x.1 - right.x.0).abs() < 0.21 && area.y == right.y, "{area:?} and {right:?}");
        }
        if index + columns < cells.len() {
            let above = cells[index + columns].0;
            assert!((area.y.0 - above.y.1).abs() < 0.21 && area.x == above.x, "{area:?} and {above:?}");
        }
    }
}

#[test]
fn a_sweep_of_two_axes_is_a_map_of_factors() {
    // Software needs some milliseconds for a megabyte, the device microseconds or a quarter of a second.
    let options = "--sweep latency=1us,250ms --sweep jobs=1,2,3 --ops 6 --size 1m --alg sha512 --mode poll";
    sweep(options, |svg, points| {
        let cells = cells(svg);
        check_grid(&cells, 2, 3);
        for ((_, [red, green, blue], label, told), point) in cells.iter().zip(points) {
            let (at, factor) = (&point["at"], point["factor"].as_f64().unwrap());
            assert!(told.starts_with(if at["latency"] == 1_000 {
                "a latency of 1 µs, "
            } else {
                "a latency of 250 ms, "
            }));
            assert!(
                told.contains(&format!("{} job", at["jobs"])) && told.contains(" in software, p99 "),
                "{told}"
            );
            let shown = told.split(": ").nth(1).unwrap().split(' ').next().unwrap().replace(',', "");
            assert_eq!(shown, format!("{:.0}", per_second(&point["row"])), "{told}");
            // Blue is ahead, orange behind, and the further the less of the other's colour.
            // Near 1 both are pale.
            if !(0.9..1.1).contains(&factor) {
                assert_eq!(factor > 1.0, blue > red, "{factor}: {red} {green} {blue}");
            }
            let number: f64 = label.replace(',', "").parse().unwrap();
            assert!((number - factor).abs() <= 0.051_f64.max(factor * 0.051), "{label} for {factor}");
        }
        let slow: Vec<_> = points.iter().map(|point| point["factor"].as_f64().unwrap() < 1.0).collect();
        assert_eq!(slow[3..], [true; 3], "a quarter of a second is behind software");
    });
}

/// In virtual time nothing is compared: the cell of the most operations is the bluest, and what is exact is
/// shown exactly.
#[test]
fn a_sweep_in_virtual_time_is_a_map_of_rates() {
    sweep(
        "--virtual --sweep latency=5us,50us --sweep jobs=1,2,64 --ops 6400 --size 16 --mode poll",
        |svg, _| {
            let cells = cells(svg);
            check_grid(&cells, 2, 3);
            let labels: Vec<&str> = cells.iter().map(|(_, _, label, _)| *label).collect();
            assert_eq!(labels, ["200k", "400k", "800k", "20.0k", "40.0k", "80.0k"]);
            let reds: Vec<u16> = cells.iter().map(|(_, [red, ..], ..)| *red).collect();
            assert!(reds[0] > reds[1] && reds[1] > reds[2] && reds[2] == 0, "{reds:?}");
            assert!(reds[3] > reds[4] && reds[4] > reds[5] && reds[5] > reds[0], "{reds:?}");
            assert_eq!(
                cells[2].3,
                "a latency of 5 µs, 64 jobs in flight: 800,000 op/s on the device, p99 80.0 µs"
            );
            let labels: Vec<_> = elements(svg, "text").filter_map(|text| text.text()).collect();
            // The scale is one of logarithms, from the fewest to the most.
            for label in ["operations/s, in virtual time", "20.0k", "126k", "800k"] {
                assert!(labels.contains(&label), "{label} in {labels:?}");
            }
        },
    );
    sweep("--virtual --sweep jobs=1,2,4 --ops 6400 --size 16 --mode poll", |svg, _| {
        let lines = series(svg);
        assert_eq!((lines.len(), lines[0].0, lines[0].1.len()), (1, "on the device", 3));
        // From a half to the whole is twice as far as from a quarter to a half: the axis is linear.
        let heights: Vec<f64> = lines[0].1.iter().map(|(_, y)| *y).collect();
        assert!(heights[0] > heights[1], "{heights:?}");
        assert!((2.0 * (heights[0] - heights[1]) - (heights[1] - heights[2])).abs() < 0.4, "{heights:?}");
    });
}
