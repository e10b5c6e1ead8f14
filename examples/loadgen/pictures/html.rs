//! The report as one page: no script, nothing from a network. It is XML, too, so that any parser can read it.
//!
//! ```text
//!   command, algorithm, seed, device ── warnings ── table, legend ── what it comes to
//!   ── pictures, as many side by side as the screen has room for ── configuration in full
//! ```

use std::fmt::Write;

use simaccel::Config;

use super::draw::Named;
use super::svg::{Escaped, STYLE};
use crate::report::Report;
use crate::table;
use crate::wrap::split_warnings;

/// Of the page; pictures have [`STYLE`].
const PAGE: &str = "\
:root{color-scheme:light dark}
body{margin:0 auto;padding:1rem;max-width:1560px;background:#fff;color:#1b1b1b;line-height:1.45;
font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .4rem}h3{font-size:1rem;margin:1rem 0 .3rem}
pre{overflow-x:auto;padding:.6rem;background:#f3f3f3;font-size:.85rem;margin:.4rem 0}
pre.wrap{white-space:pre-wrap;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .55rem;text-align:right;white-space:nowrap;border-bottom:1px solid #dadada;vertical-align:top}
th small{font-weight:400}.l{text-align:left}
.warning{border-left:4px solid #d55e00;padding:.3rem .7rem;margin:.4rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem .8rem;font-size:.88rem;margin:.6rem 0}
dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}
.keys{columns:17rem;column-gap:2rem;font-size:.85rem;padding:0;list-style:none;margin:.4rem 0}
.keys li{overflow-wrap:anywhere}.changed{font-weight:700}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:1rem;align-items:start}
.pictures svg{width:100%;height:auto;max-width:600px}
@media screen and (prefers-color-scheme:dark){
body{background:#16181c;color:#e6e6e6}pre{background:#23262c}th,td{border-color:#3a3d44}}
@media print{body{max-width:none;padding:0;font-size:10pt}pre{white-space:pre-wrap;overflow-wrap:anywhere}
.scroll{overflow:visible}table{font-size:6.5pt}th,td{padding:.1rem .25rem}
.pictures{display:block}.pictures svg{display:inline-block;width:48%;break-inside:avoid}
.warning{break-inside:avoid}h2,h3{break-after:avoid}}
";

pub(super) fn page(report: &Report, command: &str, pictures: &[Named]) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>\n{PAGE}{STYLE}</style>\n</head>\n<body>\n<h1>Load generator report</h1>\n\
         <pre class=\"wrap\">{}</pre>\n<p>{}</p>\n",
        Escaped(&format!("loadgen: {}", report.title())),
        Escaped(command),
        Escaped(report.title()),
    );
    for device in devices(report) {
        let (title, differs) = (device.title(), device.unlike_ideal());
        let _ = writeln!(page, "<p>Device of {}: <code>{}</code></p>", Escaped(&title), Escaped(&differs));
    }
    let (warnings, said) = split_warnings(&report.closing(false));
    warnings.iter().for_each(|warning| {
        let _ = writeln!(page, "<p class=\"warning\">Warning: {}</p>", Escaped(warning));
    });
    write_table(&mut page, report);
    let said = said.trim_end();
    let _ = writeln!(page, "<h2>What it comes to</h2>\n<pre class=\"wrap\">{}</pre>", Escaped(said));
    let _ = writeln!(page, "<h2>Pictures</h2>\n<div class=\"pictures\">");
    pictures.iter().for_each(|named| page += &named.picture.inline());
    let _ = writeln!(page, "</div>");
    write_configurations(&mut page, report);
    page + "</body>\n</html>\n"
}

fn write_table(page: &mut String, report: &Report) {
    let (head, rows) = table::cells(&report.rows);
    let class = |is_text: bool| if is_text { " class=\"l\"" } else { "" };
    let _ = writeln!(page, "<h2>Rows</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>row</th>");
    for (name, unit, is_text) in &head {
        let _ = write!(
            page,
            "<th{}>{}<br/><small>{}</small></th>",
            class(*is_text),
            Escaped(name),
            Escaped(unit)
        );
    }
    let _ = writeln!(page, "</tr></thead>\n<tbody>");
    for (index, row) in rows.iter().enumerate() {
        let _ = write!(page, "<tr><td>{}</td>", index + 1);
        for (cell, (_, _, is_text)) in row.iter().zip(&head) {
            let _ = write!(page, "<td{}>{}</td>", class(*is_text), Escaped(cell));
        }
        let _ = writeln!(page, "</tr>");
    }
    let _ = writeln!(page, "</tbody></table></div>\n<dl>");
    for (name, meaning) in table::meanings() {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", Escaped(&name), Escaped(&meaning));
    }
    let _ = writeln!(page, "</dl>");
}

/// A device, and the numbers of its rows.
struct Device {
    /// Key and value, without what the generator itself sets for a row: the delivery that its mode needs, and
    /// the timing that its answer needs.
    keys: Vec<String>,
    rows: Vec<usize>,
}

/// The devices of all rows; the report's own first, which has no row where only software runs.
fn devices(report: &Report) -> Vec<Device> {
    let own = std::iter::once((0, report.device()));
    let rows = report.rows.iter().enumerate();
    let of_rows = rows.filter_map(|(index, row)| Some((index + 1, row.device.as_ref()?)));
    let mut devices: Vec<Device> = Vec::new();
    for (number, config) in own.chain(of_rows) {
        let keys = keys(config);
        let index = devices.iter().position(|device| device.keys == keys).unwrap_or_else(|| {
            devices.push(Device { keys, rows: Vec::new() });
            devices.len() - 1
        });
        if number > 0 {
            devices[index].rows.push(number);
        }
    }
    devices
}

fn keys(config: &Config) -> Vec<String> {
    let text = config.to_string();
    let is_own = |pair: &&str| !pair.starts_with("delivery=") && !pair.starts_with("timing=");
    text.split(';').filter(is_own).map(str::to_owned).collect()
}

impl Device {
    /// What the ideal device has not.
    fn unlike_ideal(&self) -> String {
        let ideal = keys(&Config::default());
        let differing: Vec<&str> =
            self.keys.iter().filter(|pair| !ideal.contains(pair)).map(String::as_str).collect();
        if differing.is_empty() { "ideal".to_owned() } else { differing.join("; ") }
    }

    fn title(&self) -> String {
        let numbers: Vec<String> = self.rows.iter().map(ToString::to_string).collect();
        match &numbers[..] {
            [] => "no row, or of the first point of a sweep".to_owned(),
            [one] => format!("row {one}"),
            _ => format!("rows {}", numbers.join(", ")),
        }
    }
}

fn write_configurations(page: &mut String, report: &Report) {
    let ideal = keys(&Config::default());
    let _ =
        writeln!(page, "<h2>Configuration in full</h2>\n<p>Bold: what the ideal device has otherwise.</p>");
    for device in devices(report) {
        let _ = writeln!(page, "<h3>Device of {}</h3>\n<ul class=\"keys\">", Escaped(&device.title()));
        for pair in &device.keys {
            let class = if ideal.contains(pair) { "" } else { " class=\"changed\"" };
            let _ = writeln!(page, "<li{class}>{}</li>", Escaped(pair));
        }
        let _ = writeln!(page, "</ul>");
    }
}
