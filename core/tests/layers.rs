//! Checks the layers of modules: each module of the crate, and each part of a session, uses only modules of lower
//! layers, as listed from the top down in the tables of `ARCHITECTURE.md`. So there are no cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder of modules, and the table that orders them.
struct House {
    heading: &'static str,
    folder: &'static str,
    /// The prefix of paths to its modules.
    path: &'static str,
    /// The file that is not one of its modules.
    left_out: &'static str,
}

const CORE: House = House {
    heading: "## The layers of core",
    folder: "src",
    path: "crate::",
    left_out: "lib",
};

const SESSION: House = House {
    heading: "## The layers of a session",
    folder: "src/session",
    path: "crate::session::",
    left_out: "mod",
};

impl House {
    /// Returns the layer of each module (1 is the top), from the rows `| 3 | `store`, ... | description |` below the
    /// heading.
    fn layers(&self) -> BTreeMap<String, usize> {
        let text = fs::read_to_string(here("../ARCHITECTURE.md")).expect("it is read");
        let section = text.split(self.heading).nth(1).expect("the heading");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            Some((
                cells.next()?.parse::<usize>().ok()?,
                cells.next()?.to_owned(),
            ))
        });
        let modules = rows.flat_map(|(layer, cell)| {
            let names = cell.split('`').skip(1).step_by(2).map(str::to_owned);
            let names: Vec<_> = names.collect();
            names.into_iter().map(move |name| (name, layer))
        });
        modules.collect()
    }

    /// Returns the files of each module.
    fn modules(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let mut modules = BTreeMap::new();
        for entry in fs::read_dir(here(self.folder)).expect("it is read") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy();
            if name != self.left_out {
                modules.insert(name.into_owned(), files(path));
            }
        }
        modules
    }

    /// Returns the modules that a file's code names, without its comments and tests.
    fn used_by(&self, file: &Path) -> BTreeSet<String> {
        let text = fs::read_to_string(file).expect("it is read");
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let code: Vec<_> = code
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect();
        let code = code.join("\n");
        let named = code.split(self.path).skip(1).flat_map(names);
        // A capitalized name is a type from the folder's `mod.rs`.
        named
            .filter(|name| !name.starts_with(char::is_uppercase))
            .collect()
    }

    fn check(&self) {
        let (layers, modules) = (self.layers(), self.modules());
        let (listed, there): (BTreeSet<_>, BTreeSet<_>) =
            (layers.keys().collect(), modules.keys().collect());
        assert_eq!(listed, there, "{} has every module", self.heading);
        let mut wrong = Vec::new();
        for (module, files) in &modules {
            for file in files {
                let used = self.used_by(file);
                let used = used.iter().filter(|used| *used != module);
                let up = used.filter(|used| {
                    layers
                        .get(*used)
                        .is_some_and(|layer| layer <= &layers[module])
                });
                wrong.extend(up.map(|used| format!("{} uses {used}", file.display())));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

fn files(path: PathBuf) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path];
    }
    let entries = fs::read_dir(path).expect("it is read");
    entries
        .flat_map(|entry| files(entry.expect("an entry").path()))
        .collect()
}

/// Returns the first names of the paths at the start of `after`: `a` of `a::b`, `a` and `b` of `{a, b::c}`.
fn names(after: &str) -> Vec<String> {
    let first = |path: &str| {
        let path = path.trim();
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_');
        path[..end.unwrap_or(path.len())].to_owned()
    };
    match after
        .strip_prefix('{')
        .and_then(|group| group.split_once('}'))
    {
        Some((group, _)) => group.split(',').map(first).collect(),
        None => vec![first(after)],
    }
}

#[test]
fn modules_use_lower_layers_alone() {
    CORE.check();
}

#[test]
fn parts_of_a_session_use_lower_layers_alone() {
    SESSION.check();
}
