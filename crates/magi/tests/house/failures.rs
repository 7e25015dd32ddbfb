//! The pages of failures and of others' defects are complete, and name tests that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

const ENGLISH: &str = include_str!("../../../../docs/failures.md");
const JAPANESE: &str = include_str!("../../../../docs/failures.ja.md");
const REGRESSIONS: &str = include_str!("../../../../docs/regressions.md");

/// What the catalogue is made of: a letter, and its rows from 1 on.
const CATALOGUE: [(char, u32); 9] = [
    ('U', 27),
    ('S', 5),
    ('C', 8),
    ('P', 11),
    ('R', 1),
    ('L', 4),
    ('A', 2),
    ('X', 2),
    // The scenarios of failing over.
    ('F', 16),
];

/// The others' defects.
const DEFECTS: u32 = 44;

/// A row of a page: its name, and the tests or the reason in its last cell.
struct Row {
    name: String,
    tests: Vec<String>,
    reason: String,
}

fn rows(page: &str) -> Vec<Row> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = lines.filter_map(|line| {
        let cells: Vec<_> = line.trim_end_matches('|').split(" | ").collect();
        let (name, last) = (cells.first()?.trim(), cells.last()?.trim());
        let is_row = name.len() <= 3 && name.ends_with(|c: char| c.is_ascii_digit());
        is_row.then(|| Row {
            name: name.to_owned(),
            tests: named(last),
            reason: last.to_owned(),
        })
    });
    rows.collect()
}

/// The words in backticks that name a test: `room: test`.
fn named(cell: &str) -> Vec<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words
        .filter(|word| word.contains(": "))
        .map(str::to_owned)
        .collect()
}

/// Collects the functions that a test attribute marks.
#[derive(Default)]
struct Tests(BTreeSet<String>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let is_test = item.attrs.iter().any(|attribute| {
            let last = attribute.path().segments.last();
            last.is_some_and(|segment| segment.ident == "test")
        });
        if is_test {
            self.0.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        // proptest! and the tables of scripts: each word that stands alone may be a test's name.
        for token in item.tokens.clone() {
            if let proc_macro2::TokenTree::Ident(word) = token {
                self.0.insert(word.to_string());
            }
        }
        visit::visit_macro(self, item);
    }
}

/// The project's folder.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Collects the files under a folder whose names end so.
pub(super) fn files(folder: &Path, ends: &[&str], into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                files(&path, ends, into);
            }
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            into.push(path);
        }
    }
}

/// The tests of one room, by name.
fn tests_of(room: &str) -> BTreeSet<String> {
    let mut found = Tests::default();
    let mut sources = Vec::new();
    files(&root().join("crates").join(room), &[".rs"], &mut sources);
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        found.visit_file(&syn::parse_file(&text).unwrap());
    }
    found.0
}

/// Everything the page's tests say, to look for a title in.
fn web() -> String {
    let mut sources = Vec::new();
    files(&root().join("web"), &[".ts", ".tsx"], &mut sources);
    let is_test = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.contains("test") || name.contains("e2e") || name.contains("spec")
    };
    let texts = sources.iter().filter(|path| is_test(path));
    texts
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

fn assert_all_there(pages: &[&str]) {
    let web = web();
    let mut rooms = std::collections::BTreeMap::new();
    for row in pages.iter().flat_map(|page| rows(page)) {
        for test in row.tests {
            let (room, name) = test.split_once(": ").unwrap();
            let is_there = if room == "web" {
                ["'", "\"", "`"]
                    .iter()
                    .any(|quote| web.contains(&format!("test({quote}{name}{quote}")))
            } else {
                let tests = rooms
                    .entry(room.to_owned())
                    .or_insert_with(|| tests_of(room));
                tests.contains(name)
            };
            assert!(is_there, "{}: there is no test `{test}`", row.name);
        }
    }
}

#[test]
fn every_test_that_the_pages_name_is_there() {
    assert_all_there(&[ENGLISH, JAPANESE, REGRESSIONS]);
}

#[test]
fn every_failure_of_the_catalogue_has_its_row() {
    for page in [ENGLISH, JAPANESE] {
        let rows = rows(page);
        for (letter, most) in CATALOGUE {
            for number in 1..=most {
                let name = format!("{letter}{number:02}");
                let own: Vec<_> = rows.iter().filter(|row| row.name == name).collect();
                assert!(!own.is_empty(), "{name} is missing");
                let tested = own.iter().filter(|row| !row.tests.is_empty()).count();
                assert!(tested <= 1, "{name} stands twice");
                // A row without a test is in the list of what is not injected, with a reason.
                let said = own.iter().all(|row| row.reason.chars().count() > 10);
                assert!(tested == 1 || said, "{name}: neither a test nor a reason");
            }
        }
    }
}

#[test]
fn both_languages_name_the_same_tests() {
    let machine = |page| -> Vec<_> {
        let rows = rows(page).into_iter();
        rows.map(|row| (row.name, row.tests)).collect()
    };
    assert_eq!(machine(ENGLISH), machine(JAPANESE));
}

#[test]
fn every_defect_of_the_list_has_its_tests() {
    let rows = rows(REGRESSIONS);
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    let expected: Vec<_> = (1..=DEFECTS).map(|n| format!("{n:02}")).collect();
    assert_eq!(names, expected);
    for row in rows {
        assert!(!row.tests.is_empty(), "{}: no test", row.name);
    }
}
