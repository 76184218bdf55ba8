//! A report as one HTML file: no script, no request, light and dark, and it prints.

use std::fmt::Write as _;

use super::document::{Block, Document, Table};

const STYLE: &str = include_str!("report.css");

/// Text that HTML does not take for anything else.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No character that HTML or XML refuses.
            '\t' | '\n' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

pub(super) fn render(document: &Document) -> String {
    let title = escaped(&document.title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1><bdi>{title}</bdi></h1>\n"
    );
    for block in &document.blocks {
        html.push_str(&shown(block));
        html.push('\n');
    }
    html + "</main>\n</body>\n</html>\n"
}

fn shown(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("<h2>{}</h2>", escaped(text)),
        Block::Lead(text) => format!("<p class=\"lead\">{}</p>", escaped(text)),
        Block::Text(text) => format!("<p>{}</p>", escaped(text)),
        Block::Modelled(text) => format!("<p class=\"modelled\">{}</p>", escaped(text)),
        Block::Verdict(title, why) => {
            format!("<div class=\"verdict\"><p><strong>{}</strong></p><p>{}</p></div>", escaped(title), escaped(why))
        }
        Block::List(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect();
            format!("<ul>{}</ul>", items.concat())
        }
        Block::Facts(facts) => {
            let fact = |(name, value): &(String, String)| {
                format!("<div><dt>{}</dt><dd><bdi>{}</bdi></dd></div>", escaped(name), escaped(value))
            };
            format!("<dl>{}</dl>", facts.iter().map(fact).collect::<Vec<_>>().concat())
        }
        Block::Table(table) => of_table(table),
        Block::Figure { title, svg, .. } => {
            format!("<figure><figcaption>{}</figcaption>{svg}</figure>", escaped(title))
        }
    }
}

fn of_table(table: &Table) -> String {
    let class = |right: bool| if right { " class=\"right\"" } else { "" };
    let mut html = format!("<div class=\"scroll\"><table><caption>{}</caption><thead><tr>", escaped(&table.caption));
    for (name, right) in &table.header {
        let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(*right), escaped(name));
    }
    html.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        html.push_str("<tr>");
        for (i, (cell, (_, right))) in row.iter().zip(&table.header).enumerate() {
            let (tag, scope) = if i == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
            let _ = write!(html, "<{tag}{scope}{}><bdi>{}</bdi></{tag}>", class(*right), escaped(cell));
        }
        html.push_str("</tr>");
    }
    html + "</tbody></table></div>"
}
