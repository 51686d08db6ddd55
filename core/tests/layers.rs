//! Who may know whom: each module of the crate uses modules of lower layers alone, as the table in `ARCHITECTURE.md` has
//! them, from the top down. So there is no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The layer of each module: 1 is the top. From the rows `| 3 | `store`, ... | what for |`.
fn layers() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(here("../ARCHITECTURE.md")).expect("it is read");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        Some((
            cells.next()?.parse::<usize>().ok()?,
            cells.next()?.to_owned(),
        ))
    });
    let modules = rows.flat_map(|(layer, cell)| {
        let names: Vec<_> = cell
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        names.into_iter().map(move |name| (name, layer))
    });
    modules.collect()
}

/// The files of each module.
fn modules() -> BTreeMap<String, Vec<PathBuf>> {
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(here("src")).expect("it is read") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if name != "lib" {
            modules.insert(name, files(path));
        }
    }
    modules
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

/// The names after `crate::` in the code of a file, without its comments and its tests.
fn uses(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("it is read");
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: Vec<_> = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let names = code.split("crate::").skip(1).map(|after| {
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_');
        after[..end.unwrap_or(after.len())].to_owned()
    });
    names.collect()
}

#[test]
fn modules_use_lower_layers_alone() {
    let (layers, modules) = (layers(), modules());
    let (listed, there): (BTreeSet<_>, BTreeSet<_>) =
        (layers.keys().collect(), modules.keys().collect());
    assert_eq!(
        listed, there,
        "the table of ARCHITECTURE.md has every module"
    );
    let mut wrong = Vec::new();
    for (module, files) in &modules {
        for file in files {
            let used = uses(file);
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
