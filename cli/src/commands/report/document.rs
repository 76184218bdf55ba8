//! A report before it has a form.

/// The whole.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// A part of it.
#[derive(Debug)]
pub(super) enum Block {
    Heading(String),
    /// The answer.
    Lead(String),
    Text(String),
    /// A modelled claim, which looks like one.
    Modelled(String),
    /// What to do next: a title, and why.
    Verdict(String, String),
    List(Vec<String>),
    Facts(Vec<(String, String)>),
    Table(Table),
    /// A picture, with what it shows in words. Its numbers stand in a table beside it.
    Figure {
        title: String,
        svg: String,
        alt: String,
    },
}

/// Rows under a header; a column of numbers stands to the right.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) header: Vec<(String, bool)>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A header that begins with `>` belongs to a column of numbers.
    pub(super) fn new(caption: &str, header: &[&str]) -> Self {
        let column = |name: &&str| match name.strip_prefix('>') {
            Some(name) => (name.to_owned(), true),
            None => ((*name).to_owned(), false),
        };
        Self { caption: caption.to_owned(), header: header.iter().map(column).collect(), rows: Vec::new() }
    }
}
