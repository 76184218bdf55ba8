//! The order of imports: which crate and which module may use which other one, as the block `layers` of ARCHITECTURE.md says.
//! An arrow up, a circle, and a module that is not in the order fail here.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::source::{Module, Source};
use crate::events::root;

/// The order of one crate's modules, or of the crates.
#[derive(Debug, Default)]
struct Order {
    levels: BTreeMap<String, usize>,
    /// Circles that are there still.
    circles: Vec<BTreeSet<String>>,
}

impl Order {
    /// Levels with `<` between, lowest first; what shares a level does not use each other; `{…}` is a circle that is there still.
    fn parse(text: &str) -> Self {
        let mut order = Self::default();
        for (level, names) in text.split('<').enumerate() {
            let mut circle: Option<BTreeSet<String>> = None;
            for word in names.split_whitespace() {
                let name = word.trim_matches(['{', '}']);
                if word.starts_with('{') {
                    circle = Some(BTreeSet::new());
                }
                assert!(order.levels.insert(name.to_owned(), level).is_none(), "{name} is in the order twice");
                if let Some(circle) = &mut circle {
                    circle.insert(name.to_owned());
                }
                if word.ends_with('}') {
                    order.circles.extend(circle.take());
                }
            }
        }
        order
    }

    fn permits(&self, from: &str, to: &str) -> bool {
        from == to || self.levels.get(to) < self.levels.get(from) || self.is_known_circle(&[from, to])
    }

    fn is_known_circle(&self, names: &[&str]) -> bool {
        self.circles.iter().any(|circle| names.iter().all(|name| circle.contains(*name)))
    }

    /// What is wrong with the modules of a crate.
    fn faults(&self, source: &Source) -> Vec<String> {
        let listed: BTreeSet<String> = self.levels.keys().cloned().collect();
        let tops = source.tops();
        let mut faults: Vec<String> =
            tops.symmetric_difference(&listed).map(|name| format!("{name} is not in both code and order")).collect();
        let arrows = source.arrows();
        for (from, to) in &arrows {
            let Some(top) = from.first() else { continue };
            match to.first() {
                None => faults.push(format!("{} uses the crate's root", from.join("::"))),
                Some(other) if !self.permits(top, other) => {
                    faults.push(format!("{} uses {}, which is not below it", from.join("::"), to.join("::")));
                }
                Some(_) => {}
            }
        }
        for (one, other) in circles(&arrows) {
            let tops: Vec<&str> =
                [&one, &other].iter().filter_map(|module| module.first()).map(String::as_str).collect();
            if !self.is_known_circle(&tops) {
                faults.push(format!("{} and {} are in one circle", one.join("::"), other.join("::")));
            }
        }
        faults
    }
}

/// Pairs of files each of which is reached from the other.
fn circles(arrows: &BTreeSet<(Module, Module)>) -> Vec<(Module, Module)> {
    let reached = |start: &Module| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(module) = left.pop() {
            for (_, to) in arrows.iter().filter(|(from, _)| *from == module) {
                if seen.insert(to.clone()) {
                    left.push(to.clone());
                }
            }
        }
        seen
    };
    let files: BTreeSet<&Module> = arrows.iter().map(|(from, _)| from).collect();
    let from: BTreeMap<&Module, BTreeSet<Module>> = files.iter().map(|file| (*file, reached(file))).collect();
    let pairs = from.iter().flat_map(|(one, reached)| reached.iter().map(move |other| (*one, other)));
    pairs
        .filter(|(one, other)| one < other && from.get(other).is_some_and(|reached| reached.contains(*one)))
        .map(|(one, other)| (one.clone(), other.clone()))
        .collect()
}

/// The orders by crate, from the block of ARCHITECTURE.md; the order of the crates is under `crates`.
fn orders() -> BTreeMap<String, Order> {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = page.split("```layers\n").nth(1).expect("ARCHITECTURE.md has no block `layers`");
    let block = block.split("```").next().unwrap();
    // A line that is indented goes on with the one before.
    let lines = block.replace("\n ", " ");
    let lines = lines.lines().map(|line| line.split_once(':').unwrap_or_else(|| panic!("{line:?} names no crate")));
    lines.map(|(name, order)| (name.to_owned(), Order::parse(order))).collect()
}

/// The folders of crates by the names that the order has for them.
fn crates() -> BTreeMap<String, std::path::PathBuf> {
    let folders = |parent: &str| std::fs::read_dir(root().join(parent)).unwrap().map(|entry| entry.unwrap().path());
    let alone = ["benches", "cli", "e2e"].map(|name| root().join(name));
    let all = folders("shared").chain(alone).chain(folders("functions"));
    let named = all.filter(|path| path.join("Cargo.toml").exists()).map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_function = path.parent().unwrap().ends_with("functions");
        (if is_function { format!("functions/{name}") } else { name }, path)
    });
    named.collect()
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let orders = orders();
    let mut faults = Vec::new();
    for (name, folder) in crates() {
        // A function is a file and a main; e2e is tests.
        if name.starts_with("functions/") || name == "e2e" {
            continue;
        }
        let order =
            orders.get(&name).unwrap_or_else(|| panic!("ARCHITECTURE.md has no order of the modules of {name}"));
        faults.extend(
            order.faults(&Source::read(&folder.join("src"))).into_iter().map(|fault| format!("{name}: {fault}")),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn crates_use_only_what_lies_below_them() {
    let order = &orders()["crates"];
    let mut faults = Vec::new();
    for (name, folder) in crates() {
        let of = name.split('/').next().unwrap();
        assert!(order.levels.contains_key(of), "{of} is not in the order of crates");
        for used in dependencies(&folder) {
            if used == of || !order.permits(of, &used) {
                faults.push(format!("{name} uses {used}, which is not below it"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The crates of ours that the code of a crate uses, its tests aside.
fn dependencies(folder: &Path) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty());
    let of_ours = names.filter_map(|name| match name {
        "fulcrum" => Some("cli".to_owned()),
        "fulcrum-core" => Some("core".to_owned()),
        "bandit" | "snapshots" | "embedded" | "benches" | "e2e" => Some(name.to_owned()),
        other => root().join("functions").join(other).exists().then(|| "functions".to_owned()),
    });
    of_ours.collect()
}

/// A crate of the given files, by their modules.
fn planted(files: &[(&str, &str)]) -> Source {
    let mut source = Source::default();
    for (module, text) in files {
        let module: Module = module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        source.add(&module, text);
    }
    source
}

#[test]
fn an_arrow_up_and_a_circle_are_found_wherever_they_are_written() {
    let root = ("", "mod low; mod high; pub use high::Top;");
    let order = Order::parse("low < high");
    let clean = planted(&[root, ("low", "pub struct Low;"), ("high", "use crate::low::Low; pub struct Top;")]);
    assert!(order.faults(&clean).is_empty(), "{:?}", order.faults(&clean));
    for up in [
        "use crate::high::Top;",
        "use crate::{high::{self, Top as Other}};",
        "use super::high;",
        "use crate::Top;",
        "fn f(_: &crate::high::Top) {}",
        "mod inner { fn f() { super::super::high::g() } }",
    ] {
        let faults = order.faults(&planted(&[root, ("low", up), ("high", "pub struct Top;")]));
        assert_eq!(faults.len(), 1, "{up}: {faults:?}");
        assert!(faults[0].starts_with("low uses high"), "{up}: {faults:?}");
    }
    let circle = planted(&[root, ("low", "use crate::high::Top;"), ("high", "use crate::low::Low; pub struct Top;")]);
    let faults = order.faults(&circle);
    assert!(faults.iter().any(|fault| fault.contains("high and low are in one circle")), "{faults:?}");
    assert!(Order::parse("{low high}").faults(&circle).is_empty());
    // Between files of one module too.
    let files =
        [("", "mod m;"), ("m", "mod a; mod b; pub use a::A;"), ("m::a", "use super::b::B;"), ("m::b", "use super::A;")];
    let faults = Order::parse("m").faults(&planted(&files));
    assert_eq!(faults, ["m::a and m::b are in one circle"]);
}

#[test]
fn what_is_no_code_is_no_arrow() {
    let root = ("", "mod low; mod high;");
    for harmless in [
        "// use crate::high::Top;",
        "/* crate::high */ const TEXT: &str = \"crate::high\\\"\";",
        "const RAW: &str = r#\"\"crate::high\"#; const QUOTE: char = '\"';",
        "#[cfg(test)]\nmod tests { use crate::high::Top; }",
        "#[cfg(test)]\nuse crate::high::Top;",
        "fn f<'a>(text: &'a str) -> &'a str { text }",
    ] {
        let faults = Order::parse("low < high").faults(&planted(&[root, ("low", harmless), ("high", "")]));
        assert!(faults.is_empty(), "{harmless}: {faults:?}");
    }
}

#[test]
fn a_module_without_a_place_in_the_order_is_found() {
    let faults = Order::parse("low < gone").faults(&planted(&[("", "mod low; mod new;"), ("low", ""), ("new", "")]));
    assert_eq!(faults, ["gone is not in both code and order", "new is not in both code and order"]);
}
