//! What is read from Cargo.toml and from the source: the layers, and what the log may say.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn crates() -> PathBuf {
    let server = Path::new(env!("CARGO_MANIFEST_DIR"));
    server.parent().expect("crates/").to_owned()
}

/// What a crate depends on as it ships, without what its build, its tests or the fuzzer need.
fn dependencies(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).expect("a Cargo.toml");
    let manifest: toml::Table = text.parse().expect("TOML");
    let table = manifest["dependencies"].as_table().expect("a table");
    table.keys().cloned().collect()
}

#[test]
fn crates_depend_on_those_below_them_only() {
    for (name, below) in [
        ("directory", vec![]),
        ("storage", vec![]),
        ("api", vec![]),
        ("server", vec!["api", "directory", "storage"]),
        ("lab", vec!["api", "server"]),
        ("cli", vec!["api", "directory", "lab", "server"]),
    ] {
        let all = dependencies(&crates().join(name).join("Cargo.toml"));
        let ours: Vec<_> = all
            .iter()
            .filter_map(|name| name.strip_prefix("quorid-"))
            .collect();
        assert_eq!(ours, below, "crates/{name}");
    }
}

#[test]
fn each_engine_has_one_crate_that_knows_it() {
    for (engine, owner) in [
        ("openraft", "server"),
        ("raft-log", "storage"),
        ("redb", "storage"),
    ] {
        for name in ["directory", "storage", "api", "server", "lab", "cli"] {
            let all = dependencies(&crates().join(name).join("Cargo.toml"));
            let knows = all.iter().any(|dependency| dependency == engine);
            assert_eq!(knows, name == owner, "{engine} in crates/{name}");
        }
    }
}

#[test]
fn the_simulation_links_the_server_and_not_the_command_line() {
    let sim = crates().with_file_name("sim");
    for manifest in ["Cargo.toml", "history/Cargo.toml", "torture/Cargo.toml"] {
        let all = dependencies(&sim.join(manifest));
        assert!(all.iter().any(|name| name == "quorid-server"), "{manifest}");
        assert!(!all.iter().any(|name| name == "quorid"), "{manifest}");
    }
}

/// A source file, and what it names of other modules and crates.
struct Source {
    path: String,
    text: String,
    /// In full: `crate::node::Node`.
    imports: Vec<String>,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a file of source");
        let code = text.lines().filter(|line| !line.trim().starts_with("//"));
        let code: String = code.flat_map(|line| [line.trim(), "\n"]).collect();
        let text = without_strings(&code);
        let mut imports = Vec::new();
        for statement in text.split(';') {
            let tree = statement.rsplit_once("use ").map(|(_, tree)| tree);
            flatten("", tree.unwrap_or_default(), &mut imports);
        }
        let path = path.strip_prefix(root).expect("below src/");
        let path = path.to_string_lossy().into_owned();
        Self {
            path,
            text,
            imports,
        }
    }

    /// Whether it names something in a module, `crate::node`, or in a crate, `openraft`.
    fn names(&self, module: &str) -> bool {
        let inside = format!("{module}::");
        let imported = |path: &String| path == module || path.starts_with(&inside);
        self.imports.iter().any(imported)
            || self.text.match_indices(&inside).any(|(at, _)| {
                let before = self.text[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"_:".contains(c))
            })
    }
}

/// The code without what stands in quotes: the log's filters name modules of libraries.
fn without_strings(code: &str) -> String {
    let code = code.replace(r#"'"'"#, "");
    let mut kept = String::with_capacity(code.len());
    let (mut chars, mut inside) = (code.chars(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => inside = !inside,
            _ if inside => {}
            _ => kept.push(c),
        }
    }
    assert!(!inside, "a quote that is not closed");
    kept
}

/// The paths of a tree of imports: `crate::{a, b::{c, d}}` are three.
fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, branches)) = tree.strip_suffix('}').and_then(|tree| tree.split_once('{'))
    else {
        let name = tree.split(" as ").next().unwrap_or_default();
        if !name.is_empty() {
            paths.push(format!("{prefix}{name}"));
        }
        return;
    };
    let prefix = format!("{prefix}{head}");
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in branches.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                flatten(&prefix, &branches[begin..at], paths);
                begin = at + 1;
            }
            _ => {}
        }
    }
    flatten(&prefix, &branches[begin..], paths);
}

#[test]
fn imports_are_read_in_full() {
    let mut paths = Vec::new();
    flatten("", "crate::{a, b::{c, d}, e::f as g}", &mut paths);
    assert_eq!(
        paths,
        ["crate::a", "crate::b::c", "crate::b::d", "crate::e::f"]
    );
}

/// All files below a folder, but for what was built there.
fn files(folder: PathBuf) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let found = if path.is_dir() {
                &mut folders
            } else {
                &mut files
            };
            found.push(path);
        }
    }
    files
}

/// The source of a crate, without its tests.
fn sources(name: &str) -> Vec<Source> {
    let root = crates().join(name).join("src");
    let files = files(root.clone());
    let mut sources: Vec<_> = files.iter().map(|path| Source::read(&root, path)).collect();
    sources.retain(|source| !source.path.contains("tests"));
    assert!(sources.len() > 10, "{} files in {name}", sources.len());
    sources
}

fn is_in(path: &str, layer: &str) -> bool {
    path.strip_prefix(layer)
        .is_some_and(|rest| rest.starts_with('/') || rest.starts_with('.'))
}

#[test]
fn modules_are_laid_out_one_way() {
    let top = crates().parent().expect("the repository").to_owned();
    let mut seen = 0;
    for folder in ["crates", "sim", "fuzz"] {
        for path in files(top.join(folder)) {
            if path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            seen += 1;
            let place = path.display();
            assert!(
                !path.ends_with("mod.rs"),
                "{place}: write foo.rs beside foo/"
            );
            let text = fs::read_to_string(&path).expect("a file of source");
            let moved = text.lines().any(|line| line.trim().starts_with("#[path"));
            assert!(!moved, "{place}: a module stands where its name says");
        }
    }
    assert!(seen > 200, "{seen} files");
}

/// What opens files. Clippy could refuse functions one by one, but not a module.
const FILES: [&str; 3] = ["std::fs", "tokio::fs", "rustix::fs"];

#[test]
fn the_rules_and_the_api_open_no_files() {
    for source in sources("directory").iter().chain(&sources("api")) {
        for module in FILES {
            assert!(!source.names(module), "{} names {module}", source.path);
        }
    }
    for source in sources("directory") {
        for module in ["std::net", "std::thread", "std::env", "std::process"] {
            assert!(!source.names(module), "{} names {module}", source.path);
        }
    }
}

#[test]
fn layers_name_only_those_below_them() {
    let sources = sources("server");
    for (layer, above, never) in [
        (
            "frontend",
            &["serve", "node", "state"][..],
            &["quorid_storage"][..],
        ),
        (
            "service",
            &["serve", "frontend"],
            &["quorid_api", "tonic", "prost", "axum", "rustls"],
        ),
        (
            "node",
            &["serve", "frontend", "service"],
            &["quorid_api", "axum"],
        ),
        (
            "ports",
            &["serve", "frontend", "service", "node", "state"],
            &["quorid_api", "quorid_storage", "tonic"],
        ),
        (
            "state",
            &["serve", "frontend", "service", "node"],
            &["quorid_api", "axum", "rustls"],
        ),
    ] {
        let files: Vec<_> = sources
            .iter()
            .filter(|source| is_in(&source.path, layer))
            .collect();
        assert!(!files.is_empty(), "{layer} is somewhere else");
        let modules = above.iter().map(|module| format!("crate::{module}"));
        let never = FILES.iter().chain(never).map(ToString::to_string);
        for module in modules.chain(never) {
            for source in &files {
                assert!(!source.names(&module), "{} names {module}", source.path);
            }
        }
    }
}

#[test]
fn only_one_file_of_the_ports_knows_http() {
    let mut ports = sources("server");
    ports.retain(|source| is_in(&source.path, "ports"));
    let knows = |source: &Source| {
        let libraries = ["axum", "http", "hyper", "hyper_util"];
        libraries.iter().any(|library| source.names(library))
    };
    let knowing: Vec<_> = ports.iter().filter(|source| knows(source)).collect();
    let paths: Vec<_> = knowing.iter().map(|source| &source.path).collect();
    assert_eq!(paths, ["ports/http.rs"]);
}

#[test]
fn only_the_node_names_the_consensus_engine() {
    let (node, others): (Vec<_>, Vec<_>) = sources("server")
        .into_iter()
        .partition(|source| is_in(&source.path, "node"));
    assert!(node.iter().any(|source| source.names("openraft")));
    for source in others {
        assert!(!source.names("openraft"), "{}", source.path);
    }
}

#[test]
fn operators_find_every_event_of_the_log_in_its_table() {
    let mut source = String::new();
    for name in ["server", "storage"] {
        for path in files(crates().join(name).join("src")) {
            source += &fs::read_to_string(path).expect("a file of source");
        }
    }
    let page = crates().with_file_name("docs/operations/monitoring.md");
    let page = fs::read_to_string(page).expect("the page");
    let table = page.split("| Event |").nth(1).expect("a table");
    let first_column = table.lines().filter_map(|line| line.split('|').nth(1));
    let documented = first_column.flat_map(|names| names.split('`').skip(1).step_by(2));
    let documented: BTreeSet<_> = documented.collect();
    let logged = source.split("event = \"").skip(1);
    let logged: BTreeSet<_> = logged.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(logged, documented);
}
