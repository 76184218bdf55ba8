//! A report as Markdown: the same blocks, with what pictures show in words.

use super::document::{Block, Document, Table};

/// Text that Markdown does not take for anything else.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

pub(super) fn render(document: &Document) -> String {
    let mut blocks = vec![format!("# {}", escaped(&document.title))];
    blocks.extend(document.blocks.iter().map(shown));
    blocks.join("\n\n") + "\n"
}

fn shown(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("## {}", escaped(text)),
        Block::Lead(text) => format!("**{}**", escaped(text)),
        Block::Text(text) => escaped(text),
        Block::Modelled(text) => format!("> {}", escaped(text)),
        Block::Verdict(title, why) => format!("**{}.** {}", escaped(title), escaped(why)),
        Block::List(items) => items.iter().map(|item| format!("- {}", escaped(item))).collect::<Vec<_>>().join("\n"),
        Block::Facts(facts) => {
            let fact = |(name, value): &(String, String)| format!("- {}: {}", escaped(name), escaped(value));
            facts.iter().map(fact).collect::<Vec<_>>().join("\n")
        }
        Block::Table(table) => of_table(table),
        Block::Figure { title, alt, .. } => format!("*{}: {}*", escaped(title), escaped(alt)),
    }
}

fn of_table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![
        format!("{}:", escaped(&table.caption)),
        String::new(),
        line(table.header.iter().map(|(name, _)| escaped(name)).collect()),
        line(table.header.iter().map(|(_, right)| if *right { "---:" } else { "---" }.to_owned()).collect()),
    ];
    lines.extend(table.rows.iter().map(|row| line(row.iter().map(|cell| escaped(cell)).collect())));
    lines.join("\n")
}
