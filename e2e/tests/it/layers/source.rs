//! Reads which modules of a crate use which others, from its `use` lines and its paths that begin with `crate`, `super`, `self`
//! or a child module. Code for tests is left out: tests may look up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path from the crate's root on, which itself is the empty one.
pub type Module = Vec<String>;

/// A crate's modules by their files, and who uses whom.
#[derive(Debug, Default)]
pub struct Source {
    /// The module that a file is.
    files: BTreeMap<Module, String>,
    /// The file that a module lies in, modules inside of files included.
    home: BTreeMap<Module, Module>,
    /// What a module passes on under its own name: the path behind it.
    passed_on: BTreeMap<(Module, String), Vec<String>>,
    /// Paths that are used: by which module, and whether only to pass them on.
    used: Vec<(Module, Vec<String>, bool)>,
}

impl Source {
    /// Reads the crate whose sources lie in `src`.
    pub fn read(src: &Path) -> Self {
        let mut source = Self::default();
        let root = ["lib.rs", "main.rs"].into_iter().find(|name| src.join(name).exists());
        let root = root.unwrap_or_else(|| panic!("{} has neither lib.rs nor main.rs", src.display()));
        let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut left = vec![(Module::new(), src.join(root), src.to_owned())];
        while let Some((module, path, folder)) = left.pop() {
            for child in source.add(&module, &text(&path)) {
                let (file, nested) = (folder.join(format!("{child}.rs")), folder.join(&child).join("mod.rs"));
                let place = if file.exists() { file } else { nested };
                left.push(([module.clone(), vec![child.clone()]].concat(), place, folder.join(child)));
            }
        }
        source
    }

    /// Adds the text of one file; the modules that it declares in files of their own.
    pub fn add(&mut self, file: &[String], text: &str) -> Vec<String> {
        self.files.insert(file.to_vec(), file.join("::"));
        let tokens = without_tests(&tokens(text));
        let (mut children, mut inside, mut depth) = (Vec::new(), Vec::<(String, usize)>::new(), 0);
        let mut paths = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let module = || [file.to_vec(), inside.iter().map(|(name, _)| name.clone()).collect()].concat();
            match tokens[at].as_str() {
                "mod" if tokens.get(at + 2).is_some_and(|next| next == ";") => children.push(tokens[at + 1].clone()),
                "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                    inside.push((tokens[at + 1].clone(), depth));
                    depth += 1;
                    at += 2;
                }
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inside.pop_if(|(_, outside)| *outside == depth);
                }
                "use" => {
                    let public = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
                    let end = tokens[at..].iter().position(|token| token == ";").map_or(tokens.len(), |n| at + n);
                    for (path, name) in expand(&tokens[at + 1..end]) {
                        paths.push((module(), path, public.then_some(name)));
                    }
                    at = end;
                }
                "crate" | "super" | "self" if tokens.get(at + 1).is_some_and(|next| next == "::") => {
                    let (path, end) = path_from(&tokens, at);
                    // `pub(in crate::…)` says who may look in, not who looks out.
                    if at == 0 || tokens[at - 1] != "in" {
                        paths.push((module(), path, None));
                    }
                    at = end;
                }
                _ => {}
            }
            self.home
                .insert([file.to_vec(), inside.iter().map(|(name, _)| name.clone()).collect()].concat(), file.into());
            at += 1;
        }
        for (module, path, passed_on) in paths {
            let begins = path.first().map(String::as_str).unwrap_or_default();
            let path = match begins {
                "crate" | "super" | "self" => path,
                _ if children.iter().any(|child| child == begins) => [vec!["self".to_owned()], path].concat(),
                _ => continue,
            };
            if let Some(name) = &passed_on {
                self.passed_on.insert((module.clone(), name.clone()), path.clone());
            }
            self.used.push((module, path, passed_on.is_some()));
        }
        children
    }

    /// The modules right below the root.
    pub fn tops(&self) -> BTreeSet<String> {
        self.files.keys().filter_map(|file| file.first().cloned()).collect()
    }

    /// Which file uses which other one. That a module passes on what lies below it is no use.
    pub fn arrows(&self) -> BTreeSet<(Module, Module)> {
        let mut arrows = BTreeSet::new();
        for (module, path, passes_on) in &self.used {
            let (from, to) = (&self.home[module], self.target(module, path, 0));
            if from != &to && !(*passes_on && to.starts_with(from)) {
                arrows.insert((from.clone(), to));
            }
        }
        arrows
    }

    /// The file in which what a path names is written.
    fn target(&self, from: &[String], path: &[String], hops: usize) -> Module {
        let mut module = from.to_vec();
        for (n, part) in path.iter().enumerate() {
            match part.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                name => {
                    let below = [module.clone(), vec![name.to_owned()]].concat();
                    if self.home.contains_key(&below) {
                        module = below;
                        continue;
                    }
                    return match self.passed_on.get(&(module.clone(), name.to_owned())) {
                        Some(behind) if hops < 8 => {
                            let behind = [behind.clone(), path[n + 1..].to_vec()].concat();
                            self.target(&module, &behind, hops + 1)
                        }
                        _ => self.home[&module].clone(),
                    };
                }
            }
        }
        self.home[&module].clone()
    }
}

/// Names, `::` and single marks, without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut left) = (Vec::new(), text);
    while let Some(first) = left.chars().next() {
        let end = |mark: &str| left.find(mark).map_or(left.len(), |n| n + mark.len());
        let name = left.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(left.len());
        let length = if left.starts_with("//") {
            end("\n")
        } else if left.starts_with("/*") {
            end("*/")
        } else if left.starts_with("r\"")
            || left.starts_with("r#")
            || left.starts_with("br\"")
            || left.starts_with("br#")
        {
            let hashes = left.chars().skip_while(|c| *c == 'b' || *c == 'r').take_while(|c| *c == '#').count();
            let opening = left.find('"').map_or(left.len(), |n| n + 1);
            let closing = format!("\"{}", "#".repeat(hashes));
            left[opening..].find(&closing).map_or(left.len(), |n| opening + n + closing.len())
        } else if first == '"' {
            text_end(left)
        } else if first == '\'' {
            // A character, or a lifetime.
            let mut chars = left.char_indices().skip(1);
            match (chars.next(), chars.next()) {
                (Some((_, '\\')), _) => left[2..].find('\'').map_or(2, |n| n + 3 + usize::from(n == 0)),
                (Some(_), Some((n, '\''))) => n + 1,
                _ => 1,
            }
        } else if name > 0 {
            tokens.push(left[..name].to_owned());
            name
        } else if left.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        left = &left[length.min(left.len())..];
    }
    tokens
}

/// Where a text in quotes ends.
fn text_end(text: &str) -> usize {
    let mut escaped = false;
    for (n, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return n + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The tokens without the items under `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        for (n, token) in tokens.iter().enumerate().skip(at + MARK.len()) {
            at = n + 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.as_str(), ";" | "}") {
                break;
            }
        }
    }
    kept
}

/// The path that begins at a token, and where it ends.
fn path_from(tokens: &[String], at: usize) -> (Vec<String>, usize) {
    let (mut path, mut end) = (vec![tokens[at].clone()], at);
    while tokens.get(end + 1).is_some_and(|next| next == "::")
        && tokens.get(end + 2).is_some_and(|next| next.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    {
        path.push(tokens[end + 2].clone());
        end += 2;
    }
    (path, end)
}

/// The paths of a `use` line, each with the name under which it is used.
fn expand(tree: &[String]) -> Vec<(Vec<String>, String)> {
    let Some(open) = tree.iter().position(|token| token == "{") else {
        let path: Vec<String> =
            tree.iter().take_while(|token| *token != "as").filter(|t| *t != "::").cloned().collect();
        let last = tree.last().cloned().unwrap_or_default();
        let name = if last == "self" { path.iter().rev().nth(1).cloned().unwrap_or_default() } else { last };
        return vec![(path.into_iter().filter(|part| part != "*").collect(), name)];
    };
    let before: Vec<String> = tree[..open].iter().filter(|token| *token != "::").cloned().collect();
    let (mut paths, mut depth, mut branch) = (Vec::new(), 0, Vec::new());
    for token in &tree[open + 1..] {
        match token.as_str() {
            "," if depth == 0 => paths.extend(expand(&std::mem::take(&mut branch))),
            "}" if depth == 0 => break,
            _ => {
                depth += i32::from(token == "{") - i32::from(token == "}");
                branch.push(token.clone());
            }
        }
    }
    if !branch.is_empty() {
        paths.extend(expand(&branch));
    }
    let whole = |(path, name): (Vec<String>, String)| {
        let of_self = path.len() == 1 && path[0] == "self";
        let name = if of_self { before.last().cloned().unwrap_or_default() } else { name };
        ([before.clone(), if of_self { Vec::new() } else { path }].concat(), name)
    };
    paths.into_iter().map(whole).collect()
}
