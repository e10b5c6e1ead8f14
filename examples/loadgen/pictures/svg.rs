//! Elements of SVG, and the one style sheet of all pictures.
//!
//! Text and shapes have classes, and no colour of their own, so that a picture is light or dark as its reader
//! is; printed it is light. The colours of lines are those of Okabe and Ito, which people who see few colours
//! tell apart; each line has dashes of its own, too.

use std::fmt::{self, Display, Write};

/// How many styles of lines there are; more lines begin again, with other dashes.
pub(super) const COLOURS: usize = 8;

/// For the head of a page, or of each picture that stands alone. Colours are not `var()`s, which not every
/// program that shows SVG knows.
pub(super) const STYLE: &str = "\
svg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:13px}
.bg{fill:#fff}.t{fill:#1b1b1b;stroke:none}.h{font-size:15px;font-weight:600}
.grid{stroke:#dadada;stroke-width:1}.minor{stroke:#efefef;stroke-width:1}.plot{fill:none;stroke:#888}
.s{fill:none;stroke-width:1.8;stroke-linejoin:round}.d{stroke-width:1}
.c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}
.c4{stroke:#e69f00}.c5{stroke:#56b4e9}.c6{stroke:#1b1b1b}.c7{stroke:#8a8a8a}
@media screen and (prefers-color-scheme:dark){
.bg{fill:#16181c}.t{fill:#e6e6e6}.grid{stroke:#3a3d44}.minor{stroke:#26292f}.plot{stroke:#8a8d93}
.c0{stroke:#3d9be0}.c1{stroke:#ff7f2a}.c2{stroke:#19c48f}.c3{stroke:#e79bc6}
.c4{stroke:#f0b429}.c5{stroke:#9bd6f7}.c6{stroke:#f2f2f2}.c7{stroke:#a5a5a5}
}
";

/// A text in which XML's own characters are escaped; what XML has no character for is shown as U+FFFD.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\n' | '\t' => f.write_char(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

/// Where a text stands with respect to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture while it is drawn.
pub(super) struct Svg {
    body: String,
    width: f64,
    title: String,
}

impl Svg {
    pub(super) fn new(width: f64, title: &str) -> Self {
        Self { body: String::new(), width, title: title.to_owned() }
    }

    pub(super) fn raw(&mut self, element: fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.raw(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            Escaped(text)
        ));
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.raw(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// The picture, for a page that has [`STYLE`] itself.
    pub(super) fn finish(self, height: f64) -> Picture {
        Picture { body: self.body, width: self.width, height, title: self.title }
    }
}

/// A finished picture.
pub(super) struct Picture {
    body: String,
    width: f64,
    height: f64,
    title: String,
}

impl Picture {
    /// As a part of a page.
    pub(super) fn inline(&self) -> String {
        self.with_style("")
    }

    /// As a file of its own.
    pub(super) fn alone(&self) -> String {
        self.with_style(&format!("<style>\n{STYLE}</style>\n"))
    }

    fn with_style(&self, style: &str) -> String {
        let Self { body, width, height, title } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n{style}\
             <rect class=\"bg\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n{body}</svg>\n",
            Escaped(title)
        )
    }
}

/// A text that fits into a width, cut with an ellipsis where it has to be. No font is at hand to measure it:
/// a letter is taken to be as wide as an average one of a wide font.
pub(super) fn fitting(text: &str, width: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of letters")]
    let room = (width / LETTER).max(1.0) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// The width of a letter of 13 pixels.
const LETTER: f64 = 7.3;
